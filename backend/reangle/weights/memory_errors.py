# SPDX-License-Identifier: Apache-2.0
"""Recognise errors that report a lack of memory."""

from __future__ import annotations

import errno

import torch

_WORDS = (
    "out of memory",  # CUDA, HIP, bitsandbytes
    "alloc_failed",  # CUBLAS_STATUS_ALLOC_FAILED, and cuDNN's, cuSOLVER's and cuFFT's
    "can't allocate memory",  # torch on Linux and macOS
    "not enough memory",  # torch on Windows
    "cannot allocate memory",  # the system's words, in errors about mapped files
    "unable to allocate",  # numpy
    "bad_alloc",  # C++
    "bad allocation",  # C++ on Windows
    "paging file is too small",  # Windows, as it maps a checkpoint
)
_WINDOWS_COMMITMENT_LIMIT = 1455


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, reports that the device or the machine has no memory left."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (torch.OutOfMemoryError, MemoryError)) or _says_so(seen):
            return True
        seen = seen.__cause__
    return False


def _says_so(error: BaseException) -> bool:
    if isinstance(error, OSError) and (
        error.errno == errno.ENOMEM or getattr(error, "winerror", None) == _WINDOWS_COMMITMENT_LIMIT
    ):
        return True
    words = str(error).lower()
    return isinstance(error, (RuntimeError, OSError, ValueError)) and any(known in words for known in _WORDS)
