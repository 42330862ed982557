"""Leads taken out of the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from features.errors import InputError
from pipeline.config import Project
from pipeline.ledger.erasing import forget, hashed_id
from pipeline.ledger.reading import history
from pipeline.ledger.schema import ERASURES, SCORES
from pipeline.ledger.store import Ledger, open_ledger
from tests.pipeline.ledger.conftest import kept, project_with


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


def test_a_lead_of_another_project_stays(project: Project, ledger: Ledger) -> None:
    other = project.model_copy(update={"name": "others"})
    kept(other, 1, {"A": (5.0, 0.0)}).write()

    with pytest.raises(InputError, match="holds no score of 'A', so nothing was deleted"):
        forget(ledger, [project.name], "A", "asked", "dpo")

    with ledger.reading() as connection:
        assert len(history(connection, "others", "A")) == 1
        assert connection.execute(select(ERASURES)).all() == []


def test_an_act_without_a_reason_is_refused_and_deletes_nothing(project: Project, ledger: Ledger) -> None:
    kept(project, 1, {"A": (5.0, 0.0)}).write()

    with pytest.raises(InputError, match="--why is empty"):
        forget(ledger, [project.name], "A", " ", "dpo")

    with ledger.reading() as connection:
        assert len(history(connection, project.name, "A")) == 1


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
