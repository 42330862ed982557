"""Points tables: the presets of two trades, and rules on what people really write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.asof import microseconds, open_examples
from features.builder import build_features, learn_catalogue
from features.contracts import Tables
from features.errors import ConfigError
from features.points import preset_lines, resolve_rules
from features.prepare import FeatureSources, prepare
from features.settings import (
    AttributeGroup,
    AttributeSettings,
    EventSettings,
    FeatureSettings,
    PointsRule,
    PointsSettings,
    TargetSettings,
)

START = pd.Timestamp("2025-01-01", tz="UTC")
SAAS = AttributeGroup(job_title=("job_title",), company_size=("company_size",))
MakeTables = Callable[..., Tables]


def at(day: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=day)


def points_of(
    tables: Tables, settings: PointsSettings, attributes: AttributeSettings | None = None, day: float = 10
) -> np.ndarray:
    """(leads, rules) points at a day."""
    declared = attributes or AttributeSettings()
    rules = resolve_rules(settings, declared)
    nothing_else = FeatureSettings(families=())
    sources = FeatureSources(declared, EventSettings(), nothing_else, TargetSettings(), False, rules)
    data = prepare(tables, sources)
    assert data.spells is not None
    rows = open_examples(data.spells, int(microseconds(at(day))[0]))
    return build_features(data, rows, learn_catalogue(data, rows, sources), sources)


def one_lead(make: MakeTables, events: list[tuple[float, str]] = [], **attributes: Any) -> Tables:  # noqa: B006
    lead = {"lead_id": "L", "created_at": at(0), **attributes}
    return make(
        [lead], [{"lead_id": "L", "occurred_at": at(day), "event_type": kind} for day, kind in events]
    )


def of_rule(make: MakeTables, value: Any, **rule: Any) -> float:
    """Points of one rule on a category `field`."""
    settings = PointsSettings(rules=(PointsRule(attribute="field", **rule),))
    attributes = AttributeSettings(at_creation=AttributeGroup(category=("field",)))
    return float(points_of(one_lead(make, field=value), settings, attributes)[0, 0])


def test_the_car_dealer_gives_40_points_for_form_open_click_and_directions(make_tables: MakeTables) -> None:
    tables = one_lead(
        make_tables, [(1, "form_submit"), (2, "email_open"), (3, "email_click"), (4, "directions_request")]
    )
    settings = PointsSettings(preset="car_dealer")

    found = points_of(tables, settings)

    assert found.tolist() == [[10.0, 3.0, 7.0, 20.0]]
    assert found.sum() == 40.0
    assert preset_lines(settings) == (30.0, None)


def test_the_car_dealer_counts_each_kind_once_and_only_what_is_known(make_tables: MakeTables) -> None:
    tables = one_lead(
        make_tables, [(1, "form_submit"), (2, "form_submit"), (10, "email_open"), (11, "email_click")]
    )

    assert points_of(tables, PointsSettings(preset="car_dealer")).tolist() == [[10.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("title", "role", "department"),
    [
        ("CEO", 15, 0), ("CTO", 15, 15), ("CFO", 15, 10), ("Product Manager", 10, 0), ("IT Project Manager", 10, 15),
        ("Director of Finance", 10, 10), ("Marketing Director", 10, 0), ("Assistant", 0, 0), ("IT Assistant", 0, 15),
        ("Executive Assistant to the CEO", 0, 0), ("Nurse", 0, 0), (None, 0, 0),
    ],
)  # fmt: skip
def test_the_saas_table_gives_points_for_role_and_department(
    title: str | None, role: int, department: int, make_tables: MakeTables
) -> None:
    tables = one_lead(make_tables, job_title=title, company_size="1-10")

    found = points_of(tables, PointsSettings(preset="saas"), AttributeSettings(at_creation=SAAS))

    assert found[0, :2].tolist() == [role, department]


@pytest.mark.parametrize(
    ("size", "points"),
    [
        ("1000+", 5), ("1,000 - 5,000", 5), ("25000", 5), ("1000", 5), ("999", 15), ("500-999", 15), ("500", 15),
        ("499", 10), ("100-499", 10), ("99", 5), ("50-99", 5), ("50", 5), ("49", 0), ("1-49", 0), ("<50", 0),
        ("under 50", 0), ("0", 0), ("unknown", 0), (None, 0),
    ],
)  # fmt: skip
def test_the_saas_table_gives_points_for_the_size_of_the_company(
    size: str | None, points: int, make_tables: MakeTables
) -> None:
    tables = one_lead(make_tables, job_title="Nurse", company_size=size)

    found = points_of(tables, PointsSettings(preset="saas"), AttributeSettings(at_creation=SAAS))

    assert found[0, 2] == points


def test_a_preset_finds_its_columns_by_kind_or_by_name_given(make_tables: MakeTables) -> None:
    tables = one_lead(make_tables, position="CEO", staff="500-999", employees="50")
    attributes = AttributeSettings(
        at_creation=AttributeGroup(job_title=("position",), company_size=("staff", "employees"))
    )

    by_kind = points_of(tables, PointsSettings(preset="saas"), attributes)
    given = points_of(
        tables, PointsSettings(preset="saas", attributes={"company_size": "employees"}), attributes
    )

    assert by_kind.tolist() == [[15.0, 0.0, 15.0]]
    assert given.tolist() == [[15.0, 0.0, 5.0]]


def test_a_preset_renames_its_events(make_tables: MakeTables) -> None:
    tables = one_lead(make_tables, [(1, "Form")])

    found = points_of(tables, PointsSettings(preset="car_dealer", events={"form_submit": "Form"}))

    assert found[0, 0] == 10.0


@pytest.mark.parametrize(
    ("rule", "points"),
    [
        ({"points": 5}, 5), ({"points": 5, "per": "each"}, 20), ({"points": 5, "per": "each", "most": 3}, 15),
        ({"points": 5, "per": "each", "window": "3d"}, 10), ({"points": -5, "window": "1d"}, 0),
        ({"points": -5}, -5),
    ],
)  # fmt: skip
def test_event_rules_count_once_or_each_up_to_a_most_within_a_window(
    rule: dict[str, Any], points: float, make_tables: MakeTables
) -> None:
    tables = one_lead(make_tables, [(1, "visit"), (2, "visit"), (7, "visit"), (8, "visit"), (10, "visit")])
    made = PointsRule.model_validate({"event": "visit", **rule})

    assert points_of(tables, PointsSettings(rules=(made,))).tolist() == [[points]]


@pytest.mark.parametrize(
    ("value", "points"),
    [("Web", 7), (" web  ", 7), ("Google  Ads", 3), ("other", 0), ("", -1), (None, -1), ("none", 2)],
)
def test_values_are_compared_without_case_and_outer_blanks(
    value: str | None, points: float, make_tables: MakeTables
) -> None:
    table = {" WEB": 7.0, "google ads": 3.0, "": -1.0, "None": 2.0}

    assert of_rule(make_tables, value, values=table) == points


@pytest.mark.parametrize(
    ("value", "points"),
    [
        (0.125, 0), (0.5, 5), (1.0, 10), (1234.567, 10), (-3.0, 0), (0.0, 0), (1e-7, 0), (2e17, 10), (np.nan, 0),
    ],
)  # fmt: skip
def test_ranges_of_a_number_compare_the_number_itself(
    value: float, points: float, make_tables: MakeTables
) -> None:
    settings = PointsSettings(
        rules=(PointsRule(attribute="field", ranges={"1": 10, "0.5": 5, "0": 0, "1e18": 99}),)
    )
    attributes = AttributeSettings(at_creation=AttributeGroup(number=("field",)))

    assert points_of(one_lead(make_tables, field=value), settings, attributes).tolist() == [[points]]


@pytest.mark.parametrize(
    ("kind", "value", "values", "points"),
    [
        ("boolean", 1.0, {"yes": 4}, 4), ("boolean", 1.0, {"True": 4}, 4), ("boolean", 0.0, {"no": 4, "yes": 1}, 4),
        ("boolean", 1.0, {"1": 4}, 4), ("boolean", np.nan, {"": 2, "no": 4}, 2), ("number", 3.0, {"3": 4}, 4),
        ("number", 2.5, {"2.5": 4}, 4), ("number", 3.0, {"3.0": 4}, 4), ("number", 1.0, {"yes": 4}, 0),
    ],
)  # fmt: skip
def test_values_of_numbers_and_booleans_are_written_as_people_do(
    kind: str, value: float, values: dict[str, float], points: float, make_tables: MakeTables
) -> None:
    settings = PointsSettings(rules=(PointsRule(attribute="field", values=values),))
    attributes = AttributeSettings(at_creation=AttributeGroup(**{kind: ("field",)}))

    assert points_of(one_lead(make_tables, field=value), settings, attributes).tolist() == [[points]]


def test_a_rule_on_an_attribute_nobody_declared_names_it_and_the_cure() -> None:
    with pytest.raises(
        ConfigError, match=r"2 points rules name attributes.*'job_title\.role'.*job_title\.role"
    ):
        resolve_rules(
            PointsSettings(preset="saas"),
            AttributeSettings(at_creation=AttributeGroup(company_size=("size",))),
        )


def test_a_rule_on_a_barred_attribute_is_refused() -> None:
    attributes = AttributeSettings(at_creation=AttributeGroup(category=("field",)), barred=("field",))
    settings = PointsSettings(rules=(PointsRule(attribute="field", values={"a": 1}),))

    with pytest.raises(ConfigError, match="not declared"):
        resolve_rules(settings, attributes)


def test_a_reader_that_does_not_exist_is_refused_with_those_that_do() -> None:
    attributes = AttributeSettings(at_creation=SAAS)
    settings = PointsSettings(rules=(PointsRule(attribute="job_title.rank", values={"a": 1}),))

    with pytest.raises(ConfigError, match=r"'job_title\.rank'.*department, role, seniority"):
        resolve_rules(settings, attributes)


def test_a_reader_of_job_titles_on_another_attribute_is_refused_with_the_cure() -> None:
    attributes = AttributeSettings(at_creation=SAAS)
    settings = PointsSettings(rules=(PointsRule(attribute="company_size.seniority", values={"VP": 1}),))

    with pytest.raises(
        ConfigError, match="'company_size' is declared as company_size; declare it as job_title"
    ):
        resolve_rules(settings, attributes)


def test_a_rule_on_an_attribute_that_the_rows_lack_is_refused_and_named(make_tables: MakeTables) -> None:
    settings = PointsSettings(rules=(PointsRule(attribute="job_title", values={"VP": 9}),))
    tables = one_lead(make_tables, job_title="VP")
    of_accounts = replace(tables, leads=tables.leads.drop(columns="job_title"))

    with pytest.raises(
        ConfigError, match="'job_title' is read by a rule, but the rows that are scored here hold no"
    ):
        points_of(of_accounts, settings, AttributeSettings(at_creation=SAAS))


def test_seniority_can_be_read_in_a_rule(make_tables: MakeTables) -> None:
    settings = PointsSettings(
        rules=(PointsRule(attribute="job_title.seniority", values={"VP": 9, "junior": -3}),)
    )

    found = points_of(
        one_lead(make_tables, job_title="Head of IT"), settings, AttributeSettings(at_creation=SAAS)
    )

    assert found.tolist() == [[9.0]]


def test_todays_value_of_an_attribute_gives_points_only_where_it_is_waived(make_tables: MakeTables) -> None:
    tables = one_lead(make_tables, field="a")
    settings = PointsSettings(rules=(PointsRule(attribute="field", values={"a": 1}),))
    current = AttributeGroup(category=("field",))

    with pytest.raises(ConfigError, match=r"today's value.*'field'.*attributes\.waived"):
        points_of(tables, settings, AttributeSettings(current=current))

    assert points_of(tables, settings, AttributeSettings(current=current, waived=("field",))).tolist() == [
        [1.0]
    ]


def test_a_historic_value_counts_as_it_was_then(make_tables: MakeTables) -> None:
    lead = {"lead_id": "L", "created_at": at(0)}
    changes = [
        {"lead_id": "L", "changed_at": at(day), "field": "field", "new_value": value}
        for day, value in ((3, "a"), (10, "b"))
    ]
    tables = make_tables([lead], [], [], [], changes)
    settings = PointsSettings(rules=(PointsRule(attribute="field", values={"a": 1, "b": 2, "": 5}),))
    attributes = AttributeSettings(history=AttributeGroup(category=("field",)))

    assert [points_of(tables, settings, attributes, day)[0, 0] for day in (3, 3.5, 10, 10.5)] == [5, 1, 1, 2]


def test_own_lines_go_before_the_presets() -> None:
    assert preset_lines(PointsSettings(preset="car_dealer", mql=25, sql=60)) == (25.0, 60.0)
    assert preset_lines(PointsSettings(preset="saas")) == (None, None)


def test_no_table_has_no_rules() -> None:
    assert resolve_rules(None, AttributeSettings()) == ()
