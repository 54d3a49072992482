# SPDX-License-Identifier: Apache-2.0
"""Only `reangle.folders` names the files that stages write."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import reangle
from reangle.folders import ClipMetadata, DecodedClip

PACKAGE = Path(reangle.__file__).parent
FILES = {
    "clip.json",
    "cloud.npz",
    "generation.json",
    "geometry.json",
    "learning.json",
    "manifest.json",
    "preview.mp4",
    "pytorch_lora_weights.safetensors",
    "training.safetensors",
    "views.json",
    "warp.json",
}
PARTS = {"alpha", "background", "frames", "lora", "memory", "warped"}
"""Checked only as parts of a path, because these words have other meanings, too."""


def named(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)) if text in FILES:
                yield text
            case ast.BinOp(op=ast.Div(), right=ast.Constant(value=str(text))) if text.split("/")[0] in PARTS:
                yield text


def test_only_folders_names_the_files_of_stages() -> None:
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent.name != "folders"]
    assert len(files) > 50
    names = {path.relative_to(PACKAGE).as_posix(): [*named(path.read_text(encoding="utf-8"))] for path in files}
    assert not {name: texts for name, texts in names.items() if texts}
    assert [*named('folder / "frames"\nPath("clip.json")\nwords["frames"]')] == ["frames", "clip.json"]


def test_record_reads_back_and_invalid_records_are_refused(tmp_path: Path) -> None:
    clip = DecodedClip(tmp_path)
    metadata = ClipMetadata(fps=24.0, width=64, height=48, frames=3, timestamps=(0.0, 0.5, 1.0))
    clip.write_metadata(metadata)
    assert clip.metadata() == metadata
    text = clip.metadata_file.read_text(encoding="utf-8")
    for wrong in (text.replace('"frames": 3', '"frames": "3"'), text.replace('"frames"', '"images"')):
        clip.metadata_file.write_text(wrong, encoding="utf-8")
        with pytest.raises(ValueError, match="validation error"):
            clip.metadata()
