# SPDX-License-Identifier: Apache-2.0
"""Endless training samples of new generated scenes, for the networks of video and of images.

Processes of `fresh.Makers` make them while the network trains. A fixed pool of scenes would be learned by heart.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from transformers import CLIPTokenizer, T5Tokenizer

from scripts.train import text
from scripts.train.disocclusion import disocclusion, scribbles
from scripts.train.fresh import Field
from scripts.train.pool import FIRST_SEED
from scripts.train.scenes.draw import FRAMES, draw_scene
from scripts.train.scenes.raycast import render
from scripts.train.scenes.types import Scene

HEIGHT, WIDTH = 128, 224
TEXT_TOKENS = 64
VOCABULARY_SCENES = 1600
CLIP_FIELDS: dict[str, Field] = {"rgb": ((FRAMES, HEIGHT, WIDTH, 3), "uint8"), "words": ((TEXT_TOKENS,), "int64")}
"""A clip of the source camera, and T5's ids of its prompt."""
HOLE_FIELDS: dict[str, Field] = {
    "known": ((HEIGHT, WIDTH, 3), "uint8"),
    "hole": ((HEIGHT, WIDTH), "bool"),
    "truth": ((HEIGHT, WIDTH, 3), "uint8"),
    "clip_words": ((text.CLIP_LENGTH,), "int64"),
    "t5_words": ((TEXT_TOKENS,), "int64"),
}
"""The known image, where it is to be filled, the true image, and the caption's ids."""
SCRIBBLED, WARPED = 0.25, 0.6
"""Shares of images with holes of strokes and boxes, and of the others with warped instead of true surroundings."""
CAMERAS, MOMENTS = 3, 2


def add_arguments(parser: argparse.ArgumentParser, samples: str, *, capacity: int, first: int) -> None:
    """Add the options of a run on new scenes to those of `harness.arguments`. samples: what they are, for the help."""
    parser.add_argument("--autoencoder", type=Path, metavar="DIR", help="run of the autoencoder (default: what ships)")
    parser.add_argument("--workers", type=int, default=1, help=f"processes that render {samples}")
    parser.add_argument(
        "--capacity", type=int, default=capacity, metavar="N", help=f"{samples} that are kept for drawing"
    )
    parser.add_argument(
        "--first", type=int, default=first, metavar="N", help=f"{samples} to wait for before the first step"
    )


def captions() -> list[str]:
    """Prompts that hold every word of generated scenes."""
    return [draw_scene(FIRST_SEED + index).prompt for index in range(VOCABULARY_SCENES)]


def _new_scenes(seed: int, cameras: int) -> Iterator[tuple[np.random.Generator, Scene]]:
    rng = np.random.default_rng((seed, 11))
    while True:
        yield rng, draw_scene(FIRST_SEED + int(rng.integers(2**31)), targets=cameras)


@dataclass(frozen=True)
class Clips:
    """Makes samples of CLIP_FIELDS. tokenizer: folder of a T5 tokenizer."""

    tokenizer: Path

    def __call__(self, seed: int) -> Iterator[dict[str, np.ndarray]]:
        tokenizer = T5Tokenizer.from_pretrained(self.tokenizer)
        for _, scene in _new_scenes(seed, 0):
            seen = render(scene, scene.source.cropped(HEIGHT))
            yield {"rgb": seen.rgb[None], "words": text.token_ids(tokenizer, [scene.prompt], TEXT_TOKENS).numpy()}


@dataclass(frozen=True)
class Holes:
    """Makes samples of HOLE_FIELDS. clip_tokenizer, t5_tokenizer: their folders."""

    clip_tokenizer: Path
    t5_tokenizer: Path

    def __call__(self, seed: int) -> Iterator[dict[str, np.ndarray]]:
        clip = CLIPTokenizer.from_pretrained(self.clip_tokenizer)
        t5 = T5Tokenizer.from_pretrained(self.t5_tokenizer)
        for rng, scene in _new_scenes(seed, CAMERAS):
            words = {
                "clip_words": text.token_ids(clip, [scene.caption], text.CLIP_LENGTH).numpy(),
                "t5_words": text.token_ids(t5, [scene.caption], TEXT_TOKENS).numpy(),
            }
            for frame in rng.choice(scene.count, MOMENTS, replace=False):
                for known, hole, truth in _views(rng, scene, int(frame)):
                    yield {"known": known[None], "hole": hole[None], "truth": truth[None], **words}


def pictures(seed: int, count: int, at_once: int) -> Iterator[np.ndarray]:
    """`count` pictures of new scenes, HEIGHT x WIDTH, in stacks of about `at_once`: each scene gives one moment of its
    source camera and of another one.
    """
    stack: list[np.ndarray] = []
    for rng, scene in _new_scenes(seed, 1):
        for camera in (scene.source, *scene.targets.values()):
            stack.append(render(scene, camera.cropped(HEIGHT), [int(rng.integers(scene.count))]).rgb[0])
        if len(stack) >= min(at_once, count):
            yield np.stack(stack[:count])
            count -= len(stack)
            stack = []
        if count <= 0:
            return


def _views(rng: np.random.Generator, scene: Scene, frame: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of one moment from each camera: the known image, the hole and the truth."""
    source = scene.source.cropped(HEIGHT)
    seen = render(scene, source, [frame])
    for camera in scene.targets.values():
        view = camera.cropped(HEIGHT)
        truth = render(scene, view, [frame]).rgb[0]
        if rng.random() < SCRIBBLED:
            yield truth, scribbles(rng, HEIGHT, WIDTH), truth
            continue
        poses = source.world_from_camera[frame], view.world_from_camera[frame]
        warped, hole = disocclusion(seen.rgb[0], seen.depth[0], source.K[frame], *poses, view.K[frame])
        # Estimated depth is wrong along edges, so pixels right beside a hole are unreliable.
        radius = int(rng.integers(0, 4))
        hole = cv2.dilate(hole.astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)) > 0
        yield (warped if rng.random() < WARPED else truth), hole, truth
