"""Where the parts of a waterfall stand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from pipeline.text_fit import text_width
from pipeline.waterfall_layout import SMALL, Layout, Step, Waterfall

LINES = (("MQL", 50.0), ("SQL", 80.0))
BOTH = pytest.mark.parametrize("is_narrow", [False, True])


def fall(start: int, *points: int, **more: Any) -> Waterfall:
    """A waterfall of these points."""
    steps = tuple(Step(f"reason {number}", each) for number, each in enumerate(points))
    return Waterfall("", "start", start, steps, "end", start + sum(points), **{"lines": LINES, **more})


def test_bars_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="the bars add up to 35, but the end is 36"):
        Waterfall("", "start", 23, (Step("a", 12),), "end", 36)


@BOTH
def test_each_bar_begins_where_the_one_before_ends(is_narrow: bool) -> None:
    bars = Layout(fall(23, 12, -5, 31), is_narrow).bars

    assert [(bar.left, bar.right) for bar in bars] == [(0, 23), (23, 35), (35, 30), (30, 61), (0, 61)]
    assert [bar.number for bar in bars] == ["23", "+12", "-5", "+31", "61"]


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (fall(23, 12), (0.0, 100.0)),
        (fall(38, 81, -19), (0.0, 119.0)),
        (fall(0, -12, 16), (-12.0, 100.0)),
        (fall(0, 15, -165, is_bounded=False), (-150.0, 80.0)),
        (fall(0, is_bounded=False, lines=()), (0.0, 1.0)),
    ],
)
def test_the_axis_shows_all_that_is_reached_on_the_way(
    drawn: Waterfall, expected: tuple[float, float]
) -> None:
    assert drawn.range == expected


@BOTH
@pytest.mark.parametrize("drawn", [fall(0, 120, -20), fall(0, -50, 60), fall(0, -123_456, is_bounded=False)])
def test_bars_and_their_numbers_stay_inside_the_picture(drawn: Waterfall, is_narrow: bool) -> None:
    layout = Layout(drawn, is_narrow)

    for bar in layout.bars:
        room = text_width(bar.number) * 1.15 + 5
        assert layout.label_width < layout.x(min(bar.left, bar.right)) - (room if bar.right < bar.left else 0)
        assert layout.x(max(bar.left, bar.right)) + (room if bar.right >= bar.left else 0) < layout.width


@BOTH
def test_names_of_close_lines_do_not_touch_and_stay_inside(is_narrow: bool) -> None:
    lines = (("MQL", 50.0), ("SQL", 80.0), ("hot", 82.0), ("a very long name of a band", 99.0))
    layout = Layout(fall(0, 120, -20, lines=lines, beyond="beyond the scale"), is_narrow)

    names = layout.names

    assert len(names) == 5
    for row in {name.row for name in names}:
        ends = sorted((name.x, name.x + text_width(name.text, SMALL)) for name in names if name.row == row)
        assert all(left[1] <= right[0] for left, right in pairwise(ends))
    assert all(0 <= name.x <= layout.width - text_width(name.text, SMALL) for name in names)


def test_the_part_beyond_the_scale_is_named_only_where_it_is_reached() -> None:
    def named(drawn: Waterfall) -> list[float]:
        return [name.place for name in Layout(drawn).names if name.text == "beyond"]

    assert named(fall(23, 12, beyond="beyond")) == []
    assert named(fall(23, 100, -23, beyond="beyond")) == [100.0]
    assert named(fall(23, -30, 10, beyond="beyond")) == [-7.0]
    assert named(fall(23, 100, -23, beyond="beyond", is_bounded=False)) == []
