# SPDX-License-Identifier: Apache-2.0
"""How the threads of compute libraries wait for work. Standard library only.

OpenMP threads spin between parallel loops because waking a thread is slow. GNU's runtime spins for 300,000 turns, about
20 ms, and on a busy machine each spinning thread takes the core from the thread that it waits for. 10,000 turns cover
nearly all gaps between the loops of a network, so little is lost on a quiet machine (docs/lab/busy.md).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

WAITING = {"GOMP_SPINCOUNT": "10000"}
"""For GNU's runtime, which PyTorch uses on Linux: turns before a waiting thread sleeps."""
CHOSEN_BY_USER = ("OMP_WAIT_POLICY", *WAITING)


def thread_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables to add to this environment; none if it already sets how OpenMP threads wait."""
    return {} if any(name in environment for name in CHOSEN_BY_USER) else dict(WAITING)


def apply_thread_settings() -> None:
    """Set them in this process. Libraries read them when they load, so call this before the first import of torch."""
    os.environ.update(thread_settings(os.environ))
