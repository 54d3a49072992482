# SPDX-License-Identifier: Apache-2.0
"""What all compiled kernels share: their options, their arrays, their threads."""

from __future__ import annotations

import numba
import numpy as np

KERNEL = {"cache": True, "nogil": True, "error_model": "numpy"}
"""Options of every compiled kernel: cached on disk, releases the interpreter lock, divides as IEEE 754 says. Never
fastmath, because kernels rely on NaN and infinity.
"""


def thread_count() -> int:
    """Threads for work on whole frames: numba's setting (NUMBA_NUM_THREADS), by default the cores of this process."""
    return numba.get_num_threads()


def writable(array: np.ndarray, dtype: type) -> np.ndarray:
    """A contiguous, writable array: kernels are compiled again for any other layout."""
    return np.require(array, dtype, ("C", "W"))
