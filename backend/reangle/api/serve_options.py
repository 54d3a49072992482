# SPDX-License-Identifier: Apache-2.0
"""The options of a server. Standard library only: the command line's help needs no packages."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

TLS_PORT = 8443


def add_options(
    parser: argparse.ArgumentParser, port: Callable[[str], int], more_than_none: Callable[[str], int]
) -> None:
    """The options of a server. port, more_than_none: parse a port and a number of 1 or more."""
    parser.add_argument(
        "--port", type=port, metavar="N", help=f"preferred port; another one if it is in use (with --tls: {TLS_PORT})"
    )
    parser.add_argument("--parent", type=more_than_none, metavar="PID", help="end some time after this process")
    parser.add_argument("--jobs", type=more_than_none, default=1, metavar="N", help="jobs that run at a time")
    parser.add_argument("--tls", action="store_true", help="speak https; prints address, token and fingerprint")
    parser.add_argument(
        "--host",
        default="",
        metavar="ADDRESS",
        help="with --tls: listen for other machines, too; 0.0.0.0 is everywhere",
    )
    parser.add_argument(
        "--name", action="append", default=[], help="with --tls: a further name of this machine (may be repeated)"
    )
    parser.add_argument("--cert", type=Path, metavar="PEM", help="with --tls: a certificate (default: one of its own)")
    parser.add_argument("--key", type=Path, metavar="PEM", help="the private key of --cert")
    parser.add_argument("--keep-token", action="store_true", help="keep and print the token, for a tunnel by ssh")
