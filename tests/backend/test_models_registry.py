# SPDX-License-Identifier: Apache-2.0
"""The weights registry: folders of weights, errors if they are missing, and no unpickling or downloads."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from reangle.contract import GeometrySettings, from_data
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.geometry.availability import status_of, weights_of
from reangle.geometry.camera.providers import CAMERAS, camera_named
from reangle.geometry.depth.providers import DEPTHS, depth_named
from reangle.weights.checkpoints import CHECKPOINTS
from reangle.weights.identity import checkpoint_hash
from reangle.weights.kinds import COGVIDEOX_I2V
from reangle.weights.registry import find_checkpoint, kind_of, licence_of, list_checkpoints, what_to_copy
from reangle.weights.suites import SUITES, known_checkpoint

from tests.backend.tiny_checkpoints import save_depth_anything, save_dust3r

DUST3R = "DUSt3R_ViTLarge_BaseDecoder_512_dpt"
SMALL = "Depth-Anything-V2-Small-hf"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REANGLE_DOWNLOAD", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("used the network")

    monkeypatch.setattr("socket.socket.connect", refuse)


DOWNLOADED = [known for known in CHECKPOINTS if not known.shipped]


@pytest.mark.parametrize("known", DOWNLOADED, ids=lambda known: known.name)
def test_error_for_missing_weights_names_licence_size_folder_and_alternative(known, tmp_path: Path) -> None:
    for name in (known.name, known.hub, known.name.lower()):
        with pytest.raises(UserError) as caught:
            find_checkpoint(name, tmp_path)
        message = str(caught.value)
        assert known.name in message
        assert known.terms in message
        assert " MB" in message or " GB" in message
        assert str(tmp_path / "models" / known.name) in message
        assert all(file.partition("/")[0] in message for file in known.files)
        alternative = {"geometry": "files", "features": "mini depth"}.get(known.kind.role, "preview")
        assert alternative in caught.value.advice.rsplit("Without it", 1)[1]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_weights_can_be_named_by_suite_and_role(suite) -> None:
    for role, known in suite.checkpoints.items():
        assert known_checkpoint(f"{suite.name.upper()}/{role}") is known
        assert known_checkpoint(known.name) is known
    assert known_checkpoint(suite.name) is suite.geometry
    assert known_checkpoint(f"{suite.name}/sound") is None
    assert known_checkpoint("") is None


def test_terms_include_every_restriction() -> None:
    for known in CHECKPOINTS:
        assert known.licence.commercial_ok == ("commercial" not in known.terms.lower()), known.name
    terms = {known.name: known.terms for known in CHECKPOINTS}
    assert {terms[f"mini-{role}"] for role in ("geometry", "video", "image")} == {"Apache-2.0"}


def test_a_complete_pipeline_is_found(tmp_path: Path) -> None:
    known = known_checkpoint("cogvideox-5b/video")
    assert known is not None
    folder = tmp_path / "models" / known.name
    for name in known.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"_class_name": "CogVideoXImageToVideoPipeline"}', encoding="utf-8")
    assert find_checkpoint("thudm/cogvideox-5b-i2v", tmp_path) == folder
    assert kind_of(folder) is COGVIDEOX_I2V
    assert what_to_copy(known.files).startswith("model_index.json and the folders scheduler, text_encoder")
    before = checkpoint_hash(folder, tmp_path)
    (folder / "tokenizer" / "spiece.model").write_text("changed", encoding="utf-8")
    assert checkpoint_hash(folder, tmp_path) != before
    (folder / "transformer" / "diffusion_pytorch_model-00002-of-00003.safetensors").unlink()
    with pytest.raises(UserError, match=r"lacks transformer/diffusion_pytorch_model-00002-of-00003\.safetensors\."):
        find_checkpoint("cogvideox-5b/video", tmp_path)


@pytest.mark.parametrize("provider", ["dust3r", "depth-anything"])
def test_a_job_without_weights_is_refused_before_it_decodes(provider: str, tmp_path: Path) -> None:
    from reangle.contract import JobRequest

    clip = {"files": [{"name": "a.mp4", "sha256": "0" * 64, "size": 1}]}
    request = from_data(JobRequest, {"id": "0" * 32, "clip": clip, "geometry": {"depth": provider}})
    with pytest.raises(UserError, match="not on this machine"):
        plan_job(request, tmp_path)


def test_installed_weights_are_found_by_name_hub_name_and_folder(tmp_path: Path) -> None:
    folder = save_dust3r(tmp_path / "models" / DUST3R)
    for name in (DUST3R, f"naver/{DUST3R}", str(folder)):
        assert find_checkpoint(name, tmp_path) == folder
    for spec in (camera_named("dust3r"), depth_named("dust3r")):
        assert weights_of(spec, None, tmp_path) == str(folder)
    assert licence_of(str(folder)) == "CC BY-NC-SA 4.0, not for commercial work"
    assert [row["name"] for row in list_checkpoints(tmp_path) if row["installed"] and not row["shipped"]] == [DUST3R]


def test_hub_cache_is_used_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
    repository = tmp_path / "hub" / f"models--depth-anything--{SMALL}"
    snapshot = save_depth_anything(repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    assert find_checkpoint(SMALL, tmp_path) == snapshot
    assert licence_of(str(snapshot)) == "Apache-2.0"


@pytest.mark.parametrize("name", ["model.pth", "model.pt", "pytorch_model.bin", "model.ckpt"])
def test_weights_that_could_run_code_are_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "models" / DUST3R
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    torch.save({}, folder / name)
    for wanted in (DUST3R, str(folder), str(folder / name), name):
        with pytest.raises(UserError, match="can run code"):
            find_checkpoint(wanted, tmp_path)


def test_a_folder_that_is_incomplete_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    small = save_depth_anything(tmp_path / "models" / SMALL)
    with pytest.raises(UserError, match="checkpoint for dust3r"):
        weights_of(depth_named("dust3r"), str(small), tmp_path)
    (small / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match=r"lacks preprocessor_config\.json"):
        find_checkpoint(SMALL, tmp_path)
    with pytest.raises(UserError, match="no checkpoint 'somebody/else'"):
        find_checkpoint("somebody/else", tmp_path)


def test_the_hash_depends_on_content_alone(tmp_path: Path) -> None:
    first, second = save_dust3r(tmp_path / "a"), save_dust3r(tmp_path / "b")
    before = checkpoint_hash(first, tmp_path)
    assert checkpoint_hash(second, tmp_path) == before
    assert checkpoint_hash(f"{first}\n{second}", tmp_path) != before
    data = bytearray((first / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (first / "model.safetensors").write_bytes(data)
    stat = (first / "model.safetensors").stat()
    os.utime(first / "model.safetensors", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    assert checkpoint_hash(first, tmp_path) != before
    with pytest.raises(UserError, match="cannot be read"):
        checkpoint_hash(tmp_path / "gone", tmp_path)


def test_listing_providers_and_weights_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from reangle.weights.registry import list_checkpoints;"
        "from reangle.geometry.listing import camera_infos, depth_infos; from reangle.weights.verify import verify;"
        "data = Path(sys.argv[1]); camera_infos(data); depth_infos(data); list_checkpoints(data); verify(None, data);"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, check=True)
    rows = {spec.name: status_of(spec, tmp_path) for spec in DEPTHS}
    assert rows["files"]["available"]
    assert not rows["dust3r"]["available"]
    assert DUST3R in rows["dust3r"]["message"]
    assert rows["dust3r"]["licence"] == "CC BY-NC-SA 4.0, not for commercial work"
    save_depth_anything(tmp_path / "models" / SMALL)
    assert status_of(depth_named("depth-anything"), tmp_path)["available"]


def test_every_provider_declaration_is_consistent() -> None:
    known = {field.name for field in fields(GeometrySettings)}
    for spec in (*CAMERAS, *DEPTHS):
        assert set(spec.settings) <= known
        assert callable(spec.load())
        assert len({checkpoint.kind for checkpoint in spec.checkpoints}) <= 1
