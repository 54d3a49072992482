# SPDX-License-Identifier: Apache-2.0
"""Geometry of a clip: depth, lens and camera of every frame, read from files or estimated."""
