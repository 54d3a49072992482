# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain Python: numpy and requests, never bpy. Everything here runs and is tested outside Blender."""
