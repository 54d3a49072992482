# SPDX-License-Identifier: Apache-2.0
"""On PYTHONPATH of a backend under test: its stages become those of `slow_stages`, which tests hold and break."""

from dataclasses import replace

from reangle.stages import STAGES

for kind, spec in STAGES.items():
    STAGES[kind] = replace(spec, run=f"slow_stages:{kind}")
