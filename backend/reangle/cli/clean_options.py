# SPDX-License-Identifier: Apache-2.0
"""The options of `reangle storage`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import get_args

from reangle.contract import CleanKind, CleanRequest

KINDS: tuple[CleanKind, ...] = get_args(CleanKind)


def add_clean_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--clean",
        nargs="+",
        choices=[*KINDS, "all"],
        metavar="WHAT",
        help=f"remove {', '.join(KINDS)} or all, except what a queued or running job needs and results that no client "
        "has fetched",
    )
    days = CleanRequest(("logs",)).days
    parser.add_argument("--days", type=int, default=days, metavar="N", help=f"keep logs of the last N days ({days})")
