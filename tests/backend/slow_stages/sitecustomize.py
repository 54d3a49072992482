# SPDX-License-Identifier: Apache-2.0
"""On PYTHONPATH of a backend under test: its stages become those of `slow_stages`, which tests hold and break."""

from reangle.runtime.stage import STAGE_FUNCTIONS

for run in STAGE_FUNCTIONS:
    STAGE_FUNCTIONS[run] = f"slow_stages:{run}"
