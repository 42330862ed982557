"""What was counted or dated when the data ended is named; honest numbers and trends are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.pipeline.audit_world import DAY, START, N, World


def _with_many_events(world: World) -> Any:
    """Give each lead 0 to 12 more visits until its end or today; their number."""
    end = np.minimum(world.ended, START + 366 * DAY)
    count = world.rng.poisson(4, N)
    who = np.repeat(np.arange(N), count)
    when = world.created[who] + (world.rng.random(len(who)) * (end - world.created)[who]).astype(
        "timedelta64[us]"
    )
    more = pd.DataFrame({"lead_id": world.leads["lead_id"].to_numpy()[who], "occurred_at": when})
    world.events = pd.concat(
        [world.events[world.events["occurred_at"] < START + 366 * DAY], more.assign(event_type="visit")]
    )
    return world.leads["lead_id"].map(world.events["lead_id"].value_counts()).fillna(0).to_numpy()


def test_a_count_over_the_whole_life_is_a_leak(tmp_path: Path) -> None:
    world = World()
    count = _with_many_events(world)

    suspect = world.extra(count * 10, tmp_path)

    assert suspect is not None
    assert (suspect.grade, suspect.kind) == ("leak", "counted_today")
    assert "as the number of its events does (rank correlation 1.00" in suspect.evidence


def test_the_day_of_the_last_event_is_a_leak(tmp_path: Path) -> None:
    world = World()
    _with_many_events(world)
    last = world.leads["lead_id"].map(world.events.groupby("lead_id")["occurred_at"].max())

    suspect = world.extra(last.dt.strftime("%Y-%m-%d"), tmp_path)

    assert suspect is not None
    assert suspect.grade == "leak"
    assert "dated_last_event" in suspect.kinds


def test_people_and_wins_at_the_account_counted_today_are_leaks(tmp_path: Path) -> None:
    world = World()
    account = pd.Series(world.rng.geometric(0.01, N))
    world.leads["account_id"] = "A" + account.astype(str)
    world.leads["people"] = account.map(account.value_counts())
    wins = account.map(account[world.won & world.is_closed].value_counts()).fillna(0)

    of_wins = world.extra(wins, tmp_path)
    of_people = world.said("people", tmp_path)

    assert of_wins is not None
    assert of_people is not None
    assert (of_people.grade, of_people.kind) == ("leak", "counted_today")
    assert (of_wins.grade, "counted_today" in of_wins.kinds) == ("leak", True)


def test_days_until_the_outcome_are_a_leak(tmp_path: Path) -> None:
    world = World()
    days = np.where(world.is_closed, world.length, (START + 366 * DAY - world.created) / DAY)

    suspect = world.extra(days.round(1), tmp_path)

    assert suspect is not None
    assert (suspect.grade, "counted_today" in suspect.kinds) == ("leak", True)


def test_a_count_kept_by_another_system_grows_with_the_age_of_recent_leads(tmp_path: Path) -> None:
    world = World()
    life = np.minimum(world.length, (START + 366 * DAY - world.created) / DAY)

    suspect = world.extra(world.rng.poisson(life / 5), tmp_path)

    assert suspect is not None
    assert "grows_with_age" in suspect.kinds
    assert "added up until the data ended" in suspect.evidence


@pytest.mark.parametrize("seed", range(3))
def test_honest_numbers_and_steady_trends_were_not_counted_today(tmp_path: Path, seed: int) -> None:
    world = World(seed)
    _with_many_events(world)
    trend = np.arange(N) / N
    world.leads["price"] = (100 - 60 * trend + 10 * world.rng.standard_normal(N)).round(2)

    suspect = world.extra(world.rng.poisson(4, N), tmp_path)

    price = world.said("price", tmp_path)
    assert suspect is None
    assert price is None or not {"counted_today", "grows_with_age"} & set(price.kinds)


def test_a_count_of_events_that_all_lie_in_the_first_day_was_known_at_creation(tmp_path: Path) -> None:
    world = World()
    count = world.rng.poisson(4, N)
    who = np.repeat(np.arange(N), count)
    minutes = (world.rng.random(len(who)) * 3_600_000_000).astype("timedelta64[us]")
    ids = world.leads["lead_id"].to_numpy()[who]
    world.events = pd.DataFrame(
        {"lead_id": ids, "occurred_at": world.created[who] + minutes, "event_type": "visit"}
    )

    suspect = world.extra(count, tmp_path)

    assert suspect is None or "counted_today" not in suspect.kinds
