"""Runs and histories, by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from features.errors import InputError
from pipeline.config import Project
from pipeline.ledger.reading import find_run, history, list_runs
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.conftest import kept


def test_runs_stand_in_the_order_of_their_moments_of_scoring(project: Project, ledger: Ledger) -> None:
    for day in (3, 1, 2):
        kept(project, day, {"L1": (day, 0.0)}).write()

    with ledger.reading() as connection:
        found = list_runs(connection, project.name)
        others = list_runs(connection, "another project")

    assert [(each.number, each.as_of) for each in found] == [
        (2, datetime(2026, 1, 1, tzinfo=UTC)), (3, datetime(2026, 1, 2, tzinfo=UTC)),
        (1, datetime(2026, 1, 3, tzinfo=UTC)),
    ]  # fmt: skip
    assert others == []
    assert json.loads(json.dumps(found[0].to_json()))["as_of"] == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(("asked", "day"), [("latest", 2), ("previous", 1), ("1", 1), ("0202020", 2)])
def test_a_run_is_found_by_word_number_or_start_of_its_id(
    project: Project, ledger: Ledger, asked: str, day: int
) -> None:
    for each in (1, 2):
        kept(project, each, {"L1": (1.0, 0.0)}).write()

    with ledger.reading() as connection:
        assert find_run(connection, project.name, asked).as_of == datetime(2026, 1, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("previous", "there is no run 'previous'; it has 2"), ("3", "there is no run '3'"),
        ("01", "there is no run '01'"), ("aaaaaa", "2 runs begin with 'aaaaaa'"), ("%", "there is no run '%'"),
    ],
)  # fmt: skip
def test_a_run_that_is_not_one_is_refused(project: Project, ledger: Ledger, asked: str, said: str) -> None:
    kept(project, 1, {"L1": (1.0, 0.0)}, run_id="a" * 64).write()
    if asked != "previous":
        kept(project, 2, {"L1": (1.0, 0.0)}, run_id="a" * 63 + "b").write()

    with (
        ledger.reading() as connection,
        pytest.raises(InputError, match=said.replace("it has 2", "it has 1")),
    ):
        find_run(connection, project.name, asked)


def test_a_history_gives_each_score_with_its_change_and_first_reason(
    project: Project, ledger: Ledger
) -> None:
    kept(project, 1, {"L1": (5.0, 0.0), "L2": (60.0, 0.0)}).write()
    kept(project, 2, {"L2": (60.0, 0.0)}).write()
    kept(project, 3, {"L1": (12.0, 3.0), "L2": (1.0, 0.0)}).write()
    kept(project, 4, {"L1": (0.0, 0.0)}).write()

    with ledger.reading() as connection:
        found = history(connection, project.name, "L1")

    assert [(e.run, e.score, e.change, e.band, e.rank) for e in found] == [
        (1, 45.0, None, "below", 2), (3, 55.0, 10.0, "MQL", 1), (4, 40.0, -15.0, "below", 1),
    ]  # fmt: skip
    assert [each.first_reason for each in found] == [
        {"text": "visits count", "points": 5.0}, {"text": "visits count", "points": 12.0}, None,
    ]  # fmt: skip


def test_a_lead_that_no_run_has_scored_is_named(project: Project, ledger: Ledger) -> None:
    kept(project, 1, {"L1": (5.0, 0.0)}).write()

    with (
        ledger.reading() as connection,
        pytest.raises(InputError, match=r"None of the 1 runs .* scored 'L9'"),
    ):
        history(connection, project.name, "L9")
