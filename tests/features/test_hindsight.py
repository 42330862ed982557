"""The past seen again: no byte of what came later, and mixtures whose ends are the two moments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.asof import Examples, microseconds, open_examples
from features.builder import build_features, learn_catalogue
from features.catalogue import Catalogue
from features.contracts import Tables
from features.hindsight import as_if, known_before
from features.prepare import FeatureSources, Prepared, prepare

START = pd.Timestamp("2025-01-01", tz="UTC")
DAY = 86_400_000_000
Make = Callable[[int], Tables]
quick = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
# days since START; "burst" lies inside the burst that every random world has
moments = st.sampled_from([45.0, 61.37, 90.0, "burst"])


def day(number: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=number)


def moment_of(when: float | str, tables: Tables) -> int:
    if when == "burst":
        return int(microseconds(tables.events["occurred_at"].iloc[:1])[0]) + 500_000
    return int(microseconds(day(float(when)))[0])


def all_of(data: Prepared, sources: FeatureSources, moment: int) -> tuple[Examples, Catalogue]:
    """Every lead open at a moment, and every feature that they ever show."""
    assert data.spells is not None
    end = open_examples(data.spells, int(microseconds(day(150))[0]))
    rows = open_examples(data.spells, moment)
    return rows, learn_catalogue(data, end, sources)


@quick
@given(seed=st.integers(0, 10_000), when=moments)
def test_at_the_moment_itself_no_byte_is_lost(
    random_tables: Make, sources: FeatureSources, seed: int, when: float | str
) -> None:
    tables = random_tables(seed)
    data, moment = prepare(tables, sources), moment_of(when, tables)
    rows, catalogue = all_of(data, sources, moment)

    found = build_features(known_before(data, moment), rows, catalogue, sources)

    assert found.tobytes() == build_features(data, rows, catalogue, sources).tobytes()


@quick
@given(seed=st.integers(0, 10_000), when=moments)
def test_a_later_look_sees_what_an_export_of_that_moment_would_show(
    random_tables: Make, sources: FeatureSources, with_frame: Any, seed: int, when: float | str
) -> None:
    tables = random_tables(seed)
    moment = moment_of(when, tables)
    cut = pd.Timestamp(moment, unit="us", tz="UTC")
    data = prepare(tables, sources)
    rows, catalogue = all_of(data, sources, moment)
    later = replace(rows, as_of=np.full(len(rows), moment + 20 * DAY))
    export = with_frame(
        tables,
        leads=tables.leads[tables.leads["created_at"] < cut].reset_index(drop=True),
        events=tables.events[tables.events["occurred_at"] < cut].reset_index(drop=True),
        outcomes=tables.outcomes[tables.outcomes["occurred_at"] < cut].reset_index(drop=True),
        field_changes=tables.field_changes[tables.field_changes["changed_at"] < cut].reset_index(drop=True),
    )
    then = prepare(export, sources)
    place = pd.Index(then.leads["lead_id"]).get_indexer(data.leads["lead_id"].iloc[rows.lead])

    found = build_features(known_before(data, moment), later, catalogue, sources)

    expected = build_features(then, replace(later, lead=place), catalogue, sources)
    assert found.tobytes() == expected.tobytes()


@quick
@given(seed=st.integers(0, 10_000))
def test_what_has_not_ended_yet_is_open(random_tables: Make, sources: FeatureSources, seed: int) -> None:
    data = prepare(random_tables(seed), sources)
    moment = int(microseconds(day(70))[0])
    assert data.spells is not None

    spells = known_before(data, moment).spells

    assert spells is not None
    assert open_examples(spells, moment).lead.tolist() == open_examples(data.spells, moment).lead.tolist()
    assert open_examples(spells, moment + DAY).lead.tolist() == open_examples(spells, moment).lead.tolist()


@quick
@given(seed=st.integers(0, 10_000), when=moments, days=st.sampled_from([0.3, 14.0, 40.0]))
def test_nothing_changed_is_then_and_everything_changed_is_now(
    random_tables: Make, sources: FeatureSources, seed: int, when: float | str, days: float
) -> None:
    tables = random_tables(seed)
    data, t0 = prepare(tables, sources), moment_of(when, tables)
    t1 = t0 + int(days * DAY)
    rows, catalogue = all_of(data, sources, t0)

    then, at_then = as_if(data, t0, t1, time=False, events=False, fields=False)
    now, at_now = as_if(data, t0, t1, time=True, events=True, fields=True)

    later = replace(rows, as_of=np.full(len(rows), t1))
    assert (at_then, at_now) == (t0, t1)
    for state, at in ((then, rows), (now, later)):
        expected = build_features(data, at, catalogue, sources)
        assert build_features(state, at, catalogue, sources).tobytes() == expected.tobytes()


class Seen:
    """Features by name of the lead L1 in a mixture of then, day 60, and now, day 74."""

    def __init__(self, tables: Tables, sources: FeatureSources) -> None:
        self.t0, self.t1 = (int(microseconds(day(n))[0]) for n in (60, 74))
        self.data, self.sources = prepare(tables, sources), sources
        assert self.data.spells is not None
        rows = open_examples(self.data.spells, self.t1)
        self.catalogue = learn_catalogue(self.data, rows, sources)
        self.row = rows.take(rows.lead == 0)

    def __call__(self, *changed: str) -> dict[str, float]:
        parts = {name: name in changed for name in ("time", "events", "fields")}
        state, as_of = as_if(self.data, self.t0, self.t1, **parts)
        row = replace(self.row, as_of=np.array([as_of]))
        X = build_features(state, row, self.catalogue, self.sources)
        return dict(zip(self.catalogue.names, X[0].tolist(), strict=True))


@pytest.fixture
def seen(make_tables: Any, sources: FeatureSources) -> Callable[..., Seen]:
    """What L1 of account A looks like, created on day 58, beside colleagues given."""

    def make(**tables: list[dict[str, Any]]) -> Seen:
        person = {"source": "web", "budget": 1.0, "job_title": "CEO", "email": "a@b.io", "account_id": "A"}
        mates = [{**person, **each} for each in tables.pop("mates", [])]
        own = {**person, "lead_id": "L1", "created_at": day(58)}
        other = {**person, "lead_id": "L9", "created_at": day(1), "account_id": "A"}
        return Seen(make_tables([own, other, *mates], **tables), sources)

    return make


def pricing(lead: str, *days: float) -> list[dict[str, Any]]:
    return [{"lead_id": lead, "occurred_at": day(each), "event_type": "pricing_view"} for each in days]


def test_without_time_new_events_are_as_fresh_as_they_are_now(seen: Callable[..., Seen]) -> None:
    at = seen(events=pricing("L1", 59, 61, 73))

    alone, now = at("events"), at("time", "events")

    assert alone["recency__type:pricing_view__days_since"] == 1.0
    assert now["recency__type:pricing_view__days_since"] == 1.0
    assert alone["implicit__type:pricing_view__count__7d"] == 2.0
    assert alone["recency__lead__age"] == 2.0
    assert now["recency__lead__age"] == 16.0


def test_an_event_moved_to_before_its_leads_creation_counts(seen: Callable[..., Seen]) -> None:
    at = seen(events=pricing("L1", 61))

    alone = at("events")

    assert alone["recency__type:pricing_view__days_since"] == 13.0
    assert alone["implicit__type:pricing_view__ever"] == 1.0
    assert at()["implicit__type:pricing_view__ever"] == 0.0


def test_time_alone_lets_old_events_age_and_knows_no_new_one(seen: Callable[..., Seen]) -> None:
    at = seen(events=pricing("L1", 59, 61))

    alone = at("time")

    assert alone["recency__type:pricing_view__days_since"] == 15.0
    assert alone["implicit__type:pricing_view__count__30d"] == 1.0


def test_changed_fields_hold_their_latest_value_without_time_and_their_old_one_with_it(
    seen: Callable[..., Seen],
) -> None:
    changed = [
        {"lead_id": "L1", "changed_at": day(number), "field": "stage", "new_value": value}
        for number, value in ((59, "hot"), (62, "zero"), (65, "cold"), (74, "gone"))
    ]
    at = seen(changes=changed)
    levels = next(f.levels for f in at.catalogue.features if f.source == "stage")

    def stage(*parts: str) -> str:
        place = int(at(*parts)["explicit__stage__category"])
        return levels[place] if place < len(levels) else "other"

    # only "cold" is a level: the catalogue is that of day 74
    assert levels == ("(unknown)", "cold")
    assert stage("fields") == "cold"
    assert stage("fields", "time") == "cold"
    assert stage("time", "events") == stage() == "other"


def test_colleagues_and_purchases_that_became_known_belong_to_the_events(seen: Callable[..., Seen]) -> None:
    mates = [{"lead_id": "L2", "created_at": day(62)}, {"lead_id": "L3", "created_at": day(74)}]
    at = seen(
        mates=mates,
        events=pricing("L2", 70),
        outcomes=[{"lead_id": "L9", "occurred_at": day(66), "outcome": "won"}],
    )
    names = ("account__people__known", "account__others__days_since", "account__won__count")

    found = [tuple(at(*parts)[name] for name in names) for parts in ((), ("time",), ("events",))]

    assert str(found) == str([(1.0, np.nan, 0.0), (1.0, np.nan, 0.0), (2.0, 4.0, 1.0)])


def test_a_burst_told_meanwhile_counts_as_people_until_the_events_are_known(
    seen: Callable[..., Seen],
) -> None:
    half_second = 0.5 / 86_400
    burst = [60 + k * half_second for k in (-1.5, -0.5, 0.5, 1.5)]
    at = seen(events=pricing("L1", 59, *burst))
    count = "implicit__type:pricing_view__ever"

    found = [at(*parts)[count] for parts in ((), ("time",), ("events",), ("time", "events"))]

    assert found == [3.0, 3.0, 1.0, 1.0]
