# SPDX-License-Identifier: GPL-3.0-or-later
"""What Reangle makes and reads in a scene; one module per thing."""
