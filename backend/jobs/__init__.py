# SPDX-License-Identifier: Apache-2.0
"""The durable queue, and the supervisor that runs each stage of a job in a process of its own."""

from backend.jobs.database import JobDatabase
from backend.jobs.supervisor import Supervisor

__all__ = ["JobDatabase", "Supervisor"]
