# SPDX-License-Identifier: Apache-2.0
"""The contract between the clients (add-on, command line) and the backend, version 4. See docs/architecture.md.

Standard library only. The add-on has a copy of this package, which is why its imports are relative.
"""

from .camera_path import MAX_FRAMES, MAX_SIDE, CameraPath, SourceCamera
from .capabilities import Capabilities
from .downloads import DownloadRequest, Downloads, DownloadStatus
from .errors import ContractError, UserError
from .estimates import Estimate, EstimateRequest, StageEstimate
from .job import (
    FINAL_STATES,
    MAX_CAMERAS,
    CameraWarning,
    Events,
    Health,
    JobError,
    JobEvent,
    JobRequest,
    JobState,
    JobStatus,
    Result,
    ResultFile,
    read_request,
)
from .job_list import DeletedJob, JobList, RetryRequest
from .lookahead import Coverages, LookRequest
from .machine import Cleaned, CleanKind, CleanRequest, Device, Storage, StoragePart
from .names import FileName, JobId, Sha256, check_file_name, file_name_from, new_job_id
from .settings import Clip, FileRef, GeometrySettings, PreviewSettings, ReangleSettings
from .starts import AnchorImage, CameraStart, PromptEdit, StartSettings
from .version import CONTRACT_VERSION, version_advice
from .wire import from_data, from_json, to_data, to_json

__all__ = [
    "CONTRACT_VERSION",
    "FINAL_STATES",
    "MAX_CAMERAS",
    "MAX_FRAMES",
    "MAX_SIDE",
    "AnchorImage",
    "CameraPath",
    "CameraStart",
    "CameraWarning",
    "Capabilities",
    "CleanKind",
    "CleanRequest",
    "Cleaned",
    "Clip",
    "ContractError",
    "Coverages",
    "DeletedJob",
    "Device",
    "DownloadRequest",
    "DownloadStatus",
    "Downloads",
    "Estimate",
    "EstimateRequest",
    "Events",
    "FileName",
    "FileRef",
    "GeometrySettings",
    "Health",
    "JobError",
    "JobEvent",
    "JobId",
    "JobList",
    "JobRequest",
    "JobState",
    "JobStatus",
    "LookRequest",
    "PreviewSettings",
    "PromptEdit",
    "ReangleSettings",
    "Result",
    "ResultFile",
    "RetryRequest",
    "Sha256",
    "SourceCamera",
    "StageEstimate",
    "StartSettings",
    "Storage",
    "StoragePart",
    "UserError",
    "check_file_name",
    "file_name_from",
    "from_data",
    "from_json",
    "new_job_id",
    "read_request",
    "to_data",
    "to_json",
    "version_advice",
]
