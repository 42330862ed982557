"""A table line by line, priced anew and written down."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from features.durations import parse_duration
from features.points_lines import lines_of, merged, priced, to_csv, to_toml
from features.points_sheet import read_points_sheet
from features.settings import PointsRule

DAY = parse_duration("1d")
TABLE = (
    PointsRule(attribute="role", values={"C-level": 15, "PM": 10, "": -1}, words="role, as told"),
    PointsRule(attribute="size", ranges={"0": 0, "50": 5, "1000": 2.5}),
    PointsRule(event="visit", points=4, per="each", most=3).model_copy(update={"window": 30 * DAY}),
    PointsRule(event="form", points=-10),
)


def test_each_line_has_a_rule_that_says_where_it_applies() -> None:
    found = lines_of(TABLE)

    assert [(line.place, line.key, line.upper, line.points) for line in found] == [
        (0, "C-level", None, 15), (0, "PM", None, 10), (0, "", None, -1),
        (1, "0", "50", 0), (1, "50", "1000", 5), (1, "1000", None, 2.5), (2, None, None, 4), (3, None, None, -10),
    ]  # fmt: skip
    assert [line.indicator.ranges for line in found[3:6]] == [
        {"0": 1, "50": 0},
        {"50": 1, "1000": 0},
        {"1000": 1},
    ]
    assert (found[6].indicator.points, found[6].indicator.most, found[6].indicator.window) == (1, 3, 30 * DAY)
    assert found[2].words == "role: (unknown)"
    assert found[6].words == "visit within 30d, each up to 3"


def test_the_points_of_the_lines_make_the_table_again() -> None:
    lines = lines_of(TABLE)

    same = priced(TABLE, lines, [line.points for line in lines])
    other = priced(TABLE, lines, range(8))

    assert same == TABLE
    assert other[1].ranges == {"0": 3.0, "50": 4.0, "1000": 5.0}
    assert (other[2].points, other[3].points, other[2].per) == (6.0, 7.0, "each")
    assert TABLE[0].values["C-level"] == 15


def test_rules_on_the_same_thing_become_one_that_gives_their_sum() -> None:
    rules = (
        PointsRule(attribute="a", values={"x": 1, "": 1}), PointsRule(attribute="a", values={" X": 2, "(unknown)": 4}),
        PointsRule(attribute="a", ranges={"0": 1, "10": 3}), PointsRule(attribute="a", ranges={"5": 10}, words="w"),
        PointsRule(event="e", points=1), PointsRule(event="e", points=2), PointsRule(event="e", points=4, per="each"),
    )  # fmt: skip

    found = merged(rules)

    assert [(rule.values, rule.ranges, rule.points) for rule in found] == [
        ({"x": 3, "": 5}, {}, 0), ({}, {"0": 1, "5": 11, "10": 13}, 0), ({}, {}, 3), ({}, {}, 4),
    ]  # fmt: skip
    assert found[1].words == "w"


@pytest.mark.parametrize("suffix", ["csv", "toml"])
def test_a_written_sheet_is_read_as_the_same_table(suffix: str) -> None:
    lines = lines_of(TABLE)
    text = to_csv(lines) if suffix == "csv" else to_toml(lines, TABLE)

    assert read_points_sheet(text, f"points.{suffix}") == TABLE


def test_notes_for_people_stand_beside_and_are_not_read() -> None:
    lines = lines_of(TABLE)
    text = to_csv(lines, [{"rows": place, "note": "no history"} for place in range(len(lines))])

    assert text.splitlines()[0].endswith(",words,rows,note")
    assert read_points_sheet(text, "points.csv") == TABLE


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8).filter(
    lambda text: not text.startswith("#") and text.strip('"') == text
)
_POINTS = st.integers(-99, 99).map(float)
_VALUES = st.dictionaries(
    st.one_of(_TEXT, st.sampled_from(["18-25", "1000+", "7", "under 5", "1.125", "x y", ""])),
    _POINTS,
    min_size=1,
)
_RANGES = st.dictionaries(
    st.sampled_from(["-5", "0", "0.5", "1.125", "50", "1000", "12345"]), _POINTS, min_size=1
)


@given(name=_TEXT, values=_VALUES, ranges=_RANGES, points=_POINTS)
def test_whatever_stands_in_a_table_comes_back_from_both_sheets(
    name: str, values: dict[str, float], ranges: dict[str, float], points: float
) -> None:
    rules = merged((
        PointsRule(attribute=name, ranges=dict(sorted(ranges.items(), key=lambda each: float(each[0])))),
        PointsRule(attribute=name, values=values),
        PointsRule(event=name, points=points),
    ))  # fmt: skip
    lines = lines_of(rules)

    assert read_points_sheet(to_toml(lines, rules), "a.toml") == rules
    assert read_points_sheet(to_csv(lines), "a.csv") == rules
