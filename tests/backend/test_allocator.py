# SPDX-License-Identifier: Apache-2.0
"""Freed memory is used again without the system clearing it."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from reangle.runtime.allocator import keep_freed_memory

keep_freed_memory()
bytearray(40 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    bytearray(40 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told")
def test_freed_memory_is_not_cleared_again_by_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    # 20 times 40 MB are 205,000 pages.
    assert int(done.stdout) < 20_000
