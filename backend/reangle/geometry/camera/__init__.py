# SPDX-License-Identifier: Apache-2.0
"""Where the source camera comes from: one module per provider, listed in `providers.py`."""
