# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering again only what changed since the last result."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest
from conftest import wait_for_jobs


def test_only_cameras_that_changed_are_sent_again(rendered: SimpleNamespace) -> None:
    jobs = rendered.state.of(bpy.context.scene).jobs
    with pytest.raises(RuntimeError, match="has changed since its last result"):
        bpy.ops.reangle.render(which="OUTDATED")
    bpy.data.objects["Left"].data.lens *= 1.1
    assert bpy.ops.reangle.render(which="OUTDATED") == {"FINISHED"}
    assert [camera.name for camera in jobs[-1].cameras] == ["Left"]
    wait_for_jobs(rendered)
    with pytest.raises(RuntimeError, match="has changed since its last result"):
        bpy.ops.reangle.render(which="OUTDATED")
    assert bpy.ops.reangle.render() == {"FINISHED"}
    assert [camera.name for camera in jobs[-1].cameras] == ["Left", "In"]
    wait_for_jobs(rendered)
