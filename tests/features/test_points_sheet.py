"""Points sheets as marketing teams write them, and every line that can't be read."""

from __future__ import annotations

from typing import Any

import pytest

from features.errors import ConfigError
from features.points import listed_rules
from features.points_sheet import read_points_sheet
from features.settings import (
    POINTS_SHEET,
    AttributeGroup,
    AttributeSettings,
    EventSettings,
    EventType,
    PointsSettings,
)

SAAS = """\
# what marketing agreed in March
 Attribute ; VALUE ; Points
Role;C-level;15
;PM;10
;Director;10 points
;assistant;0

Company size;1000+;5
;500-999;+15
;100 - 499;10
;50-99;5
;Under 50;0
;(unknown);\N{MINUS SIGN}1
"""


def rules_of(text: str, name: str = "points.csv") -> list[dict[str, Any]]:
    """What a sheet says, defaults left out."""
    return [rule.model_dump(exclude_defaults=True) for rule in read_points_sheet(text, name)]


def faults_of(text: str, name: str = "points.csv") -> list[str]:
    """The lines of the one message."""
    with pytest.raises(ConfigError) as caught:
        read_points_sheet(text, name)
    return str(caught.value).splitlines()


def test_the_saas_table_is_read_with_empty_cells_ranges_and_blanks() -> None:
    assert rules_of(SAAS) == [
        {"attribute": "Role", "values": {"C-level": 15.0, "PM": 10.0, "Director": 10.0, "assistant": 0.0}},
        {"attribute": "Company size", "ranges": {"0": 0.0, "50": 5.0, "100": 10.0, "500": 15.0, "1000": 5.0}},
        {"attribute": "Company size", "values": {"": -1.0}},
    ]


def test_events_count_once_or_each_up_to_a_most_within_a_window() -> None:
    text = (
        "event,points,per,most,window,words\nform,10,,,,forms\nvisit,4,Each,3,30 days,\n"
        "open,3,,5,2 weeks,\nclick,7,once,,14,\n"
    )

    assert rules_of(text) == [
        {"event": "form", "points": 10.0, "words": "forms"},
        {"event": "visit", "points": 4.0, "per": "each", "most": 3, "window": "30d"},
        {"event": "open", "points": 3.0, "per": "each", "most": 5, "window": "14d"},
        {"event": "click", "points": 7.0, "window": "14d"},
    ]


def test_from_and_to_make_a_range_and_an_empty_end_has_none() -> None:
    text = "attribute\tfrom\tto\tpoints\nbudget\t\t999\t1\nbudget\t1000\t\t5\n"

    assert rules_of(text) == [{"attribute": "budget", "ranges": {"0": 1.0, "1000": 5.0}}]


def test_beside_ranges_a_number_is_a_range_and_alone_it_is_a_value() -> None:
    text = (
        "attribute,value,points\nchildren,1,5\nchildren,2,6\nstaff,1,5\nstaff,2-9,6\nstaff,self-employed,2\n"
    )

    assert rules_of(text) == [
        {"attribute": "children", "values": {"1": 5.0, "2": 6.0}},
        {"attribute": "staff", "ranges": {"1": 5.0, "2": 6.0, "10": 0.0}},
        {"attribute": "staff", "values": {"self-employed": 2.0}},
    ]


def test_a_range_in_quotes_is_a_text() -> None:
    assert rules_of('attribute,value,points\nplan,"""18-25""",5\n') == [
        {"attribute": "plan", "values": {"18-25": 5.0}}
    ]


def test_every_unreadable_line_is_named_with_its_number_and_its_cure_in_one_message() -> None:
    text = (
        "attribute,value,from,to,event,points,per,most,window\n"
        "role,CEO,,,,ten,,,\n"
        "size,,5,3,,1,,,\n"
        "size,,1,10,,1,,,\n"
        "size,,5,20,,1,,,\n"
        "field,,,,,3,,,\n"
        ",,,,visit,3,sometimes,0,soon\n"
        ",,,,,3,,,\n"
        "a,b,,,c,1,,,\n"
        "role,ceo,,,,5,,,\n"
        "role,PM,,,,5,each,,\n"
        ",x,,,visit,1,,,\n"
        ",,,,click,1,,,\n"
        ",,,,click,2,,,\n"
        "a,b,,,,1,,,,,more\n"
        "age,1,2,,,1,,,\n"
    )

    head, *lines = faults_of(text)

    assert head == f"The points sheet points.csv has {len(lines)} faults:"
    expected = [
        "line 2: points 'ten' is no number; write one such as 10, -5 or 0.",
        "line 3: 'size': the ranges 1 to 10 and 5 to 20 share numbers.",
        "line 3: from '5' to '3' is no range; write numbers, the lower one first.",
        "line 6: 'field' has no value; write (unknown) for leads without one.",
        "line 7: most '0' is no whole number from 1.",
        "line 7: per 'sometimes' is unknown; write once or each.",
        "line 7: window: 'soon' is no duration",
        "line 8: needs either an attribute or an event.",
        "line 9: needs either an attribute or an event.",
        "line 10: gives 'ceo' 5 points, line 2 gives it 0; keep one.",
        "line 11: 'per' is for events; an attribute has a value, or from and to.",
        "line 12: an event has no value; use per, most and window.",
        "line 14: repeats the event 'click' of line 13; keep one of the two.",
        "line 15: has 11 cells under 9 columns; put texts in quotes.",
        "line 16: 'age' has both a value and a range; keep one.",
    ]
    assert [any(said in line for line in lines) for said in expected] == [True] * len(expected)


def test_unknown_columns_are_named_with_the_nearest() -> None:
    assert faults_of("atribute,value,pionts,zzz\nrole,x,1,\n") == [
        "The points sheet points.csv has 4 faults:",
        "  columns: 'atribute' is unknown. Did you mean 'attribute'?",
        "  columns: 'pionts' is unknown. Did you mean 'points'?",
        "  columns: 'zzz' is unknown. Known: attribute, event, value, from, to, points, per, most, window, words.",
        "  columns: points, and attribute or event, must be among them",
    ]
    assert "'points' is there twice." in faults_of("event,points,score\na,1,2\n")[1]


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("", "a.csv", "is empty"), ("event,points\n", "a.csv", "no line below its first"),
        ("x", "a.xlsx", "must end in .csv or .toml"), ("rules = 3", "a.toml", "must hold \\[\\[rules\\]\\]"),
        ('role,value,points\n,"PM,10\n,Director,5\n', "points.csv", "unexpected end of data.* not closed"),
        ("rules = [", "a.toml", "can't be read as TOML"), ("rules = []", "a.toml", "at least one"),
        ("mql = 3\n[[rules]]\nevent = 'a'", "a.toml", "nothing else"),
    ],
)  # fmt: skip
def test_what_is_no_sheet_is_refused(text: str, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_points_sheet(text, name)


def test_a_toml_sheet_holds_rules_as_a_project_file_does_and_names_faults_by_rule() -> None:
    good = '[[rules]]\nattribute = "a"\nvalues = { x = 1 }\n[[rules]]\nevent = "b"\npoints = 2\n'
    bad = '[[rules]]\nattribute = "a"\n[[rules]]\nevent = "b"\npionts = 2\nmost = 0\n'

    assert rules_of(good, "a.toml") == [
        {"attribute": "a", "values": {"x": 1.0}},
        {"event": "b", "points": 2.0},
    ]
    assert faults_of(bad, "a.toml") == [
        "The points sheet a.toml has 3 faults:",
        "  rule 1: the points rule for 'a' needs either values or ranges",
        "  rule 2: most: Input should be greater than or equal to 1",
        "  rule 2: pionts: unknown key. Did you mean 'points'?",
    ]


def test_names_of_the_sheet_are_found_among_the_projects_whatever_their_case_and_blanks() -> None:
    text = (
        "attribute,value,event,points\nRole,PM,,1\nDEPARTMENT,IT,,1\nCompany-Size,50+,,1\nLead source,web,,1\n"
        "Job title,VP,,1\nBranche,IT,,1\n,,Form Submit,1\n,,Anfahrt,1\n,,new thing,1\n"
    )
    attributes = AttributeSettings(
        at_creation=AttributeGroup(
            job_title=("position",), company_size=("staff",), category=("lead_source", "industry")
        )
    )
    settings = PointsSettings.model_validate({
        POINTS_SHEET: read_points_sheet(text, "a.csv"),
        "attributes": {"branche": "industry"}, "events": {"anfahrt": "directions"},
    })  # fmt: skip
    events = EventSettings(types={"form_submit": EventType()})

    found = listed_rules(settings, attributes, events)

    assert [rule.attribute or rule.event for rule in found] == [
        "position.role", "position.department", "staff", "lead_source", "position.seniority", "industry",
        "form_submit", "directions", "new thing",
    ]  # fmt: skip
