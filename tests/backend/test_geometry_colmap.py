# SPDX-License-Identifier: Apache-2.0
"""Signals after pycolmap is imported: they do what they did before."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal handlers to replace")

IMPORT = "import os, signal, reangle.geometry.colmap; "


def end(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code to its end."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=variables)


def test_sigterm_ends_the_process_without_a_stack():
    done = end(f"{IMPORT} os.kill(os.getpid(), signal.SIGTERM)")
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")


def test_a_handler_of_ours_still_runs():
    own = "import os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(7)); "
    assert end(f"{own} {IMPORT} os.kill(os.getpid(), signal.SIGTERM)").returncode == 7


def test_a_crash_still_prints_the_python_stack():
    done = end(f"{IMPORT} os.kill(os.getpid(), signal.SIGABRT)", PYTHONFAULTHANDLER="1")
    assert done.returncode == -signal.SIGABRT
    assert done.stderr.startswith("Fatal Python error: Aborted")
