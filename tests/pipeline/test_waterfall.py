"""The waterfall as a picture."""

from __future__ import annotations

import re
from typing import Any

import pytest
from matplotlib.text import Text

from pipeline.plots import INK, MUTED, SERIES, png, svg
from pipeline.waterfall import Step, Waterfall, described, waterfall_plot

STEPS = (
    Step("Job title: director", 80),
    Step("Unsubscribed", -4),
    Step("Limit of the scale", 1, is_limit=True),
)
SCORE = Waterfall(
    "Makeup", "start here", 23, STEPS, "Score", 100, (("MQL", 50.0), ("SQL", 80.0)), beyond="beyond"
)
BOTH = pytest.mark.parametrize("is_narrow", [False, True])


def texts(figure: Any) -> list[str]:
    """All words of a figure."""
    return [str(text.get_text()) for text in figure.findobj(Text) if text.get_text()]


def colour_of(figure: Any, number: int) -> str:
    """Colour of the bar at this place, start and end among them."""
    import matplotlib.colors

    return str(
        matplotlib.colors.to_hex(
            [p for p in figure.axes[0].patches if p.get_zorder() == 3][number].get_facecolor()
        )
    )


@BOTH
def test_a_waterfall_says_start_every_step_end_and_the_lines(is_narrow: bool) -> None:
    found = texts(waterfall_plot([SCORE], is_narrow=is_narrow))

    said = {"start here", "23", "Job title: director", "+80", "Unsubscribed", "-4", "+1", "Score", "100"}
    assert said | {"MQL 50", "SQL 80", "beyond"} <= set(found)


def test_more_points_are_blue_fewer_orange_and_the_limit_grey() -> None:
    figure = waterfall_plot([SCORE])

    assert [colour_of(figure, number) for number in range(5)] == [MUTED, SERIES[0], SERIES[1], MUTED, INK]


def test_a_bar_points_to_where_the_score_moves() -> None:
    figure = waterfall_plot([SCORE])

    bars = [patch.get_xy() for patch in figure.axes[0].patches if patch.get_zorder() == 3]
    start, up, down, *_ = bars
    assert start[2][0] == start[1][0]  # start and end are blunt
    assert up[2][0] > up[1][0]
    assert down[2][0] < down[1][0]


def test_every_bar_is_tied_to_the_next_one() -> None:
    figure = waterfall_plot([SCORE])

    ties = [line for line in figure.axes[0].lines if line.get_linewidth() == pytest.approx(0.9)]
    ends = [patch.get_xy()[2][0] for patch in figure.axes[0].patches if patch.get_zorder() == 3][:-1]
    assert [line.get_xdata()[0] for line in ties] == pytest.approx(ends)


def test_a_bar_of_no_points_is_a_mark_at_its_place() -> None:
    zero = Waterfall("", "start", 0, (Step("nothing", 0),), "end", 0)

    figure = waterfall_plot([zero])

    assert texts(figure).count("0") == 4  # start, step, end and the axis
    assert len([line for line in figure.axes[0].lines if line.get_linewidth() == pytest.approx(2.0)]) == 3


def test_two_waterfalls_stand_one_below_the_other_under_their_titles() -> None:
    change = Waterfall("What changed", "then", 90, (Step("Time", 10),), "now", 100)

    figure = waterfall_plot([SCORE, change], heading=("Lead L1", "As of today"), note="No proof.")

    found = texts(figure)
    assert {"Lead L1", "As of today", "No proof.", "Makeup", "What changed", "then", "now"} <= set(found)
    places = {text.get_text(): text.get_position()[1] for text in figure.findobj(Text)}
    assert (
        places["Lead L1"] < places["Makeup"] < places["start here"] < places["What changed"] < places["then"]
    )
    assert places["now"] < places["No proof."] < figure.axes[0].get_ylim()[0]


@BOTH
def test_hostile_words_stay_words(is_narrow: bool) -> None:
    said = r"$\frac{1}$ </text><script>alert(1)</script> #1b1f24 id=\"x"
    figure = waterfall_plot([Waterfall("", said, 0, (Step(said, 5),), said, 5)], is_narrow=is_narrow)

    text = svg(figure, "one", said)

    assert png(figure).startswith(b"\x89PNG")
    assert "<script" not in text
    assert re.sub(r"\s", "", text).count("&lt;script&gt;") == 3
    assert "#1b1f24" in re.sub(r"<[^>]*>", "", text)


def test_signs_that_no_font_has_are_drawn_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    figure = waterfall_plot([Waterfall("", "開始 🚀", 0, (Step("理由", 5),), "終", 5)])

    assert "理由" in svg(figure, "one", "")
    assert png(figure).startswith(b"\x89PNG")
    assert [str(each.message) for each in recwarn.list] == []


def test_the_same_waterfall_gives_the_same_bytes() -> None:
    assert png(waterfall_plot([SCORE])) == png(waterfall_plot([SCORE]))
    assert svg(waterfall_plot([SCORE]), "one", "") == svg(waterfall_plot([SCORE]), "one", "")


def test_the_words_for_who_can_not_see_it_hold_every_number() -> None:
    assert described(SCORE) == (
        "start here: 23. Job title: director: +80; Unsubscribed: -4; Limit of the scale: +1. Score: 100."
    )
