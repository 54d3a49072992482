# SPDX-License-Identifier: Apache-2.0
"""Video models behind one protocol (`base.VideoModel`), and what all of them need to learn and generate."""
