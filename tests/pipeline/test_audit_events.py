"""Event types written with the outcome are named, however they are dated; ordinary ones are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.pipeline.audit_world import DAY, START, Array, N, World

_HOUR = 3_600_000_000


def _before(world: World, who: Array, days: Array, kind: str) -> None:
    """Add an event so many days before the outcome, known or to come; none before creation or after the end."""
    when = world.ended - (days * 24 * _HOUR).astype("timedelta64[us]")
    rows = who & (when > world.created) & (when < START + 366 * DAY)
    more = pd.DataFrame({"lead_id": world.leads["lead_id"][rows], "occurred_at": when[rows]})
    world.events = pd.concat([world.events, more.assign(event_type=kind)])


def test_an_event_minutes_before_either_outcome_is_looked_at(tmp_path: Path) -> None:
    world = World()
    world.happen(np.ones(N, bool), -_HOUR // 3, "archived")

    suspect = world.said("archived", tmp_path)

    assert suspect is not None
    assert (suspect.grade, suspect.kinds) == ("look", ("event_near_outcome",))
    assert "lie in the last hour before the outcome" in suspect.evidence


def test_what_lies_within_the_grace_reaches_no_example_and_is_not_named(tmp_path: Path) -> None:
    world = World()
    world.happen(np.ones(N, bool), -_HOUR // 3, "archived")

    assert world.said("archived", tmp_path, '[target]\noutcome_grace = "1h"') is None


@pytest.mark.parametrize("of_winners", [True, False])
def test_an_event_hours_before_one_outcome_alone_is_a_leak(tmp_path: Path, of_winners: bool) -> None:
    world = World()
    world.happen(world.won == of_winners, -5 * _HOUR, "letter")

    suspect = world.said("letter", tmp_path)

    assert suspect is not None
    assert suspect.grade == "leak"
    assert {"event_near_outcome", "event_tells_outcome"} <= set(suspect.kinds)


def test_an_event_dated_back_from_the_outcome_is_missed_by_the_leads_still_open(tmp_path: Path) -> None:
    world = World()
    who = np.where(world.won, world.rng.random(N) < 0.6, world.rng.random(N) < 0.2) & world.is_closed
    _before(world, who, world.rng.uniform(5, 25, N), "reference call")

    suspect = world.said("reference call", tmp_path)

    assert suspect is not None
    assert (suspect.grade, suspect.kinds) == ("look", ("event_gone_from_open",))


@pytest.mark.parametrize("seed", range(5))
def test_an_ordinary_event_late_in_a_leads_life_is_left_alone(tmp_path: Path, seed: int) -> None:
    """The same events, but they happen in their time: the open leads that will close soon have them already."""
    world = World(seed)
    who = np.where(world.won, world.rng.random(N) < 0.6, world.rng.random(N) < 0.2)
    _before(world, who, world.rng.uniform(5, 25, N), "offer sent")

    assert world.said("offer sent", tmp_path) is None


def test_a_type_that_is_no_longer_written_is_left_alone(tmp_path: Path) -> None:
    world = World()
    who = (world.rng.random(N) < 0.5) & (world.ended < np.datetime64("2024-11-01"))
    _before(world, who, world.rng.uniform(5, 25, N), "fax")

    assert world.said("fax", tmp_path) is None


def test_an_event_counts_from_when_it_was_recorded(tmp_path: Path) -> None:
    world = World()
    world.happen(world.won, -72 * _HOUR, "reference")
    late = world.events["event_type"].eq("reference")
    recorded = world.events["occurred_at"] + pd.Timedelta(days=4)
    world.events["recorded_at"] = recorded.where(late)

    suspect = world.said("reference", tmp_path)

    assert suspect is not None
    assert suspect.kind == "event_after_outcome"


def test_where_only_wins_are_written_down_honest_events_are_left_alone(tmp_path: Path) -> None:
    world = World()
    world.outcomes = world.outcomes[world.outcomes["outcome"] == "won"]

    suspects = [each for each in world.audit(tmp_path).suspects if each.table == "events"]

    assert suspects == []
