# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""Image sequences by the names of their files: the number that differs between the names is the frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from .errors import ContractError
from .names import MAX_NAME_BYTES, check_file_name, file_name_from

_DIGITS = re.compile(r"(\d+)")
_VERSION_BEFORE = re.compile(r"(?:^|[^a-z])(?:v|ver|version|rev|r|x|take|tk)[._-]?$")
_SCALE_BEHIND = re.compile(r"(?:p|k|x|bit|bits|fps|px|ppi|dpi|mm)(?:[^a-z]|$)")


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts frame2 before frame10."""
    parts = _DIGITS.split(name.casefold())
    return tuple((0, int(part), "") if at % 2 else (1, 0, part) for at, part in enumerate(parts))


def frame_numbers(names: Sequence[str]) -> tuple[int, ...] | None:
    """Each name's frame number, in the order of the names; None if the names do not show one.

    It is the number that differs between the names. If several differ, it is the last one that counts without gaps,
    else the last one that no two names share, else the last one. Names that are built differently count by their last
    numbers. A minus that only some names have before the number is its sign: frames before zero.
    """
    if not names:
        return None
    split = [_DIGITS.split(PurePath(name).stem.casefold()) for name in names]
    if any(len(parts) < 3 for parts in split):
        return None
    columns = _columns(split)
    if columns is None:
        return tuple(int(parts[-2]) for parts in split)
    differing = [column for column in columns if len(set(column)) > 1] or columns[-1:]
    telling = [column for column in differing if len(set(column)) == len(column)]
    counting = [column for column in telling if max(column) - min(column) == len(column) - 1]
    return (counting or telling or differing)[-1]


def _columns(split: Sequence[Sequence[str]]) -> list[tuple[int, ...]] | None:
    """The numbers in equal places of all names, None if the text between them differs."""
    if len({len(parts) for parts in split}) != 1:
        return None
    columns: list[tuple[int, ...]] = []
    for at in range(1, len(split[0]), 2):
        before = {parts[at - 1] for parts in split}
        text = min(before, key=len)
        signed = before == {text, f"{text}-"}
        if len(before) > 1 and not signed:
            return None
        columns.append(
            tuple(-int(parts[at]) if signed and parts[at - 1] != text else int(parts[at]) for parts in split)
        )
    return columns if len({parts[-1] for parts in split}) == 1 else None


def frame_order(names: Sequence[str]) -> list[int]:
    """The places of the names by their frame numbers, else in natural order."""
    numbers = frame_numbers(names)
    if numbers is None or len(set(numbers)) < len(numbers):
        return sorted(range(len(names)), key=lambda at: natural_key(names[at]))
    return sorted(range(len(names)), key=lambda at: numbers[at])


def in_frame_order(names: Iterable[str]) -> list[str]:
    """The names by their frame numbers, else in natural order."""
    names = list(names)
    return [names[at] for at in frame_order(names)]


def sequence_of(chosen: str, names: Iterable[str]) -> list[str]:
    """The names of the chosen image's sequence in order, of all names in its folder; at least the chosen one.

    They differ from it in one number only. If several numbers could count, four things decide, the first of them first:
    the number does not look like a version or a scale (v002, x4, 1080p); at least half of the numbers from the first
    to the last are there; it has most digits; it is the last in the name.
    """
    chosen_path = PurePath(chosen)
    parts = _DIGITS.split(chosen_path.stem)
    names = list(names)
    best: tuple[tuple[bool, bool, int, int], list[str]] | None = None
    for at in range(1, len(parts), 2):
        before, behind = "".join(parts[:at]), "".join(parts[at + 1 :])
        found = _differing_in(before, behind, chosen_path.suffix, names)
        signed = _differing_in(before[:-1], behind, chosen_path.suffix, names) if before.endswith("-") else {}
        if 0 in signed.values() and signed.keys() - found.keys():
            found = signed
        elif 0 not in found.values():
            # Frames before zero run up to it; else the dash is a part of another sequence's name.
            found = {name: number for name, number in found.items() if number >= 0}
        numbers = found.values()
        if len(found) < 2:
            continue
        looks_else = bool(_VERSION_BEFORE.search(parts[at - 1].casefold())) or bool(
            _SCALE_BEHIND.match(parts[at + 1].casefold())
        )
        dense = 2 * len(set(numbers)) > max(numbers) - min(numbers)
        rank = (not looks_else, dense, len(parts[at]), at)
        if best is None or rank > best[0]:
            best = rank, list(found)
    return in_frame_order(best[1]) if best else [chosen]


def _differing_in(before: str, behind: str, suffix: str, names: Iterable[str]) -> dict[str, int]:
    """Name -> number, with its sign, of the names that have another number between the two texts."""
    same = re.compile(f"{re.escape(before)}(-?\\d+){re.escape(behind)}(?i:{re.escape(suffix)})")
    return {name: int(match[1]) for name in names if (match := same.fullmatch(name))}


def names_for_upload(paths: Sequence[Path]) -> list[str]:
    """Names that the contract accepts and that keep the files' kinds and order, for files of any name.

    Names that are fit stay. If one is not, all files of its folder with its suffix get the start of their name, the
    frame's number and the suffix.
    """
    names = [path.name for path in paths]
    groups: dict[tuple[Path, str], list[int]] = {}
    for at, path in enumerate(paths):
        groups.setdefault((path.parent, path.suffix.casefold()), []).append(at)
    for group in groups.values():
        for at, name in zip(group, _fit_names([names[at] for at in group]), strict=True):
            names[at] = name
    return names


def _fit_names(names: Sequence[str]) -> list[str]:
    with suppress(ContractError):
        return [check_file_name(name) for name in names]
    if len(names) == 1:
        return [_shortened(names[0])]
    numbers = frame_numbers(names)
    if numbers is None or len(set(numbers)) < len(numbers):
        order = frame_order(names)
        numbers = tuple(order.index(at) + 1 for at in range(len(names)))
    start = _DIGITS.split(PurePath(names[0]).stem)[0][:30] or "frame"
    return [
        file_name_from(f"{start}_{number:06d}{PurePath(name).suffix}")
        for number, name in zip(numbers, names, strict=True)
    ]


def _shortened(name: str) -> str:
    """A single file's name; one that is too long keeps its end."""
    suffix = PurePath(name).suffix
    fit = file_name_from(name)
    if PurePath(fit).suffix == suffix and len(name.encode("utf-8", errors="replace")) <= MAX_NAME_BYTES:
        return fit
    fit = file_name_from(f"{PurePath(name).stem[-20:]}{suffix}")
    return fit if PurePath(fit).suffix == suffix else file_name_from(f"file{suffix}")
