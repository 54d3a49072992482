# SPDX-License-Identifier: Apache-2.0
"""`reangle models list`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backend.commands.output import Output
from backend.models.registry import list_checkpoints
from backend.store import data_folder


def list_models(options: Namespace, output: Output) -> int:
    """The registered checkpoints, their licences and where they are or go."""
    data = Path(options.data).expanduser().absolute() if options.data else data_folder()
    rows = list_checkpoints(data)
    output.data(rows, describe_checkpoints(rows))
    return 0


def describe_checkpoints(rows: Sequence[Mapping[str, Any]]) -> str:
    """One paragraph a checkpoint, for people."""
    lines = []
    for row in rows:
        use = "" if row["commercial_ok"] else ", not for commercial work"
        size = f"{row['size'] / 1e9:.2f} GB"
        lines.append(f"{row['name']}  ({row['kind']}; {row['licence']}{use}; {size})")
        if row["installed"]:
            lines.append(f"    here: {row['path']}")
        else:
            lines.append(f"    missing: put {', '.join(row['files'])} from https://huggingface.co/{row['hub']}")
            lines.append(f"             into {row['path']}")
    return "\n".join(lines)
