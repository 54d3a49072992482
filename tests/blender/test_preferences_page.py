# SPDX-License-Identifier: GPL-3.0-or-later
"""The preferences' page: what it shows in each state, and installing from its button."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import bpy
import pytest
from conftest import MODULE
from test_panels import RecordingLayout

from tests.core.small_backend import carry, make_home

Reangle = Callable[[str], ModuleType]
INSTALL, ONLINE = "reangle.install_backend", "reangle.open_system_preferences"


class PageLayout(RecordingLayout):
    """A layout with parts that fold; all are open."""

    def panel(self, _name: str, **_: object) -> tuple[PageLayout, PageLayout]:
        return self, self

    def separator(self) -> None:
        pass

    def split(self, **_: object) -> PageLayout:
        return type(self)(self.drawn)

    row = column = box = split


@pytest.fixture
def data(reangle: Reangle, tmp_path: Path) -> Iterator[Path]:
    data = tmp_path / "däta folder"
    bpy.context.preferences.addons[MODULE].preferences.data_folder = str(data)
    bpy.context.preferences.system.use_online_access = False
    yield data
    bpy.context.preferences.system.use_online_access = False


def shown(reangle: Reangle, width: int = 600) -> list[str]:
    """Texts, operators and properties of the page, in their order."""
    layout = PageLayout([])
    system = SimpleNamespace(ui_scale=1.0)
    context: Any = SimpleNamespace(
        region=SimpleNamespace(width=width),
        preferences=SimpleNamespace(system=system),
        window_manager=SimpleNamespace(keyconfigs=SimpleNamespace(user=None)),
    )
    reangle("page").draw(layout, context, bpy.context.preferences.addons[MODULE].preferences)
    return layout.drawn


def test_without_a_backend_the_page_offers_to_install_the_carried_one(reangle: Reangle, data: Path) -> None:
    drawn = shown(reangle)
    assert "The backend is not installed" in drawn
    assert {INSTALL, ONLINE} <= set(drawn)
    with pytest.raises(RuntimeError, match="stay offline"):
        bpy.ops.reangle.install_backend()
    assert not data.exists()

    bpy.context.preferences.system.use_online_access = True
    assert ONLINE not in shown(reangle)
    assert reangle("core.installer").carried().version in reangle("links").versions()


def test_the_button_installs_shows_progress_and_updates(
    reangle: Reangle, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path, monkeypatch)
    installing, pump = reangle("exchange.installing"), reangle("exchange.main_thread")
    bpy.context.preferences.system.use_online_access = True
    monkeypatch.setattr(reangle("core.installer"), "carried_folder", lambda: carried)

    def install() -> list[str]:
        assert bpy.ops.reangle.install_backend() == {"FINISHED"}
        during = shown(reangle)
        with pytest.raises(RuntimeError, match="is being installed"):
            bpy.ops.reangle.install_backend()
        pump.pump_until(lambda: installing.now.progress is None, timeout_s=300)
        failure = installing.now.failure
        assert failure is None, failure.message
        return during

    carried = carry(home / "first", "1.0.0")
    assert {"reangle.cancel_installation", "0%"} <= set(install())
    pump.pump_until(lambda: reangle("exchange.connection").now.state == "failed", timeout_s=60)
    drawn = shown(reangle)
    assert "Backend 1.0.0 is installed and does not run" in drawn, "the small backend does not serve"
    assert "reangle.open_log" in drawn
    assert "Update to" not in " ".join(drawn)

    carried = carry(home / "second", "1.1.0")
    assert installing.update() == "1.1.0"
    assert "The add-on carries version 1.1.0" in shown(reangle)
    install()
    assert (installing.installed().version, installing.update()) == ("1.1.0", "")


def test_disabling_the_addon_ends_an_installation(
    reangle: Reangle, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path, monkeypatch)
    bpy.context.preferences.system.use_online_access = True
    carried = carry(home / "carried", "1.0.0")
    monkeypatch.setattr(reangle("core.installer"), "carried_folder", lambda: carried)
    bpy.ops.reangle.install_backend()
    log = reangle("core.installer").log_file(data)
    reangle("exchange.main_thread").pump_until(lambda: log.is_file() and "Making" in log.read_text(), timeout_s=60)
    reangle("exchange.installing").forget()
    written = log.read_text()
    time.sleep(1.0)
    assert log.read_text() == written
    assert not (data / "backend.json").exists()
    assert not [path for path in (home / "environments").iterdir() if path.is_dir()]


def test_weights_are_listed_with_size_licence_and_where_to_get_them(desk: SimpleNamespace) -> None:
    drawn = shown(desk.reangle)
    text = " ".join(drawn)
    assert "Mini: 49 MB, installed" in drawn
    assert "Installed" in drawn
    assert {"wm.url_open", "reangle.download_weights", "reangle.check_weights", "reangle.stop_backend"} <= set(drawn)
    assert "it restricts commercial work" in text
    before = desk.connection.now.capabilities
    bpy.ops.reangle.check_weights()
    desk.main_thread.pump_until(lambda: desk.connection.now.capabilities is not before, timeout_s=60)
    bpy.ops.reangle.restart_backend()
    desk.main_thread.pump_until(lambda: desk.connection.now.state == "on", timeout_s=120)


@pytest.mark.parametrize("width", [300, 600, 1400])
def test_a_long_folder_is_shown_in_full(reangle: Reangle, data: Path, width: int) -> None:
    folder = data.joinpath(*["a folder with a long name"] * 9)
    bpy.context.preferences.addons[MODULE].preferences.data_folder = str(folder)
    drawn = shown(reangle, width)
    start = next(number for number, text in enumerate(drawn) if text and str(folder).startswith(text))
    assert "".join("".join(drawn[start:]).split()).startswith("".join(str(folder).split()))


def test_a_bug_report_has_versions_and_no_path(reangle: Reangle, data: Path) -> None:
    bpy.ops.reangle.report_bug()
    links = reangle("links")
    address = links.bug_page("https://example.org/reangle")
    assert address.startswith("https://example.org/reangle/issues/new?template=bug.yml")
    assert bpy.app.version_string.split()[0] in address
    for private in (str(data), str(Path.home())):
        assert private not in links.versions()


@pytest.mark.parametrize("wanted", [True, False])
def test_a_file_with_an_unfinished_job_starts_the_backend_if_that_is_wanted(
    reangle: Reangle, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    job = reangle("state").of(bpy.context.scene).jobs.add()
    job.name, job.state = "0" * 32, "running"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.context.preferences.addons[MODULE].preferences.auto_start = wanted
    started: list[int] = []
    # Without a window nothing is started.
    monkeypatch.setattr(reangle("exchange.auto_start"), "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))
    monkeypatch.setattr(reangle("exchange.connection"), "start", lambda: started.append(1))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    pump = reangle("exchange.main_thread")
    pump.pump_until(lambda: not pump.is_busy(), timeout_s=30)
    bpy.context.preferences.addons[MODULE].preferences.auto_start = False
    assert started == [1] * wanted
