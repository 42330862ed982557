"""An explained lead on the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline.explain_text import render
from pipeline.explain_words import ExplainWords
from tests.pipeline.explained_by_hand import CHANGE, words_of


def printed(words: ExplainWords, *, width: int = 100, is_terminal: bool = False) -> str:
    """What the terminal shows."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    render(
        words, Console(file=out, width=width, force_terminal=is_terminal, color_system=None, highlight=False)
    )
    out.seek(0)
    return out.read()


def cells(text: str, reason: str) -> list[str]:
    """The cells of the row that holds a reason."""
    (row,) = [line for line in text.splitlines() if reason in line]
    return [cell.strip() for cell in row.split("│")]


def test_in_a_pipe_bars_are_plus_and_minus() -> None:
    text = printed(words_of())

    assert cells(text, "Job title") == ["+44", "++++++++", "Job title: director"]
    assert cells(text, "Unsubscribed") == ["-6", "-", "Unsubscribed: 1 in the last 7 days"]


def test_on_a_terminal_bars_are_blocks_to_either_side_of_the_middle() -> None:
    lines = printed(words_of(), is_terminal=True).splitlines()

    (up,) = [line for line in lines if "Job title" in line]
    (down,) = [line for line in lines if "Unsubscribed" in line]
    assert up.count("█") == 8
    assert down.count("▒") == 1
    assert down.index("▒") + 1 == up.index("█")


def test_a_narrow_terminal_keeps_its_room_for_the_words() -> None:
    assert cells(printed(words_of(), width=50), "Job title") == ["+44", "Job title: director"]


@pytest.mark.parametrize("is_terminal", [False, True])
def test_what_changed_is_a_second_table_with_what_can_not_be_told(is_terminal: bool) -> None:
    text = printed(words_of(CHANGE), is_terminal=is_terminal)

    assert "What changed since 2025-12-01\nFrom 80 (SQL) to 61 (MQL)" in text
    assert cells(text, "Time passing")[0] == "-44"
    assert "- Today's priority list was used for both dates" in text


def test_the_outlook_stands_under_the_table_and_the_caution_last() -> None:
    lines = printed(words_of()).rstrip().splitlines()

    assert lines[-3] == "If nothing happens, it falls below MQL."
    assert lines[-1] == "A reason goes with the score; it is not proof of a cause."


def test_words_of_leads_do_not_steer_the_terminal() -> None:
    reasons = [{"text": "Title: \x1b[31m[bold]boss[/bold]\r\n", "points": 38.0, "group": "a"}]

    text = printed(words_of(lead_id="L\x1b[2J", reasons=reasons, shown_points=[38]))

    assert "\x1b" not in text
    assert "\r" not in text
    assert "[bold]boss[/bold]" in text
