"""Similar past leads, where the nearest are known by hand."""

from __future__ import annotations

import pytest

from pipeline.ledger import similar
from pipeline.ledger.lead import lead_in_run
from pipeline.ledger.similar import SimilarLeads, similar_leads
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.filling import add_run, day
from tests.pipeline.ledger.lead_by_hand import add_leads, add_outcome


def asked(ledger: Ledger, lead: str = "L0", run: int | None = None, nearest: int = 10) -> SimilarLeads:
    """The past leads like one."""
    with ledger.reading() as connection:
        found = lead_in_run(connection, "p", lead, run)
        assert found is not None
        return similar_leads(connection, "p", found, nearest)


def test_the_nearest_come_first_with_what_became_of_them(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L1": (3.0, 4.0), "L2": (0.0, 1.0), "L3": (-6.0, 8.0), "L4": (0.0, 0.0)})
        add_leads(connection, 2, 4, {"L0": (0.0, 0.0)})
        for lead, at, is_won in (("L1", 2.5, True), ("L2", 3.0, False), ("L3", 2.0, True)):
            add_outcome(connection, lead, day(at), 2, is_won=is_won)

    found = asked(ledger)

    assert [(e.lead_id, e.distance, e.outcome, e.days_until) for e in found.leads] == [
        ("L2", 1.0, "lost", 2.0), ("L1", 5.0, "won", 1.5), ("L3", 10.0, "won", 1.0),
    ]  # fmt: skip
    assert (found.looked_at, found.won, found.won_of_all) == (3, 2, 2)
    assert [(e.score, e.band, e.run, e.scored_at) for e in found.leads][:1] == [(41.0, "below", 1, day(1))]


def test_only_the_nearest_are_told_though_all_were_looked_at(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L1": (3.0, 4.0), "L2": (0.0, 1.0), "L3": (-6.0, 8.0)})
        add_leads(connection, 2, 4, {"L0": (0.0, 0.0)})
        for lead in ("L1", "L2", "L3"):
            add_outcome(connection, lead, day(2), 2, is_won=lead != "L2")

    found = asked(ledger, nearest=1)

    assert [each.lead_id for each in found.leads] == ["L2"]
    assert (found.looked_at, found.won, found.won_of_all) == (3, 0, 2)


def test_the_last_score_before_the_end_counts(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L1": (9.0, 0.0)})
        add_leads(connection, 2, 2, {"L1": (2.0, 0.0)})
        add_leads(connection, 3, 3, {"L1": (0.0, 0.0)})  # scored again after its end, as a new spell
        add_leads(connection, 4, 4, {"L0": (0.0, 0.0)})
        add_outcome(connection, "L1", day(2.5), 3)

    found = asked(ledger)

    assert [(each.run, each.distance) for each in found.leads] == [(2, 2.0)]


def test_the_last_score_is_that_of_the_latest_moment_in_whatever_order_runs_were_kept(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 3, {"L1": (2.0, 0.0)})
        add_leads(connection, 2, 1, {"L1": (9.0, 0.0)})  # kept later, of an earlier moment
        add_leads(connection, 3, 6, {"L0": (0.0, 0.0)})
        add_outcome(connection, "L1", day(4), 3)

    assert [(each.run, each.distance) for each in asked(ledger).leads] == [(1, 2.0)]


def test_a_score_at_the_moment_of_the_end_did_not_know_it(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L1": (2.0, 0.0)})
        add_leads(connection, 2, 4, {"L0": (0.0, 0.0)})
        add_outcome(connection, "L1", day(1), 2)

    assert [each.days_until for each in asked(ledger).leads] == [0.0]


def test_an_earlier_run_does_not_know_what_became_of_leads_after_it(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L0": (0.0, 0.0), "L1": (1.0, 0.0), "L2": (2.0, 0.0), "L3": (3.0, 0.0)})
        add_leads(connection, 2, 4, {"L0": (0.0, 0.0)})
        add_leads(connection, 3, 8, {"L0": (0.0, 0.0)})
        add_outcome(connection, "L1", day(2), 2)
        add_outcome(connection, "L2", day(4), 3)  # at the moment of run 2: not yet known to it
        add_outcome(connection, "L3", day(3), 3)  # before run 2, but told only to run 3

    assert [each.lead_id for each in asked(ledger, run=2).leads] == ["L1"]
    assert [each.lead_id for each in asked(ledger, run=3).leads] == ["L1", "L2", "L3"]
    assert asked(ledger, run=1) == SimilarLeads((), 0, 0)


def test_scores_made_of_other_reasons_are_not_compared(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L1": (1.0, 0.0)}, groups=("visits", "industry"))
        add_leads(connection, 2, 2, {"L2": (1.0, 0.0)})
        add_leads(connection, 3, 4, {"L0": (0.0, 0.0)})
        add_outcome(connection, "L1", day(3), 3)
        add_outcome(connection, "L2", day(3), 3)

    assert [each.lead_id for each in asked(ledger).leads] == ["L2"]


def test_runs_half_loaded_or_of_others_are_left_out(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L1": (1.0, 0.0)}, is_complete=False)
        add_leads(connection, 2, 1, {"L2": (1.0, 0.0)}, target="churn")
        add_leads(connection, 3, 1, {"L3": (1.0, 0.0)}, project="other")
        add_leads(connection, 4, 4, {"L0": (0.0, 0.0)})
        for lead in ("L1", "L2", "L3"):
            add_outcome(connection, lead, day(2), 4)
        add_outcome(connection, "L3", day(2), 4, project="other")

    assert asked(ledger) == SimilarLeads((), 0, 0)


def test_the_lead_itself_is_not_like_itself(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L0": (0.0, 0.0)})
        add_leads(connection, 2, 4, {"L0": (0.0, 0.0)})
        add_outcome(connection, "L0", day(2), 2)

    assert asked(ledger).leads == ()


def test_of_many_ends_the_latest_are_looked_at(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "MOST_ENDED", 2)
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L1": (0.0, 0.0), "L2": (1.0, 0.0), "L3": (2.0, 0.0)})
        add_leads(connection, 2, 9, {"L0": (0.0, 0.0)})
        for number in (1, 2, 3):
            add_outcome(connection, f"L{number}", day(1 + number), 2)

    found = asked(ledger)

    assert ([each.lead_id for each in found.leads], found.looked_at) == (["L2", "L3"], 2)


def test_a_flat_export_has_no_past(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, None, {"L0": (0.0, 0.0), "L1": (1.0, 0.0)})
        add_run(connection, 2, 4)
        add_outcome(connection, "L1", day(2), 2)

    assert asked(ledger) == SimilarLeads((), 0, 0)
