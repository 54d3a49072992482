# SPDX-License-Identifier: Apache-2.0
"""Train the mini depth network: inverse depth of single pictures, up to one factor per picture.

    python3.11 scripts/train/depth.py --assets out/train/assets.npz --minutes 60

The encoder starts as that of the mini geometry network, whose rotary positions DINOv3's class has, too. Pictures come
fresh: of mesh scenes where there are assets, and of generated scenes of solids. The first part of the run uses small
pictures. Two runs with the same seed differ, because the pictures arrive in a different order.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from PIL import Image
from reangle.geometry.depth.dust3r_network import Dust3rNetwork
from reangle.geometry.depth.monocular_network import DEVIATION, MEAN, ready
from reangle.weights.checkpoints import MINI_GEOMETRY
from reangle.weights.shipped import shipped_folder
from torch import Tensor
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, DINOv3ViTConfig

from scripts.environments import REPOSITORY
from scripts.train.depth_figures import HeldOut, held_out_solids, judge
from scripts.train.depth_pictures import FIELDS, MeshPictures, Shape, crops, meshes, solids
from scripts.train.depth_pool import FromFiles
from scripts.train.fresh import Feed, Makers, Store, wait_for
from scripts.train.harness import Run, arguments
from scripts.train.meshes.degrade import degrade

OUT = REPOSITORY / "out" / "train" / "depth"
SMALL = (Shape(128, 192), Shape(128, 160), Shape(160, 224), Shape(144, 192))
FULL = (Shape(160, 256), Shape(192, 256), Shape(192, 192), Shape(192, 288))
LONGEST_SIDE, MULTIPLE = 288, 16
"""How large a frame is when the trained network sees it."""
WIDTH, LAYERS, HEADS, TAKEN = 256, 7, 4, 6
"""Of the encoder. TAKEN: how many layers start as the geometry network's."""
SKY_TIMES, SKY_RANGE = 8.0, 8.0
"""The sky is between the first and the product of both as many times as far as the picture's median depth."""
LEVEL, LEVEL_SHARE = -2.0, 0.2
"""Mean log inverse depth of a picture's surfaces, which no picture tells, and the weight of its error: without it, the
level drifts from picture to picture, and takes all of the gradient."""
START_LOGIT = -2.0
"""Of the output's sigmoid, where nothing is learned yet."""
MANY_MESHES = 1200
EVALUATE_EVERY_S = 120.0
SAME_SCALES = (1, 2, 4, 8)
DEAD_STEP, DEAD_SPREAD = 100, 0.02
"""If log depth varies less than that in a batch after so many steps, the network learns nothing."""


def network() -> DepthAnythingForDepthEstimation:
    """The untrained network: Depth Anything (Yang et al., CVPR 2024) on a DINOv3 encoder, 6.2 million weights.

    Convolutions keep the size of what they see (He et al., ICCV 2015); with the class's own small weights, the
    picture's signal is gone before the output.
    """
    backbone = DINOv3ViTConfig(
        patch_size=16,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        layer_norm_eps=1e-6,
        key_bias=True,
        pos_embed_rescale=None,
        image_size=224,
        out_indices=[2, 4, 5, LAYERS],  # pyright: ignore[reportCallIssue]
        reshape_hidden_states=False,
    )
    fused = 32
    model = DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=backbone,
            patch_size=16,
            reassemble_hidden_size=WIDTH,
            neck_hidden_sizes=[32, 48, 96, 128],
            fusion_hidden_size=fused,
            head_hidden_size=16,
            depth_estimation_type="metric",
            max_depth=1,
        )
    )
    for part in (*model.neck.modules(), *model.head.modules()):
        if isinstance(part, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            inputs = part.weight[0].numel() if isinstance(part, torch.nn.Conv2d) else part.weight.shape[0]
            # The fusion's kernels are added to what they read.
            added = part.kernel_size == (3, 3) and part.in_channels == part.out_channels == fused
            torch.nn.init.normal_(part.weight, std=inputs**-0.5 * (0.5 if added else 1.0))
            if part.bias is not None:
                torch.nn.init.zeros_(part.bias)
    torch.nn.init.constant_(model.head.conv3.bias, START_LOGIT)
    return model


@torch.no_grad()
def start_from_pairs(model: DepthAnythingForDepthEstimation, folder: Path) -> None:
    """Give the encoder the weights of a geometry network's, whose checkpoint is in `folder`.

    Both turn queries and keys by rotary positions, but count the channels in another order: DUSt3R's quarters are y, y,
    x, x, of which the first two and the last two turn together; DINOv3's are y, x, y, x.
    """
    theirs = Dust3rNetwork.load(folder, "cpu").model
    mine: Any = model.backbone
    quarter = WIDTH // HEADS // 4
    order = torch.arange(WIDTH).view(HEADS, 4, quarter)[:, [0, 2, 1, 3]].flatten()
    mean, deviation = torch.from_numpy(MEAN), torch.from_numpy(DEVIATION)
    patches = theirs.patch_embed["proj"]
    kernel, bias = patches.weight, patches.bias
    # Theirs sees colours in -1..1, this one divided by ImageNet's deviation.
    mine.embeddings.patch_embeddings.weight.copy_(kernel * (2 * deviation).view(1, 3, 1, 1))
    mine.embeddings.patch_embeddings.bias.copy_(bias + (kernel * (2 * mean - 1).view(1, 3, 1, 1)).sum((1, 2, 3)))
    mine.embeddings.cls_token.zero_()
    for block, layer in zip(theirs.enc_blocks, mine.model.layer, strict=False):
        attention = layer.attention
        for values in ("weight", "bias"):
            query, key, value = getattr(block.attn.qkv, values).chunk(3)
            getattr(attention.q_proj, values).copy_(query[order])
            getattr(attention.k_proj, values).copy_(key[order])
            getattr(attention.v_proj, values).copy_(value)
        for one, other in (
            (attention.o_proj, block.attn.proj),
            (layer.mlp.up_proj, block.mlp.fc1),
            (layer.mlp.down_proj, block.mlp.fc2),
            (layer.norm1, block.norm1),
            (layer.norm2, block.norm2),
        ):
            one.load_state_dict(other.state_dict())
    for layer in mine.model.layer[TAKEN:]:
        for scale in (layer.layer_scale1, layer.layer_scale2):
            scale.lambda1.fill_(0.3)
    mine.norm.load_state_dict(theirs.enc_norm.state_dict())


def rate_of(name: str) -> float:
    """Factor on the learning rate of a weight: smaller for what starts as the geometry network's."""
    return 0.4 if name.startswith("backbone") and f".layer.{TAKEN}." not in name else 1.0


def log_inverse_depth(model: torch.nn.Module, rgb: Tensor) -> Tensor:
    """Log of inverse depth, n x h x w float32, of pictures n x 3 x h x w in 0..1, by a network of `in_logs`."""
    mean, deviation = (rgb.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return model(pixel_values=(rgb - mean) / deviation).predicted_depth.float()


def in_logs(model: DepthAnythingForDepthEstimation) -> DepthAnythingForDepthEstimation:
    """The same network for training, whose output is log inverse depth.

    The log of a sigmoid that has run to 0 has no gradient; this one always has.
    """
    model.head.activation2 = torch.nn.LogSigmoid()
    return ready(model)


def depth_loss(prediction: Tensor, depth: Tensor, edges: float = 0.5) -> tuple[Tensor, Tensor]:
    """Error of log depth after the best factor per picture, and of its gradients at four scales.

    As in MiDaS (Ranftl et al., TPAMI 2022, equations 7 and 11) but on log inverse depth with a scale alone. The sky may
    be as far as SKY_TIMES the median depth or the farthest surface, and SKY_RANGE times farther.
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
    nearer = prediction - offset - sky
    outside = nearer.clamp_min(0) + (nearer + float(np.log(SKY_RANGE))).clamp_max(0)
    error = torch.where(surface, error, outside)
    size = error.abs()
    steps = []
    for scale in SAME_SCALES:
        some = error[:, ::scale, ::scale]
        steps += [some.diff(dim=axis).abs().mean() for axis in (1, 2)]
    inside = surface.sum((1, 2)).clamp_min(1)
    level = ((prediction * surface).sum((1, 2)) / inside - LEVEL).abs().mean()
    loss = size.mean() + edges * torch.stack(steps).sum() + LEVEL_SHARE * level
    return loss, (size * surface).sum().detach() / surface.sum().clamp_min(1)


def main() -> int:
    parser = arguments("Train the mini depth network.", batch=8, rate=6e-4, out=OUT)
    pairs = shipped_folder(MINI_GEOMETRY)
    parser.add_argument(
        "--start-from-pairs", type=Path, default=pairs, metavar="DIR", help="geometry network to start as"
    )
    parser.add_argument("--assets", type=Path, metavar="FILE", help="packed meshes; without them only solids are used")
    parser.add_argument(
        "--pool", type=Path, metavar="DIR", help="pictures that depth_pool.py rendered, in place of fresh ones"
    )
    parser.add_argument("--solids", type=float, default=0.4, help="share of pictures of solids beside many meshes")
    parser.add_argument("--workers", type=int, default=1, help="processes that render solids")
    parser.add_argument(
        "--mesh-workers",
        type=int,
        default=0,
        help="processes that draw mesh scenes; without a GPU they render them, too",
    )
    parser.add_argument("--capacity", type=int, default=2000, help="pictures of each kind that are kept for drawing")
    parser.add_argument("--small", type=float, default=0.6, help="share of the time with small pictures")
    parser.add_argument("--fresh", type=int, default=1, help="pictures of new mesh scenes in each step")
    parser.add_argument("--pictures", type=Path, metavar="FILE", help="held-out pictures in place of scenes of solids")
    args = parser.parse_args()
    started = time.perf_counter()
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    model = network()
    start_from_pairs(model, args.start_from_pairs)
    on_gpu = torch.cuda.is_available()
    # Before the optimiser, so that it sees the weights' last place. A step is a quarter shorter on a CPU, too.
    model = model.to(memory_format=torch.channels_last)
    run = Run(args, {"model": in_logs(model)}, ema=0.998, rates=rate_of)
    feeds = _feeds(args, run.device)
    generator = torch.Generator(run.device).manual_seed(args.seed)
    tests = HeldOut.load(args.pictures, run.device) if args.pictures else held_out_solids(run.device)
    for name, feed in feeds.items():
        wait_for(feed, 24)
        if name == "meshes":
            tests.append(HeldOut.taken_from(name, feed.store, 24))
            wait_for(feed, 8)
    last = time.perf_counter()
    # The time budget includes the start.
    run.seconds += last - started

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
        batch = 2 * args.batch if small else args.batch
        meshes = round(batch * _share_of_meshes(feeds, args.solids))
        counts = {"meshes": meshes, "solids": batch - meshes}
        parts = [crops(feed.store, counts[name], shape, rng) for name, feed in feeds.items() if counts[name]]
        rgb, depth = (torch.cat(part) for part in zip(*parts, strict=True))
        seen = degrade(rgb.permute(0, 2, 3, 1), generator).permute(0, 3, 1, 2)
        seen = seen.contiguous(memory_format=torch.channels_last)
        with torch.autocast(run.device.type, torch.bfloat16, enabled=on_gpu):
            prediction = log_inverse_depth(run.modules["model"], seen)
        spread = float(prediction.detach().std())
        if run.step == DEAD_STEP and spread < DEAD_SPREAD:
            raise SystemExit(f"After {run.step} steps the prediction is the same everywhere: lower --rate.")
        loss, error = depth_loss(prediction, depth)
        made = {f"made_{name}": float(feed.store.made) for name, feed in feeds.items()}
        return loss, {"error": float(error), "spread": spread, **made}

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


def _share_of_meshes(feeds: Mapping[str, Feed], solids: float) -> float:
    """Share of a batch: less while there are few pictures of meshes, which the network would learn by heart."""
    if "meshes" not in feeds:
        return 0.0
    return (1 - solids) * min(1.0, 0.03 + feeds["meshes"].store.made / MANY_MESHES)


def _feeds(args: argparse.Namespace, device: torch.device) -> dict[str, Feed]:
    """What fills the store of each kind of pictures."""
    if args.pool:
        kinds = ("solids", "meshes")
        return {kind: FromFiles(args.pool, kind, Store(FIELDS, args.capacity, device)) for kind in kinds}
    solid = Makers(solids, Store(FIELDS, args.capacity, device), args.workers, args.seed, at_once=16)
    if not args.assets:
        return {"solids": solid}
    store = Store(FIELDS, args.capacity, device)
    if device.type == "cpu" and args.mesh_workers:
        mesh: Feed = Makers(partial(meshes, assets=args.assets), store, args.mesh_workers, args.seed + 1, at_once=16)
    else:
        mesh = MeshPictures(store, args.assets, args.seed + 1, args.mesh_workers, args.fresh)
    return {"solids": solid, "meshes": mesh}


@torch.no_grad()
def _evaluate(run: Run, tests: list[HeldOut]) -> None:
    line = {"step": run.step, "minutes": round(run.seconds / 60, 2)}
    for test in tests:
        learned = [log_inverse_depth(run.averages["model"], rgb[None])[0].neg().exp() for rgb in test.rgb]
        line |= {f"{test.name} {key}": round(value, 4) for key, value in judge(learned, test.depth).items()}
    with (run.folder / "figures.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)


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
