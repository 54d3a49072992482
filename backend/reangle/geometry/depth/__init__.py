# SPDX-License-Identifier: Apache-2.0
"""Depth providers: one module each, declared in `providers.py`."""
