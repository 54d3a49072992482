# SPDX-License-Identifier: Apache-2.0
"""The command line `reangle` from a checkout: `python3.11 scripts/reangle.py run ...`."""

import sys

from environments import exit_with, run

if __name__ == "__main__":
    exit_with(run("backend", ["-m", "reangle", *sys.argv[1:]]))
