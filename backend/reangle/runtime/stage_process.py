# SPDX-License-Identifier: Apache-2.0
"""The process of one stage; `python -m reangle.stage_process` runs `main` with the registry and the weights.

Reads one JSON object on standard input: {"root": data folder, "key": stage key, "stage": stage_to_json(...),
"inputs": {role: artifact key}, "job": job id}. Prints JSON lines: {"progress": fraction, "message": text} and
{"loss": number, "message": text, "picture": PNG in base 64, or ""}, then {"artifact": key} and exit status 0, or
{"error": {"message", "advice", "traceback"}} and exit status 2 for UserError, 1 for the rest, with "wait": true for a
WaitError, or {"again": why} and exit status 3 if the stage needs a new process. All the while {"alive": true} comes
every few seconds. "code" of the order is the `code_hash` of the backend, which must be that of this process.

With "hash": true instead of "key" and "inputs" it only identifies the stage's weights: it prints
{"reading": fraction, "message": text}, then {"hash": SHA-256}.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reangle.contract import FileRef, from_data, to_data
from reangle.errors import RunAgainError, UserError, WaitError, explained, fault_of
from reangle.runtime.code import check_code
from reangle.runtime.execute import Weights, run_stage
from reangle.runtime.json_lines import error_values, line_writer
from reangle.runtime.logs import log_to_stderr
from reangle.runtime.stage import PlannedStage, StageId, StageSpec
from reangle.runtime.stall import StackDump, start_beating
from reangle.runtime.store import Store

Specs = Mapping[str, StageSpec[Any, Any]]


def stage_to_json(stage: PlannedStage) -> dict[str, Any]:
    """The stage as plain JSON values; its spec is named by its kind."""
    return {
        "kind": stage.spec.kind,
        "camera": stage.camera,
        "params": stage.spec.params_json(stage.params),
        "inputs": {role: vars(earlier) for role, earlier in stage.inputs.items()},
        "files": {role: [to_data(ref) for ref in refs] for role, refs in stage.files.items()},
        "checkpoint": stage.checkpoint,
        "weight": stage.weight,
        "guessed": stage.guessed,
        "preparation": stage.preparation,
        "note": stage.note,
        "publishes": stage.publishes,
    }


def stage_from_json(values: Mapping[str, Any], specs: Specs) -> PlannedStage:
    """The inverse of `stage_to_json`. specs: kind -> spec."""
    spec = specs[values["kind"]]
    return PlannedStage(
        spec=spec,
        params=spec.params_from_json(values["params"]),
        camera=values["camera"],
        inputs={role: StageId(**earlier) for role, earlier in values["inputs"].items()},
        files={role: tuple(from_data(FileRef, ref) for ref in refs) for role, refs in values["files"].items()},
        checkpoint=values["checkpoint"],
        weight=values["weight"],
        guessed=values["guessed"],
        preparation=values["preparation"],
        note=values["note"],
        publishes=values["publishes"],
    )


def main(specs: Specs, weights_in: Callable[[Path], Weights]) -> int:
    """Run the stage that standard input describes; returns the exit status. weights_in: from the data folder."""
    order = json.load(sys.stdin)
    stage = stage_from_json(order["stage"], specs)
    log_to_stderr(order["job"], stage.title)
    stacks = StackDump(stage.spec.silence_s)
    write = line_writer()

    def send(**values: Any) -> None:
        stacks.reported()
        write(**values)

    def check() -> None:
        if began_with := order.get("code"):
            check_code(began_with, "Stop the backend and start it again; its jobs go on then.")

    def report(fraction: float, message: str) -> None:
        send(progress=min(max(fraction, 0.0), 1.0), message=message)

    def report_reading(fraction: float, message: str) -> None:
        send(reading=fraction, message=message)

    def report_training(loss: float, message: str, picture: bytes) -> None:
        send(loss=loss, message=message, picture=base64.b64encode(picture).decode())

    start_beating(write)
    try:
        check()
        store = Store(Path(order["root"]))
        weights = weights_in(store.root)
        if order.get("hash"):
            send(hash=weights.checkpoint_hash(stage.checkpoint, report_reading))
            return 0
        inputs: dict[str, Any] = {}
        for role, key in order["inputs"].items():
            inputs[role] = store.artifact(key)
            if inputs[role] is None:
                raise UserError(f"The stage's input {role!r} is no longer in the store.", advice="Send the job again.")
        artifact = run_stage(stage, order["key"], inputs, store, weights, report, report_training, check)
    except UserError as error:
        send(error=error_values(error), wait=isinstance(error, WaitError))
        return 2
    except RunAgainError as error:
        send(again=str(error))
        return 3
    except Exception as error:
        reason = explained(error)
        send(error=error_values(reason or fault_of(error)))
        return 2 if reason else 1
    send(artifact=artifact.key)
    return 0
