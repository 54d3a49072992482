# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""The contract's version, and what to update when two programs speak different ones."""

from __future__ import annotations

CONTRACT_VERSION = 4

UPDATE_ADDON = "Update the Reangle add-on in Blender's preferences, under Get Extensions."
UPDATE_BACKEND = "Update the backend in the add-on's preferences."


def version_advice(*, addon: int, backend: int) -> str:
    """Which of the two programs to update; "" if they speak the same version."""
    if addon == backend:
        return ""
    return UPDATE_ADDON if addon < backend else UPDATE_BACKEND
