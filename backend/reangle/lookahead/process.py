# SPDX-License-Identifier: Apache-2.0
"""The process that looks ahead: `python -m reangle.lookahead.process`.

It reads one JSON object a line on standard input: {"folders": {...}, "request": LookRequest, "want": "coverage" or
"picture"}. It answers each with one JSON line: {"coverage": {...}}, {"picture": n} followed by n bytes, or
{"error": {"message", "advice"}}. It ends at the end of its input, and so with the backend.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import psutil

from reangle.contract import from_data, to_data
from reangle.contract.lookahead import LookRequest
from reangle.errors import explained, fault_of
from reangle.lookahead.views import ClipViews, Folders
from reangle.runtime.logs import log_to_stderr


def main() -> int:
    log_to_stderr("", "look ahead")
    _give_way()
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    views: ClipViews | None = None
    for line in sys.stdin.buffer:
        data = b""
        try:
            order = json.loads(line)
            folders = Folders(**order["folders"])
            if views is None or views.folders != folders:
                views = None  # free the other clip first
                views = ClipViews(folders)
            header, data = _answer(views, order)
        except Exception as error:
            reason = explained(error) or fault_of(error)
            header = {"error": {"message": reason.message, "advice": reason.advice}}
        answers.write(json.dumps(header).encode() + b"\n" + data)
        answers.flush()
    return 0


def _answer(views: ClipViews, order: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    request = from_data(LookRequest, order["request"])
    if order["want"] == "coverage":
        return {"coverage": to_data(views.coverage(request))}, b""
    data = views.picture(request).tobytes()
    return {"picture": len(data)}, data


def _give_way() -> None:
    """Let renders have the processors first."""
    process = psutil.Process()
    process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else 5)


if __name__ == "__main__":
    sys.exit(main())
