# SPDX-License-Identifier: Apache-2.0
"""A ground-truth scene as a job, its cameras placed in the world of the geometry that the job uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reangle.contract import CameraPath, Clip, GeometrySettings, JobRequest, new_job_id
from reangle.contract.geometry_folders import collect_geometry_files
from reangle.evaluation.truth import TrueScene
from reangle.geometry.video_geometry import VideoGeometry
from reangle.runtime.store import Store

TRUTH = "files"
"""The provider that reads a scene's true depth or camera."""


def true_depth_request(scene: TrueScene, store: Store, **settings: Any) -> JobRequest:
    """A job with the scene's true depth and source camera. settings: further fields of JobRequest."""
    return _request(scene, store, _geometry(scene, store, TRUTH, TRUTH), **settings)


def scene_request(
    scene: TrueScene,
    store: Store,
    camera: str,
    depth: str,
    geometry_of: Callable[[JobRequest], VideoGeometry],
    **settings: Any,
) -> JobRequest:
    """The job that renders all of the scene's cameras.

    camera, depth: providers of the geometry, "files" for the truth. geometry_of: makes the geometry of a request
    without cameras. Estimated geometry has a scale and a lens of its own, which decide where the cameras go.
    settings: further fields of JobRequest.
    """
    paths = tuple(view.path for view in scene.views)
    if camera == depth == TRUTH:
        return true_depth_request(scene, store, paths=paths, **settings)
    request = _request(scene, store, _geometry(scene, store, camera, depth), **settings)
    truth, estimate = geometry_of(true_depth_request(scene, store)), geometry_of(request)
    return replace(request, paths=tuple(in_estimated_world(path, truth, estimate) for path in paths))


def in_estimated_world(path: CameraPath, truth: VideoGeometry, estimate: VideoGeometry) -> CameraPath:
    """The camera as an artist would place it who sees the estimated geometry.

    Its distance is scaled by the first frame's median depth, its focal length in proportion to the clip's. Both worlds
    are the first source camera's, so nothing is rotated.
    """
    unit = np.median(estimate.depth[0][estimate.valid[0]]) / np.median(truth.depth[0][truth.valid[0]])
    zoom = estimate.K_at(path.width, path.height)[0, 0, 0] / truth.K_at(path.width, path.height)[0, 0, 0]
    poses, K = np.asarray(path.world_from_camera), np.asarray(path.K)
    poses[:, :3, 3] *= unit
    K[:, [0, 1], [0, 1]] *= zoom
    return replace(path, world_from_camera=poses.tolist(), K=K.tolist())


def _geometry(scene: TrueScene, store: Store, camera: str, depth: str) -> GeometrySettings:
    paths = [scene.folder / "scene.json"] if TRUTH in (camera, depth) else []
    if depth == TRUTH:
        paths += collect_geometry_files(scene.folder / "depth")
    return GeometrySettings(camera, depth, tuple(store.add_file(path) for path in paths))


def _request(scene: TrueScene, store: Store, geometry: GeometrySettings, **settings: Any) -> JobRequest:
    pictures = sorted((scene.folder / "source").iterdir())
    clip = Clip(files=tuple(store.add_file(path) for path in pictures), fps=scene.fps)
    return JobRequest(id=new_job_id(), title=scene.name, clip=clip, geometry=geometry, **settings)
