# SPDX-License-Identifier: Apache-2.0
"""The process of one download, started by `reangle.weights.downloads`: `python -m reangle.weights.download_process`.

Reads one JSON object on standard input: {"data": data folder, "name": of the weights, "accepted": time}. Prints JSON
lines: {"here": bytes, "size": bytes, "file": name}, then {"done": folder} and exit status 0, or
{"error": {"message", "advice", "traceback"}} and exit status 2 for UserError, 1 for the rest. All the while
{"alive": true} comes every few seconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from reangle.errors import UserError, explained, fault_of
from reangle.runtime.json_lines import error_values, line_writer
from reangle.runtime.stall import start_beating
from reangle.weights.download import download
from reangle.weights.suites import known_checkpoint


def main() -> int:
    """Run the download that standard input describes; returns the exit status."""
    order = json.load(sys.stdin)
    send = line_writer()
    start_beating(send)

    def report(here: int, size: int, file: str) -> None:
        # Not thinned out: the hub's library reports each 10 MiB, and the last report before a pause must not be lost.
        send(here=here, size=size, file=file)

    try:
        known = known_checkpoint(order["name"])
        if known is None:
            raise UserError(f"Reangle knows no weights {order['name']!r}.", advice="Update Reangle.")
        folder = download(known, Path(order["data"]), report, accepted=order["accepted"])
    except UserError as error:
        send(error=error_values(error))
        return 2
    except Exception as error:
        send(error=error_values(explained(error) or fault_of(error)))
        return 1
    send(done=str(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
