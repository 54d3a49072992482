# SPDX-License-Identifier: Apache-2.0
"""The contract between the desk (add-on, command line) and the workshop, version 1. See docs/architecture.md."""

from backend.contract.camera_path import MAX_FRAMES, MAX_SIDE, CameraPath
from backend.contract.job import (
    CONTRACT_VERSION,
    FINAL_STATES,
    Clip,
    FileRef,
    GeometrySettings,
    JobError,
    JobEvent,
    JobRequest,
    JobState,
    JobStatus,
    PreviewSettings,
    Result,
    ResultFile,
)
from backend.contract.names import FileName, JobId, Sha256, check_file_name
from backend.contract.reangle import ReangleSettings

__all__ = [
    "CONTRACT_VERSION",
    "FINAL_STATES",
    "MAX_FRAMES",
    "MAX_SIDE",
    "CameraPath",
    "Clip",
    "FileName",
    "FileRef",
    "GeometrySettings",
    "JobError",
    "JobEvent",
    "JobId",
    "JobRequest",
    "JobState",
    "JobStatus",
    "PreviewSettings",
    "ReangleSettings",
    "Result",
    "ResultFile",
    "Sha256",
    "check_file_name",
]
