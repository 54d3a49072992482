# SPDX-License-Identifier: Apache-2.0
"""Running jobs: stages, their cache, the durable queue, and one process per stage."""
