"""What comes next: shares that can be counted by hand, and one event put into its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from features.cleaning import Events
from features.contracts import Tables
from features.hindsight import in_total_order
from features.next_event import next_event, with_event
from features.prepare import FeatureSources, Prepared, prepare
from tests.features.conftest import START, tables_of

TYPES = ("call", "mail", "stop", "visit")


def _prepared(sources: FeatureSources, *paths: tuple[str, int]) -> Prepared:
    """Leads that went a path such as "visit call", so many each; the last lead did nothing."""
    taken = [path.split() for path, times in paths for _ in range(times)] + [[]]
    leads = [{"lead_id": f"L{number:04d}", "created_at": START} for number in range(len(taken))]
    events = [
        {"lead_id": f"L{number:04d}", "occurred_at": START + pd.Timedelta(hours=1 + hour), "event_type": kind}
        for number, path in enumerate(taken)
        for hour, kind in enumerate(path)
    ]
    return prepare(tables_of(leads, events), sources)


def test_the_share_is_that_of_all_that_came_next(sources: FeatureSources) -> None:
    data = _prepared(sources, ("call visit call", 10), ("call mail", 25), ("visit mail", 50), ("call", 1))
    lead = 85  # the one that only called

    found = next_event(data, lead, TYPES)

    assert found is not None
    assert (found.after, found.kind, found.share, found.seen) == ("call", "mail", 25 / 35, 35)


def test_a_type_may_follow_itself_and_of_equals_the_first_by_name_is_taken(sources: FeatureSources) -> None:
    data = _prepared(sources, ("visit visit", 30), ("visit mail", 30))

    found = next_event(data, 0, TYPES)

    assert found is not None
    assert (found.kind, found.share) == ("mail", 0.5)
    assert next_event(data, 0, ("visit",)) == replace(found, kind="visit", share=1.0, seen=30)


def test_a_lead_without_events_gets_the_commonest_first_type(sources: FeatureSources) -> None:
    data = _prepared(sources, ("mail visit visit", 20), ("visit", 15))

    found = next_event(data, 35, TYPES)

    assert found is not None
    assert (found.after, found.kind, found.share, found.seen) == (None, "mail", 20 / 35, 35)


def test_an_unwanted_type_counts_but_is_not_given_back(sources: FeatureSources) -> None:
    data = _prepared(sources, ("visit stop", 60), ("visit call", 20))

    found = next_event(data, 0, TYPES, ("stop",))

    assert found is None  # nobody did anything after "stop", the latest event of lead 0
    after_visit = next_event(
        _prepared(sources, ("visit", 1), ("visit stop", 60), ("visit call", 20)), 0, TYPES, ("stop",)
    )
    assert after_visit is not None
    assert (after_visit.kind, after_visit.share) == ("call", 0.25)


@pytest.mark.parametrize(("times", "is_told"), [(29, False), (30, True)])
def test_fewer_than_thirty_say_nothing(sources: FeatureSources, times: int, is_told: bool) -> None:
    data = _prepared(sources, ("visit", 1), ("visit call", times))

    assert (next_event(data, 0, TYPES) is not None) == is_told


def test_types_that_are_not_known_are_as_if_they_were_not_there(sources: FeatureSources) -> None:
    data = _prepared(sources, ("visit other call", 40), ("visit other", 1))

    found = next_event(data, 40, TYPES)

    assert found is not None
    assert (found.after, found.kind, found.share) == ("visit", "call", 1.0)
    assert next_event(data, 40, ()) is None


@pytest.mark.parametrize("seed", range(5))
def test_one_event_more_stands_where_the_total_order_has_it(
    random_tables: Callable[[int], Tables], sources: FeatureSources, seed: int
) -> None:
    data = prepare(random_tables(seed), sources)
    plain = data.events.events
    row = 7 * seed + 3
    lead, kind, moment = int(plain.lead[row]), "pricing_view", int(plain.time[row])
    new = Events(
        *(np.array([each]) for each in (lead, moment, data.events.kinds.index(kind), -1, -1, np.nan))
    )
    expected = in_total_order(
        Events(*(np.concatenate([getattr(plain, f.name), getattr(new, f.name)]) for f in fields(Events)))
    )

    found = with_event(data, lead, kind, moment).events.events

    for field in fields(Events):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name))
    assert len(plain) == len(data.events.events)
