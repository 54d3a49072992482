# SPDX-License-Identifier: GPL-3.0-or-later
"""Saving a file, and what it says of files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy

Reangle = Callable[[str], ModuleType]


def settle(reangle: Reangle) -> None:
    main_thread = reangle("exchange.main_thread")
    main_thread.pump_until(lambda: not main_thread.is_busy(), timeout_s=60)


def save(path: Path, **options: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(path), **options)


def own(reangle: Reangle) -> list[str]:
    return [getattr(owner, name) for owner, name in reangle("scene.places").own_paths() if getattr(owner, name)]


def media(reangle: Reangle) -> list[str]:
    return [getattr(owner, name) for owner, name in reangle("scene.places").media_paths()]


def all_there(reangle: Reangle) -> bool:
    lost = [path for path in own(reangle) + media(reangle) if not os.path.exists(bpy.path.abspath(path))]
    print("lost:", lost)
    return not lost


def results_of(desk: SimpleNamespace) -> dict[str, bytes]:
    """Every file of the jobs, by its name in their folders."""
    folders = desk.reangle("scene.places").job_folders()
    return {
        f"{folder.name}/{file.relative_to(folder)}": file.read_bytes()
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file()
    }
