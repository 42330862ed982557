"""Leads taken out of the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

from features.errors import InputError, OutputError
from pipeline.config import Project
from pipeline.ledger import loading, store
from pipeline.ledger.erasing import forget, hashed_id
from pipeline.ledger.facts import EndingsToTell, RunFacts
from pipeline.ledger.queue import keep_facets
from pipeline.ledger.reading import history
from pipeline.ledger.schema import DETAILS, ERASURES, FEEDBACK, LOADING, OUTCOMES, OVERRIDES, RUNS, SCORES
from pipeline.ledger.store import Ledger, open_ledger
from tests.pipeline.ledger.conftest import breaks_off, kept, project_with


def test_a_lead_is_deleted_everywhere_and_recorded_without_its_id(project: Project, ledger: Ledger) -> None:
    for day in (1, 2):
        kept(project, day, {"ann@example.org": (5.0, 0.0), "B": (6.0, 0.0)}).write()

    found = forget(ledger, [project.name], "ann@example.org", "she asked\nfor it", "dpo")

    with ledger.reading() as connection:
        row = connection.execute(select(ERASURES)).mappings().one()
        left = set(connection.scalars(select(SCORES.c.lead_id)))
        with pytest.raises(InputError, match="None of the 2 runs"):
            history(connection, project.name, "ann@example.org")
    assert left == {"B"}
    assert (found.number, found.scores_deleted, found.why, found.by) == (1, 2, "she asked for it", "dpo")
    assert row["lead_hash"] == hashed_id("ann@example.org", row["salt"])
    assert not any("ann" in str(value) for value in row.values())


def test_what_was_counted_of_her_runs_is_counted_anew_and_holds_no_name_of_hers(
    project: Project, ledger: Ledger
) -> None:
    kept(project, 1, {"A": (5.0, 0.0), "B": (6.0, 0.0)}).write()
    kept(project, 2, {"B": (6.0, 0.0)}).write()
    with ledger.writing() as connection:
        connection.execute(update(SCORES).where(SCORES.c.lead_id == "A").values(owner="ann@example.org"))
        for number in (1, 2):
            keep_facets(connection, number)

    forget(ledger, [project.name], "A", "asked", "dpo")

    with ledger.reading() as connection:
        counted = {row.number: row.facets for row in connection.execute(select(RUNS))}
    assert counted[1] is None
    assert counted[2] is not None  # she was not in it


def test_the_same_lead_is_never_hashed_alike(project: Project, ledger: Ledger) -> None:
    for day in (1, 2):
        kept(project, day, {"A": (5.0, 0.0)}).write()
        forget(ledger, [project.name], "A", "asked", "dpo")

    with ledger.reading() as connection:
        hashes = list(connection.scalars(select(ERASURES.c.lead_hash)))
    assert len(set(hashes)) == 2


def test_a_rerun_does_not_bring_a_deleted_lead_back(project: Project, ledger: Ledger) -> None:
    run = kept(project, 1, {"A": (5.0, 0.0), "B": (5.0, 0.0)})
    run.write()
    forget(ledger, [project.name], "A", "asked", "dpo")

    assert run.write() is False

    with ledger.reading() as connection:
        assert list(connection.scalars(select(SCORES.c.lead_id))) == ["B"]


def test_nothing_that_people_said_of_a_deleted_lead_is_left(project: Project, ledger: Ledger) -> None:
    kept(project, 1, {"A": (5.0, 0.0), "B": (6.0, 0.0)}).write()
    ended = {"ended_at": datetime(2026, 1, 2, tzinfo=UTC), "outcome": "won", "is_won": True}
    kept(project, 3, {"C": (1.0, 0.0)}, facts=replace(
        RunFacts.none(1), endings=EndingsToTell([{"project": project.name, "lead_id": each, **ended} for each in "AB"])
    )).write()  # fmt: skip
    with ledger.writing() as connection:
        for lead in "AB":
            said = {"project": project.name, "by": "ann", "recorded_at": datetime(2026, 1, 2, tzinfo=UTC)}
            connection.execute(insert(FEEDBACK).values(lead_id=lead, feedback_id=lead, source="page", **said))
            decided = {
                "kind": "lead_id",
                "subject": lead,
                "action": "raise",
                "owner": "ann",
                "reason": "met her",
            }
            connection.execute(insert(OVERRIDES).values(**decided, **said))

    found = forget(ledger, [project.name], "A", "asked", "dpo")

    assert found.scores_deleted == 1
    columns = (SCORES.c.lead_id, FEEDBACK.c.lead_id, OVERRIDES.c.subject, OUTCOMES.c.lead_id)
    with ledger.reading() as connection:
        left = [sorted(connection.scalars(select(each))) for each in columns]
        wide = connection.execute(select(DETAILS.c.run, DETAILS.c.rank).order_by(DETAILS.c.run)).all()
    assert left == [["B", "C"], ["B"], ["B"], ["B"]]
    assert wide == [(1, 1), (2, 1)]


def test_a_lead_that_is_forgotten_while_a_run_is_half_loaded_does_not_come_back(
    project: Project, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = {"A": (50.0, 0.0), "B": (40.0, 0.0), "C": (30.0, 0.0), "D": (20.0, 0.0), "E": (10.0, 0.0)}
    kept(project, 1, leads).write()
    ended = {"ended_at": datetime(2026, 1, 2, tzinfo=UTC), "outcome": "won", "is_won": True}
    endings = [{"project": project.name, "lead_id": lead, **ended} for lead in "BDF"]
    run = kept(project, 2, leads, facts=replace(RunFacts.none(5), endings=EndingsToTell(endings)))
    monkeypatch.setattr(loading, "PART_ROWS", 2)
    with pytest.raises(KeyboardInterrupt):
        breaks_off(run, 2).write()

    for lead in "BD":  # one stands in the loaded part, one does not yet
        assert forget(ledger, [project.name], lead, "asked", "dpo").scores_deleted == 1 + (lead == "B")
    assert run.write() is True

    with ledger.reading() as connection:
        left = connection.execute(select(SCORES.c.run, SCORES.c.lead_id).order_by(*SCORES.primary_key)).all()
        wide = connection.execute(select(DETAILS.c.run, DETAILS.c.rank).order_by(*DETAILS.primary_key)).all()
        outcomes = list(connection.scalars(select(OUTCOMES.c.lead_id)))
        marks = connection.execute(select(LOADING)).all()
    assert left == [(run, lead) for run in (1, 2) for lead in "ACE"]
    assert wide == [(run, rank) for run in (1, 2) for rank in (1, 3, 5)]
    assert (outcomes, marks) == (["F"], [])


def test_a_lead_that_is_forgotten_while_a_run_is_scored_does_not_come_back_with_it(
    project: Project, ledger: Ledger
) -> None:
    leads = {"A": (50.0, 0.0), "B": (40.0, 0.0)}
    kept(project, 1, leads).write()
    scored_before = kept(project, 2, leads)

    forget(ledger, [project.name], "A", "asked", "dpo")

    with pytest.raises(
        OutputError, match=r"A lead was forgotten while this run was being scored.* score again"
    ):
        scored_before.write()
    assert kept(project, 2, {"B": (40.0, 0.0)}, run_id="b" * 64).write() is True
    with ledger.reading() as connection:
        assert sorted(connection.execute(select(SCORES.c.run, SCORES.c.lead_id)).all()) == [
            (1, "B"),
            (2, "B"),
        ]


def test_who_is_not_yet_in_a_half_loaded_run_is_told_to_ask_again(
    project: Project, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PART_ROWS", 2)
    run = kept(project, 1, {"A": (50.0, 0.0), "B": (40.0, 0.0), "C": (30.0, 0.0)})
    with pytest.raises(KeyboardInterrupt):
        breaks_off(run, 2).write()

    with pytest.raises(InputError, match=r"no score of 'C', .* being loaded: ask again when it is complete"):
        forget(ledger, [project.name], "C", "asked", "dpo")

    assert run.write() is True
    with ledger.reading() as connection:
        assert sorted(connection.scalars(select(SCORES.c.lead_id))) == ["A", "B", "C"]


def test_an_id_that_is_no_text_is_refused(project: Project, ledger: Ledger) -> None:
    kept(project, 1, {"A": (5.0, 0.0)}).write()

    for name in ("A\x00", "A\udcff"):  # as a terminal gives bytes that are no UTF-8
        with pytest.raises(InputError, match="lead_id holds signs that are no text"):
            forget(ledger, [project.name], name, "asked", "dpo")
        with (
            pytest.raises(InputError, match="lead_id holds signs that are no text"),
            ledger.reading() as connection,
        ):
            history(connection, project.name, name)


def test_a_lead_of_another_project_stays(project: Project, ledger: Ledger) -> None:
    other = project.model_copy(update={"name": "others"})
    kept(other, 1, {"A": (5.0, 0.0)}).write()

    with pytest.raises(
        InputError, match=r"holds no score of 'A', so nothing was deleted.* have one: others\."
    ):
        forget(ledger, [project.name], "A", "asked", "dpo")

    with ledger.reading() as connection:
        assert len(history(connection, "others", "A")) == 1
        assert connection.execute(select(ERASURES)).all() == []
    kept(project, 1, {"A": (5.0, 0.0)}, run_id="own").write()
    assert forget(ledger, [project.name], "A", "asked", "dpo").elsewhere == ("others",)


def test_an_account_of_the_same_id_stays_with_what_was_said_of_it(project: Project, ledger: Ledger) -> None:
    accounts = project.model_copy(update={"name": "accounts"})
    kept(project, 1, {"17": (5.0, 0.0)}).write()
    run = kept(accounts, 2, {"17": (6.0, 0.0)})
    replace(run, values={**run.values, "entity": "account"}).write()
    ended = {"ended_at": datetime(2026, 1, 2, tzinfo=UTC), "outcome": "won", "is_won": True, "run": 1}
    said = {"lead_id": "17", "by": "ann", "source": "page", "recorded_at": datetime(2026, 1, 2, tzinfo=UTC)}
    with ledger.writing() as connection:
        for name in (project.name, "accounts"):
            connection.execute(insert(FEEDBACK).values(project=name, feedback_id=name, **said))
            connection.execute(insert(OUTCOMES).values(project=name, lead_id="17", **ended))

    found = forget(ledger, [project.name, "accounts"], "17", "asked", "dpo")

    with ledger.reading() as connection:
        left = [list(connection.scalars(select(table.c.project))) for table in (FEEDBACK, OUTCOMES)]
        assert connection.scalar(select(func.count()).select_from(SCORES)) == 1
    assert (left, found.elsewhere) == ([["accounts"], ["accounts"]], ())


def test_an_act_without_a_reason_is_refused_and_deletes_nothing(project: Project, ledger: Ledger) -> None:
    kept(project, 1, {"A": (5.0, 0.0)}).write()

    with pytest.raises(InputError, match="--why is empty"):
        forget(ledger, [project.name], "A", " ", "dpo")

    with ledger.reading() as connection:
        assert len(history(connection, project.name, "A")) == 1


def test_a_reader_keeps_the_log_of_sqlite_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_with("sqlite:///ledger.db", tmp_path)
    kept(project, 1, {"A": (5.0, 0.0), "B": (6.0, 0.0)}).write()
    monkeypatch.setattr(store, "CLEAN_SECONDS", 0.1)
    ledger = open_ledger(project)

    with ledger.reading() as reader:
        assert len(history(reader, project.name, "A")) == 1
        found = [forget(ledger, [project.name], lead, "asked", "dpo").is_clean for lead in "AB"]

    assert found == [False, False]
    assert ledger.clean() is True


def test_no_byte_of_a_deleted_lead_is_left_in_the_files_of_sqlite(tmp_path: Path) -> None:
    project = project_with("sqlite:///ledger.db", tmp_path)
    leads = {f"lead-{number}": (1.0, 2.0) for number in range(500)}
    kept(project, 1, {**leads, "to-be-forgotten": (5.0, 0.0)}).write()
    before = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))

    forget(open_ledger(project), [project.name], "to-be-forgotten", "asked", "dpo")

    after = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))
    assert b"to-be-forgotten" in before
    assert b"to-be-forgotten" not in after
    assert b"lead-499" in after
