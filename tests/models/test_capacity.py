"""Entries over a line: by hand, the line that a capacity asks for, and the weekly queue that is another thing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError
from models.capacity import BandRules, Paths, line_for, paths_of, replay, weekly_queue

NOT = float("nan")


def paths(*leads: list[float]) -> Paths:
    """Paths of leads given cut by cut, one moment apart."""
    odds = np.array(leads, dtype=np.float64).T.copy()
    n_cuts, n_leads = odds.shape
    return Paths(np.arange(n_cuts, dtype=np.int64), odds, np.arange(n_leads), np.arange(n_leads))


def entries(found: Paths, line: float, rules: BandRules) -> list[tuple[int, int]]:
    """(cut, lead) of each entry."""
    replayed = replay(found, line, rules)
    return list(zip(replayed.cut.tolist(), replayed.lead.tolist(), strict=True))


def test_who_is_above_the_line_at_the_first_cut_is_stock_and_no_entry() -> None:
    replayed = replay(paths([2.0, 2.0, 2.0], [0.0, 2.0, 2.0], [0.0, 0.0, 0.0]), 1.0, BandRules())

    assert replayed.stock.tolist() == [True, False, False]
    assert replayed.by_week.tolist() == [1, 0]
    assert replayed.held.tolist() == [True, True, False]


def test_a_lead_leaves_only_below_the_line_less_the_hysteresis() -> None:
    wavering = paths([0.0, 1.0, 0.8, 1.0, 0.4, 1.0])

    assert entries(wavering, 1.0, BandRules()) == [(1, 0), (3, 0), (5, 0)]
    assert entries(wavering, 1.0, BandRules(hysteresis=0.3)) == [(1, 0), (5, 0)]
    assert entries(wavering, 1.0, BandRules(hysteresis=0.6)) == [(1, 0)]


def test_a_lead_that_left_rests_before_it_enters_again_even_if_it_is_back_above_the_line() -> None:
    back = paths([0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0])  # left at cut 2

    assert entries(back, 1.0, BandRules(cool_down=1)) == [(1, 0), (3, 0)]
    assert entries(back, 1.0, BandRules(cool_down=3)) == [(1, 0), (5, 0)]
    assert entries(back, 1.0, BandRules(cool_down=9)) == [(1, 0)]


def test_a_lead_that_is_not_open_is_in_no_band_and_may_come_back() -> None:
    reopened = paths([1.0, NOT, 1.0], [NOT, 1.0, NOT])

    assert entries(reopened, 1.0, BandRules()) == [(1, 1), (2, 0)]
    assert entries(reopened, 1.0, BandRules(cool_down=2)) == [(1, 1)]


def test_nothing_counts_during_the_warm_up_but_its_cool_downs_hold() -> None:
    rested = paths([1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0])  # the first left at cut 1

    replayed = replay(rested, 1.0, BandRules(cool_down=2, warm_up=1))

    assert replayed.stock.tolist() == [False, True]
    assert list(zip(replayed.cut.tolist(), replayed.lead.tolist(), strict=True)) == [(3, 0)]
    assert replayed.week.tolist() == [1]


def test_daily_cuts_make_weeks_of_seven_and_a_broken_week_is_refused() -> None:
    daily = paths([0.0] * 7 + [1.0] * 8)

    assert replay(daily, 1.0, BandRules(cuts_a_week=7)).by_week.tolist() == [1, 0]
    with pytest.raises(InputError, match="leave 13 to count entries at; whole weeks of 7 are needed"):
        replay(daily, 1.0, BandRules(cuts_a_week=7, warm_up=1))


def test_the_part_of_the_weeks_asked_for_counts_from_0_again() -> None:
    replayed = replay(paths([0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0]), 1.0, BandRules())

    later = replayed.within(1, 3)

    assert (later.weeks, later.week.tolist(), later.lead.tolist()) == (2, [1], [1])


def test_the_line_of_a_capacity_lets_in_no_more_and_a_hair_lower_would() -> None:
    found = paths([0.0, 3.0, 3.0], [0.0, 2.0, 2.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.5])

    line = line_for(found, 1.0, BandRules())

    assert line == pytest.approx(1.0, abs=1e-6)
    assert replay(found, line, BandRules()).a_week == 1.0
    assert replay(found, 1.0 - 1e-6, BandRules()).a_week == 1.5


def test_a_capacity_that_no_line_reaches_is_refused_with_the_most_there_is() -> None:
    with pytest.raises(
        InputError, match="No line lets in 40 leads a week: at most 1 entered any band in the 1 weeks"
    ):
        line_for(paths([0.0, 1.0], [2.0, 2.0]), 40.0, BandRules())
    with pytest.raises(InputError, match="more than 0; got -1"):
        line_for(paths([0.0, 1.0]), -1.0, BandRules())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_higher_capacity_never_gives_a_higher_line(seed: int) -> None:
    generator = np.random.default_rng(seed)
    odds = np.cumsum(generator.normal(size=(9, 60)), axis=0)
    odds[generator.random(odds.shape) < 0.2] = np.nan
    odds[0, 0] = 0.0
    walk = Paths(np.arange(9), odds[:, np.isfinite(odds).any(axis=0)], np.arange(60), np.arange(60))
    rules = BandRules(hysteresis=0.2, cool_down=2)

    lines = [line_for(walk, capacity, rules) for capacity in (0.25, 0.5, 1.0, 2.0, 3.0)]

    assert lines == sorted(lines, reverse=True)
    assert all(
        replay(walk, line, rules).a_week <= c for line, c in zip(lines, (0.25, 0.5, 1, 2, 3), strict=True)
    )


def test_paths_known_until_a_cut_do_not_change_with_what_comes_after() -> None:
    row = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 1, 2, 2]), np.arange(6.0)
    whole = paths_of(*row, np.array([5, 5, 5, 6, 6, 7]))

    known = whole.until(2)

    assert known.lead.tolist() == [0, 1]
    assert known.cluster.tolist() == [5, 6]
    assert np.array_equal(known.log_odds, whole.log_odds[:2, :2], equal_nan=True)


def test_a_weekly_queue_holds_the_same_leads_week_after_week() -> None:
    found = paths([3.0, 3.0, 3.0], [2.0, 2.0, NOT], [1.0, 1.0, 1.0], [0.0, 0.0, 2.5])

    queue = weekly_queue(found, 2, BandRules())

    assert queue.line.tolist() == [2.0, 2.5]
    assert queue.new.tolist() == [0, 1]
    with pytest.raises(InputError, match="as few as 3; got 4"):
        weekly_queue(found, 4, BandRules())
