"""How SQLite finds what the pages ask for: by a key, not by a walk through a whole run or all ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from pipeline.ledger.account import account_outcomes, account_people, account_runs, account_score
from pipeline.ledger.lead import lead_in_run, products_of
from pipeline.ledger.queue import QueueFilter, count_bands, find_queue_run, queue_page
from pipeline.ledger.store import Connection, Ledger, open_ledger
from tests.pipeline.ledger.conftest import project_with
from tests.pipeline.ledger.filling import add_detail, add_run, add_score

WALKS = (
    "SCAN ledger_scores", "SCAN ledger_outcomes", "(run=?)", "(run=? AND rank>?)", "(run=? AND rank<?)",
    "ledger_outcomes_of_time",
)  # fmt: skip
OF_ACCOUNT = QueueFilter(account="X")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in a file of SQLite with one run of accounts."""
    ledger = open_ledger(project_with("sqlite:///ledger.db", tmp_path), is_new_allowed=True)
    with ledger.writing() as connection:
        add_run(connection, 1, 1, entity="account")
        add_score(connection, 1, 1, "X", "MQL", account_id="X")
        add_detail(connection, 1, 1, None)
    yield ledger
    ledger.engine.dispose()


def plans(ledger: Ledger, ask: Callable[[Connection], Any]) -> list[str]:
    """The steps that SQLite takes for each query of a call."""
    asked: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        asked.append((statement, parameters))

    with ledger.reading() as connection:
        event.listen(connection, "before_cursor_execute", keep)
        ask(connection)
        event.remove(connection, "before_cursor_execute", keep)
        return [
            str(step[3])
            for statement, parameters in asked
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


def page(connection: Connection, **place: int) -> None:
    """A page of the queue, of one account."""
    run = find_queue_run(connection, "p", 1)
    assert run is not None
    queue_page(connection, run, OF_ACCOUNT, 50, **place)
    count_bands(connection, run, OF_ACCOUNT)


def lead(connection: Connection) -> None:
    """A lead in its latest run, and its products there."""
    found = lead_in_run(connection, "p", "X")
    assert found is not None
    products_of(connection, found)


@pytest.mark.parametrize(
    "ask",
    [
        lambda connection: account_score(connection, ["p"], "X"),
        lambda connection: account_outcomes(connection, "p", "X", 50),
        lambda connection: account_runs(connection, "p", "X", 60),
        lambda connection: account_people(connection, 1, "X", 20),
        lambda connection: account_people(connection, 1, "X", 20, is_once=True),
        page,
        lambda connection: page(connection, before=9),
        lead,
    ],
    ids=["score", "ends", "runs", "people", "people once", "queue", "queue back", "lead"],
)  # fmt: skip
def test_an_account_or_a_lead_is_found_by_its_key(small: Ledger, ask: Callable[[Connection], Any]) -> None:
    found = plans(small, ask)

    assert any("ledger_scores" in step for step in found)
    assert [step for step in found if any(each in step for each in WALKS)] == []
