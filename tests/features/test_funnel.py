"""Funnel stages, their change, and the return from silence, by hand and against plain Python."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.builder import build_features, learn_catalogue
from features.catalogue import Catalogue
from features.contracts import Tables
from features.errors import LeadScoringError
from features.funnel import describe_funnel, funnel_readings, has_stages
from features.prepare import FeatureSources, prepare
from features.recency import describe_re_engaged
from features.settings import EventSettings, EventType, FeatureSettings

START = pd.Timestamp("2025-01-01", tz="UTC")
LEVELS = {"page_view": 1, "pricing_view": 3}
DEPTH, CHANGE = "implicit__funnel__depth__30d", "implicit__funnel__change_of_30d__7d"
BACK = "recency__any__re_engaged__30d"


def read(tables: Tables, sources: FeatureSources, open_at: Any, day: float = 90.0) -> pd.DataFrame:
    data, rows = prepare(tables, sources), open_at(tables, day)
    catalogue = Catalogue((*describe_funnel(sources), *describe_re_engaged(sources)))
    X = build_features(data, rows, catalogue, sources)
    return pd.DataFrame(X, index=data.leads["lead_id"].to_numpy()[rows.lead], columns=catalogue.names)


def crm(make: Any, *events: tuple[float, str], created: float = 0.0) -> Tables:
    base = {"source": "web", "budget": 1.0, "job_title": "CEO", "email": "a@b.io", "account_id": None}
    rows = [
        {"lead_id": "L", "occurred_at": START + pd.Timedelta(days=day), "event_type": kind}
        for day, kind in events
    ]
    made: Tables = make([{"lead_id": "L", "created_at": START + pd.Timedelta(days=created), **base}], rows)
    return made


@pytest.mark.parametrize(
    ("events", "depth", "change"),
    [
        ([(85, "pricing_view")], 3, 3),  # nothing in the window of a week ago
        ([(65, "pricing_view"), (85, "page_view")], 3, 0),
        ([(55, "pricing_view"), (85, "page_view")], 1, -2),
        ([(59.9, "page_view")], 0, -1),
        ([(60, "page_view")], 1, 0),  # the window is [as_of - 30 days, as_of)
        (
            [(83, "pricing_view"), (70, "page_view")],
            3,
            2,
        ),  # an event a week ago to the instant was not known then
        ([(90, "pricing_view"), (80, "unsubscribe")], 0, 0),
        ([], 0, 0),
    ],
)
def test_the_stage_is_the_deepest_in_the_window_and_its_change_is_against_a_week_ago(
    make_tables: Any,
    sources: FeatureSources,
    open_at: Any,
    events: list[tuple[float, str]],
    depth: int,
    change: int,
) -> None:
    found = read(crm(make_tables, *events), sources, open_at).loc["L"]

    assert (found[DEPTH], found[CHANGE]) == (depth, change)


def test_a_lead_that_came_in_since_then_has_no_change(
    make_tables: Any, sources: FeatureSources, open_at: Any
) -> None:
    young = read(crm(make_tables, (88, "page_view"), created=83), sources, open_at).loc["L"]
    older = read(crm(make_tables, (88, "page_view"), created=82.9), sources, open_at).loc["L"]

    assert np.isnan(young[CHANGE])
    assert older[CHANGE] == 1


def test_breadth_and_days_of_a_stage_count_types_and_days_of_the_window(
    make_tables: Any, sources: FeatureSources, open_at: Any
) -> None:
    events = [(61, "pricing_view"), (61.5, "pricing_view"), (70, "pricing_view"), (70, "page_view")]

    types = {**sources.events.types, "demo": EventType(stage="decision")}
    own = replace(sources, events=sources.events.model_copy(update={"types": types}))
    tables = crm(make_tables, *events, (20, "pricing_view"), (75, "demo"))
    data, rows = prepare(tables, own), open_at(tables, 90.0)
    catalogue = learn_catalogue(data, rows, own)

    found = dict(zip(catalogue.names, build_features(data, rows, catalogue, own)[0], strict=True))

    assert found["implicit__stage:decision__days_active__30d"] == 3
    assert found["implicit__stage:decision__breadth__30d"] == 2
    assert found["implicit__stage:awareness__breadth__30d"] == 1


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(50, "page_view"), (86, "page_view"), (87, "pricing_view")], 2),
        ([(60, "page_view"), (83, "page_view")], 0),  # 23 days of silence
        ([(50, "page_view"), (82.9, "page_view"), (86, "page_view")], 0),  # back for more than a week
        ([(89, "page_view")], 1),  # silent since it came in
        ([(50, "page_view"), (90, "page_view")], 0),  # not yet known
        ([(50, "page_view")], 0),
    ],
)
def test_who_is_back_was_silent_for_long_and_active_within_a_week(
    make_tables: Any,
    sources: FeatureSources,
    open_at: Any,
    events: list[tuple[float, str]],
    expected: float,
) -> None:
    assert read(crm(make_tables, *events), sources, open_at).loc["L", BACK] == expected


def test_random_worlds_agree_with_plain_python(
    random_tables: Any, sources: FeatureSources, open_at: Any
) -> None:
    tables = random_tables(11)
    cleaned = replace(sources, events=sources.events.model_copy(update={"bot_events": 400}))

    found = read(tables, cleaned, open_at)

    as_of = START + pd.Timedelta(days=90)
    created = tables.leads.set_index("lead_id")["created_at"]
    events = tables.events.drop_duplicates()
    for lead, row in found.iterrows():
        own = events[(events["lead_id"] == lead) & (events["occurred_at"] >= created[lead])]
        own = own[own["occurred_at"] < as_of].sort_values("occurred_at")

        def depth(end: pd.Timestamp, own: pd.DataFrame = own) -> int:
            near = own[(own["occurred_at"] >= end - pd.Timedelta(days=30)) & (own["occurred_at"] < end)]
            return max((LEVELS.get(kind, 0) for kind in near["event_type"]), default=0)

        week = as_of - pd.Timedelta(days=7)
        recent, before = own[own["occurred_at"] >= week], own[own["occurred_at"] < week]
        last = before["occurred_at"].max() if len(before) else created[lead]
        is_back = len(recent) and recent["occurred_at"].iloc[0] - last >= pd.Timedelta(days=30)
        assert row[DEPTH] == depth(as_of)
        assert (np.isnan(row[CHANGE]) and created[lead] >= week) or row[CHANGE] == depth(as_of) - depth(week)
        assert row[BACK] == (len(recent) if is_back else 0)


def test_the_funnel_makes_features_only_where_it_is_asked_for_and_declared(sources: FeatureSources) -> None:
    silent = replace(sources, features=FeatureSettings())
    bare = replace(sources, events=EventSettings())

    assert describe_funnel(silent) == describe_re_engaged(silent) == describe_funnel(bare) == []
    assert has_stages(sources)
    assert not has_stages(bare)
    assert [feature.name for feature in funnel_readings(silent)] == [DEPTH, CHANGE]


def test_an_unknown_stage_is_refused(tmp_path: Any) -> None:
    from pipeline.config import load_project

    path = tmp_path / "lead-scoring.toml"
    path.write_text(
        'data.leads.path = "l.csv"\ndata.outcomes.path = "o.csv"\nevents.types.demo.stage = "decison"\n'
    )

    with pytest.raises(LeadScoringError, match=r"events\.types\.demo\.stage.*'decision'"):
        load_project(path)
