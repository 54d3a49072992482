# SPDX-License-Identifier: Apache-2.0
"""`python -m reangle`: the command line."""

import sys

from reangle.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
