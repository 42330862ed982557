"""Texts in lines of a given width."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text_fit import fitted, text_width


@settings(max_examples=30)
@given(st.lists(st.text("abc xyz_-", max_size=40), max_size=4).map(" ".join))
def test_every_line_fits_and_no_letter_is_lost(text: str) -> None:
    lines = fitted(text, 60.0, 100)

    assert all(text_width(line) <= 60.0 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_words_stay_whole_where_they_can() -> None:
    assert fitted("pricing page views", text_width("pricing page"), 3) == ["pricing page", "views"]


def test_a_word_wider_than_the_line_is_broken_inside() -> None:
    lines = fitted("x" * 60, text_width("x" * 25), 9)

    assert [len(line) for line in lines] == [25, 25, 10]


def test_what_does_not_fit_ends_in_dots() -> None:
    width = text_width("one two …")

    (line,) = fitted("one two three", width, 1)

    assert line == "one two…"


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\x00b", "a\u202eb", "  a   b "])
def test_signs_that_can_not_be_seen_become_spaces(text: str) -> None:
    assert fitted(text, 100.0, 1) == ["a b"]


def test_an_empty_text_is_one_empty_line() -> None:
    assert fitted("", 100.0, 2) == [""]
