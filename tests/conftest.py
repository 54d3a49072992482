# SPDX-License-Identifier: Apache-2.0
"""For all tests: skip those marked `gpu`, with a reason, if there is no CUDA device."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    reason = missing_gpu() if marked else ""
    for item in marked if reason else ():
        item.add_marker(pytest.mark.skip(reason=reason))


def missing_gpu() -> str:
    """Why no CUDA device can be used; empty if one can."""
    try:
        import torch
    except ImportError:
        return "torch is not installed in this environment"
    return "" if torch.cuda.is_available() else "torch finds no CUDA device on this machine"
