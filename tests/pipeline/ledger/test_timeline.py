"""Events that are new to a run, by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from features.prepare import Prepared, prepare
from pipeline.ledger.timeline import MOST_KNOWN, Timeline, timeline_of
from tests.pipeline.small_crm import SOURCES, crm_of, day, event, microsecond

LEADS = ("L1", "L9", "L5")  # created on days 10, 1 and 1


def timeline(
    events: list[dict[str, Any]], at: float, before: float | None, known: str = "L1 L9 L5"
) -> Timeline:
    """The timeline of the three leads on a day; `known` to the run before are those named."""
    data = _prepared(events)
    place = {lead: row for row, lead in enumerate(data.leads["lead_id"])}
    lead = np.array([place[each] for each in LEADS])
    is_known = np.array([before is not None and each in known.split() for each in LEADS])
    return timeline_of(data, microsecond(at), lead, is_known, None if before is None else microsecond(before))


def days(found: Timeline) -> dict[str, list[tuple[float, str]]]:
    """Days and types of what is new to each lead."""
    lines = found.lines(slice(0, len(LEADS)))
    return {
        lead: [((np.datetime64(moment[:-6]) - np.datetime64(day(0).tz_localize(None))) / np.timedelta64(1, "D"), kind)
               for moment, kind in json.loads(line or "[]")]
        for lead, line in zip(LEADS, lines, strict=True)
    }  # fmt: skip


def test_new_is_what_lies_from_the_run_before_to_this_one() -> None:
    events = [event("L1", each) for each in (18, 20, 21.5, 30)] + [event("L5", 25, "visit")]

    found = timeline(events, at=30, before=20)

    assert days(found) == {
        "L1": [(20.0, "pricing_view"), (21.5, "pricing_view")], "L9": [], "L5": [(25.0, "visit")],
    }  # fmt: skip
    assert found.latest == microsecond(25)


def test_an_event_counts_from_when_it_was_recorded() -> None:
    late = event("L1", 15, recorded_at=day(22))

    assert days(timeline([late], at=30, before=20))["L1"] == [(22.0, "pricing_view")]
    assert days(timeline([late], at=22, before=20))["L1"] == []


def test_of_a_lead_that_the_run_before_lacks_the_last_thirty_are_new() -> None:
    events = [event("L1", 12 + each / 10, f"type {each % 7}") for each in range(40)]

    found = timeline(events, at=30, before=20, known="L9 L5")

    assert [moment for moment, _ in days(found)["L1"]] == pytest.approx(
        [12 + each / 10 for each in range(10, 40)]
    )
    assert days(timeline(events, at=30, before=None)) == days(found)


def test_a_machines_events_fill_no_disk() -> None:
    events = [event("L1", 21 + each / 1_000, f"type {each % 50}") for each in range(MOST_KNOWN + 5)]

    found = days(timeline(events, at=30, before=20))["L1"]

    assert len(found) == MOST_KNOWN
    assert found[-1][0] == pytest.approx(21 + (MOST_KNOWN + 4) / 1_000)


def test_a_burst_that_can_not_be_told_yet_is_activity_and_none_afterwards() -> None:
    second = 1 / 86_400
    burst = [
        event("L1", 21.5 + each * second / 4) for each in range(4)
    ]  # four within a second are a machine's

    assert len(days(timeline(burst, at=21.5 + second / 2, before=20))["L1"]) == 2
    assert days(timeline(burst, at=22, before=20))["L1"] == []


def test_awake_is_who_slept_thirty_days_before_the_run_before_and_moved_since() -> None:
    slept, moved = [event("L9", 60 - 30.5), event("L9", 61)], [event("L5", 60 - 29.5), event("L5", 61)]

    found = timeline(slept + moved, at=62, before=60)

    assert dict(zip(LEADS, found.is_awake.tolist(), strict=True)) == {"L1": False, "L9": True, "L5": False}


def test_without_a_run_before_the_last_week_is_looked_at_and_a_new_lead_never_slept() -> None:
    events = [event("L9", 12), event("L5", 4), event("L5", 12), event("L1", 12)]

    found = timeline(events, at=15, before=None)

    assert dict(zip(LEADS, found.is_awake.tolist(), strict=True)) == {"L1": False, "L9": True, "L5": False}


def test_without_events_nothing_is_new() -> None:
    found = timeline([], at=30, before=20)

    assert found.lines(slice(0, 3)) == [None] * 3
    assert found.latest is None
    assert not found.is_awake.any()


def _prepared(events: list[dict[str, Any]]) -> Prepared:
    return prepare(crm_of(events), SOURCES)
