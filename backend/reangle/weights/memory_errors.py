# SPDX-License-Identifier: Apache-2.0
"""Recognise errors that report a lack of memory."""

from __future__ import annotations

import torch

from reangle.errors import is_about_memory


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it came from, reports that the device or the machine has no memory left."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, torch.OutOfMemoryError) or is_about_memory(seen):
            return True
        seen = seen.__cause__
    return False
