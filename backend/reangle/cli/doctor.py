# SPDX-License-Identifier: Apache-2.0
"""`reangle doctor`: what is installed, which devices there are, what is missing and how to install it.

Each part is checked on its own, so that a broken one does not hide the others.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from reangle.cli.output import Output
from reangle.geometry.camera.providers import CAMERAS
from reangle.geometry.depth.providers import DEPTHS
from reangle.runtime.graphics_card import nvidia_cards, torch_uses_cards
from reangle.version import VERSION
from reangle.weights.packages import how_to_install

# Distribution -> the module that is imported.
ESSENTIAL = {
    "numpy": "numpy",
    "av": "av",
    "opencv-python-headless": "cv2",
    "OpenEXR": "OpenEXR",
    "OpenImageIO": "OpenImageIO",
    "numba": "numba",
    "scipy": "scipy",
    "pydantic": "pydantic",
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "psutil": "psutil",
}
NETWORKS = {
    "torch": "torch",
    "transformers": "transformers",
    "diffusers": "diffusers",
    "peft": "peft",
    "bitsandbytes": "bitsandbytes",
    "safetensors": "safetensors",
    **{package.replace("_", "-"): package for provider in (*CAMERAS, *DEPTHS) for package in provider.packages},
}
CODECS_IN = ("h264", "hevc", "libdav1d", "libvpx-vp9", "prores")
CODEC_OUT = "libx264"
LOW_SPACE = 5e9
"""Bytes of free disk below which the doctor warns."""
INSTALL = "Run scripts/install_backend.py again."


def doctor(options: Namespace, output: Output) -> int:
    """Print the report; 0 if the preview engine can run here, else 2."""
    report: dict[str, Any] = {
        "version": VERSION,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    problems: list[str] = []
    data = _data_folder(options.data, problems)
    parts: dict[str, Callable[[], Any]] = {
        "packages": lambda: _packages(ESSENTIAL, problems, "the preview engine"),
        "networks": lambda: _packages(NETWORKS, problems, "estimated geometry or an engine with a video model"),
        "memory": _memory,
        "devices": lambda: _devices(problems),
        "numba": _numba,
        "codecs": lambda: _codecs(problems),
        "data": lambda: _data(data, problems),
        "server": lambda: _server(data),
        "cameras": lambda: _providers("camera", data),
        "depths": lambda: _providers("depth", data),
        "checkpoints": lambda: _checkpoints(data),
        "learning": lambda: _learning(data),
        "suites": lambda: _suites(report["checkpoints"]),
        "auto": lambda: _auto(data),
    }
    for name, check in parts.items():
        try:
            report[name] = check()
        except Exception as error:
            report[name] = None
            problems.append(f"{name} could not be checked: {type(error).__name__}: {error}")
    missing = [name for name in ESSENTIAL if not (report["packages"] or {}).get(name)]
    report["problems"] = problems
    report["ready"] = not missing
    output.data(report, _describe(report))
    return 0 if report["ready"] else 2


def _data_folder(chosen: str | None, problems: list[str]) -> Path:
    try:
        from reangle.runtime.data_folder import data_folder
    except ImportError as error:
        problems.append(f"The backend's own modules cannot be loaded ({error}). {INSTALL}")
        return Path.home()
    return data_folder(chosen)


def _packages(wanted: dict[str, str], problems: list[str], what_for: str) -> dict[str, str | None]:
    """Distribution -> version, None if it is missing or cannot be imported."""
    versions: dict[str, str | None] = {}
    for name, module in wanted.items():
        try:
            # Importing these takes seconds, and torch is the one that fails in practice.
            slow = module in NETWORKS.values() and module not in ("torch", "safetensors")
            if not slow:
                importlib.import_module(module)
            elif importlib.util.find_spec(module) is None:
                raise ImportError("it is not installed")
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "unknown version"
        except Exception as error:
            versions[name] = None
            problems.append(f"{name}, which {what_for} needs, cannot be loaded ({error}). {how_to_install(module)}")
    return versions


def _memory() -> dict[str, Any]:
    import psutil

    memory = psutil.virtual_memory()
    total, free = (round(size / 1e9, 1) for size in (memory.total, memory.available))
    return {"cores": os.cpu_count(), "total_gb": total, "free_gb": free}


def _devices(problems: list[str]) -> list[dict[str, Any]]:
    devices: list[dict[str, Any]] = [{"device": "cpu", "name": platform.processor() or platform.machine()}]
    try:
        import torch
    except ImportError:
        return devices
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(index)
            memory = round(about.total_memory / 1e9, 1)
            devices.append({"device": f"cuda:{index}", "name": about.name, "memory_gb": memory})
    elif cards := nvidia_cards():
        reason = "does not find it" if torch_uses_cards() else "was built without CUDA"
        problems.append(
            f"The graphics card {cards[0].name} is here, but torch {torch.__version__} {reason}. "
            f"Run scripts/install_backend.py --torch-index {cards[0].torch_index}, and update NVIDIA's driver "
            f"({cards[0].driver}) if that does not help."
        )
    if torch.backends.mps.is_available():
        devices.append({"device": "mps", "name": "Apple GPU"})
    return devices


def _numba() -> dict[str, Any]:
    import numba

    return {"threads": numba.get_num_threads()}


def _codecs(problems: list[str]) -> dict[str, bool]:
    import av
    from av.codec.codec import UnknownCodecError

    def has(name: str, mode: Literal["r", "w"]) -> bool:
        try:
            av.Codec(name, mode)
        except UnknownCodecError:
            return False
        return True

    codecs = {CODEC_OUT: has(CODEC_OUT, "w"), **{name: has(name, "r") for name in CODECS_IN}}
    if not codecs[CODEC_OUT]:
        problems.append(f"This PyAV cannot write H.264 movies. {INSTALL}")
    return codecs


def _data(data: Path, problems: list[str]) -> dict[str, Any]:
    existing = next(folder for folder in (data, *data.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    writable = os.access(existing, os.W_OK)
    if not writable:
        problems.append(f"{existing} cannot be written to. Choose another data folder with REANGLE_DATA or --data.")
    if free < LOW_SPACE:
        problems.append(
            f"Only {free / 1e9:.1f} GB are free in {existing}. Free some space before working on long clips."
        )
    artifacts = sum(1 for _ in data.glob("artifacts/*/*"))
    return {"folder": str(data), "writable": writable, "free_gb": round(free / 1e9, 1), "stage_outputs": artifacts}


def _server(data: Path) -> dict[str, Any] | None:
    import psutil

    try:
        about = json.loads((data / "server.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {"pid": about.get("pid"), "port": about.get("port"), "alive": psutil.pid_exists(int(about.get("pid", -1)))}


def _providers(what: Literal["camera", "depth"], data: Path) -> list[dict[str, Any]]:
    from reangle.contract import to_data
    from reangle.geometry.listing import camera_infos, depth_infos

    return [to_data(info) for info in (camera_infos if what == "camera" else depth_infos)(data)]


def _checkpoints(data: Path) -> list[dict[str, Any]]:
    from reangle.weights.registry import list_checkpoints

    return list_checkpoints(data)


def _learning(data: Path) -> list[dict[str, Any]]:
    """For each suite: how its video model would learn and generate in the memory that is free now, or why it cannot."""
    from reangle.engines.suite_choice import why_not_here
    from reangle.video_models.device_memory import device_memory
    from reangle.video_models.memory import choose_tier, needed_bytes
    from reangle.video_models.published_sizes import PUBLISHED_SIZES
    from reangle.video_models.registry import video_model_class
    from reangle.weights.recipes import recipe_named
    from reangle.weights.registry import locate
    from reangle.weights.suites import SUITES

    device = device_memory()
    rows = []
    for suite in SUITES:
        folder = locate(suite.main, data)
        model = video_model_class(suite.main.kind)
        size = model.size_of(folder, bytes_each=device.bytes_each) if folder else PUBLISHED_SIZES[suite.main.name]
        rank = recipe_named(suite.name).learned_rank
        reason = why_not_here(suite)
        tier = None if reason else choose_tier(size, rank, device)
        rows.append(
            {
                "suite": suite.name,
                "free_gb": round(device.free / 1e9, 1),
                "needs_gb": round(needed_bytes(size, tier, rank, device) / 1e9, 1) if tier else None,
                "tier": tier.name if tier else None,
                "words": tier.words if tier else reason or "not enough memory is free",
                "problem": reason,
            }
        )
    return rows


def _suites(checkpoints: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    from reangle.weights.registry import list_suites

    return list_suites(checkpoints) if checkpoints else []


def _auto(data: Path) -> dict[str, str]:
    """Engine -> what the suite `auto` stands for here, in words."""
    from reangle.contract.engines import ENGINES
    from reangle.engines.suite_choice import auto_in_words

    return {name: auto_in_words(name, data) for name, kind in ENGINES.items() if kind.needs}


def _describe(report: dict[str, Any]) -> str:
    """The report for people."""

    def listed(values: dict[str, Any] | None) -> str:
        return ", ".join(f"{name} {value or 'MISSING'}" for name, value in (values or {}).items())

    memory, data, server = report["memory"] or {}, report["data"] or {}, report["server"]
    lines = [
        f"Reangle {report['version']}, Python {report['python']}, {report['system']}",
        f"Packages   {listed(report['packages'])}",
        f"Networks   {listed(report['networks'])}",
        f"Memory     {memory.get('free_gb')} of {memory.get('total_gb')} GB free, {memory.get('cores')} cores, "
        f"{(report['numba'] or {}).get('threads')} numba threads",
    ]
    for device in report["devices"] or []:
        size = f", {device['memory_gb']} GB" if "memory_gb" in device else ""
        lines.append(f"Device     {device['device']}: {device['name']}{size}")
    codecs = [f"{name}{'' if available else ' MISSING'}" for name, available in (report["codecs"] or {}).items()]
    lines.append(f"Codecs     {', '.join(codecs)}")
    kept = f"{data.get('stage_outputs')} stage outputs kept"
    lines.append(f"Data       {data.get('folder')}, {data.get('free_gb')} GB free, {kept}")
    if server:
        state = "runs" if server["alive"] else "has ended and left its server file"
        lines.append(f"Server     process {server['pid']} on port {server['port']} {state}")
    else:
        lines.append("Server     none; start one with `reangle serve`")
    for title, part in (("Camera", "cameras"), ("Depth", "depths")):
        for row in report[part] or []:
            state = "ready" if row["available"] else "not ready"
            lines.append(f"{title:10} {row['name']}: {state}. {row['message']}")
    for suite in report["suites"] or []:
        parts = ", ".join(
            f"{role} {'installed' if installed else 'missing'}" for role, installed in suite["installed"].items()
        )
        lines.append(f"Suite      {suite['name']}: {parts}")
    for row in report["learning"] or []:
        needs = f"{row['needs_gb']} of " if row["needs_gb"] is not None else ""
        memory = "" if row["problem"] else f"{needs}{row['free_gb']} GB free: "
        lines.append(f"Video      {row['suite']}: {memory}{row['words']}")
    lines += [f"Auto       {engine}: {words}" for engine, words in (report["auto"] or {}).items()]
    if report["checkpoints"]:
        from reangle.cli.models import describe_checkpoints

        lines.append("Weights")
        lines += [f"    {line}" for line in describe_checkpoints(report["checkpoints"]).splitlines()]
    lines += [f"PROBLEM    {problem}" for problem in report["problems"]]
    lines.append("Ready." if report["ready"] else "Not ready: see the problems above.")
    return "\n".join(lines)
