# SPDX-License-Identifier: Apache-2.0
"""Measure whether the image model's small decoder chooses what its full one would, and what it saves.

    python3.11 scripts/bench/sketch.py [--scenes 4] [--judge geometry]

Guided sampling as in `guidance.py`, which follows the small decoder's choices. In each guided step the full decoder
shows the same candidates to the same judge. Agree: share of steps in which both choose the same. `halved` is the full
decoder's picture at half size, so it shows what the size alone costs; `at_half_size` compares the small decoder with
it. Noise: by how much a difference of two candidates' scores changes with the decoder, root mean square. Clear: steps
whose best two differ by more than that. Loss: what the choice scores less than the full decoder's, by what a random
choice would. Seconds are of processor time on one thread, medians over all guided steps.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
import torch
from reangle.evaluation.agreement.views import Judge
from reangle.image_models.flux_fill import FluxFill
from reangle.starting.painted import paint_start

from scripts.bench.guidance import HEIGHT, WIDTH, Shown, read_scene
from scripts.bench.guidance_models import Models

PARTS = ("early", "late")
"""Halves of the guided steps of a picture."""


class Watched(FluxFill):
    """The image model, which keeps the latents that it sketched last. Both ways to show them are timed."""

    last: torch.Tensor
    seconds: dict[str, list[float]]

    @classmethod
    def of(cls, model: FluxFill) -> Watched:
        watched = cls(model.pipe, model.sketcher)
        watched.seconds = {"sketch": [], "decode": []}
        return watched

    def sketch(self, latents: torch.Tensor) -> np.ndarray:
        self.last = latents
        return self._timed("sketch", super().sketch)

    def full(self) -> np.ndarray:
        return self._timed("decode", self.decode)

    def _timed(self, name: str, show: Callable[[torch.Tensor], np.ndarray]) -> np.ndarray:
        started = time.process_time()
        shown = show(self.last)
        self.seconds[name].append(time.process_time() - started)
        return shown


@dataclass(eq=False)
class Compared:
    """A judge that also looks at the full decoder's pictures. steps: of each guided step, the scores by each way to
    show the candidates. likeness: squared error of the small decoder's pictures beside the halved ones, per step.
    """

    judge: Judge
    model: Watched
    steps: list[dict[str, np.ndarray]] = field(default_factory=list[dict[str, np.ndarray]])
    likeness: list[float] = field(default_factory=list[float])

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        full = self.model.full()
        size = pictures.shape[2], pictures.shape[1]
        halved = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in full])
        shown = {"sketch": pictures, "decode": full, "halved": halved}
        self.steps.append({name: self.judge.scores(some) for name, some in shown.items()})
        self.likeness.append(float(((pictures.astype(float) - halved) ** 2).mean()))
        return self.steps[-1]["sketch"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the image model's small decoder during guided sampling.")
    parser.add_argument("--scenes", type=int, default=4, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first scene's number")
    parser.add_argument("--judge", choices=["geometry", "colours", "dust3r"], default="geometry")
    args = parser.parse_args()
    torch.set_num_threads(1)
    models = Models.open()
    assert isinstance(models.painter, FluxFill)
    watched = Watched.of(models.painter)
    pictures: list[Compared] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.first, args.first + args.scenes):
            pictures += watch(read_scene(number, Path(folder)), models, watched, args.judge)
            so_far = figures(pictures, watched)
            print(
                f"scene {number}: agree {so_far['agree_sketch']:.1%} of {so_far['steps']:.0f} steps, "
                f"{so_far['cost']:.1%} of the cost",
                flush=True,
            )
    found = figures(pictures, watched)
    print_table(found, models.settings.candidates, args)
    table = {name: round(value, 7) for name, value in found.items()}
    print(json.dumps({"bench": "sketch", "figures": table}))
    return 0


def watch(shown: Shown, models: Models, watched: Watched, judge: str) -> list[Compared]:
    """Paint a scene's views as `guidance.py` does, comparing in each guided step."""
    made: dict[str, np.ndarray] = {}
    found = []
    for number, (name, begun) in enumerate(shown.begun.items()):
        parent, fixed = shown.parent[name], [shown.source]
        if parent is not None:
            fixed.append(replace(shown.begun[parent].view, picture=made[parent]))
        opened = models.judge(judge, begun, fixed)
        assert opened is not None
        compared = Compared(opened, watched)
        made[name] = paint_start(begun, watched, compared, shown.caption, models.settings, number).picture
        found.append(compared)
    return found


def figures(pictures: Sequence[Compared], watched: Watched) -> dict[str, float]:
    # Without overlap the judge has nothing to compare, and all scores are equal.
    pictures = [one for one in pictures if one.steps and np.ptp(one.steps[0]["decode"]) > 0]
    steps = [step for one in pictures for step in one.steps]
    found: dict[str, float] = {"steps": len(steps)}
    for name in ("sketch", "halved"):
        found |= {f"{figure}_{name}": value for figure, value in agreement(steps, name).items()}
    of_halved = agreement(steps, "sketch", "halved")
    found |= {f"{figure}_at_half_size": value for figure, value in of_halved.items()}
    halves = {
        "early": [step for one in pictures for step in one.steps[: len(one.steps) // 2]],
        "late": [step for one in pictures for step in one.steps[len(one.steps) // 2 :]],
    }
    found |= {f"agree_{part}": agreement(halves[part], "sketch")["agree"] for part in PARTS}
    found |= {f"{name}_s": float(np.median(times)) for name, times in watched.seconds.items()}
    found["cost"] = found["sketch_s"] / found["decode_s"]
    squared = float(np.mean([error for one in pictures for error in one.likeness]))
    found["psnr"] = float(10 * np.log10(255**2 / squared))
    return found


def agreement(steps: Sequence[dict[str, np.ndarray]], name: str, reference: str = "decode") -> dict[str, float]:
    """Of the choices by pictures of one kind with those by another kind."""
    mine, full = (np.stack([step[kind] for step in steps]) for kind in (name, reference))
    chosen, best = mine.argmax(axis=1), full.argmax(axis=1)
    change = mine - full
    # Of two candidates, of which each changes by itself.
    noise = float((change - change.mean(axis=1, keepdims=True)).std() * np.sqrt(2))
    ranked = np.sort(full, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > noise
    same, rows = chosen == best, np.arange(len(full))
    lost = full[rows, best] - full[rows, chosen]
    at_random = full[rows, best] - full.mean(axis=1)
    return {
        "agree": float(same.mean()),
        "agree_clear": float(same[clear].mean()) if clear.any() else float("nan"),
        "clear": float(clear.mean()),
        "noise": noise,
        "lead": float(np.median(ranked[:, -1] - ranked[:, -2])),
        "loss": float(lost.sum() / at_random.sum()),
        "loss_where_other": float(lost[~same].sum() / at_random[~same].sum()) if not same.all() else 0.0,
    }


def print_table(found: dict[str, float], candidates: int, args: argparse.Namespace) -> None:
    print(
        f"\n{args.scenes} scenes, {found['steps']:.0f} guided steps of {candidates} candidates, {WIDTH} x {HEIGHT}, "
        f"judge {args.judge}"
    )
    print(f"{'':14}{'agree':>8}{'of clear':>10}{'clear':>8}{'noise':>10}{'lead':>10}{'loss':>8}{'where other':>13}")
    for name in ("sketch", "halved", "at_half_size"):
        print(
            f"{name:14}{found[f'agree_{name}']:8.1%}{found[f'agree_clear_{name}']:10.1%}{found[f'clear_{name}']:8.1%}"
            f"{found[f'noise_{name}']:10.6f}{found[f'lead_{name}']:10.6f}{found[f'loss_{name}']:8.1%}"
            f"{found[f'loss_where_other_{name}']:13.1%}"
        )
    print(
        f"agree early {found['agree_early']:.1%}, late {found['agree_late']:.1%}; sketch {found['sketch_s']:.3f} s, "
        f"decode {found['decode_s']:.3f} s, {found['cost']:.1%}; {found['psnr']:.1f} dB apart at half size"
    )


if __name__ == "__main__":
    sys.exit(main())
