# SPDX-License-Identifier: Apache-2.0
"""Video models behind one protocol (`base.VideoModel`), and what every one of them needs to learn and generate."""
