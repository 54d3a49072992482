# SPDX-License-Identifier: Apache-2.0
"""On PYTHONPATH of a backend under test: its stages become those of `slow_stages`, which tests hold and break.

REANGLE_TEST_SILENCE=KIND:SECONDS changes after which silence a kind of stage counts as stalled.
"""

import os
from dataclasses import replace

from reangle.stages import STAGES

silent, _, seconds = os.environ.get("REANGLE_TEST_SILENCE", "").partition(":")
for kind, spec in STAGES.items():
    if kind == silent:
        object.__setattr__(spec, "silence_s", float(seconds))
    STAGES[kind] = replace(spec, run=f"slow_stages:{kind}")
