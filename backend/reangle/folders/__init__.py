# SPDX-License-Identifier: Apache-2.0
"""The output folders of the stages. Only this package names the files in them."""

from reangle.folders.camera import CameraFolder, CameraMetadata, Distortion, source_clip
from reangle.folders.clip import ClipMetadata, DecodedClip
from reangle.folders.geometry import GeometryFolder, GeometryMetadata
from reangle.folders.learning import LearnedClip, LearningRecord, LoraFolder, UnfinishedLearning
from reangle.folders.precise import PreciseClip, PreciseFolder, PreciseWarp
from reangle.folders.result import Manifest, ResultFolder
from reangle.folders.start import StartFolder, StartRecord
from reangle.folders.video import FilledFolder, FinishedFolder, FramesFolder, GeneratedFolder, GenerationRecord
from reangle.folders.warp import ClipCoverage, Coverage, FrameTrouble, Trouble, ViewCamera, WarpFolder, WarpMetadata

__all__ = [
    "CameraFolder",
    "CameraMetadata",
    "ClipCoverage",
    "ClipMetadata",
    "Coverage",
    "DecodedClip",
    "Distortion",
    "FilledFolder",
    "FinishedFolder",
    "FrameTrouble",
    "FramesFolder",
    "GeneratedFolder",
    "GenerationRecord",
    "GeometryFolder",
    "GeometryMetadata",
    "LearnedClip",
    "LearningRecord",
    "LoraFolder",
    "Manifest",
    "PreciseClip",
    "PreciseFolder",
    "PreciseWarp",
    "ResultFolder",
    "StartFolder",
    "StartRecord",
    "Trouble",
    "UnfinishedLearning",
    "ViewCamera",
    "WarpFolder",
    "WarpMetadata",
    "source_clip",
]
