# SPDX-License-Identifier: Apache-2.0
"""What `scripts/bench/ablations.py` concludes from figures, its controls and its rows."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from preview_scene import camera, make_path
from reangle.evaluation.controls import averaged_with_telea, blurred, controlled, unknown_in
from reangle.evaluation.truth import TrueView
from reangle.evaluation.verdict import HIDDEN, best_control, difference, verdict
from reangle.evaluation.view import view_figures
from reangle.folders import ResultFolder
from reangle.media.write import write_images
from reangle.video_models.windows import plan_windows

from scripts.bench.ablation_figures import by_camera, kind_of_camera, overlap_of
from scripts.bench.ablation_tables import print_tables
from scripts.bench.ablations import OWN, ROWS, SHARED


def result_folder(place: Path) -> tuple[ResultFolder, dict[str, np.ndarray]]:
    """Two frames of noise, with a hole that another frame fills in part."""
    rng = np.random.default_rng(0)
    images = {
        "frames": rng.integers(0, 256, (2, 24, 32, 3)).astype(np.uint8),
        "warped": rng.integers(0, 256, (2, 24, 32, 3)).astype(np.uint8),
        "visibility": np.full((2, 24, 32), 255, np.uint8),
        "memory": np.zeros((2, 24, 32), np.uint8),
    }
    images["visibility"][:, 5:15, 8:20] = 0
    images["memory"][:, 5:15, 8:12] = 255
    for name, pictures in images.items():
        write_images(place / name, pictures)
    (place / "depth").mkdir()
    return ResultFolder(place), images


def test_controls_replace_only_what_no_frame_saw(tmp_path: Path) -> None:
    result, images = result_folder(tmp_path)
    frames = images["frames"]
    unknown = np.zeros(frames.shape[:3], bool)
    unknown[:, 5:15, 12:20] = True
    assert (unknown_in(result) == unknown).all()
    soft, averaged = (controlled(frames, images["warped"], unknown, one) for one in (blurred, averaged_with_telea))
    for one in (soft, averaged):
        assert (one[~unknown] == frames[~unknown]).all()
        assert (one[unknown] != frames[unknown]).mean() > 0.9
    assert (soft[0][unknown[0]] == cv2.GaussianBlur(frames[0], (0, 0), 1)[unknown[0]]).all()
    telea = cv2.inpaint(images["warped"][0], unknown[0].astype(np.uint8), 3, cv2.INPAINT_TELEA)
    twice = 2 * averaged[0].astype(int) - frames[0] - telea
    assert np.abs(twice[unknown[0]]).max() <= 1


@pytest.mark.parametrize(
    ("count", "twice"),
    [(25, []), (41, range(17, 25)), (49, [*range(17, 25), *range(33, 41)])],
)
def test_overlaps_are_the_frames_of_two_windows(count: int, twice: list[int]) -> None:
    assert np.flatnonzero(overlap_of(plan_windows(count, 25, 4))).tolist() == list(twice)


def scenes(**rows: list[tuple[float, float]]) -> list[list[dict[str, dict[str, float]]]]:
    """rows: hidden and texture of each scene."""
    count = len(next(iter(rows.values())))
    return [
        [{name: {HIDDEN: values[n][0], "texture": values[n][1]} for name, values in rows.items()}] for n in range(count)
    ]


def test_a_row_is_better_only_if_it_beats_the_best_control_and_is_no_blur(capsys: pytest.CaptureFixture[str]) -> None:
    results = scenes(
        preview=[(20, 0.7), (22, 0.7), (21, 0.7)],
        blur1=[(20.5, 0.2), (22.5, 0.2), (21.5, 0.2)],
        mean_telea=[(20.1, 0.4), (22.9, 0.4), (20, 0.4)],
        sharp=[(21.4, 0.7), (23.6, 0.7), (22.5, 0.7)],
        soft=[(21.4, 0.3), (23.6, 0.3), (22.5, 0.3)],
        unsure=[(22, 0.7), (22.4, 0.7), (21.5, 0.7)],
    )
    assert best_control(results) == "blur1"
    gain = difference(results, "sharp", "blur1")
    assert gain.mean == pytest.approx(1)
    assert gain.error == pytest.approx(0.1 / np.sqrt(3))
    assert (gain.better, gain.scenes) == (3, 3)
    assert difference(results, "unsure", "blur1").better == 1
    figures = print_tables(results, {name: name for name in results[0][0]}, "title")
    lines = capsys.readouterr().out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.endswith("verdict")) + 1
    verdicts = {line.split()[0]: line.split("  ")[-1] for line in lines[start : start + 6]}
    assert verdicts["sharp"] == "better"
    assert verdicts["soft"] == "blurred"
    assert verdicts["unsure"] == "no difference"
    assert verdicts["preview"] == "worse"
    assert figures["against_control_sharp"] == 1
    assert verdict(difference(results[:1], "sharp", "blur1"), 1) == "one scene"


def test_scenes_without_a_kind_of_place_do_not_count() -> None:
    results = [
        [{"a": {"psnr_rim": 12.0}, "b": {"psnr_rim": 10.0}}],
        [{"a": {}, "b": {}}],
        [{"a": {"psnr_rim": 11.0}, "b": {"psnr_rim": 11.5}}],
    ]
    gain = difference(results, "a", "b", "psnr_rim")
    assert (gain.mean, gain.better, gain.scenes) == (0.75, 1, 2)
    assert difference(results, "a", "b", "psnr_disoccluded").scenes == 0


def test_figures_of_each_kind_of_camera() -> None:
    figures = by_camera([("still", {"psnr": 10.0}), ("moving", {"psnr": 14.0, "texture": 1.0})])
    assert figures == {"psnr": 12, "texture": 1, "psnr/still": 10, "psnr/moving": 14, "texture/moving": 1}


def test_rows_learn_in_the_phases_that_they_are_named_after() -> None:
    steps = {SHARED: 60, OWN: 40}
    assert ROWS["default"].steps(steps) == {}
    assert ROWS["default_unlearned"].steps(steps) == {SHARED: 0, OWN: 0}
    assert ROWS["full"].steps(steps) == steps
    assert ROWS["unseen"].steps(steps) == ROWS["lora_shared"].steps(steps) == {SHARED: 60, OWN: 0}
    assert ROWS["lora_own"].steps(steps) == {SHARED: 0, OWN: 40}


def test_texture_is_judged_where_no_frame_saw(tmp_path: Path) -> None:
    """Of the hidden right half, the picture's lower part is remembered: only the upper part's blur counts."""
    truth = np.random.default_rng(1).integers(0, 256, (2, 64, 96, 3)).astype(np.uint8)
    masks = np.full(truth.shape[:3], 255, np.uint8)
    masks[:, :, 48:] = 0
    for name, pictures in {"truth": truth, "visible": masks, "moving": np.zeros_like(masks)}.items():
        write_images(tmp_path / name, pictures)
    path = make_path(np.stack([camera(0.0), camera(0.0)]))
    view = TrueView(path, tmp_path / "truth", tmp_path / "visible", tmp_path / "moving")
    unknown = np.zeros(truth.shape[:3], bool)
    unknown[:, :32, 40:] = True
    flat_above, flat_below = truth.copy(), truth.copy()
    flat_above[:, :34, 46:] = 128
    flat_below[:, 34:, 46:] = 128
    assert view_figures(flat_above, unknown, view)["texture"] < 0.01
    figures = view_figures(flat_below, unknown, view)
    assert figures["texture"] > 0.99
    assert figures["psnr_invented"] == 100
    assert figures["psnr_occluded"] == figures["psnr_rim"] < 20
    assert "psnr_disoccluded" not in figures
    assert "texture" not in view_figures(truth, np.zeros_like(unknown), view)
    assert kind_of_camera(path) == "still"
    assert kind_of_camera(make_path(np.stack([camera(0.0), camera(0.1)]))) == "moving"
