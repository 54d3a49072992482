# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's pages, and what a bug report says of the versions in use. No path of this machine is in it."""

from __future__ import annotations

import functools
import platform
import tomllib
from pathlib import Path
from urllib.parse import urlencode

import bpy

from .core.contract import CONTRACT_VERSION
from .exchange import connection, installing

MANIFEST = Path(__file__).parent / "blender_manifest.toml"


@functools.cache
def manifest() -> dict[str, object]:
    """The extension's manifest; empty in a checkout, where it lies elsewhere."""
    try:
        return tomllib.loads(MANIFEST.read_text(encoding="utf-8"))
    except OSError:
        return {}


def website() -> str:
    """The project's page; "" if the manifest names none."""
    return str(manifest().get("website", "")).rstrip("/")


def addon_version() -> str:
    return str(manifest().get("version", "from a checkout"))


def versions() -> str:
    """The versions in use, one a line."""
    backend = connection.now.version or installing.installed().version or "not installed"
    running = "running" if connection.now.state == "on" else "not running"
    lines = (
        f"Add-on: {addon_version()}, contract {CONTRACT_VERSION}",
        f"Backend: {backend}, {running}",
        f"Blender: {bpy.app.version_string}, Python {platform.python_version()}",
        f"System: {platform.system()} {platform.release()}, {platform.machine()}",
    )
    return "\n".join(lines)


def bug_page(page: str) -> str:
    """The form for a new issue of the project at `page`, with the versions filled in."""
    fields = {"template": "bug.yml", "blender": bpy.app.version_string, "doctor": versions()}
    return f"{page}/issues/new?{urlencode(fields)}"
