"""One lead in the ledger: its runs, events and ends, by hand."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from pipeline.ledger.attribution import what_changed
from pipeline.ledger.lead import (
    LeadInRun,
    endings_of,
    events_of,
    lead_in_run,
    products_of,
    scores_over_runs,
)
from pipeline.ledger.near_ids import nearest_ids
from pipeline.ledger.schema import DETAILS, SCORES
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.filling import add_run, add_score, day
from tests.pipeline.ledger.lead_by_hand import add_known, add_leads, add_outcome


def asked(ledger: Ledger, lead: str, run: int | None = None, product: str | None = None) -> LeadInRun | None:
    """The lead in a run."""
    with ledger.reading() as connection:
        return lead_in_run(connection, "p", lead, run, product)


def known(ledger: Ledger, lead: str, run: int | None = None) -> LeadInRun:
    """The same, where it must be there."""
    found = asked(ledger, lead, run)
    assert found is not None
    return found


def test_the_latest_moment_counts_not_the_latest_recording(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 3, {"L1": (20.0, 1.0)})
        add_leads(connection, 2, 2, {"L1": (5.0, 1.0)})

    found = known(ledger, "L1")

    assert (found.run, found.score, found.band, found.as_of) == (1, 61.0, "MQL", day(3))
    assert found.known.contributions == {"visits": 20.0, "country": 1.0}
    assert found.known.base_score + sum(found.known.contributions.values()) == found.score
    assert known(ledger, "L1", run=2).score == 46.0


def test_runs_half_loaded_of_other_targets_or_projects_are_left_out(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L1": (1.0, 0.0)})
        add_leads(connection, 2, 2, {"L1": (2.0, 0.0), "L2": (2.0, 0.0)}, is_complete=False)
        add_leads(connection, 3, 3, {"L1": (3.0, 0.0), "L2": (2.0, 0.0)}, target="churn")
        add_leads(connection, 4, 4, {"L1": (4.0, 0.0), "L2": (2.0, 0.0)}, project="other")

    found = known(ledger, "L1")
    with ledger.reading() as connection:
        scores = scores_over_runs(connection, "p", found)

    assert found.run == 1
    assert [each.run for each in scores] == [1]
    assert asked(ledger, "L2") is None
    assert asked(ledger, "L1", run=2) is None


def test_what_the_run_knew_is_told_by_name(ledger: Ledger) -> None:
    told: dict[str, Any] = {
        "attributes": '["Engineer", null]', "further": '{"roles_missing": ["finance"]}', "warnings": '["rare"]',
    }  # fmt: skip
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L1": (1.0, 0.0)}, attributes=("job_title", "country"))
        connection.execute(update(DETAILS).values(told))

    found = known(ledger, "L1").known

    assert found.attributes == {"job_title": "Engineer", "country": None}
    assert (found.further, found.warnings) == ({"roles_missing": ["finance"]}, ("rare",))
    assert found.reasons[0] == {"text": "visits seen", "points": 1.0, "group": "visits"}


def test_scores_over_runs_end_at_the_run_that_is_shown(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for run in (1, 2, 3):
            add_leads(connection, run, run, {"L1": (float(run), 0.0)})
        add_leads(connection, 4, 2, {"L1": (9.0, 0.0)})  # the same moment once more, by another model

    with ledger.reading() as connection:
        upto = {run: scores_over_runs(connection, "p", known(ledger, "L1", run)) for run in (2, 3, 4)}
        last = scores_over_runs(connection, "p", known(ledger, "L1", 3), limit=2)

    assert [each.run for each in upto[2]] == [1, 2]
    assert [each.run for each in upto[4]] == [1, 2, 4]
    assert [each.run for each in upto[3]] == [1, 2, 4, 3]
    assert [each.run for each in last] == [4, 3]


def test_events_of_several_runs_are_one_line_the_newest_first(ledger: Ledger) -> None:
    old, new = day(0.5), day(2.5)
    with ledger.writing() as connection:
        for run in (1, 2, 3):
            add_leads(connection, run, run, {"L1": (1.0, 0.0)})
        told: dict[int, list[tuple[datetime, str]]] = {
            1: [(old, "visit"), (old, "visit")], 3: [(old, "visit"), (new, "demo")],
        }  # fmt: skip
        for run, events in told.items():
            text = json.dumps([[at.isoformat(), kind] for at, kind in events])
            connection.execute(update(DETAILS).where(DETAILS.c.run == run).values(events=text))

    with ledger.reading() as connection:
        found = events_of(connection, "p", known(ledger, "L1"), 50)
        earlier = events_of(connection, "p", known(ledger, "L1", 2), 50)
        newest = events_of(connection, "p", known(ledger, "L1"), 1)

    assert [(each.occurred_at, each.event_type, each.run) for each in found] == [
        (new, "demo", 3), (old, "visit", 1), (old, "visit", 1),
    ]  # fmt: skip
    assert [each.event_type for each in earlier] == ["visit", "visit"]
    assert [each.event_type for each in newest] == ["demo"]


def test_a_lead_is_shown_for_its_best_product_or_the_one_asked_for(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1, 2, reason_groups='["visits"]', entity="product")
        for rank, (product, points) in enumerate((("CRM", 30.0), ("ERP", 5.0)), start=1):
            add_score(connection, 1, rank, "L1", "MQL", product=product, score=40 + points)
            add_known(connection, 1, rank, [points], ["visits"])

    best, other = known(ledger, "L1"), asked(ledger, "L1", product="ERP")
    with ledger.reading() as connection:
        products = products_of(connection, best)

    assert other is not None
    assert (best.product, other.product, other.score) == ("CRM", "ERP", 45.0)
    assert [(each.product, each.score) for each in products] == [("CRM", 70.0), ("ERP", 45.0)]
    assert asked(ledger, "L1", product="none") is None


def test_ends_stand_the_latest_first(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_outcome(connection, "L1", day(2), 1, is_won=False)
        add_outcome(connection, "L1", day(2) + timedelta(days=30), 1)
        add_outcome(connection, "L1", day(3), 1, project="other")

    with ledger.reading() as connection:
        found = endings_of(connection, "p", "L1")

    assert [(each.outcome, each.is_won) for each in found] == [("won", True), ("lost", False)]


def test_ids_near_an_unknown_one_are_offered(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L0001": (1.0, 0.0), "L0002": (1.0, 0.0), "X-77": (1.0, 0.0)})
        add_leads(connection, 2, 1, {"L00022": (1.0, 0.0)}, project="other")

    with ledger.reading() as connection:
        assert nearest_ids(connection, "p", "l0002 ", 1) == ["L0002"]
        assert nearest_ids(connection, "p", "L00022", 2) == ["L0002", "L0001"]
        assert nearest_ids(connection, "none", "L0002") == []
        assert nearest_ids(connection, "p", "x" * 100_000) == nearest_ids(connection, "p", "NOPE") == []


def test_a_lead_without_wide_values_can_be_shown(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, None, {"L1": (0.0, 0.0)})
        connection.execute(update(SCORES).values(probability=None))

    found = known(ledger, "L1")

    assert (found.as_of, found.probability, found.known.attributes, found.known.warnings) == (
        None,
        None,
        {},
        (),
    )
    with ledger.reading() as connection:
        assert [each.run for each in scores_over_runs(connection, "p", found)] == [1]
        assert events_of(connection, "p", found, 5) == []


def test_a_change_is_counted_from_a_run_of_the_same_target(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_leads(connection, 1, 1, {"L1": (1.0, 0.0)})
        add_leads(connection, 2, 2, {"L1": (9.0, 0.0)}, target="churn")
        add_leads(connection, 3, 3, {"L1": (4.0, 0.0)})

    with ledger.reading() as connection:
        found = what_changed(connection, "p", "L1", 3)

    assert found is not None
    assert (found.run_before, found.change) == (1, 3.0)
