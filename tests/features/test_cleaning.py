"""Cleaning: what is removed is counted, what stays does not depend on what came later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.asof import NEVER, microseconds
from features.cleaning import CleanedEvents, Events, bot_bursts, clean_events
from features.contracts import Tables
from features.settings import EventSettings

START = pd.Timestamp("2025-01-01", tz="UTC")
SECOND = 1_000_000
MakeTables = Callable[..., Tables]


def at(day: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=day)


def event(day: float, kind: str = "visit", lead: str = "L", **more: Any) -> dict[str, Any]:
    return {"lead_id": lead, "occurred_at": at(day), "event_type": kind, **more}


@pytest.fixture
def clean(make_tables: MakeTables) -> Callable[..., CleanedEvents]:
    def run(
        *events: dict[str, Any], settings: EventSettings | None = None, outcome_events: tuple[str, ...] = ()
    ) -> CleanedEvents:
        leads = [{"lead_id": "L", "created_at": at(0)}, {"lead_id": "M", "created_at": at(0)}]
        tables = make_tables(leads, list(events))
        extra = {name for each in events for name in each} - set(tables.events)
        frame = tables.events
        for name in sorted(extra):
            frame[name] = [each.get(name) for each in events]
        return clean_events(frame, tables.leads, settings or EventSettings(), outcome_events)

    return run


Clean = Callable[..., CleanedEvents]


def days(found: CleanedEvents) -> list[float]:
    origin = int(microseconds(START)[0])
    return [(moment - origin) / 86_400_000_000 for moment in found.events.time.tolist()]


def test_exact_copies_count_once_and_anything_that_differs_counts(clean: Clean) -> None:
    found = clean(
        event(1, value=2.0), event(1, value=2.0), event(1, value=3.0), event(1), event(1), event(1, channel="web"),
        event(1, product="x"), event(1, lead="M", value=2.0), event(1, "click", value=2.0),
    )  # fmt: skip

    assert found.removed["duplicate"] == 2
    assert len(found.events) == 7


def test_copies_are_found_whatever_lies_between_them(clean: Clean) -> None:
    found = clean(event(1), event(2), event(1), event(1, "click"), event(1))

    assert found.removed["duplicate"] == 2
    assert days(found) == [1.0, 1.0, 2.0]


@pytest.mark.parametrize(("day", "kept"), [(-0.001, 0), (0, 1), (0.001, 1)])
def test_events_before_the_lead_existed_are_removed(day: float, kept: int, clean: Clean) -> None:
    found = clean(event(day))

    assert len(found.events) == kept
    assert found.removed["before_lead"] == 1 - kept


@pytest.mark.parametrize(("recorded", "known"), [(5.0, 5.0), (0.5, 1.0), (None, 1.0)])
def test_an_event_counts_from_the_moment_it_was_recorded(
    recorded: float | None, known: float, clean: Clean
) -> None:
    found = clean(event(1) if recorded is None else event(1, recorded_at=at(recorded)))

    assert days(found) == [known]


def test_internal_staff_and_declared_outcome_events_are_removed_and_counted(clean: Clean) -> None:
    settings = EventSettings(internal_column="actor", internal_values=("bob@ours.com",))

    found = clean(
        event(1, actor="bob@ours.com"), event(2, actor="eve@theirs.com"), event(3), event(4, "contract_signed"),
        settings=settings, outcome_events=("contract_signed",),
    )  # fmt: skip

    assert days(found) == [2.0, 3.0]
    assert found.removed["internal"] == 1
    assert found.removed["outcome_event"] == 1


def test_an_event_of_an_unknown_lead_is_counted_once(clean: Clean) -> None:
    found = clean(event(1, lead="ghost"), event(1))

    assert found.removed["unknown_lead"] == 1
    assert sum(found.removed.values()) + len(found.events) == 2


def test_values_are_ignored_where_the_settings_say_so(clean: Clean) -> None:
    found = clean(event(1, value=2.0), event(1, value=3.0), settings=EventSettings(use_value=False))

    assert len(found.events) == 1
    assert np.isnan(found.events.value).all()


@pytest.mark.parametrize(("n", "spacing", "bots"), [(10, 0.2, 10), (9, 0.2, 0), (10, 0.25, 0), (25, 0.2, 25)])
def test_ten_events_of_a_type_within_two_seconds_are_a_burst(
    n: int, spacing: float, bots: int, clean: Clean
) -> None:
    found = clean(*(event(1 + k * spacing / 86_400) for k in range(n)), event(2))

    assert found.removed["bot"] == len(found.bots) == bots
    assert len(found.events) == n - bots + 1


def test_bursts_of_two_leads_or_two_types_do_not_add_up(clean: Clean) -> None:
    moments = [1 + k * 0.01 / 86_400 for k in range(6)]

    found = clean(
        *(event(m) for m in moments),
        *(event(m, "click") for m in moments),
        *(event(m, lead="M") for m in moments),
    )

    assert found.removed["bot"] == 0
    assert len(found.events) == 18


def test_a_burst_is_told_one_microsecond_after_the_event_that_completes_it(clean: Clean) -> None:
    found = clean(*(event(1 + k * 0.1 / 86_400) for k in range(12)))

    tenth, eleventh, twelfth = np.sort(found.bots.time)[9:12]
    assert found.told_at.tolist() == [tenth + 1] * 10 + [eleventh + 1, twelfth + 1]


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(1, 40), st.integers(0, 9)), max_size=40
    ),
    st.integers(2, 5),
    st.integers(1, 6),
)
def test_bursts_are_those_that_trying_every_group_of_events_finds(
    rows: list[tuple[int, int, int, int]], least: int, window: int
) -> None:
    rows = sorted(rows, key=lambda row: (row[0], row[2] + row[3], row[1], row[2]))
    lead, kind, occurred, delay = (np.array([row[k] for row in rows], dtype=np.int64) for k in range(4))
    known = occurred + delay
    nothing = np.full(len(rows), -1)
    expected = np.full(len(rows), NEVER)
    for owner in (0, 1):
        for code in (0, 1):
            places = np.flatnonzero((lead == owner) & (kind == code))
            places = places[np.argsort(occurred[places], kind="stable")]
            for first in range(len(places) - least + 1):
                group = places[first : first + least]
                if occurred[group[-1]] - occurred[group[0]] <= window:
                    expected[group] = np.minimum(expected[group], known[group].max() + 1)

    found = bot_bursts(
        Events(lead, known, kind, nothing, nothing, np.full(len(rows), np.nan)), occurred, least, window
    )

    assert found.tolist() == expected.tolist()


def test_events_that_were_recorded_together_are_neither_copies_nor_a_burst(clean: Clean) -> None:
    loaded = [event(1 + day, recorded_at=at(40)) for day in range(12)]

    found = clean(*loaded)

    assert days(found) == [40.0] * 12
    assert found.removed["duplicate"] == found.removed["bot"] == 0


def test_a_burst_recorded_late_is_told_when_its_last_event_is_known(clean: Clean) -> None:
    instants = [event(1.3 + k / 86_400_000, recorded_at=at(2 + k)) for k in range(3)]

    found = clean(*instants, settings=EventSettings(bot_events=3))

    assert len(found.events) == 0
    assert len(found.bots) == 3
    assert found.told_at.tolist() == [int(microseconds(at(4))[0]) + 1] * 3


def test_events_without_any_lead_are_counted_as_unknown(clean: Clean, make_tables: MakeTables) -> None:
    tables = make_tables([], [event(1)])

    found = clean_events(tables.events, tables.leads, EventSettings(), ())

    assert len(found.events) == 0
    assert found.removed["unknown_lead"] == 1


@given(st.permutations(range(14)))
def test_the_order_of_the_rows_changes_nothing(order: list[int]) -> None:
    rows = [
        (
            "L" if k % 3 else "M",
            at(1 + k % 5),
            ("a", "b")[k % 2],
            [1.0, np.nan, 2.0][k % 3],
            [None, "web"][k % 2],
        )
        for k in range(14)
    ]
    leads = pd.DataFrame({"lead_id": ["L", "M"], "created_at": [at(0)] * 2})
    table = pd.DataFrame(rows, columns=["lead_id", "occurred_at", "event_type", "value", "channel"]).assign(
        product=pd.Series([None] * 14, dtype="str"),
        recorded_at=pd.Series([pd.NaT] * 14, dtype="datetime64[us, UTC]"),
    )

    plain = clean_events(table, leads, EventSettings(bot_events=3), ())
    mixed = clean_events(table.iloc[order].reset_index(drop=True), leads, EventSettings(bot_events=3), ())

    for name in ("lead", "time", "kind", "channel", "product", "value"):
        np.testing.assert_array_equal(getattr(plain.events, name), getattr(mixed.events, name))
    assert plain.removed == mixed.removed


def test_no_events_are_clean(clean: Clean) -> None:
    found = clean()

    assert len(found.events) == len(found.bots) == 0
    assert sum(found.removed.values()) == 0


def test_what_is_removed_and_what_stays_add_up(random_tables: Callable[[int], Tables]) -> None:
    tables = random_tables(7)

    found = clean_events(tables.events, tables.leads, EventSettings(bot_events=4), ("unsubscribe",))

    assert len(found.events) + sum(found.removed.values()) == len(tables.events)
    assert all(found.removed[reason] > 0 for reason in ("outcome_event", "before_lead", "bot"))


def test_an_event_stays_whatever_comes_after_it(random_tables: Callable[[int], Tables]) -> None:
    tables = random_tables(8)
    settings = EventSettings(bot_events=4)
    moment = at(80)

    full = clean_events(tables.events, tables.leads, settings, ())
    early = clean_events(
        tables.events[tables.events["occurred_at"] < moment].reset_index(drop=True),
        tables.leads,
        settings,
        (),
    )

    cut = int(microseconds(moment)[0])
    assert full.events.time[full.events.time < cut].tolist() == early.events.time.tolist()
