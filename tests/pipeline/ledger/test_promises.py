"""Promises and what came of them, counted by hand on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from pipeline.ledger import promises as promises_module
from pipeline.ledger.promises import Cell, RunWindow, maturity, newest, promises
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.filling import add_end, add_run, add_scores, day

MICROSECOND = timedelta(microseconds=1)


def kept(connection: Connection, **settings: timedelta) -> dict[tuple[str, int], tuple[int, float, int]]:
    """Leads, sum of chances and wins by band and tenth, of the runs that are due."""
    cells = promises(connection, "p", maturity(connection, "p", **settings).mature)
    return {(each.band, each.tenth): (each.n, round(each.promised, 9), each.won) for each in cells}


def test_leads_chances_and_wins_are_counted_by_band_and_tenth(ledger: Ledger) -> None:
    scores = {
        "A": (0.82, "SQL"),
        "B": (0.31, "MQL"),
        "C": (0.39, "MQL"),
        "D": (0.1, "below"),
        "E": (0.099, "below"),
    }
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        add_run(connection, 2, 11)
        add_scores(connection, 1, scores)
        for lead, at in (("A", 4), ("B", 2), ("E", 9)):
            add_end(connection, lead, day(at))
        add_end(connection, "C", day(3), is_won=False)

    with ledger.reading() as connection:
        found = kept(connection)

    assert found == {
        ("SQL", 8): (1, 0.82, 1), ("MQL", 3): (2, 0.7, 1), ("below", 1): (1, 0.1, 0), ("below", 0): (1, 0.099, 1),
    }  # fmt: skip


def test_the_horizon_holds_the_moment_of_scoring_and_ends_before_its_last(ledger: Ledger) -> None:
    ends = {"A": day(1), "B": day(11) - MICROSECOND, "C": day(11), "D": day(1) - MICROSECOND}
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        add_run(connection, 2, 20)
        add_scores(connection, 1, {lead: (0.5, lead) for lead in ends})
        for lead, at in ends.items():
            add_end(connection, lead, at)

    with ledger.reading() as connection:
        found = kept(connection)

    assert {band: won for (band, _), (_, _, won) in found.items()} == {"A": 1, "B": 1, "C": 0, "D": 0}


def test_a_run_is_due_when_its_last_moment_is_known_and_not_before(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        add_run(connection, 2, 2)
        add_run(connection, 3, 11)
        add_scores(connection, 1, {"A": (0.25, "MQL")})
        add_scores(connection, 2, {"A": (0.95, "SQL"), "B": (0.65, "SQL")}, {"A": "MQL"})
        add_end(connection, "B", day(3))

    with ledger.reading() as connection:
        found = maturity(connection, "p")
        due = kept(connection)
        so_far = promises(connection, "p", found.open)

    assert [each.run for each in found.mature] == [1]
    assert (found.known_until, found.first_due) == (day(11), day(12))
    assert due == {("MQL", 2): (1, 0.25, 0)}
    assert so_far == [Cell("SQL", 6, 1, 0.65, 1), Cell("SQL", 9, 1, 0.95, 0)]


def test_a_lead_counts_once_a_band_in_the_run_that_first_gave_it(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for number, at in ((1, 1), (2, 2), (3, 3), (4, 4), (5, 40)):
            add_run(connection, number, at)
        add_scores(connection, 1, {"A": (0.25, "MQL")})
        add_scores(connection, 2, {"A": (0.05, "below")}, {"A": "MQL"})
        add_scores(connection, 3, {"A": (0.35, "MQL")}, {"A": "below"})
        add_scores(connection, 4, {"A": (0.36, "MQL")}, {"A": "MQL"})
        add_end(connection, "A", day(11.5))

    with ledger.reading() as connection:
        found = kept(connection)

    # the win lies within the horizon of the second run, and after that of the first
    assert found == {("MQL", 2): (1, 0.25, 0), ("below", 0): (1, 0.05, 1)}


def test_a_lead_that_one_run_left_out_does_not_enter_its_band_anew(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for number, at in ((1, 1), (2, 2), (3, 40)):
            add_run(connection, number, at)
        add_scores(connection, 1, {"A": (0.25, "MQL")})
        add_scores(connection, 2, {"A": (0.35, "MQL"), "B": (0.45, "MQL")})

    with ledger.reading() as connection:
        found = kept(connection)

    assert found == {("MQL", 2): (1, 0.25, 0), ("MQL", 4): (1, 0.45, 0)}


def test_other_projects_targets_and_unfinished_runs_are_left_out(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1, project="q")
        add_run(connection, 2, 1, target="upsell")
        add_run(connection, 3, 1, is_complete=False)
        add_run(connection, 4, 2)
        add_run(connection, 5, 40)
        add_run(connection, 6, 90, project="q")
        for number in (1, 2, 3, 4):
            add_scores(connection, number, {"A": (number / 10 + 0.05, "MQL")})
        add_end(connection, "A", day(5), project="q")

    with ledger.reading() as connection:
        found, known_until = kept(connection), maturity(connection, "p").known_until

    assert found == {("MQL", 4): (1, 0.45, 0)}
    assert known_until == day(40)


def test_a_lead_lost_before_it_was_won_was_no_promise_kept(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        add_run(connection, 2, 40)
        add_scores(connection, 1, {"A": (0.25, "MQL"), "B": (0.25, "MQL")})
        add_end(connection, "A", day(3), is_won=False)
        add_end(connection, "A", day(5))
        add_end(connection, "B", day(0.5), is_won=False)  # lost before it was scored
        add_end(connection, "B", day(5))

    with ledger.reading() as connection:
        found = kept(connection)

    assert found == {("MQL", 2): (2, 0.5, 1)}


def test_leads_that_end_within_the_grace_are_left_out(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        add_run(connection, 2, 40)
        add_scores(connection, 1, {"A": (0.25, "MQL"), "B": (0.28, "MQL"), "C": (0.5, "SQL")})
        add_end(connection, "A", day(1.25) - MICROSECOND)
        add_end(connection, "B", day(1.25))
        add_end(connection, "C", day(1), is_won=False)

    with ledger.reading() as connection:
        found = kept(connection, grace=timedelta(hours=6))

    assert found == {("MQL", 2): (1, 0.28, 1)}


def test_a_delay_of_outcomes_puts_the_promise_off(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        add_run(connection, 2, 13)

    with ledger.reading() as connection:
        in_time = maturity(connection, "p", delay=timedelta(days=2))
        too_early = maturity(connection, "p", delay=timedelta(days=2) + MICROSECOND)

    assert [each.run for each in in_time.mature] == [1]
    assert not too_early.mature
    assert too_early.first_due == day(13) + MICROSECOND


@pytest.mark.parametrize(("ended", "known"), [(None, 9), (8, 9), (12, 12), (70, 9)])
def test_what_is_known_ends_with_the_last_event_or_outcome_seen(
    ledger: Ledger, ended: float | None, known: float
) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        add_run(connection, 2, 60, event_watermark=day(9))
        if ended is not None:
            add_end(connection, "A", day(ended))

    with ledger.reading() as connection:
        found = maturity(connection, "p")

    assert found.known_until == day(known)
    assert len(found.mature) == (1 if known >= 11 else 0)


def test_a_run_of_a_past_moment_is_due_when_a_later_run_told_of_its_leads(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        add_run(connection, 2, 40)
        add_run(connection, 3, 5)  # added afterwards: nobody has told yet how its leads ended
        add_scores(connection, 3, {"A": (0.25, "MQL")})

    with ledger.reading() as connection:
        before = maturity(connection, "p")
    with ledger.writing() as connection:
        add_run(connection, 4, 41)
        add_end(connection, "A", day(9))
    with ledger.reading() as connection:
        after, due = maturity(connection, "p"), kept(connection)

    assert ([each.run for each in before.mature], before.known_until) == ([1], day(40))
    assert [each.run for each in after.mature] == [1, 3]
    assert due == {("MQL", 2): (1, 0.25, 1)}


def test_runs_without_moment_horizon_or_chance_and_those_of_products_promise_nothing(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, None)
        add_run(connection, 2, 1, horizon_days=None)
        add_run(connection, 3, 2)
        add_run(connection, 4, 40)
        add_run(connection, 5, 3, entity="product")
        add_scores(connection, 1, {"A": (0.5, "MQL")})
        add_scores(connection, 5, {"E": (0.5, "MQL")})
        add_scores(connection, 2, {"B": (0.5, "MQL")})
        add_scores(connection, 3, {"C": (None, "MQL"), "D": (0.4, "MQL")})

    with ledger.reading() as connection:
        found, nobody = kept(connection), maturity(connection, "another")

    assert found == {("MQL", 4): (1, 0.4, 0)}
    assert (nobody.known_until, nobody.first_due, nobody.mature) == (None, None, ())


def test_the_newest_runs_are_read_as_far_as_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = [RunWindow(k, day(k), day(k), day(k + 10), 40, k == 1) for k in (1, 2, 3)]

    monkeypatch.setattr(promises_module, "MOST_SCORES", 80)
    two = newest(windows)
    monkeypatch.setattr(promises_module, "MOST_SCORES", 10)
    one = newest(windows)

    assert [each.run for each in two] == [3, 2]
    assert [each.run for each in one] == [3]
