# SPDX-License-Identifier: Apache-2.0
"""Image models behind one protocol (`base.ImageModel`): they fill what a frame lacks."""
