# SPDX-License-Identifier: Apache-2.0
"""The process of one download, started by `reangle.weights.downloads`: `python -m reangle.weights.download_process`.

Reads one JSON object on standard input: {"data": data folder, "name": of the weights, "accepted": time}. Prints JSON
lines: {"here": bytes, "size": bytes, "file": name}, then {"done": folder} and exit status 0, or
{"error": {"message", "advice", "traceback"}} and exit status 2 for UserError, 1 for the rest.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from reangle.errors import UserError
from reangle.weights.download import download
from reangle.weights.suites import known_checkpoint


def main() -> int:
    """Run the download that standard input describes; returns the exit status."""
    order = json.load(sys.stdin)
    # Libraries print to standard output when they like; only JSON lines may reach the backend.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def send(**values: Any) -> None:
        print(json.dumps(values), file=lines, flush=True)

    def report(here: int, size: int, file: str) -> None:
        # Not thinned out: the hub's library reports each 10 MiB, and the last report before a pause must not be lost.
        send(here=here, size=size, file=file)

    try:
        known = known_checkpoint(order["name"])
        if known is None:
            raise UserError(f"Reangle knows no weights {order['name']!r}.", advice="Update Reangle.")
        folder = download(known, Path(order["data"]), report, accepted=order["accepted"])
    except UserError as error:
        send(error={"message": error.message, "advice": error.advice, "traceback": traceback.format_exc()})
        return 2
    except Exception as error:
        message = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no further text'}"
        advice = "This is a fault of Reangle; the traceback says where. Trying again may help."
        send(error={"message": message, "advice": advice, "traceback": traceback.format_exc()})
        return 1
    send(done=str(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
