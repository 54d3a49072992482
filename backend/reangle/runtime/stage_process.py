# SPDX-License-Identifier: Apache-2.0
"""`python -m reangle.runtime.stage_process`: one stage in a process of its own.

Reads one JSON object on standard input: {"root": data folder, "key": stage key, "stage": stage_to_json(...),
"inputs": {role: artifact key}}. Prints JSON lines: {"progress": fraction, "message": text} and {"loss": number,
"words": text, "picture": PNG in base 64, or ""}, then {"artifact": key} and exit status 0, or
{"error": {"message", "advice", "traceback"}} and exit status 2 for what the artist can mend, 1 for the rest, or
{"again": why} and exit status 3 if the stage wants a fresh process.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reangle.contract import FileRef
from reangle.errors import RunAgainError, UserError
from reangle.runtime.execute import run_stage
from reangle.runtime.stage import Stage
from reangle.runtime.store import Store


def stage_to_json(stage: Stage) -> dict[str, Any]:
    """The stage as plain JSON values."""
    return {**vars(stage), "files": {role: [ref.model_dump() for ref in refs] for role, refs in stage.files.items()}}


def stage_from_json(values: Mapping[str, Any]) -> Stage:
    """The inverse of `stage_to_json`."""
    files = {role: tuple(FileRef.model_validate(ref) for ref in refs) for role, refs in values["files"].items()}
    return Stage(**{**values, "files": files})


def main() -> int:
    spec = json.load(sys.stdin)
    # Libraries print to standard output when they like; only JSON lines may reach the supervisor.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def say(**values: Any) -> None:
        print(json.dumps(values), file=lines, flush=True)

    def report(fraction: float, message: str) -> None:
        say(progress=min(max(fraction, 0.0), 1.0), message=message)

    def show(loss: float, words: str, picture: bytes) -> None:
        say(loss=loss, words=words, picture=base64.b64encode(picture).decode())

    try:
        store = Store(Path(spec["root"]))
        inputs = {}
        for role, key in spec["inputs"].items():
            inputs[role] = store.artifact(key)
            if inputs[role] is None:
                raise UserError(f"The stage's input {role!r} is no longer in the store.", advice="Send the job again.")
        artifact = run_stage(stage_from_json(spec["stage"]), spec["key"], inputs, store, report, show)
    except UserError as error:
        say(error={"message": error.message, "advice": error.advice, "traceback": traceback.format_exc()})
        return 2
    except RunAgainError as error:
        say(again=str(error))
        return 3
    except MemoryError:
        advice = "Close other programs, use a smaller size or fewer frames, and start again."
        say(error={"message": "There was not enough memory.", "advice": advice, "traceback": traceback.format_exc()})
        return 2
    except Exception as error:
        message = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no further text'}"
        advice = "This is a fault of Reangle; the traceback says where. Trying again may help."
        say(error={"message": message, "advice": advice, "traceback": traceback.format_exc()})
        return 1
    say(artifact=artifact.key)
    return 0


if __name__ == "__main__":
    sys.exit(main())
