# SPDX-License-Identifier: Apache-2.0
"""Each change to the code of a stage is recorded, with a new version if it changes outputs."""

from __future__ import annotations

from pathlib import Path

import pytest
from reangle.stages import STAGES

from scripts import accept_stages
from scripts.accept_stages import covered_code, current, digest_of, recorded


def test_code_and_version_of_each_stage_are_recorded() -> None:
    before, now = recorded(), current()
    for kind in sorted({*before, *now}):
        assert now.get(kind) == before.get(kind), (
            f"The code or the version of stage {kind!r} changed. If its output changes, raise the version in its "
            "spec.py. Then run python3.11 scripts/accept_stages.py."
        )


def test_covered_code_of_a_stage() -> None:
    codes = {kind: covered_code(spec.run) for kind, spec in STAGES.items()}
    assert "decode_frames" in codes["decode"]["reangle.media.decode"]
    assert "provide" in codes["geometry"]["reangle.geometry.depth.dust3r"]
    assert "provide" in codes["geometry"]["reangle.geometry.depth.files"]
    assert "look_up" in codes["warp"]["reangle.warping.lookup"]
    assert "look_up" in codes["learn"]["reangle.warping.lookup"]
    assert "WarpFolder" in codes["fill"]["reangle.folders.warp"]
    assert "in_painting_tier" in codes["fill"]["reangle.finishing.painted"], "a function imports it when it is called"
    assert "InpaintingControlNet" in codes["start"]["reangle.image_models.inpainting_controlnet"]
    assert "GeometryJudge" in codes["start"]["reangle.evaluation.agreement.geometry_judge"]
    assert "flow_edit" in codes["start"]["reangle.starting.flow_edit"]
    assert "with_painting" in codes["finish"]["reangle.starting.scene"]
    assert "whole" in codes["generate"]["reangle.motion.dataset"]
    for kind in ("start", "fill", "learn", "generate"):
        assert "quantize_layers" in codes[kind]["reangle.weights.quantized"]
        assert "in_tiers" in codes[kind]["reangle.weights.tiers"]
    assert "finish" not in codes["fill"]["reangle.finishing.stage"]
    assert "warp" not in codes["fill"]["reangle.warping.stage"]
    assert not {"reangle.warping.lookup", "reangle.finishing.fill"} & codes["deliver"].keys()


SOURCE = '''
"""Words."""
from reangle.media.other import read_images

LIMIT = 3
"""More words."""


def double(value: float) -> float:
    """Words."""
    if value > LIMIT:
        raise ValueError("too large")
    return 2 * value


def unused() -> int:
    return 5
'''


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("LIMIT = 3", "LIMIT = 4", True),
        ("2 * value", "3 * value", True),
        ("value > LIMIT", "value >= LIMIT", True),
        ("Words", "Other words", False),
        ("More words", "Other words", False),
        ("too large", "it is too large", False),
        ("value: float", "value: int", False),
        ("return 2 * value", "return 2 * value  # a comment", False),
        ("return 5", "return 6", False),
        ("import read_images", "import read_images, write_images", False),
    ],
)
def test_digest_depends_only_on_executed_code(
    old: str, new: str, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept_stages, "BACKEND", tmp_path)
    file = tmp_path / "reangle" / "media" / "made_up.py"
    file.parent.mkdir(parents=True)

    def digest(source: str) -> str:
        accept_stages._module.cache_clear()
        file.write_text(source, encoding="utf-8")
        return digest_of("reangle.media.made_up:double")

    changed = SOURCE.replace(old, new)
    assert changed != SOURCE
    assert (digest(changed) != digest(SOURCE)) == counts
    accept_stages._module.cache_clear()
