# SPDX-License-Identifier: Apache-2.0
"""Weights: which there are, under which licence, where they are on this machine, and whether they are intact."""

import os

# The hub's library reads it when it is imported. It would tell the hub which programs run here.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
