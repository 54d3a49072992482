# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's error: message and advice for the artist. It is the contract's, so the backend's errors are the same."""

from __future__ import annotations

from .contract.errors import UserError

__all__ = ["UserError"]
