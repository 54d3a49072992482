# SPDX-License-Identifier: Apache-2.0
"""Content-addressed files, the stage cache, atomic publishing."""

from backend.store.folders import data_folder, disk_errors, write_atomically
from backend.store.store import Artifact, Store, hash_file

__all__ = ["Artifact", "Store", "data_folder", "disk_errors", "hash_file", "write_atomically"]
