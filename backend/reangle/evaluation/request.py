# SPDX-License-Identifier: Apache-2.0
"""A ground-truth scene as a job, its cameras put into the world that the geometry found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from uuid import uuid4

import numpy as np

from reangle.contract import CameraPath, Clip, GeometrySettings, JobRequest
from reangle.contract.camera_path import rows_of
from reangle.engines.plan import plan_job
from reangle.evaluation.truth import TrueScene
from reangle.geometry.depth.availability import provider_weights
from reangle.geometry.depth.files import collect_geometry_files
from reangle.geometry.video_geometry import VideoGeometry
from reangle.runtime.stage import Stage
from reangle.runtime.store import Artifact, Store


def scene_request(
    scene: TrueScene,
    store: Store,
    provider: Literal["files", "mini"],
    run: Callable[[Sequence[Stage]], Mapping[str, Artifact]],
    **settings: Any,
) -> JobRequest:
    """The job that renders all of the scene's cameras.

    provider: "files" for the true depth. run: runs stages and gives what they made, by name; estimated geometry has a
    scale and a lens of its own, so it has to be known before the cameras are. settings: further fields of JobRequest.
    """
    geometry = _geometry(scene, store, provider)
    pictures = sorted((scene.folder / "source").iterdir())
    clip = Clip(files=tuple(store.add_file(path) for path in pictures), fps=scene.fps)
    request = JobRequest(id=uuid4().hex, title=scene.name, clip=clip, geometry=geometry, **settings)
    paths = tuple(view.path for view in scene.views)
    if provider != "files":
        true, found = (
            VideoGeometry.load(run(plan_job(one, store.root))["geometry"].folder)
            for one in (request.model_copy(update={"geometry": _geometry(scene, store, "files")}), request)
        )
        paths = tuple(in_found_world(path, true, found) for path in paths)
    return request.model_copy(update={"paths": paths})


def in_found_world(path: CameraPath, true: VideoGeometry, found: VideoGeometry) -> CameraPath:
    """The camera as an artist would set it who sees the found geometry: as far away in proportion to the first frame's
    depth (median), and with a lens as much longer than the clip's as in truth.

    Both worlds are the first source camera's, so nothing has to be turned.
    """
    unit = np.median(found.depth[0][found.valid[0]]) / np.median(true.depth[0][true.valid[0]])
    zoom = found.K_at(path.width, path.height)[0, 0, 0] / true.K_at(path.width, path.height)[0, 0, 0]
    poses, K = path.extrinsics(), path.intrinsics()
    poses[:, :3, 3] *= unit
    K[:, [0, 1], [0, 1]] *= zoom
    return path.model_copy(update={"world_from_camera": rows_of(poses), "K": rows_of(K)})


def _geometry(scene: TrueScene, store: Store, provider: Literal["files", "mini"]) -> GeometrySettings:
    if provider == "files":
        paths = (*collect_geometry_files(scene.folder / "depth"), scene.folder / "scene.json")
        return GeometrySettings(provider="files", files=tuple(store.add_file(path) for path in paths))
    settings = GeometrySettings(provider=provider)
    provider_weights(settings, store.root)
    return settings
