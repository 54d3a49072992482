# SPDX-License-Identifier: Apache-2.0
"""Train the mini depth network: inverse depth of single pictures, up to one factor per picture.

    python3.11 scripts/train/depth.py --assets out/train/assets.npz --minutes 60

Pictures come fresh from worker processes: of mesh scenes where there are assets, and of generated scenes of solids.
The first part of the run uses small pictures, the rest the full size. `OUT/average` holds the moving average in half
precision, as it ships. Two runs with the same seed differ, because the pictures arrive in a different order.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from PIL import Image
from reangle.geometry.depth.monocular_network import DEVIATION, MEAN, HeadInFloat32
from torch import Tensor
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    GLPNConfig,
    GLPNForDepthEstimation,
    PreTrainedModel,
)

from scripts.environments import REPOSITORY
from scripts.train.depth_figures import HeldOut, held_out_solids, judge
from scripts.train.depth_pictures import FIELDS, MeshPictures, Shape, crops, solids
from scripts.train.fresh import Feed, Makers, Store, wait_for
from scripts.train.harness import Run, arguments
from scripts.train.meshes.degrade import degrade

OUT = REPOSITORY / "out" / "train" / "depth"
SMALL = (Shape(128, 224), Shape(160, 224), Shape(160, 160), Shape(224, 160))
FULL = (Shape(256, 448), Shape(256, 384), Shape(288, 288), Shape(320, 224))
INPUT = {"longest_side": 512, "multiple": 32}
"""How large a frame is when the trained network sees it: see `reangle.geometry.depth.monocular_network`."""
SKY_TIMES = 8.0
"""The sky is at least this many times as far as the picture's median depth."""
EVALUATE_EVERY_S = 45.0
SAME_SCALES = (1, 2, 4, 8)


def glpn() -> PreTrainedModel:
    """A GLPN (Kim et al., arXiv 2201.07436) with an encoder like MiT-b0, 5.8 million weights."""
    return GLPNForDepthEstimation(
        GLPNConfig(
            hidden_sizes=[48, 96, 192, 288],
            depths=[2, 2, 3, 2],
            num_attention_heads=[1, 2, 4, 6],
            decoder_hidden_size=64,
            hidden_dropout_prob=0.0,
            drop_path_rate=0.0,
            max_depth=1,
        )
    )


def depth_anything() -> PreTrainedModel:
    """A Depth Anything (Yang et al., CVPR 2024) on 9 transformer layers of patches of 8 pixels, 5.7 million weights."""
    width = 192
    backbone = Dinov2Config(
        hidden_size=width,
        num_hidden_layers=9,
        num_attention_heads=3,
        patch_size=8,
        image_size=256,
        out_indices=[3, 5, 7, 9],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    return DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=backbone,
            patch_size=8,
            reassemble_hidden_size=width,
            neck_hidden_sizes=[48, 96, 192, 192],
            fusion_hidden_size=64,
            head_hidden_size=32,
            depth_estimation_type="metric",
            max_depth=1,
        )
    )


NETWORKS = {"glpn": glpn, "depth-anything": depth_anything}


def log_inverse_depth(model: torch.nn.Module, rgb: Tensor) -> Tensor:
    """Log of inverse depth, n x h x w float32, of pictures n x 3 x h x w in 0..1."""
    mean, deviation = (rgb.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return model(pixel_values=(rgb - mean) / deviation).predicted_depth.float().clamp_min(1e-7).log()


def depth_loss(prediction: Tensor, depth: Tensor, edges: float = 0.5) -> tuple[Tensor, Tensor]:
    """Error of log depth after the best factor per picture, and of its gradients at four scales.

    As in MiDaS (Ranftl et al., TPAMI 2022, equations 7 and 11) but on log inverse depth with a scale alone. In the sky
    only what is nearer than SKY_TIMES the median depth, or than the farthest surface, is an error.
    prediction: log inverse depth, n x h x w; depth: n x h x w, 0 in the sky. Returns the loss and the mean absolute
    error of log depth on surfaces.
    """
    surface = depth > 0
    truth = -depth.clamp_min(1e-3).log()
    nothing = torch.full_like(truth, torch.nan)
    error = prediction - truth

    def middle(values: Tensor) -> Tensor:
        some = torch.where(surface, values, nothing)[:, ::3, ::3].flatten(1)
        return some.nanmedian(1).values.nan_to_num()[:, None, None]

    offset = middle(error.detach())
    error = error - offset
    farthest = torch.where(surface, truth, torch.full_like(truth, 20.0)).amin((1, 2))[:, None, None].clamp_max(10)
    sky = torch.minimum(farthest, middle(truth) - float(np.log(SKY_TIMES)))
    error = torch.where(surface, error, (prediction - offset - sky).clamp_min(0))
    size = error.abs()
    steps = []
    for scale in SAME_SCALES:
        some = error[:, ::scale, ::scale]
        steps += [some.diff(dim=axis).abs().mean() for axis in (1, 2)]
    loss = size.mean() + edges * torch.stack(steps).sum()
    return loss, (size * surface).sum().detach() / surface.sum().clamp_min(1)


def main() -> int:
    parser = arguments("Train the mini depth network.", batch=48, rate=2e-3, out=OUT)
    parser.add_argument("--network", choices=NETWORKS, default="glpn")
    parser.add_argument("--assets", type=Path, metavar="FILE", help="packed meshes; without them only solids are used")
    parser.add_argument("--solids", type=float, default=0.25, help="share of pictures of solids beside meshes")
    parser.add_argument("--workers", type=int, default=1, help="processes that render solids")
    parser.add_argument("--mesh-workers", type=int, default=0, help="processes that draw mesh scenes")
    parser.add_argument("--capacity", type=int, default=64, help="pictures of each kind that are kept for drawing")
    parser.add_argument("--small", type=float, default=0.4, help="share of the time with small pictures")
    parser.add_argument("--views", type=int, default=1, help="pictures of each mesh scene")
    parser.add_argument("--pictures", type=Path, metavar="FILE", help="more held-out pictures: see depth_figures.py")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    model = NETWORKS[args.network]()
    model.head = HeadInFloat32(model.head)
    on_gpu = torch.cuda.is_available()

    def export(run: Run) -> None:
        save_average(run.averages["model"], args.out / "average")

    run = Run(args, {"model": model}, after_save=export)
    for module in (*run.modules.values(), *run.averages.values()):
        module.to(memory_format=torch.channels_last if on_gpu else torch.contiguous_format)
    feeds, shares = _feeds(args, run.device)
    generator = torch.Generator(run.device).manual_seed(args.seed)
    tests = held_out_solids(run.device) + HeldOut.load(args.pictures, run.device)
    for name, feed in feeds.items():
        wait_for(feed, 24)
        if name == "meshes":
            tests.append(HeldOut.taken_from(name, feed.store, 24))
            wait_for(feed, 8)
    last = time.perf_counter()

    def loss_of(rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        nonlocal last
        for feed in feeds.values():
            feed.refresh()
        if time.perf_counter() - last > EVALUATE_EVERY_S:
            _evaluate(run, tests)
            last = time.perf_counter()
        small = run.progress < args.small
        shapes = SMALL if small else FULL
        shape = shapes[int(rng.integers(len(shapes)))]
        batch = 3 * args.batch if small else args.batch
        parts = []
        for name, feed in feeds.items():
            count = round(batch * shares[name])
            if count:
                parts.append(crops(feed.store, count, shape, rng))
        rgb, depth = (torch.cat(part) for part in zip(*parts, strict=True))
        # In memory, the result of `degrade` has its channels last.
        seen = degrade(rgb.permute(0, 2, 3, 1), generator).permute(0, 3, 1, 2)
        with torch.autocast(run.device.type, torch.bfloat16, enabled=on_gpu):
            prediction = log_inverse_depth(run.modules["model"], seen)
        loss, error = depth_loss(prediction, depth)
        made = {f"made_{name}": float(feed.store.made) for name, feed in feeds.items()}
        return loss, {"error": float(error), **made}

    def sample(path: Path) -> None:
        rgb, depth = (
            torch.cat(part)
            for part in zip(*(crops(feed.store, 4, FULL[1], run.rng) for feed in feeds.values()), strict=True)
        )
        learned = log_inverse_depth(run.averages["model"], rgb)
        Image.fromarray(contact_sheet(rgb, depth, learned)).save(path)

    run.train(loss_of, sample)
    _evaluate(run, tests)
    for feed in feeds.values():
        feed.stop()
    return 0


def _feeds(args: argparse.Namespace, device: torch.device) -> tuple[dict[str, Feed], dict[str, float]]:
    """What fills the stores, and each store's share of a batch."""
    solid = Makers(solids, Store(FIELDS, args.capacity, device), args.workers, args.seed)
    if not args.assets:
        return {"solids": solid}, {"solids": 1.0}
    store = Store(FIELDS, args.capacity, device)
    mesh = MeshPictures(store, args.assets, args.seed + 1, args.mesh_workers, args.views)
    return {"solids": solid, "meshes": mesh}, {"solids": args.solids, "meshes": 1 - args.solids}


@torch.no_grad()
def _evaluate(run: Run, tests: list[HeldOut]) -> None:
    line = {"step": run.step, "minutes": round(run.seconds / 60, 2)}
    for test in tests:
        learned = [log_inverse_depth(run.averages["model"], rgb[None])[0].neg().exp() for rgb in test.rgb]
        line |= {f"{test.name} {key}": round(value, 4) for key, value in judge(learned, test.depth).items()}
    with (run.folder / "figures.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)


def save_average(model: torch.nn.Module, folder: Path) -> None:
    """Write a network in half precision, with what its output means."""
    plain = type(model)(model.config)
    state = {name.replace("head.head.", "head.", 1): value for name, value in model.state_dict().items()}
    plain.load_state_dict(state)
    plain.config.reangle = {"output": "inverse-depth", "ambiguity": "scale", **INPUT}
    plain.to(torch.float16).save_pretrained(folder)


def contact_sheet(rgb: Tensor, depth: Tensor, learned: Tensor) -> np.ndarray:
    """One row per picture: colours, true and learned inverse depth over the true median."""
    rows = []
    for picture, truth, guess in zip(rgb.float().cpu(), depth.cpu(), learned.cpu(), strict=True):
        surface = truth > 0
        middle = truth[surface].median() if surface.any() else torch.tensor(1.0)
        guess = guess.exp()
        guess = guess * (1 / middle) / guess[surface].median().clamp_min(1e-9) if surface.any() else guess
        cells = [picture.permute(1, 2, 0).numpy() * 255]
        for inverse in (torch.where(surface, 1 / truth.clamp_min(1e-3), torch.zeros(())), guess):
            shown = 255 * (1 - 1 / (1 + inverse * middle))
            cells.append(np.repeat(shown.numpy()[..., None], 3, 2))
        rows.append(np.concatenate(cells, axis=1))
    return np.concatenate(rows).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    sys.exit(main())
