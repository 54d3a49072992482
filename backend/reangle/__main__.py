# SPDX-License-Identifier: Apache-2.0
"""`python -m reangle`: the command line, and the end of its process."""

import os
import signal
import sys
from typing import NoReturn

# Ctrl-C while Python still loads ends the process without a traceback; a command then sets its own way.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from reangle.cli.interruption import CANCELED
from reangle.cli.main import main


def run() -> NoReturn:
    """Run the command of this process's arguments, and exit with its status."""
    status = main()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if status == CANCELED:
        # A package whose import was cut short may wait for its threads without end.
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    run()
