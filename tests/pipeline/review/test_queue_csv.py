"""Cells of the export that no spreadsheet runs."""

from __future__ import annotations

import time

import pytest

from pipeline.review.queue_csv import STARTS, plain_cell


@pytest.mark.parametrize("start", STARTS)
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(start: str) -> None:
    assert plain_cell(f"{start}cmd|' /C calc'!A0").startswith("'")
    assert plain_cell(f" {start}1").startswith("'")


@pytest.mark.parametrize(
    "sign", [";", "\t", "|", "; ", "\n", "\r\n", "\r", "\u2028", '\n "', ';"', ";;", "\n\n"]
)
def test_a_cell_that_other_separators_would_make_begins_with_an_apostrophe(sign: str) -> None:
    assert plain_cell(f"Müller{sign}=1+1{sign}@x{sign}b-c") == f"Müller{sign}'=1+1{sign}'@x{sign}b-c"


@pytest.mark.parametrize("sign", ["\n", ";", '"', " ", ";\u3000"])
def test_a_text_of_many_separators_is_read_in_one_go(sign: str) -> None:
    start = time.process_time()

    assert plain_cell("x" + sign * 100_000) == "x" + sign * 100_000

    assert time.process_time() - start < 1  # each with all that follow it would take minutes


def test_numbers_and_plain_texts_go_out_as_they_are() -> None:
    assert [plain_cell(each) for each in (-2.5, None, "a-b", "", 7)] == [-2.5, None, "a-b", "", 7]
