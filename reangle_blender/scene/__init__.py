# SPDX-License-Identifier: GPL-3.0-or-later
"""What Reangle creates and reads in a scene; one module per kind of data."""
