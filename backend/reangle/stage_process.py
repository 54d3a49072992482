# SPDX-License-Identifier: Apache-2.0
"""`python -m reangle.stage_process`: one stage in its own process, started by the runtime."""

import sys

from reangle.runtime.stage_process import main
from reangle.stages import STAGES
from reangle.weights.installed import InstalledWeights

if __name__ == "__main__":
    sys.exit(main(STAGES, InstalledWeights))
