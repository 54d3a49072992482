# SPDX-License-Identifier: Apache-2.0
"""The contract between the desk (add-on, command line) and the workshop, version 1. See docs/architecture.md."""

from reangle.contract.camera_path import MAX_FRAMES, MAX_SIDE, CameraPath
from reangle.contract.job import (
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
from reangle.contract.names import FileName, JobId, Sha256, check_file_name
from reangle.contract.reangle import ReangleSettings

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
