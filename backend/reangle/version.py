# SPDX-License-Identifier: Apache-2.0
"""The version of the backend, read by `backend/pyproject.toml`, and of the add-on's manifest."""

VERSION = "0.1.0"
