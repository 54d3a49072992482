# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""Image sequences by the names of their files: the number that differs between the names is the frame."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path, PurePath

from .errors import ContractError
from .names import MAX_NAME_BYTES, check_file_name, file_name_from

_DIGITS = re.compile(r"(\d+)")
_VERSION_BEFORE = re.compile(r"(?:^|[^a-z])(?:v|ver|version|rev|r|x|take|tk)[._-]?$")
_SCALE_BEHIND = re.compile(r"(?:p|k|x|bit|bits|fps|px|ppi|dpi|mm)(?:[^a-z]|$)")


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sorts frame2 before frame10, and frame before frame1."""
    suffix = PurePath(name).suffix.casefold()
    parts = _DIGITS.split(name.casefold().removesuffix(suffix))
    return tuple((0, int(part), "") if at % 2 else (1, 0, part) for at, part in enumerate(parts)), suffix


def frame_numbers(names: Sequence[str]) -> tuple[int, ...] | None:
    """Each name's frame number, in the order of the names; None if the names do not show one.

    It is the number that differs between the names. If several differ, those that look like a version or a scale (v002,
    x4, 1080p) do not count, and it is the last one that counts without gaps, else the last one that no two names share,
    else the last one. Names that are built differently count by their last numbers. A minus that only some names have
    before the number is its sign: frames before zero.
    """
    if not names:
        return None
    split = [_DIGITS.split(PurePath(name).stem.casefold()) for name in names]
    if any(len(parts) < 3 for parts in split):
        return None
    columns = _columns(split)
    if columns is None:
        return tuple(int(parts[-2]) for parts in split)
    differing = _differing(columns, split[0]) or columns[-1:]
    telling = [column for column in differing if len(set(column)) == len(column)]
    return ([column for column in telling if _counts(column)] or telling or differing)[-1]


def _differing(columns: Sequence[tuple[int, ...]], parts: Sequence[str]) -> list[tuple[int, ...]]:
    """The columns whose numbers differ; without versions and scales, unless only these differ. parts: of one name."""
    places = [place for place, column in enumerate(columns) if len(set(column)) > 1]
    frames = [place for place in places if not _looks_else(parts[2 * place], parts[2 * place + 2])]
    return [columns[place] for place in frames or places]


def _counts(numbers: Sequence[int]) -> bool:
    """Whether different numbers count without gaps."""
    return max(numbers) - min(numbers) == len(numbers) - 1


def _looks_else(before: str, behind: str) -> bool:
    """Whether a number looks like a version or a scale, by the text before and behind it."""
    return bool(_VERSION_BEFORE.search(before.casefold())) or bool(_SCALE_BEHIND.match(behind.casefold()))


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
    if numbers is None or len(set(numbers)) < len(numbers) or (not _counts(numbers) and _has_several_numbers(names)):
        return sorted(range(len(names)), key=lambda at: natural_key(names[at]))
    return sorted(range(len(names)), key=lambda at: numbers[at])


def _has_several_numbers(names: Sequence[str]) -> bool:
    """Whether several numbers make up one, such as seconds and their fraction, or date and time."""
    split = [_DIGITS.split(PurePath(name).stem.casefold()) for name in names]
    columns = _columns(split)
    return columns is not None and len(_differing(columns, split[0])) > 1


def in_frame_order(names: Iterable[str]) -> list[str]:
    """The names by their frame numbers, else in natural order."""
    names = list(names)
    return [names[at] for at in frame_order(names)]


def sequence_of(chosen: str, names: Iterable[str]) -> list[str]:
    """The names of the chosen image's sequence in order, of all names in its folder; at least the chosen one.

    They differ from it in one number only. If several numbers could count, four things decide, the first of them first:
    the number does not look like a version or a scale (v002, x4, 1080p); at least half of the numbers from the first
    to the last are there; it has most digits; it is the last in the name. Of numbers that are there twice, with and
    without zeros before them, those written like the chosen one's count. If no name differs in one number only, those
    that differ in several are the sequence, if one of these counts them.
    """
    chosen_path = PurePath(chosen)
    parts = _DIGITS.split(chosen_path.stem)
    names = list(names)
    best: tuple[tuple[bool, bool, int, int], list[str]] | None = None
    for at in range(1, len(parts), 2):
        before, behind = "".join(parts[:at]), "".join(parts[at + 1 :])
        found = _differing_in(before, behind, chosen_path.suffix, names)
        signed = _differing_in(before[:-1], behind, chosen_path.suffix, names) if before.endswith("-") else {}
        if any(int(digits) == 0 for digits in signed.values()) and signed.keys() - found.keys():
            found = signed
        elif all(int(digits) for digits in found.values()):
            # Frames before zero run up to it; else the dash is a part of another sequence's name.
            found = {name: digits for name, digits in found.items() if not digits.startswith("-")}
        if len(set(map(int, found.values()))) < len(found):
            found = _written_like(parts[at], found)
        numbers = [int(digits) for digits in found.values()]
        if len(found) < 2:
            continue
        rank = (not _looks_else(parts[at - 1], parts[at + 1]), _is_dense(numbers), len(parts[at]), at)
        if best is None or rank > best[0]:
            best = rank, list(found)
    return in_frame_order(best[1]) if best else _differing_in_several(parts, chosen, names)


def _is_dense(numbers: Sequence[int]) -> bool:
    return 2 * len(set(numbers)) > max(numbers) - min(numbers)


def _differing_in(before: str, behind: str, suffix: str, names: Iterable[str]) -> dict[str, str]:
    """Name -> number, with its sign, of the names that have another number between the two texts."""
    same = re.compile(f"{re.escape(before)}(-?\\d+){re.escape(behind)}(?i:{re.escape(suffix)})")
    return {name: match[1] for name in names if (match := same.fullmatch(name))}


def _written_like(chosen: str, found: Mapping[str, str]) -> dict[str, str]:
    """The names whose numbers are padded with zeros like the chosen one."""
    length = len(chosen) if chosen.startswith("0") else 1
    return {name: digits for name, digits in found.items() if digits.lstrip("-") == str(abs(int(digits))).zfill(length)}


def _differing_in_several(parts: Sequence[str], chosen: str, names: Iterable[str]) -> list[str]:
    """The sequence of names whose texts are alike and of whose numbers one counts; else the chosen name alone."""
    texts = r"\d+".join(map(re.escape, parts[::2]))
    alike = re.compile(f"{texts}(?i:{re.escape(PurePath(chosen).suffix)})")
    found = [name for name in names if alike.fullmatch(name)]
    numbers = frame_numbers(found)
    if numbers is None or len(set(numbers)) < len(numbers) or not _is_dense(numbers):
        return [chosen]
    # Names that differ from each other in one number only are other sequences.
    rows = [_DIGITS.split(PurePath(name).stem)[1::2] for name in found]
    others = ({tuple(row[:at] + row[at + 1 :]) for row in rows} for at in range(len(rows[0])))
    return in_frame_order(found) if all(len(one) == len(rows) for one in others) else [chosen]


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
    order = frame_order(names)
    if numbers is None or any(numbers[after] <= numbers[before] for before, after in pairwise(order)):
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
