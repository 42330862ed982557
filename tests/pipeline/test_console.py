"""What is printed steers no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline.console import printable, progress_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("No lead 'L1'.\nDid you mean 'L2'?", "No lead 'L1'.\nDid you mean 'L2'?"),
        ("Straße 東京", "Straße 東京"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\u202eb\x07", "a\\u202eb\\x07"),
    ],
)
def test_signs_that_steer_a_terminal_are_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_name_out_of_the_data_is_no_markup_in_the_line_that_moves() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200)

    with progress_lines(console, "training") as tell:
        tell("a model of its own for segment '[/red] \x1b[31mB2B'")

    assert isinstance(console.file, io.StringIO)
    assert "[/red] \\x1b[31mB2B" in console.file.getvalue()
