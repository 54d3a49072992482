# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that are downloaded from the panel: the real backend, and a server on loopback that answers like the hub."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import bpy
import pytest
from conftest import MODULE, backend_folder, end_backend
from test_panels import RecordingLayout, drawn_by

from tests.backend.hub_server import Hub, hub_server

Reangle = Callable[[str], ModuleType]

SMALL, DUST3R, VIDEO = "Depth-Anything-V2-Small-hf", "DUSt3R_ViTLarge_BaseDecoder_512_dpt", "CogVideoX-5b-I2V"
VACE = "Wan2.1-VACE-1.3B-diffusers"
CHUNK = 10 * 2**20
DOWNLOAD, CANCEL = "reangle.download_weights", "reangle.cancel_download"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tmp_path / "hub"
    folder.mkdir()
    for name, content in (("config", {"model_type": "depth_anything"}), ("preprocessor_config", {})):
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "model.safetensors").write_bytes(os.urandom(CHUNK + 4000))
    with hub_server(Hub({f"depth-anything/{SMALL}": folder, f"naver/{DUST3R}": folder})) as served:
        yield served


@pytest.fixture
def desk(reangle: Reangle, hub: Hub, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """The extension, connected to a backend that downloads from the hub on loopback."""
    data = tmp_path / "data"
    data.mkdir()
    environment = {name: "" for name in os.environ if name.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    bpy.context.preferences.addons[MODULE].preferences.data_folder = str(data)
    desk = SimpleNamespace(reangle=reangle, data=data, downloads=reangle("exchange.downloads"), hub=hub)
    desk.connection, desk.main_thread = reangle("exchange.connection"), reangle("exchange.main_thread")
    bpy.context.preferences.system.use_online_access = True
    with backend_folder(data, environment):
        connect(desk)
        yield desk
        hub.go_on.set()


def connect(desk: SimpleNamespace) -> None:
    bpy.ops.reangle.start_backend()
    wait(desk, lambda: desk.connection.now.state in ("on", "failed"))
    assert desk.connection.now.state == "on", desk.connection.now.failure


def wait(desk: SimpleNamespace, condition: Callable[[], object]) -> None:
    desk.main_thread.pump_until(lambda: bool(condition()), timeout_s=120)


def status(desk: SimpleNamespace, name: str = SMALL) -> Any:
    return desk.downloads.statuses.get(name)


def shown(desk: SimpleNamespace, panel: str = "clip") -> tuple[list[str], str]:
    """What the panel of a step draws, and all its texts."""
    drawn = drawn_by(getattr(desk.reangle(f"panels.{panel}"), f"REANGLE_PT_{panel}"))
    return drawn, " ".join(drawn)


def choose(desk: SimpleNamespace, depth: str) -> Any:
    clip = desk.reangle("state").of(bpy.context.scene).clip
    clip.depth, clip.path = depth, "/clip.mp4"
    return clip


def give_card(desk: SimpleNamespace) -> None:
    """What the backend reports of itself, as on a machine with a large graphics card."""
    reported = desk.connection.now.capabilities
    suites = tuple(replace(suite, problem="") for suite in reported.suites)
    desk.connection.now.capabilities = replace(reported, suites=suites)


def check_every_offered_suite(desk: SimpleNamespace) -> None:
    """With Commercial Use Only: of each engine's suites, exactly those are refused for their licence of which a part
    is restricted."""
    choices, error = desk.reangle("choices"), desk.reangle("core.errors").UserError
    capabilities = desk.connection.now.capabilities
    for engine in (engine.name for engine in capabilities.engines if engine.needs):
        names = [item[0] for item in choices.items("suite", engine=engine)]
        assert len(names) > 1
        for name in names:
            try:
                choices.check_licence("suite", name, engine)
            except error:
                assert not all(part.commercial_ok for part in capabilities.suite(name).parts), name
            else:
                assert all(part.commercial_ok for part in capabilities.suite(name).parts), name


def dialog(desk: SimpleNamespace, name: str) -> list[str]:
    """What the dialog before a download shows."""
    drawn: list[str] = []
    operator = desk.reangle("operators.weights").REANGLE_OT_download_weights
    part = desk.reangle("weights").named(name)
    operator.draw(SimpleNamespace(layout=AnyProperty(drawn), _part=lambda: part), bpy.context)
    return drawn


class AnyProperty(RecordingLayout):
    """The properties of an operator that does not run do not exist."""

    def prop(self, data: Any, name: str, **_: object) -> None:
        self.drawn.append(name)


def test_weights_are_downloaded_from_the_panel_canceled_and_continued(desk: SimpleNamespace) -> None:
    desk.hub.pauses["model.safetensors"] = CHUNK + 1000
    choose(desk, "depth-anything")
    drawn, text = shown(desk)
    assert DOWNLOAD in drawn
    assert "Depth Anything V2 Small is not on this machine: 99 MB, Apache-2.0" in text
    said = " ".join(dialog(desk, SMALL))
    for words in ("99 MB", "Apache-2.0", "allows commercial work", "wm.url_open"):
        assert words in said
    assert bpy.ops.reangle.download_weights(weights=SMALL) == {"FINISHED"}
    wait(desk, lambda: status(desk).here >= CHUNK)
    drawn, text = shown(desk)
    assert (CANCEL in drawn, DOWNLOAD in drawn) == (True, False)
    assert "100% of 10 MB" in text
    # Another Blender, or this one started again.
    desk.downloads.forget()
    desk.connection.reset()
    connect(desk)
    wait(desk, lambda: status(desk) is not None)
    assert status(desk).state == "running"
    assert bpy.ops.reangle.cancel_download(weights=SMALL) == {"FINISHED"}
    wait(desk, lambda: status(desk).is_final)
    assert status(desk).state == "canceled"
    assert DOWNLOAD in shown(desk)[0]
    desk.hub.pauses.clear()
    desk.hub.requests.clear()
    bpy.ops.reangle.download_weights(weights=SMALL)
    wait(desk, lambda: status(desk).is_final)
    assert (status(desk).state, status(desk).error) == ("done", None)
    assert f"bytes={CHUNK}-" in [part for _, _, part in desk.hub.requests]
    wait(desk, lambda: desk.connection.now.capabilities.depth_provider("depth-anything").available)
    assert DOWNLOAD not in shown(desk)[0]
    desk.reangle("readiness").choice_of(bpy.context.scene)


def test_a_failed_download_says_what_to_do_and_offers_the_next_try(desk: SimpleNamespace) -> None:
    desk.hub.gated.add(f"depth-anything/{SMALL}")
    choose(desk, "auto")
    assert DOWNLOAD in shown(desk)[0], "auto has nothing but the small weights that ship"
    bpy.ops.reangle.download_weights(weights=SMALL)
    wait(desk, lambda: status(desk).is_final)
    drawn, text = shown(desk)
    assert "is gated" in text
    assert "HF_TOKEN" in text
    assert DOWNLOAD in drawn
    end_backend(desk.data)
    bpy.ops.reangle.download_weights(weights=SMALL)
    wait(desk, lambda: status(desk) is None or status(desk).is_final)
    wait(desk, lambda: desk.connection.now.backend is None)
    assert "reangle.start_backend" in shown(desk)[0]


def test_nothing_is_downloaded_while_blender_is_set_to_stay_offline(desk: SimpleNamespace) -> None:
    bpy.context.preferences.system.use_online_access = False
    choose(desk, "depth-anything")
    drawn, text = shown(desk)
    assert DOWNLOAD not in drawn
    assert "Allow Online Access" in text
    with pytest.raises(RuntimeError, match="stay offline"):
        bpy.ops.reangle.download_weights(weights=SMALL)
    assert not desk.hub.requests


def test_a_restricted_licence_is_shown_and_must_be_accepted(desk: SimpleNamespace) -> None:
    choose(desk, "dust3r")
    assert shown(desk)[0].count(DOWNLOAD) == 1
    drawn = dialog(desk, DUST3R)
    assert "accept_licence" in drawn
    assert "CC BY-NC-SA 4.0, not for commercial work" in " ".join(drawn)
    with pytest.raises(RuntimeError, match=r"must be accepted.*CC BY-NC-SA"):
        bpy.ops.reangle.download_weights(weights=DUST3R)
    assert not desk.hub.requests
    bpy.ops.reangle.download_weights(weights=DUST3R, accept_licence=True)
    wait(desk, lambda: status(desk, DUST3R).is_final)
    assert status(desk, DUST3R).state == "done"
    record = json.loads((desk.data / "models" / DUST3R / "downloaded.txt").read_text())
    assert record["licence"].startswith("CC BY-NC-SA")


def test_commercial_use_only_holds_for_every_part_and_every_download(
    desk: SimpleNamespace, commercial_only: None
) -> None:
    clip = choose(desk, "dust3r")
    clip.camera = "dust3r"
    drawn, text = shown(desk)
    assert DOWNLOAD not in drawn
    assert text.count("not offered while Commercial Use Only is on: CC BY-NC-SA") == 1
    for name in (DUST3R, VIDEO, "FLUX.1-Fill-dev", "Depth-Anything-V2-Large-hf"):
        with pytest.raises(RuntimeError, match="Commercial Use Only"):
            bpy.ops.reangle.download_weights(weights=name, accept_licence=True)
    shot = desk.reangle("state").of(bpy.context.scene)
    shot.engine, shot.learning.suite = "reangle", "cogvideox-5b"
    give_card(desk)
    drawn, text = shown(desk, "render")
    assert DOWNLOAD not in drawn
    assert "Commercial Use Only is on: CogVideoX License" in text
    check, error = desk.reangle("choices").check, desk.reangle("core.errors").UserError
    with pytest.raises(error, match=r"not for commercial work: DUSt3R"):
        check("suite", "cogvideox-5b", "reangle")
    check("suite", "mini", "reangle")
    shot.engine, shot.learning.suite = "inpaint", "auto"
    assert DOWNLOAD in shown(desk, "render")[0], "Wan VACE is for any work"
    check_every_offered_suite(desk)
    contract, transfer = desk.reangle("core.contract"), desk.reangle("exchange.transfer")
    files = (contract.FileRef("clip.mp4", "0" * 64, 1),)
    imported = transfer.Material(contract.Clip(files), contract.GeometrySettings(depth="dust3r"))
    shot.engine, shot.shot_request = "preview", contract.to_json(imported)
    with pytest.raises(error, match=r"DUSt3R is not for commercial work"):
        desk.reangle("exchange.sending").render(bpy.context.scene, [], [])
    shot.shot_request = ""
    clip.camera, clip.depth = "auto", "depth-anything"
    assert DOWNLOAD in shown(desk)[0], "Depth Anything V2 Small is for any work"
    assert not desk.hub.requests


def test_an_engine_without_weights_says_what_to_fetch_and_offers_it(desk: SimpleNamespace) -> None:
    shot = desk.reangle("state").of(bpy.context.scene)
    shot.engine = "inpaint"
    assert shot.learning.suite == "auto"
    give_card(desk)
    drawn, text = shown(desk, "render")
    assert "Wan 2.1 VACE 1.3B is not on this machine: 19.0 GB, Apache-2.0" in text
    assert drawn.count(DOWNLOAD) == 1, "the video model alone: smaller weights take the place of the rest"
    said = " ".join(dialog(desk, VACE))
    for words in ("19.0 GB", "Apache-2.0", "allows commercial work"):
        assert words in said
    assert bpy.ops.reangle.download_weights(weights=VACE) == {"FINISHED"}
    wait(desk, lambda: status(desk, VACE).is_final)
    # The hub on loopback does not have it.
    assert [place for _, place, _ in desk.hub.requests if f"Wan-AI/{VACE}" in place]
    assert status(desk, VACE).error is not None
    drawn, text = shown(desk, "render")
    assert status(desk, VACE).error.message.split()[0] in text
    assert DOWNLOAD in drawn
