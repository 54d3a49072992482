# SPDX-License-Identifier: Apache-2.0
"""`reangle models download`, with the hub's real client and a server on loopback that answers like the hub."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import pytest
from reangle.errors import UserError
from reangle.runtime.file_hashes import FileHashes
from reangle.weights.registry import find_checkpoint

from tests.backend.hub_server import Hub, hub_server
from tests.backend.wan_twins import VACE, vace

REPO = Path(__file__).resolve().parents[2]
SMALL, DUST3R = "Depth-Anything-V2-Small-hf", "DUSt3R_ViTLarge_BaseDecoder_512_dpt"
WEIGHTS = os.urandom(24_000_000)
CHUNK = 10 * 2**20
"""The client writes so many bytes at a time."""


@contextmanager
def publishing(place: Path) -> Iterator[Hub]:
    """A hub with weights under a free and under a restricted licence, each with a file that Reangle does not need."""
    repositories = {}
    for owner, name in (("depth-anything", SMALL), ("naver", DUST3R)):
        folder = repositories[f"{owner}/{name}"] = place / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"model_type": "depth_anything"}))
        (folder / "preprocessor_config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(WEIGHTS)
        (folder / "pytorch_model.bin").write_bytes(b"never wanted")
    with hub_server(Hub(repositories)) as served:
        yield served


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with publishing(tmp_path / "hub") as served:
        yield served


def reangle(hub: Hub, data: Path, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment |= {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(data / "hub home"),
        "PYTHONPATH": os.pathsep.join([str(REPO / "backend"), environment.get("PYTHONPATH", "")]),
        **({"HF_TOKEN": token} if token else {}),
    }
    command = [sys.executable, "-m", "reangle", "models", *words, "--data", str(data)]
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )


def events(done: subprocess.CompletedProcess[str]) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_only_the_files_that_are_needed_come_and_are_verified_later(hub: Hub, tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = reangle(hub, data, "download", SMALL.lower(), "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    folder = data / "models" / SMALL
    there = {path.name for path in folder.iterdir()}
    assert there == {"config.json", "preprocessor_config.json", "model.safetensors", "downloaded.txt"}
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    record = json.loads((folder / "downloaded.txt").read_text())
    assert (record["hub"], record["licence"]) == (f"depth-anything/{SMALL}", "Apache-2.0")
    shares = [event["progress"] for event in events(done) if event["event"] == "progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    weights = folder / "model.safetensors"
    assert FileHashes(data).known(weights) == hashlib.sha256(WEIGHTS).hexdigest(), "it need not be read again"
    assert {SMALL in path for _, path, _ in hub.requests} == {True}, "nothing else is told or asked"
    asked = len(hub.requests)
    again = reangle(hub, data, "download", SMALL)
    assert (again.returncode, len(hub.requests)) == (0, asked)
    assert reangle(hub, data, "verify", SMALL).returncode == 0
    (folder / "config.json").write_text("{}")
    changed = reangle(hub, data, "verify", SMALL)
    assert changed.returncode == 2
    assert "config.json has changed" in changed.stderr


def test_weights_come_in_as_many_parts_as_the_hub_has(tmp_path: Path) -> None:
    """However its makers split them: the index that came is complete, or the weights count as missing."""
    published = vace(tmp_path / "hub" / VACE)
    (published / "transformer" / "diffusion_pytorch_model.fp16-00001-of-00002.safetensors").write_bytes(b"never wanted")
    (published / "README.md").write_text("never wanted")
    data, folder = tmp_path / "data", tmp_path / "data" / "models" / VACE
    with hub_server(Hub({f"Wan-AI/{VACE}": published})) as served:
        done = reangle(served, data, "download", VACE)
        assert done.returncode == 0, done.stderr + done.stdout
        shards = sorted(path.name for path in (folder / "transformer").glob("*.safetensors"))
        assert shards == [f"diffusion_pytorch_model-{number:05d}-of-00003.safetensors" for number in (1, 2, 3)]
        assert not list(folder.rglob("README.md"))
        assert find_checkpoint("wan-vace-1.3b/inpainting", data) == folder
        (folder / "text_encoder" / "model-00002-of-00003.safetensors").unlink()
        with pytest.raises(UserError, match=r"lacks text_encoder/model-00002-of-00003\.safetensors\."):
            find_checkpoint(VACE, data)
        assert reangle(served, data, "download", VACE).returncode == 0
    assert find_checkpoint(VACE, data) == folder


def test_a_cut_download_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    data = tmp_path / "data"
    hub.cuts["model.safetensors"] = [CHUNK + 1000, *[0] * 20]
    broken = reangle(hub, data, "download", SMALL)
    assert broken.returncode == 2
    assert "goes on where it stopped" in broken.stderr
    assert not (data / "models" / SMALL).exists()
    hub.cuts.clear()
    hub.requests.clear()
    assert reangle(hub, data, "download", SMALL).returncode == 0
    assert (data / "models" / SMALL / "model.safetensors").read_bytes() == WEIGHTS
    ranges = [ranges for method, path, ranges in hub.requests if method == "GET" and path.endswith(".safetensors")]
    assert ranges == [f"bytes={CHUNK}-"]


def test_a_copy_by_hand_that_lacks_files_is_completed(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "models" / SMALL
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    assert reangle(hub, tmp_path, "download", SMALL).returncode == 0
    assert not [path for method, path, _ in hub.requests if method == "GET" and path.endswith(".safetensors")]
    assert reangle(hub, tmp_path, "verify", SMALL).returncode == 0


def test_a_damaged_file_is_never_taken_for_weights(hub: Hub, tmp_path: Path) -> None:
    hub.damaged.add("model.safetensors")
    done = reangle(hub, tmp_path, "download", SMALL)
    assert done.returncode == 2
    assert "model.safetensors came damaged" in done.stderr
    assert not (tmp_path / "models" / SMALL).exists()
    hub.damaged.clear()
    assert reangle(hub, tmp_path, "download", SMALL).returncode == 0


def test_two_processes_never_write_into_one_folder(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with filelock.FileLock(tmp_path / "models" / f".{SMALL}.lock"):
        refused = reangle(hub, tmp_path, "download", SMALL)
    assert refused.returncode == 2
    assert "being downloaded by another process" in refused.stderr
    assert not hub.requests
    assert reangle(hub, tmp_path, "download", SMALL).returncode == 0


def test_what_ships_says_that_it_is_there(hub: Hub, tmp_path: Path) -> None:
    for name in ("mini", "mini-video"):
        done = reangle(hub, tmp_path, "download", name)
        assert (done.returncode, done.stderr.strip()) == (
            0,
            f"{name} comes with Reangle: there is nothing to download.",
        )


def test_a_restricted_licence_is_shown_and_must_be_accepted(hub: Hub, tmp_path: Path) -> None:
    refused = reangle(hub, tmp_path, "download", DUST3R)
    assert refused.returncode == 2
    assert "CC BY-NC-SA 4.0, not for commercial work" in refused.stderr
    assert "--accept-licence" in refused.stderr
    assert not hub.requests
    assert reangle(hub, tmp_path, "download", DUST3R, "--accept-licence").returncode == 0
    record = json.loads((tmp_path / "models" / DUST3R / "downloaded.txt").read_text())
    assert record["licence"].startswith("CC BY-NC-SA")
    assert record["accepted"]


def test_gated_missing_and_unreachable_repositories_say_what_to_do(hub: Hub, tmp_path: Path) -> None:
    hub.gated.add(f"depth-anything/{SMALL}")
    gated = reangle(hub, tmp_path, "download", SMALL)
    assert "HF_TOKEN" in gated.stderr
    assert reangle(hub, tmp_path, "download", SMALL, token=hub.token).returncode == 0
    gone = reangle(hub, tmp_path, "download", "Depth-Anything-V2-Base-hf", "--accept-licence")
    assert "does not show depth-anything/Depth-Anything-V2-Base-hf" in gone.stderr
    hub.url = "http://127.0.0.1:9"
    away = reangle(hub, tmp_path, "download", DUST3R, "--accept-licence")
    assert "stopped" in away.stderr
    for done in (gated, gone, away):
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
