# SPDX-License-Identifier: Apache-2.0
"""Starting images: the first frame of a camera that does not begin at the source camera, painted where it is unseen."""
