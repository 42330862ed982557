"""The waterfall of a lead: what is shown adds up, whatever the numbers are."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.phrases import Phrases
from pipeline.ledger.lead import Known
from pipeline.review.lead_waterfall import Waterfall, waterfall_of

LINES = ((50.0, "MQL"), (80.0, "SQL"))


def known(base: float, contributions: dict[str, float], top: int = 3, **more: Any) -> Known:
    """What a run wrote down; the strongest groups are its reasons."""
    strongest = sorted(contributions, key=lambda name: -abs(contributions[name]))[:top]
    reasons = [{"text": f"{each} seen", "points": contributions[each], "group": each} for each in strongest]
    return Known(base, tuple(more.get("reasons", reasons)), contributions, {}, {}, ())


def drawn(base: float, contributions: dict[str, float], **more: Any) -> Waterfall:
    """The waterfall of a score that is limited to 0 to 100."""
    score = min(100.0, max(0.0, base + math.fsum(contributions.values())))
    return waterfall_of(score, known(base, contributions, **more), Phrases(), LINES, is_bounded=True)


def test_lines_go_from_the_base_over_reasons_and_rest_to_the_score() -> None:
    found = drawn(38.4, {"a": 20.3, "b": -6.2, "c": 3.1, "d": 1.2, "e": -0.5})

    assert [(each.kind, each.text, each.points, each.start, each.end) for each in found.lines] == [
        ("base", "An average lead starts here", 38, 0, 38),
        ("reason", "a seen", 20, 38, 58),
        ("reason", "b seen", -6, 58, 52),
        ("reason", "c seen", 3, 52, 55),
        ("rest", "Everything else: 2 smaller reasons", 1, 55, 56),
        ("score", "Score", 56, 0, 56),
    ]
    assert [each.text for each in found.reasons(is_for=True)] == ["a seen", "c seen"]
    assert [each.text for each in found.reasons(is_for=False)] == ["b seen"]


@pytest.mark.parametrize(("points", "score", "limit"), [(75.0, 100, -15), (-60.0, 0, 20)])
def test_what_the_end_of_the_scale_takes_is_a_line(points: float, score: int, limit: int) -> None:
    found = drawn(40.0, {"a": points})

    assert [(each.kind, each.points) for each in found.lines] == [
        ("base", 40), ("reason", points), ("limit", limit), ("score", score),
    ]  # fmt: skip
    assert found.scale.low == min(0.0, 40 + points)
    assert found.scale.high == max(100.0, 40 + points)


def test_the_words_of_the_run_are_kept_for_rest_and_limit() -> None:
    reasons = [
        {"text": "Alles andere", "points": 0.0, "group": "rest"},
        {"text": "a gesehen", "points": 70.0, "group": "a"},
        {"text": "Ende der Skala", "points": 0.0, "group": "limit"},
    ]

    found = drawn(40.0, {"a": 70.0, "b": 5.0}, reasons=reasons)

    assert [(each.kind, each.text, each.points) for each in found.lines[1:-1]] == [
        ("reason", "a gesehen", 70), ("rest", "Alles andere", 5), ("limit", "Ende der Skala", -15),
    ]  # fmt: skip


def test_a_score_without_reasons_is_its_base() -> None:
    found = drawn(40.0, {})

    assert [(each.kind, each.points) for each in found.lines] == [("base", 40), ("score", 40)]


def test_a_points_table_has_no_ends_and_no_lines() -> None:
    found = waterfall_of(130.0, known(100.0, {"a": 30.0}), Phrases(), LINES, is_bounded=False)

    assert [(each.kind, each.points) for each in found.lines] == [
        ("base", 100),
        ("reason", 30),
        ("score", 130),
    ]
    assert (found.scale.high, found.scale.lines) == (130.0, ())
    assert found.lines[0].text == "Every lead starts here"


POINTS = st.floats(-90, 90, allow_nan=False).map(lambda each: round(each, 6))


@settings(max_examples=150, deadline=None)
@given(base=st.floats(0, 100).map(lambda each: round(each, 6)), points=st.lists(POINTS, max_size=9))
def test_what_is_shown_adds_up_and_no_reason_turns(base: float, points: list[float]) -> None:
    found = drawn(base, {f"g{n}": each for n, each in enumerate(points)})

    *parts, last = found.lines
    assert sum(each.points for each in parts) == last.points
    assert last.points == math.floor(last.exact)
    assert [each.end for each in parts[:-1]] == [each.start for each in parts[1:]]
    assert parts[-1].end == last.points
    for each in parts:
        if each.kind == "reason":
            assert each.points * each.exact >= 0.0
            assert abs(each.points - each.exact) < 1.0
    assert found.scale.low <= min(each.end for each in found.lines)
    assert found.scale.high >= max(each.end for each in found.lines)


def test_bars_are_drawn_without_styles_and_with_their_way() -> None:
    found = drawn(40.0, {"a": 10.0, "b": -5.0})
    bars = {line.text: str(bar) for line, bar in found.rows}

    assert 'class="bar-up" x="40%" width="10%"' in bars["a seen"]
    assert 'class="bar-down" x="45%" width="5%"' in bars["b seen"]
    assert 'class="head"' in bars["a seen"]
    assert "style=" not in "".join(bars.values()) + str(found.scale.heading())
    assert 'x="50%" y="28" text-anchor="middle">MQL 50</text>' in str(found.scale.heading())
