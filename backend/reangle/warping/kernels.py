# SPDX-License-Identifier: Apache-2.0
"""What all compiled kernels share: their options and their arrays."""

from __future__ import annotations

import numpy as np

KERNEL = {"cache": True, "nogil": True, "error_model": "numpy"}
"""Options of every compiled kernel: cached on disk, releases the interpreter lock, divides as IEEE 754 says. Never
fastmath, because kernels rely on NaN and infinity.
"""


def writable(array: np.ndarray, dtype: type) -> np.ndarray:
    """A contiguous, writable array: kernels are compiled again for any other layout."""
    return np.require(array, dtype, ("C", "W"))
