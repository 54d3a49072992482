# SPDX-License-Identifier: Apache-2.0
"""On PYTHONPATH of a backend under test: replaces its stages by those of `slow_stages`, which tests control.

REANGLE_TEST_SILENCE=KIND:SECONDS sets after how long without a report a kind of stage counts as stalled,
REANGLE_TEST_LIFELESS=SECONDS after how long without a sign of life it is ended.
"""

import os
from dataclasses import replace

from reangle.runtime import stall
from reangle.stages import STAGES

if lifeless := os.environ.get("REANGLE_TEST_LIFELESS"):
    stall.LIFELESS_S, stall.BEAT_S = float(lifeless), float(lifeless) / 8
silent, _, seconds = os.environ.get("REANGLE_TEST_SILENCE", "").partition(":")
for kind, spec in STAGES.items():
    if kind == silent:
        object.__setattr__(spec, "silence_s", float(seconds))
    STAGES[kind] = replace(spec, run=f"slow_stages:{kind}")
