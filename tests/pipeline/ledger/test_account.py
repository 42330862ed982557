"""What the ledger says of one account, by hand on both databases."""

from __future__ import annotations

import json

from pipeline.ledger.account import (
    account_outcomes,
    account_people,
    account_runs,
    account_score,
    has_account_runs,
    is_account,
    person_further,
)
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.filling import add_detail, add_end, add_run, add_score, day


def test_people_stand_in_call_order_without_the_account_itself(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        add_run(connection, 2, 1, entity="account")
        # the last has the number of its account
        for rank, (lead, account) in enumerate((("A", "X"), ("B", "Y"), ("C", "X"), ("X", "X")), start=1):
            add_score(connection, 1, rank, lead, "MQL", account_id=account)
        add_score(connection, 2, 1, "X", "MQL", account_id="X")
        add_detail(connection, 1, 1, json.dumps({"account_score": 61.0}))

    with ledger.reading() as connection:
        found = account_people(connection, 1, "X", 10)
        first = account_people(connection, 1, "X", 1)
        of_accounts = account_people(connection, 2, "X", 10)
        further, without = person_further(connection, 1, 1), person_further(connection, 1, 2)
        known = [is_account(connection, ["p"], each) for each in ("X", "Y", "A", "Z")]

    assert [each["lead_id"] for each in found] == ["A", "C", "X"]
    assert of_accounts == []
    assert [each["lead_id"] for each in first] == ["A"]
    assert (further, without) == ({"account_score": 61.0}, {})
    assert known == [True, True, False, False]


def test_an_account_of_a_run_of_accounts_has_a_score_of_its_own(ledger: Ledger) -> None:
    projects = ["p", "p-accounts", "p-upsell"]
    with ledger.writing() as connection:
        add_run(connection, 1, 1, entity="account", project="p-accounts")
        add_run(connection, 2, 2, entity="account", project="p-accounts")
        add_run(connection, 3, 3, entity="account", project="p-accounts", is_complete=False)
        add_run(connection, 4, 4, entity="customer account", project="p-upsell")
        add_run(connection, 5, 5, entity="account", project="q-accounts")
        for run in (1, 2, 3, 4, 5):
            add_score(connection, run, 1, "X", "MQL", score=50.0 + run, account_id="X")
        add_detail(connection, 2, 1, json.dumps({"people": 3, "roles_missing": ["Finance"]}))
        add_score(connection, 1, 2, "Y", "MQL", account_id="Y")

    with ledger.reading() as connection:
        found, gone = account_score(connection, projects, "X"), account_score(connection, projects, "Y")
        nowhere = account_score(connection, ["p"], "X")
        known = [is_account(connection, projects, each) for each in ("X", "Y", "Z")]

        of_accounts = [has_account_runs(connection, each) for each in (projects, ["p"], ["p-accounts"])]

    assert of_accounts == [True, False, True]
    assert found is not None
    assert (found["run"], found["score"], found["project"]) == (2, 52.0, "p-accounts")
    assert found["as_of"] == day(2)
    assert found["further"] == {"people": 3, "roles_missing": ["Finance"]}
    assert (gone, nowhere) == (None, None)  # Y is not open in the latest run of accounts
    assert known == [True, True, False]


def test_the_runs_tell_best_and_mean_of_the_account(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 2)
        add_run(connection, 2, 1)
        add_run(connection, 3, 3, is_complete=False)
        add_run(connection, 4, 4, target="accounts", entity="account")
        for run, scores in ((1, (10.0, 30.0)), (2, (8.0,)), (3, (99.0,)), (4, (99.0,))):
            for rank, score in enumerate(scores, start=1):
                add_score(connection, run, rank, f"L{rank}", "MQL", score=score, account_id="X")

    with ledger.reading() as connection:
        found = account_runs(connection, "p", "X", 10)
        last = account_runs(connection, "p", "X", 1)

    assert [(each["number"], each["n"], each["best"], each["mean"]) for each in found] == [
        (2, 1, 8.0, 8.0), (1, 2, 30.0, 20.0),
    ]  # fmt: skip
    assert last == found[1:]


def test_each_person_counts_once_by_the_best_product_and_the_account_itself_not_at_all(
    ledger: Ledger,
) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1, entity="product")
        add_run(connection, 2, 2, entity="account")
        pairs = (("A", "p", 90.0), ("A", "q", 80.0), ("B", "q", 70.0), ("A", "r", 60.0), ("C", "p", 50.0))
        for rank, (lead, product, score) in enumerate(pairs, start=1):
            add_score(connection, 1, rank, lead, "MQL", product=product, score=score, account_id="X")
        add_score(connection, 2, 1, "X", "MQL", score=99.0, account_id="X")

    with ledger.reading() as connection:
        once = account_people(connection, 1, "X", 2, is_once=True)
        of_accounts = account_people(connection, 2, "X", 2, is_once=True)
        runs = account_runs(connection, "p", "X", 10)

    assert [(each["lead_id"], each["product"]) for each in once] == [("A", "p"), ("B", "q")]
    assert of_accounts == []
    assert [(each["number"], each["n"], each["best"], each["mean"]) for each in runs] == [(1, 3, 90.0, 70.0)]


def test_ends_of_leads_once_scored_at_the_account_are_told_the_latest_first(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_run(connection, 1, 1)
        for rank, (lead, account) in enumerate((("A", "X"), ("B", "X"), ("C", "Y")), start=1):
            add_score(connection, 1, rank, lead, "MQL", account_id=account)
        add_end(connection, "A", day(3))
        add_end(connection, "A", day(5), is_won=False)
        add_end(connection, "B", day(4))
        add_end(connection, "C", day(4))
        add_end(connection, "B", day(6), project="q")

    with ledger.reading() as connection:
        found = account_outcomes(connection, "p", "X", 2)

    assert [(each["lead_id"], each["ended_at"], each["is_won"]) for each in found] == [
        ("A", day(5), False), ("B", day(4), True),
    ]  # fmt: skip
