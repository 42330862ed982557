"""The pictures: what they load, which colours they use, that they are the same each time."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from pipeline.plots import (
    GRID,
    INK,
    MUTED,
    SERIES,
    CurveMark,
    GainPoint,
    PeriodPoint,
    ReliabilityPoint,
    curve_plot,
    gain_plot,
    importance_plot,
    period_plot,
    png,
    reliability_plot,
    score_plot,
    svg,
)

SHARES = np.linspace(0, 1, 1_001)


def reliability() -> Any:
    """Two bins, one without a conversion."""
    return reliability_plot(
        [ReliabilityPoint(0.02, 0.0, 0.0, 0.05, 100), ReliabilityPoint(0.4, 0.5, 0.4, 0.6, 90)]
    )


def gain() -> Any:
    """Two curves and an interval."""
    points = [GainPoint(0.2, 0.5, 0.4, 0.6), GainPoint(0.5, 0.8, 0.7, 0.9)]
    return gain_plot({"Blend": (SHARES, np.sqrt(SHARES)), "Points table": (SHARES, SHARES)}, points)


def scores() -> Any:
    """Scores of both outcomes with two lines."""
    return score_plot(
        np.array([5.0, 20.0, 60.0, 100.0]), np.array([0.0, 0.0, 1.0, 1.0]), {"MQL": 50.0, "SQL": 80.0}
    )


def importance() -> Any:
    """Two groups, one with a name that needs escaping."""
    return importance_plot({"Pricing <views>": 0.7, "Seniority": 0.3}, "Share of the gain")


def months() -> Any:
    """Two months, one above what was promised."""
    return period_plot(
        [PeriodPoint("2025-01", 0.05, 0.04, 0.03, 0.06), PeriodPoint("2025-02", 0.05, 0.2, 0.1, 0.3)]
    )


def learning() -> Any:
    """Three points of a learning curve."""
    return curve_plot(
        [CurveMark(50, 0.7, 0.6, 0.8), CurveMark(100, 0.75, 0.7, 0.8), CurveMark(210, 0.8, 0.78, 0.82)]
    )


DRAWN = pytest.mark.parametrize("draw", [reliability, gain, scores, importance, months, learning])


@DRAWN
def test_a_picture_for_the_page_loads_nothing_and_takes_its_colours_from_the_page(draw: Any) -> None:
    text = svg(draw(), "one", "A title")

    assert text.startswith("<svg viewBox=")
    assert 'role="img" aria-label="A title"' in text
    assert "http" not in text
    assert "var(--series-1)" in text
    assert not any(colour in text for colour in (INK, MUTED, GRID, *SERIES))


@DRAWN
def test_pictures_on_one_page_share_no_id(draw: Any) -> None:
    first, second = (set(re.findall(r'\bid="([^"]+)"', svg(draw(), name, ""))) for name in ("one", "two"))

    assert first
    assert not first & second


@DRAWN
def test_every_reference_inside_a_picture_has_its_target(draw: Any) -> None:
    text = svg(draw(), "one", "")

    wanted = set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    assert wanted <= set(re.findall(r'\bid="([^"]+)"', text))


@DRAWN
def test_the_same_picture_gives_the_same_bytes(draw: Any) -> None:
    assert png(draw()) == png(draw())
    assert svg(draw(), "one", "A title") == svg(draw(), "one", "A title")


@DRAWN
def test_drawing_leaves_the_settings_of_matplotlib_alone(draw: Any) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)

    assert png(draw()).startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before


def test_titles_and_names_are_escaped() -> None:
    text = svg(importance(), "one", 'Who & "why" <b>')

    assert "<views>" not in text
    assert 'aria-label="Who &amp; &quot;why&quot; &lt;b>"' in text


def test_words_that_look_like_a_tag_keep_every_sign() -> None:
    said = 'id="x" url(#y) font: 9px Arial #1b1f24'

    text = svg(importance_plot({said: 1.0}, "Share"), "one", "")

    assert said in text


def test_bold_words_stay_bold_in_the_font_of_the_page() -> None:
    figure = importance()
    figure.axes[0].set_title("bold", weight="bold")

    text = svg(figure, "one", "")

    (style,) = re.findall(r'<text style="([^"]*)"[^>]*>bold<', text)
    assert "font-weight: 700" in style
    assert "font-family" not in text


def test_a_long_curve_is_thinned_to_its_shape_with_both_ends() -> None:
    line = gain_plot({"Blend": (SHARES, np.sqrt(SHARES))}).axes[0].lines[1]

    assert len(line.get_xdata()) == 400
    assert (line.get_xdata()[0], line.get_xdata()[-1], line.get_ydata()[-1]) == (0.0, 1.0, 1.0)


def test_scores_of_each_outcome_add_up_to_one() -> None:
    filled, outlined = scores().axes[0].patches[2:4]

    assert filled.get_data().values.sum() == pytest.approx(1.0)
    assert outlined.get_data().values.sum() == pytest.approx(1.0)
    assert outlined.get_label() == "bought (2 rows)"


def test_each_curve_may_have_its_own_interval() -> None:
    points = [GainPoint(0.0, 0.0, 0.0, 0.0), GainPoint(1.0, 1.0, 1.0, 1.0)]

    figure = gain_plot({"Blend": (SHARES, SHARES), "Points table": (SHARES, SHARES)}, points, points)

    first, second = figure.axes[0].collections
    assert not np.array_equal(first.get_facecolor(), second.get_facecolor())
    assert [each.get_text() for each in figure.axes[0].get_legend().get_texts()].count("95 % interval") == 1


def test_promised_is_a_line_and_what_came_has_its_interval() -> None:
    axes = months().axes[0]

    promised = next(line for line in axes.lines if line.get_label() == "promised")
    (bars,) = axes.collections
    assert promised.get_ydata().tolist() == [0.05, 0.05]
    assert [segment[:, 1].round(6).tolist() for segment in bars.get_segments()] == [[0.03, 0.06], [0.1, 0.3]]


def test_a_tick_says_the_share_it_stands_at() -> None:
    figure = period_plot(
        [PeriodPoint("a", 0.05, 0.08, 0.05, 0.115), PeriodPoint("b", 0.05, 0.08, 0.05, 0.115)]
    )
    axis = figure.axes[0].yaxis

    shown = [
        float(label.removesuffix(" %"))
        for label in axis.get_major_formatter().format_ticks(axis.get_ticklocs())
    ]

    assert shown == pytest.approx((100 * axis.get_ticklocs()).tolist())


def test_many_months_are_named_now_and_then() -> None:
    points = [PeriodPoint(f"m{number}", 0.1, 0.1, 0.05, 0.2) for number in range(30)]

    labels = [each.get_text() for each in period_plot(points).axes[0].get_xticklabels()]

    assert labels == [f"m{number}" for number in range(0, 30, 4)]


def test_the_learning_curve_names_the_conversions_of_each_point() -> None:
    labels = [each.get_text() for each in learning().axes[0].get_xticklabels()]

    assert labels == ["50", "100", "210"]


def test_one_outcome_alone_can_be_drawn() -> None:
    figure = score_plot(np.array([10.0, 20.0]), np.zeros(2), {"MQL": 50.0})

    assert png(figure).startswith(b"\x89PNG")


def test_a_long_name_is_cut_so_that_the_bars_keep_their_room() -> None:
    figure = importance_plot({"How likely is it that you would recommend our product?": 1.0}, "Share")

    (label,) = figure.axes[0].get_yticklabels()
    assert label.get_text() == "How likely is it that you would recommend our…"
