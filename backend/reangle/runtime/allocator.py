# SPDX-License-Identifier: Apache-2.0
"""How the C library hands out memory. Standard library only."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Of glibc's mallopt."""
_STEP_BYTES = 64 << 20
_MOST_BYTES = 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process use its freed memory again instead of returning it to the system.

    Video models on a CPU allocate and free the same large tensors in every layer, and the system clears each page
    again. The process keeps its largest size until it ends. Only glibc knows this; elsewhere nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _MOST_BYTES)
        mallopt(_TOP_PAD, _STEP_BYTES)
