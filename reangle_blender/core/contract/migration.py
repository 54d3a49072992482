# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""Requests of earlier contract versions in this version.

In version 2 one geometry provider gave both camera and depth; version 3 knew no starting images.
"""

from __future__ import annotations

from typing import Any, cast

from .file_kinds import is_camera_file


def camera_and_depth(provider: str, *, use_dust3r: bool = True, camera_file: bool = True) -> tuple[str, str]:
    """The camera and the depth that replace a provider of version 2; an unknown name is kept as the depth.

    use_dust3r: as in its settings, for `depth-anything`: without DUSt3R's weights it meant nothing, so `auto` follows.
    camera_file: whether there is one beside the depth maps; without one, version 2 took the camera for a still one.
    """
    if provider == "files":
        return "files" if camera_file else "still", provider
    if provider == "dust3r":
        return provider, provider
    return ("still" if provider == "depth-anything" and not use_dust3r else "auto"), provider


def migrated_geometry(settings: dict[str, Any]) -> dict[str, Any]:
    """`GeometrySettings` as JSON data, with camera and depth in place of version 2's provider; else unchanged."""
    provider = settings.get("provider")
    if not isinstance(provider, str):
        return settings
    kept = {name: value for name, value in settings.items() if name not in ("provider", "use_dust3r")}
    camera, depth = camera_and_depth(
        provider, use_dust3r=settings.get("use_dust3r") is not False, camera_file=_names_a_camera(settings.get("files"))
    )
    return {**kept, "camera": camera, "depth": depth}


def _names_a_camera(files: object) -> bool:
    if not isinstance(files, list) or not files:
        return True
    names = [cast("dict[str, Any]", one).get("name") for one in cast("list[Any]", files) if isinstance(one, dict)]
    return any(is_camera_file(name) for name in names if isinstance(name, str))


def migrated(request: dict[str, Any]) -> dict[str, Any]:
    """A request as JSON data, of version 4 if it is of version 2 or 3; else unchanged."""
    if request.get("contract") == 3:
        return {**request, "contract": 4}
    geometry = request.get("geometry")
    if request.get("contract") != 2 or not isinstance(geometry, dict):
        return request
    return {**request, "contract": 4, "geometry": migrated_geometry(cast("dict[str, Any]", geometry))}
