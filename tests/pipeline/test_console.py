"""What is printed steers no terminal."""

from __future__ import annotations

import pytest

from pipeline.console import printable


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
