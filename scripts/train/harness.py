# SPDX-License-Identifier: Apache-2.0
"""What all training runs share: budget, schedule, moving average, log and checkpoints.

A script that is started again with the same `--out` continues from the last checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

SAVE_EVERY_S = 60.0
LOG_EVERY_S = 20.0
SAMPLE_EVERY_S = 300.0
AVERAGES = "averages.pt"
"""What ships: the moving averages alone, in half precision."""
SKIPPED_MOST = 20
"""A step whose gradient is not finite is skipped; as many in a row end the run."""


def arguments(description: str, *, batch: int, rate: float, out: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, default=30.0, help="time budget, which the schedule fills")
    budget.add_argument("--steps", type=int, help="number of steps instead of minutes")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    parser.add_argument("--start-from", type=Path, metavar="DIR", help="start with the weights of another run")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help="checkpoints, log and sample images")
    return parser


class Run:
    """One training run, which trains all `modules` together.

    Mixed precision: `with run.autocast():`. Weights stay float32. The result is the moving average of all weights.
    rates: factor on the learning rate of each parameter, by its name; then AdamW trains all of them, without Muon.
    after_save: called whenever a checkpoint has been written.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        modules: Mapping[str, nn.Module],
        *,
        ema: float = 0.999,
        decay: float = 0.02,
        rates: Callable[[str], float] | None = None,
        after_save: Callable[[Run], None] = lambda run: None,
    ) -> None:
        if args.threads:
            torch.set_num_threads(args.threads)
        # torch 2.11 on an H200: every gradient of attention with heads of 32 channels by cuDNN is NaN.
        torch.backends.cuda.enable_cudnn_sdp(False)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.args, self.ema_decay, self._after_save = args, ema, after_save
        self.modules = {name: module.to(self.device).train() for name, module in modules.items()}
        self.averages = {name: copy.deepcopy(module).eval().requires_grad_(False) for name, module in modules.items()}
        if args.start_from:
            for name, module in self.modules.items():
                module.load_state_dict(load_average(self.averages[name], args.start_from, name).state_dict())
        if rates:
            self.optimizers, self._kernels = [_adam(self.modules.values(), args.rate, decay, rates)], []
        else:
            self.optimizers, self._kernels = _optimizers(self.modules.values(), args.rate, decay)
        self.step, self.seconds = 0, 0.0
        self.rng = np.random.default_rng(args.seed)
        torch.manual_seed(args.seed)
        self.folder: Path = args.out
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sums: dict[str, float] = {}
        self._count = 0
        if (self.folder / "state.pt").exists():
            self._resume()

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    @property
    def progress(self) -> float:
        """Used share of the budget, 0 to 1."""
        if self.args.steps:
            return self.step / self.args.steps
        return self.seconds / (60 * self.args.minutes)

    def train(
        self,
        loss_of: Callable[[np.random.Generator], tuple[torch.Tensor, dict[str, float]]],
        sample: Callable[[Path], None] | None = None,
    ) -> None:
        """Train until the budget is used up. loss_of: draws a batch; returns the loss and figures for the log."""
        last_save = last_log = last_sample = time.perf_counter()
        before = time.perf_counter()
        skipped = 0
        while self.progress < 1:
            groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
            for group in groups:
                group["lr"] = self.args.rate * group.get("factor", 1.0) * _schedule(self.progress, self.step)
            loss, figures = loss_of(self.rng)
            if not torch.isfinite(loss):
                raise SystemExit(f"The loss is {loss.item()} at step {self.step}: lower --rate.")
            loss.backward()
            for kernel, matrix in self._kernels:
                if kernel.grad is not None:
                    matrix.grad, kernel.grad = _as_matrix(kernel.grad), None
            norm = nn.utils.clip_grad_norm_([p for group in groups for p in group["params"]], 1.0)
            skipped = 0 if torch.isfinite(norm) else skipped + 1
            if skipped == SKIPPED_MOST:
                where = f"at step {self.step}, {self._first_bad()} first"
                raise SystemExit(f"{skipped} gradients in a row are not finite {where}: lower --rate.")
            for optimizer in self.optimizers:
                if not skipped:
                    optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            self.step += 1
            self._average()
            now = time.perf_counter()
            self.seconds, before = self.seconds + now - before, now
            self._record({"loss": loss.item(), **figures})
            if now - last_log > LOG_EVERY_S:
                self._log()
                last_log = now
            if now - last_save > SAVE_EVERY_S:
                self.save()
                last_save = now
            if sample and now - last_sample > SAMPLE_EVERY_S:
                with torch.no_grad():
                    sample(self.folder / f"sample_{self.step:06d}.png")
                last_sample = before = time.perf_counter()
        self._log()
        self.save()
        if sample:
            with torch.no_grad():
                sample(self.folder / "sample_last.png")

    def _first_bad(self) -> str:
        """Name of the first parameter whose gradient is not finite."""
        for module in self.modules.values():
            for name, weights in module.named_parameters():
                if weights.grad is not None and not torch.isfinite(weights.grad).all():
                    return name
        return "a kernel"

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.ema_decay, (1 + self.step) / (10 + self.step))
        for name, module in self.modules.items():
            average = self.averages[name]
            torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1 - keep)
            for mine, theirs in zip(average.buffers(), module.buffers(), strict=True):
                mine.copy_(theirs)

    def _record(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1

    def _log(self) -> None:
        if not self._count:
            return
        line: dict[str, Any] = {"step": self.step, "minutes": round(self.seconds / 60, 2)}
        line |= {name: round(value / self._count, 5) for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)

    def save(self) -> None:
        """Write the checkpoint in one step, so that it is never incomplete, and the averages alone beside it."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "averages": {name: module.state_dict() for name, module in self.averages.items()},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "torch_rng": torch.get_rng_state(),
            "numpy_rng": json.dumps(self.rng.bit_generator.state),
        }
        small = {
            name: {key: value.half() if value.is_floating_point() else value for key, value in module.items()}
            for name, module in state["averages"].items()
        }
        for content, name in ((state, "state.pt"), ({"averages": small}, AVERAGES)):
            part = self.folder / "state.part"
            torch.save(content, part)
            os.replace(part, self.folder / name)
        self._after_save(self)

    def _resume(self) -> None:
        state = torch.load(self.folder / "state.pt", map_location=self.device, weights_only=True)
        self.step, self.seconds = state["step"], state["seconds"]
        for name in self.modules:
            self.modules[name].load_state_dict(state["modules"][name])
            self.averages[name].load_state_dict(state["averages"][name])
        try:
            for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(stored)
        except ValueError:
            raise SystemExit(
                f"{self.folder} holds a run that trains other weights: choose another folder with --out, and start "
                f"with these weights with --start-from {self.folder}."
            ) from None
        torch.set_rng_state(state["torch_rng"].cpu())
        self.rng.bit_generator.state = json.loads(state["numpy_rng"])
        print(f"continuing from step {self.step}, {self.seconds / 60:.1f} minutes", flush=True)


def load_average(module: nn.Module, folder: Path, name: str) -> nn.Module:
    """Put a run's moving average into a module of the same shape. Raises FileNotFoundError if the run has none.

    From another machine, the file AVERAGES is enough.
    """
    path = folder / "state.pt" if (folder / "state.pt").exists() else folder / AVERAGES
    state = torch.load(path, map_location="cpu", weights_only=True)
    module.load_state_dict(state["averages"][name])
    return module.eval()


def _adam(
    modules: Iterable[nn.Module], rate: float, decay: float, rates: Callable[[str], float]
) -> torch.optim.Optimizer:
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for module in modules:
        for name, weights in module.named_parameters():
            if weights.requires_grad:
                groups.setdefault((rates(name), decay if weights.ndim > 1 else 0.0), []).append(weights)
    return torch.optim.AdamW(
        [{"params": group, "factor": factor, "weight_decay": some} for (factor, some), group in groups.items()],
        lr=rate,
        betas=(0.9, 0.97),
    )


def _optimizers(
    modules: Iterable[nn.Module], rate: float, decay: float
) -> tuple[list[torch.optim.Optimizer], list[tuple[nn.Parameter, nn.Parameter]]]:
    """Muon for matrices inside a network and for convolutions, AdamW for embeddings, norms and biases, and for
    convolutions of each channel by itself.

    Muon's steps are scaled to the size of AdamW's (Liu et al., arXiv 2502.16982), so both use one learning rate.
    Muon trains a kernel as a matrix, outputs x all inputs. The second result pairs each kernel with that matrix, which
    shares its memory; the caller moves the kernel's gradient to it.
    """
    matrices, others, plain, kernels = [], [], [], []
    for module in modules:
        embeddings = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
        for weights in module.parameters():
            if not weights.requires_grad:
                continue
            if weights.ndim > 2 and weights.shape[1] > 1:
                kernels.append((weights, nn.Parameter(_as_matrix(weights.detach()))))
                matrices.append(kernels[-1][1])
            else:
                kind = matrices if weights.ndim == 2 else plain
                (others if id(weights) in embeddings else kind).append(weights)
    adam = torch.optim.AdamW(
        [{"params": others, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}], lr=rate, betas=(0.9, 0.95)
    )
    if not matrices:
        return [adam], kernels
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    return [adam, muon], kernels


def _as_matrix(kernel: torch.Tensor) -> torch.Tensor:
    """A convolution's kernel, or its gradient, as outputs x all inputs, in the same memory.

    Raises RuntimeError for a memory layout other than contiguous and channels last.
    """
    rows = kernel if kernel.is_contiguous() else kernel.movedim(1, -1)
    return rows.view(len(kernel), -1)


def _schedule(progress: float, step: int) -> float:
    """Factor on the learning rate: 200 steps of warm-up, 1 until 30 % of the budget, then a cosine down to 0.02."""
    down = max(0.0, (progress - 0.3) / 0.7)
    return min(1.0, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(down, 1.0))))
