"""Who is open when: half-open ends, spells that reopen, cuts that know nothing of outcomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.asof import (
    NEVER,
    Examples,
    Spells,
    calendar_cuts,
    microseconds,
    open_examples,
    snapshot_examples,
    spells_of,
    thin_by_hash,
)
from features.contracts import Tables
from features.durations import MICROSECONDS
from features.errors import InputError
from features.settings import SnapshotSettings, TargetSettings

DAY = MICROSECONDS["d"]
START = pd.Timestamp("2025-01-01", tz="UTC")
ORIGIN = int(microseconds(START)[0])
TARGET = TargetSettings()
MakeTables = Callable[..., Tables]


def at(day: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=day)


def of(day: float) -> int:
    return ORIGIN + round(day * DAY)


def spells(make: MakeTables, *outcomes: tuple[float, str], target: TargetSettings = TARGET) -> Spells:
    """Spells of one lead created on day 0, with outcomes (day, outcome)."""
    rows = [{"lead_id": "L", "occurred_at": at(day), "outcome": outcome} for day, outcome in outcomes]
    tables = make([{"lead_id": "L", "created_at": at(0)}], [], rows)
    return spells_of(tables.leads, tables.outcomes, target)


def as_days(found: Spells) -> list[tuple[float, float | None, bool]]:
    ends = [None if end == NEVER else (end - ORIGIN) / DAY for end in found.end.tolist()]
    return [
        ((start - ORIGIN) / DAY, end, won)
        for start, end, won in zip(found.start.tolist(), ends, found.is_won.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], [(0, None, False)]),
        ([(5, "won")], [(0, 5, True)]),
        ([(5, "lost"), (9, "won")], [(0, 5, False)]),
        ([(9, "won"), (5, "lost")], [(0, 5, False)]),
        ([(5, "lost"), (7, "reopened")], [(0, 5, False), (7, None, False)]),
        ([(5, "lost"), (7, "reopened"), (9, "won")], [(0, 5, False), (7, 9, True)]),
        ([(5, "lost"), (7, "reopened"), (8, "reopened"), (9, "won")], [(0, 5, False), (7, 9, True)]),
        ([(5, "lost"), (7, "reopened"), (8, "lost")], [(0, 5, False), (7, 8, False)]),
        ([(1, "lost"), (2, "reopened"), (3, "lost"), (4, "reopened")],
         [(0, 1, False), (2, 3, False), (4, None, False)]),
        ([(5, "lost"), (5, "won")], [(0, 5, True)]),
        ([(5, "lost"), (5, "reopened"), (9, "won")], [(0, 5, False), (5, 9, True)]),
        ([(3, "reopened"), (5, "won")], [(0, 5, True)]),
        ([(3, "reopened")], [(0, None, False)]),
        ([(3, "reopened"), (5, "lost"), (6, "reopened"), (8, "won")], [(0, 5, False), (6, 8, True)]),
        ([(-5, "lost"), (-3, "reopened"), (8, "won")], [(0, -5, False), (0, 8, True)]),
    ],
)  # fmt: skip
def test_a_spell_ends_with_its_first_outcome_and_reopening_starts_another(
    outcomes: list[tuple[float, str]],
    expected: list[tuple[float, float | None, bool]],
    make_tables: MakeTables,
) -> None:
    assert as_days(spells(make_tables, *outcomes)) == expected


@pytest.mark.parametrize(
    ("day", "is_open"), [(-1, False), (0, False), (0.001, True), (4.999, True), (5, True), (5.001, False)]
)
def test_a_lead_is_open_after_its_creation_up_to_and_including_the_moment_of_its_outcome(
    day: float, is_open: bool, make_tables: MakeTables
) -> None:
    found = open_examples(spells(make_tables, (5, "won")), of(day))

    assert len(found) == int(is_open)


@given(
    st.lists(st.tuples(st.integers(-3, 12), st.sampled_from(["won", "lost", "reopened"])), max_size=8),
    st.integers(-4, 14),
)
def test_a_lead_is_open_exactly_as_a_walk_through_its_history_says(
    outcomes: list[tuple[int, str]], day: int
) -> None:
    rank = {"won": 0, "lost": 1, "reopened": 2}
    end: dict[str, Any] = {"is_open": True, "had": False}
    for moment, outcome in sorted(outcomes, key=lambda each: (each[0], rank[each[1]])):
        if moment >= day:
            break
        if outcome == "reopened":
            end["is_open"] = end["is_open"] or end["had"]
        else:
            end = {"is_open": False, "had": True}
    leads = pd.DataFrame({"lead_id": ["L"], "created_at": [at(0)]})
    table = pd.DataFrame({
        "lead_id": ["L"] * len(outcomes),
        "occurred_at": pd.Series([at(each[0]) for each in outcomes], dtype="datetime64[us, UTC]"),
        "outcome": [each[1] for each in outcomes],
    })  # fmt: skip

    found = open_examples(spells_of(leads, table, TARGET), of(day))

    assert len(found) == int(end["is_open"] and day > 0)


def test_outcomes_of_another_product_end_nothing(make_tables: MakeTables) -> None:
    rows = [
        {"lead_id": "L", "occurred_at": at(3), "outcome": "won", "product": "other"},
        {"lead_id": "L", "occurred_at": at(6), "outcome": "won", "product": "ours"},
    ]
    tables = make_tables([{"lead_id": "L", "created_at": at(0)}], [], rows)

    found = spells_of(tables.leads, tables.outcomes, TargetSettings(product="ours"))

    assert as_days(found) == [(0, 6, True)]


def test_outcomes_of_leads_nobody_knows_are_left_aside(make_tables: MakeTables) -> None:
    rows = [{"lead_id": "ghost", "occurred_at": at(3), "outcome": "won"}]
    tables = make_tables([{"lead_id": "L", "created_at": at(0)}], [], rows)

    assert as_days(spells_of(tables.leads, tables.outcomes, TARGET)) == [(0, None, False)]


def test_leads_without_a_creation_time_are_refused_with_their_count(make_tables: MakeTables) -> None:
    tables = make_tables([{"lead_id": "A", "created_at": at(0)}, {"lead_id": "B", "created_at": pd.NaT}])

    with pytest.raises(InputError, match=r"1 of 2 leads have no created_at.*static"):
        spells_of(tables.leads, tables.outcomes, TARGET)


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(1, 400))
def test_cuts_are_evenly_spaced_and_end_at_the_last_moment(first: int, last: int, every: int) -> None:
    cuts = calendar_cuts(first, last, every)

    assert ((cuts > first) & (cuts <= last)).all()
    assert (np.diff(cuts) == every).all()
    if last > first:
        assert cuts[-1] == last
        assert cuts[0] - every <= first
    else:
        assert len(cuts) == 0


def test_the_cuts_do_not_move_with_the_outcomes(random_tables: Callable[[int], Tables]) -> None:
    tables = random_tables(3)
    last = of(120)
    turned = tables.outcomes.assign(
        outcome="lost", occurred_at=tables.outcomes["occurred_at"] + pd.Timedelta(days=9)
    )

    plain = snapshot_examples(spells_of(tables.leads, tables.outcomes, TARGET), SnapshotSettings(), last)
    other = snapshot_examples(spells_of(tables.leads, turned, TARGET), SnapshotSettings(), last)

    assert np.unique(plain.as_of).tolist() == np.unique(other.as_of).tolist()


@pytest.mark.parametrize("mode", ["calendar", "age"])
def test_each_lead_counts_once_a_cut_and_only_while_open(
    mode: str, random_tables: Callable[[int], Tables]
) -> None:
    tables = random_tables(5)
    found = spells_of(tables.leads, tables.outcomes, TARGET)

    rows = snapshot_examples(found, SnapshotSettings(mode=mode), of(140))  # type: ignore[arg-type]

    assert len(rows) > 50
    assert len(set(zip(rows.lead.tolist(), rows.as_of.tolist(), strict=True))) == len(rows)
    assert (rows.spell_start < rows.as_of).all()
    assert (rows.spell_end >= rows.as_of).all()
    assert (rows.as_of <= of(140)).all()
    assert (np.diff(rows.as_of) >= 0).all()
    if mode == "age":
        assert (rows.as_of == rows.spell_start + rows.age).all()
    else:
        assert (rows.age == 0).all()


def test_an_age_written_twice_makes_no_row_twice(make_tables: MakeTables) -> None:
    settings = SnapshotSettings.model_validate({"mode": "age", "ages": ["7d", "1w", "1d"]})

    rows = snapshot_examples(spells(make_tables), settings, of(30))

    assert ((rows.as_of - ORIGIN) / DAY).tolist() == [1.0, 7.0]


def test_no_leads_give_no_examples(make_tables: MakeTables) -> None:
    tables = make_tables([])
    found = spells_of(tables.leads, tables.outcomes, TARGET)

    assert len(snapshot_examples(found, SnapshotSettings(), of(30))) == 0
    assert len(open_examples(found, of(30))) == 0


def many(n: int, won: np.ndarray) -> tuple[Examples, pd.Series]:
    lead = np.arange(n)
    as_of = np.full(n, of(10))
    rows = Examples(lead, as_of, as_of - DAY, as_of + DAY, won, np.zeros(n, dtype=np.int64))
    return rows, pd.Series([f"L{k:05d}" for k in range(n)], dtype="str")


def test_a_sample_is_about_as_large_as_asked_and_blind_to_the_outcome() -> None:
    won = np.random.default_rng(0).random(20_000) < 0.2
    rows, ids = many(20_000, won)

    found = thin_by_hash(rows, ids, 5_000)
    other = thin_by_hash(many(20_000, ~won)[0], ids, 5_000)

    # standard deviations are 61 rows and 0.0057
    assert len(found) == pytest.approx(5_000, abs=250)
    assert found.is_won.mean() == pytest.approx(0.2, abs=0.025)
    assert found.lead.tolist() == other.lead.tolist()


def test_a_sample_is_the_same_leads_whatever_their_order() -> None:
    rows, ids = many(3_000, np.zeros(3_000, dtype=bool))
    order = np.random.default_rng(1).permutation(3_000)

    plain = ids.iloc[thin_by_hash(rows, ids, 500).lead]
    mixed = ids.iloc[thin_by_hash(rows.take(order), ids, 500).lead]
    renumbered = ids.iloc[order].reset_index(drop=True)
    other = renumbered.iloc[thin_by_hash(rows, renumbered, 500).lead]

    assert sorted(plain) == sorted(mixed) == sorted(other)


def test_few_examples_are_all_kept() -> None:
    rows, ids = many(500, np.zeros(500, dtype=bool))

    assert thin_by_hash(rows, ids, 500) is rows
