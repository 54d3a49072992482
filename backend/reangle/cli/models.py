# SPDX-License-Identifier: Apache-2.0
"""`reangle models list`, `reangle models download` and `reangle models verify`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reangle.cli.output import Output
from reangle.engines.suite_choice import engine_of, why_not_here
from reangle.errors import UserError
from reangle.runtime.data_folder import data_folder
from reangle.runtime.folder_format import check_format
from reangle.weights.checkpoints import Checkpoint, size_in_words
from reangle.weights.download import download
from reangle.weights.registry import find_installed, list_checkpoints, what_to_copy
from reangle.weights.suites import SUITES, Suite, published_parts
from reangle.weights.verify import Verdict, verify


def models(options: Namespace, output: Output) -> int:
    """List, download or verify weights, as `options.action` says; 2 if some are damaged."""
    data = data_folder(options.data)
    check_format(data)
    if options.action == "list":
        rows = list_checkpoints(data)
        output.data(rows, describe_checkpoints(rows))
        return 0
    if options.action == "download":
        wanted = published_parts(options.name)
        if not wanted:
            output.note(f"{options.name} comes with Reangle: there is nothing to download.")
        for reason in dict.fromkeys(_why_not_here(known) for known in wanted):
            if reason:
                output.note(reason)
        for known in wanted:
            _download(known, data, output, accepted=options.accept_licence)
        return 0
    verdicts = verify(options.name, data)
    output.data([vars(verdict) for verdict in verdicts], "\n".join(_line(verdict) for verdict in verdicts))
    bad = [verdict for verdict in verdicts if not verdict.ok]
    if bad:
        more = f" {len(bad) - 1} more are listed above." if len(bad) > 1 else ""
        raise UserError(f"{bad[0].checkpoint} cannot be used: {bad[0].message}{more}", advice=bad[0].advice)
    return 0


def _download(known: Checkpoint, data: Path, output: Output, *, accepted: bool) -> None:
    try:
        output.result(known.name, find_installed(known, data))
    except UserError:
        pass
    else:
        return
    output.note(f"{known.title} ({known.name}), licence: {known.terms}. Its text: {known.page}.")
    if known.licence.restriction and not accepted and not output.asks("Do you accept this licence?"):
        raise UserError(
            f"The licence of {known.name} was not accepted, so nothing was downloaded.",
            advice="Read it, then give --accept-licence.",
        )
    with output.transfer(f"{known.name}, {size_in_words(known.size)}") as report:
        folder = download(known, data, report)
    output.result(known.name, folder)


def describe_checkpoints(rows: Sequence[Mapping[str, Any]]) -> str:
    """The registered checkpoints by suite, for people. rows: of `list_checkpoints`."""
    lines: list[str] = []
    shown: set[str] = set()
    for title, chosen in [
        *((_headline(one), [row for row in rows if one.name in row["suites"]]) for one in SUITES),
        ("Geometry alone", _alone(rows, "geometry")),
        ("Images alone", _alone(rows, "image")),
    ]:
        lines.append(title)
        for row in chosen:
            again = [f"{row['role']}: {row['name']}  (as above)"]
            lines += [f"    {line}" for line in (again if row["name"] in shown else _paragraph(row))]
            shown.add(row["name"])
    return "\n".join(lines)


def _headline(suite: Suite) -> str:
    """A suite's name, what it is for, and why this machine cannot run it."""
    reason = why_not_here(suite)
    line = f"Suite {suite.name}, for the engine {engine_of(suite)}: {suite.title}"
    return f"{line}\n    cannot run here: {reason}" if reason else line


def _why_not_here(known: Checkpoint) -> str:
    """Why this machine cannot run a video model, with its title; "" for other weights."""
    suite = next((suite for suite in SUITES if suite.main is known), None)
    reason = why_not_here(suite) if suite else ""
    return f"{known.title} cannot run on this machine. {reason}" if reason else ""


def _alone(rows: Sequence[Mapping[str, Any]], role: str) -> list[Mapping[str, Any]]:
    """Those of a role that belong to no suite."""
    return [row for row in rows if not row["suites"] and row["role"] == role]


def _paragraph(row: Mapping[str, Any]) -> list[str]:
    role = f"{row['role']}: " if row["suites"] else ""
    lines = [f"{role}{row['name']}  ({row['kind']}; {row['licence']}; {size_in_words(row['size'])})"]
    if row["installed"]:
        lines.append(f"    installed: {row['path']}")
    elif row["shipped"]:
        lines.append(f"    missing: {row['problem']}")
    else:
        lines.append(f"    missing: run `reangle models download {row['name']}`, or put {what_to_copy(row['files'])}")
        lines.append(f"             from https://huggingface.co/{row['hub']} into {row['path']}")
    return lines


def _line(verdict: Verdict) -> str:
    what = f"{verdict.checkpoint}/{verdict.file}" if verdict.file else verdict.checkpoint
    return f"{'ok ' if verdict.ok else 'BAD'} {what}: {verdict.message}"
