# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of messages: nothing is lost, and paths and addresses are broken at their separators."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reangle_blender.core.wrapping import wrap

TEXT = st.text(st.sampled_from("ab é/\\-_?&=. \n"), max_size=80)


@given(TEXT, st.integers(min_value=1, max_value=30))
def test_every_letter_is_kept_and_every_line_fits(text: str, limit: int) -> None:
    lines = wrap(text, len, limit)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(0 < len(line) <= limit for line in lines)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("There is no /home/zoë/my data/backend.json.", ["There is no", "/home/zoë/my", "data/backend.json."]),
        ("See https://huggingface.co/some-one", ["See", "https://", "huggingface.co/", "some-one"]),
        (r"C:\Users\Zoë\AppData", ["C:\\Users\\Zoë\\", "AppData"]),
        ("One line.\nThe next.", ["One line.", "The next."]),
    ],
)
def test_paths_and_addresses_are_broken_after_a_separator(text: str, lines: list[str]) -> None:
    assert wrap(text, len, 18) == lines
