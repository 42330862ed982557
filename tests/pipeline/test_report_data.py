"""What became of the data, and what the leak hunt found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.audit.result import Grade, Suspect
from pipeline.leak_hunt import LeakHunt
from pipeline.record import TrainingRecord
from pipeline.report_data import audit_tables, hunt_rows, hunt_words, slice_table
from pipeline.report_figures import Mark
from tests.pipeline.report_record import trained


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    """The record of a small world."""
    return trained()


def suspect(table: str, column: str, grade: Grade = "leak") -> Suspect:
    """A suspect by hand."""
    return Suspect(table, column, grade, "hindsight", "Set after 90 % of the wins.", "at_creation")


def test_every_row_read_is_used_or_left_out_for_a_reason(record: TrainingRecord) -> None:
    damaged = replace(record, quarantined={"no_id": 3, "other_code": 2}, cleaned={"bot": 40, "internal": 0})

    leads, events, rows = audit_tables(damaged)

    n_leads, n_events = len(record.dataset.data.leads), len(record.dataset.data.events.events)
    assert leads.head == ("Leads", f"{n_leads + 5:,}")
    assert ("quarantined: no id", "3") in [each.cells for each in leads.rows]
    assert [each.cells for each in events.rows] == [
        ("used", f"{n_events:,}"), ("bot bursts and link scanners", "40"),
    ]  # fmt: skip
    assert rows.rows[0].cells == ("used", f"{len(record.dataset.y):,}")
    assert any("too recent" in str(each.cells[0]) for each in rows.rows)


def test_the_parts_of_the_data_have_their_share_with_its_interval(record: TrainingRecord) -> None:
    table = slice_table(record)

    assert [each.cells[0] for each in table.rows] == ["Development", "Gap", "Test"]
    assert table.rows[2].cells[2] == f"{record.evaluation.sizes['test'].rows:,}"


def test_each_suspect_stands_with_evidence_and_the_line_that_vouches_for_it() -> None:
    hunt = LeakHunt(
        left_out=(suspect("leads", "closed_by"), suspect("events", "contract_sent")),
        trusted=(suspect("leads", "tier"),),
        in_points=(suspect("leads", "plan"),),
        to_ask=(suspect("accounts", "owner", "look"),),
    )

    rows = {each.suspect.column: each for each in hunt_rows(hunt)}

    assert rows["closed_by"].done == Mark("bad", "left out")
    assert rows["closed_by"].line == 'attributes.trusted = ["closed_by"]'
    assert rows["contract_sent"].line == 'events.trusted = ["contract_sent"]'
    assert (rows["tier"].done, rows["tier"].line) == (Mark("open", "used on your word"), "")
    assert rows["plan"].done == Mark("open", "read by your points table")
    assert (rows["owner"].done, rows["owner"].line) == (Mark("open", "used; ask who writes it"), "")
    assert hunt_words(hunt).endswith(
        "Suspects: 2 left out, 1 used on your word, 1 read by your points table, 1 to ask about."
    )


def test_a_hunt_that_found_nothing_says_that_it_looked() -> None:
    assert hunt_rows(LeakHunt()) == []
    assert hunt_words(LeakHunt()).endswith("was tested for knowing the outcome. Nothing was found.")
