# SPDX-License-Identifier: Apache-2.0
"""The backend's version, equal to pyproject.toml's."""

VERSION = "0.1.0"
