"""The report's section on sales' answers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from pipeline.config import Project
from pipeline.ledger.feedback import Feedback, add_feedback
from pipeline.ledger.store import open_ledger
from pipeline.report_feedback import answers_of_sales, feedback_section
from tests.pipeline.ledger.conftest import project_with
from tests.pipeline.ledger.runs_by_hand import add_run, night


def answered(project: Project, *answers: tuple[str, str | None, str | None]) -> None:
    """Two runs with 20 leads in SQL, and answers (lead, verdict, code) after the first, ten days before the second."""
    ledger = open_ledger(project, is_new_allowed=True)
    for day in (1, 12):
        add_run(ledger, project.name, day, {f"L{i}": 90.0 for i in range(20)} | {"M1": 10.0})
    for lead, verdict, code in answers:
        given = Feedback(lead, verdict, code, None, night(2) + timedelta(hours=9), "ann")
        add_feedback(ledger, project.name, given, source="page")


def shown(section: dict[str, Any] | None) -> dict[str, list[tuple[Any, ...]]]:
    """The cells of each table by its title."""
    assert section is not None
    return {table.title: [row.cells for row in table.rows] for table in section["tables"]}


def test_the_section_shows_the_share_worked_and_the_reasons(tmp_path: Path) -> None:
    project = project_with("sqlite:///ledger.db", tmp_path)
    answered(
        project,
        ("L1", "accept", "good fit"),
        ("L2", "reject", "no budget"),
        ("M1", "reject", None),
        ("L2", None, None),
    )

    section = feedback_section(answers_of_sales(project))

    assert section is not None
    assert section["words"] == [
        "Sales gave 4 answers on 3 leads. They train nothing: sales choose whom to work, and a rejected lead may still "
        "buy.",
        "Of 20 leads now in SQL only 2 were worked since 13 Dec 2025 (10 %). What became of the others says little "
        "about what a call would have done.",
    ]
    assert shown(section) == {
        "Share worked, by band": [("SQL", "20", "2", "10 %"), ("below", "1", "1", "100 %")],
        "Answers, by the band at the time": [("SQL", "1", "1", "1"), ("below", "0", "1", "0")],
        "Answers, by reason": [
            ("good fit", "accepted", "1"), ("no budget", "rejected", "1"), ("no reason given", "rejected", "1"),
        ],
    }  # fmt: skip
    assert "since 13 Dec 2025, 30 days before it" in section["tables"][0].note


def test_without_a_verdict_there_is_no_table_of_reasons(tmp_path: Path) -> None:
    project = project_with("sqlite:///ledger.db", tmp_path)
    answered(project, ("L1", None, None))

    assert "Answers, by reason" not in shown(feedback_section(answers_of_sales(project)))


def test_the_section_is_hidden_where_nobody_answered(tmp_path: Path) -> None:
    kept = project_with("sqlite:///ledger.db", tmp_path)

    absent, nobody = answers_of_sales(kept), answers_of_sales(project_with(None, tmp_path))
    assert not (tmp_path / "ledger.db").exists()
    answered(kept)

    assert absent is nobody is answers_of_sales(kept) is None
    assert feedback_section(None) is None


def test_a_ledger_that_cannot_be_read_fails_no_training(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database, though it has the name of one" * 100)

    section = feedback_section(answers_of_sales(project_with("sqlite:///ledger.db", tmp_path)))

    assert section is not None
    assert section["words"][0].startswith("What sales answered is not shown: The ledger ")
    assert section["tables"] == []
