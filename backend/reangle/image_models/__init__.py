# SPDX-License-Identifier: Apache-2.0
"""Image models behind one protocol (`base.ImageModel`): they fill the holes of a frame."""
