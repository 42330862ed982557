"""Acts of the registry, copied into the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from models.bands import Anchors
from models.bundle import Bundle
from pipeline.config import Project
from pipeline.ledger.acts import acts_of, record_act
from pipeline.ledger.store import Ledger
from pipeline.promotions import Kind, Promotion
from pipeline.tracking_registry import Move
from tests.pipeline.ledger.conftest import project_with


def bundle(p_mql: float) -> Bundle:
    """What an act reads of a bundle."""
    scorer = SimpleNamespace(anchors=Anchors(p_mql, 0.4))
    return cast(Bundle, SimpleNamespace(model_version=f"model{p_mql}", scorer=scorer))


def move(kind: Kind, day: int, former: str | None = None) -> Move:
    """An act of Ann's."""
    at = datetime(2026, 1, day, 9, tzinfo=UTC)
    return Move(Promotion(1, kind, "ann", f"why {kind}", at, None, "2", "m"), "2", former)


def test_acts_are_kept_with_their_anchors_the_newest_first(project: Project, ledger: Ledger) -> None:
    other = project.model_copy(update={"name": "other"})
    said = [
        record_act(project, move("gate", 1), bundle(0.1)),
        record_act(project, move("re-anchor", 3, "model0.1"), bundle(0.2)),
        record_act(project, move("rollback", 2, "model0.2"), bundle(0.1)),
        record_act(other, move("promote", 4), bundle(0.1)),
    ]

    with ledger.reading() as connection:
        found = acts_of(connection, project.name)
        latest = acts_of(connection, project.name, limit=1)

    assert said == [None] * 4
    assert [(each["kind"], each["former"], each["model_version"]) for each in found] == [
        ("re-anchor", "model0.1", "model0.2"), ("rollback", "model0.2", "model0.1"), ("gate", None, "model0.1"),
    ]  # fmt: skip
    assert found[0]["anchors"] == {"p_mql": 0.2, "p_sql": 0.4, "method": "given", "moved": False}
    assert (found[0]["why"], found[0]["by"]) == ("why re-anchor", "ann")
    assert found[0]["recorded_at"] == datetime(2026, 1, 3, 9, tzinfo=UTC)
    assert latest == found[:1]


def test_a_ledger_that_is_down_fails_no_act_and_is_said(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database, though it has the name of one" * 100)

    said = record_act(project_with("sqlite:///ledger.db", tmp_path), move("gate", 1), bundle(0.1))

    assert said is not None
    assert said.startswith("The act is done, but the ledger does not show it: The ledger ")


def test_a_project_without_a_ledger_keeps_no_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the ledger was opened")

    monkeypatch.setattr("pipeline.ledger.store.open_ledger", refuse)

    assert record_act(project_with(None, tmp_path), move("gate", 1), bundle(0.1)) is None
