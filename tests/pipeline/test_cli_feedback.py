"""Feedback and decisions by the command line; the ledger is filled by hand, nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.config import load_project
from pipeline.ledger.store import open_ledger
from tests.pipeline.conftest import Run, run_command
from tests.pipeline.ledger.runs_by_hand import add_run

PROJECT = """
name = "crm"

[data]
leads = { path = "leads.csv" }
outcomes = { path = "outcomes.csv" }

[ledger]
url = "sqlite:///ledger.db"
"""
HEAD = "lead_id,verdict,code,note,worked_at,by\n"
GOOD = (
    'L1,accept,good fit,"called, twice\nnice",2026-01-02T10:00:00Z,ann\n'
    "\n"
    "L2,Reject,No Budget,,,ann\n"
    "L3,,,,2026-01-05T10:00:00+01:00,ben\n"
)


@dataclass(frozen=True)
class Kept:
    """A project with a ledger of two runs."""

    folder: Path

    def run(self, *arguments: object) -> Run:
        """A command on the project."""
        return run_command(*map(str, arguments), "-p", self.folder / "lead-scoring.toml")

    def file(self, text: str) -> Path:
        """A CSV of that text."""
        path = self.folder / "answers.csv"
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def crm(tmp_path: Path) -> Kept:
    """L1 to L3 of accounts A1 to A3, scored on the 1st and the 3rd of January."""
    (tmp_path / "lead-scoring.toml").write_text(PROJECT, encoding="utf-8")
    project = load_project(tmp_path / "lead-scoring.toml")
    for day, score in ((1, 30.0), (3, 60.0)):
        add_run(
            open_ledger(project, is_new_allowed=True), "crm", day, {"L1": score, "L2": 85.0, "L3": score - 20}
        )
    return Kept(tmp_path)


def day(days: int) -> str:
    """A day from today on."""
    return str(datetime.now(UTC).date() + timedelta(days=days))


def test_a_file_is_added_once_and_listed_with_the_scores_of_the_time(crm: Kept) -> None:
    file = crm.file(HEAD + GOOD)

    first, second = (crm.run("feedback", "import", file, "--json") for _ in range(2))
    told = crm.run("feedback", "import", file)
    listed = crm.run("feedback", "list", "--json").json["feedback"]

    assert first.json == {"rows_in": 3, "added": 3, "already_there": 0, "refused": 0, "faults": []}
    assert second.json == {"rows_in": 3, "added": 0, "already_there": 3, "refused": 0, "faults": []}
    assert (first.code, second.code, told.code) == (0, 0, 0)
    assert told.out.splitlines() == ["3 rows in = 0 added + 3 already there + 0 refused"]
    assert [(each["lead_id"], each["verdict"], each["code"], each["score"]) for each in listed] == [
        ("L3", None, None, 40.0), ("L2", "reject", "no budget", 85.0), ("L1", "accept", "good fit", 30.0),
    ]  # fmt: skip
    assert listed[2]["note"] == "called, twice\nnice"
    assert listed[0]["worked_at"] == "2026-01-05T09:00:00+00:00"
    assert listed[0]["source"] == "answers.csv"


def test_rows_alike_are_one_answer_and_a_longer_file_adds_what_is_new(crm: Kept) -> None:
    double = crm.run(
        "feedback", "import", crm.file(HEAD + GOOD + "L2,reject,no budget,,,ann\n"), "--json"
    ).json
    more = crm.run("feedback", "import", crm.file(HEAD + GOOD + "L2,accept,,,,ann\n"), "--json").json
    in_utc = GOOD.replace("10:00:00+01:00", "09:00:00Z")
    same = crm.run("feedback", "import", crm.file(HEAD + in_utc), "--json").json

    assert (double["rows_in"], double["added"], double["already_there"]) == (4, 3, 1)
    assert (more["rows_in"], more["added"], more["already_there"]) == (4, 1, 3)
    assert (same["added"], same["already_there"]) == (0, 3)


def test_bad_rows_are_listed_and_nothing_is_written_unless_they_are_to_be_skipped(crm: Kept) -> None:
    bad = (
        "L9,accept,,,,ann\n"
        "\n"
        "L1,maybe,,,,ann\n"
        "L1,accept,,,2026-01-02,ann\n"
        "L1,accept,,,noon,ann\n"
        "L1,accept,,,,ann,ben\n"
        "L1,accept\n"
    )
    file = crm.file(HEAD + GOOD + bad)

    refused = crm.run("feedback", "import", file)
    before = crm.run("feedback", "list", "--json").json["feedback"]
    skipped = crm.run("feedback", "import", file, "--skip-bad", "--json")
    again = crm.run("feedback", "import", file, "--skip-bad")

    assert refused.code == 2
    assert "6 of 9 rows in" in refused.err
    assert "nothing was written" in refused.err
    assert before == []
    assert skipped.code == again.code == 3
    found = skipped.json
    faults = [(each["line"], each["why"]) for each in found.pop("faults")]
    assert found == {"rows_in": 9, "added": 3, "already_there": 0, "refused": 6}
    assert faults == [
        (7, "no run of crm in the ledger has scored 'L9'"),
        (9, "The verdict 'maybe' is none of accept, reject."),
        (10, "worked_at is 2026-01-02 00:00:00, without a zone; write 2026-03-31T09:00:00Z."),
        (11, "worked_at is 'noon', expected a moment such as 2026-03-31T09:00:00Z"),
        (12, "it has more cells than the header; put texts with a comma in quotes"),
        (13, "by is empty; it is kept with what was decided, so that it can be understood later."),
    ]
    assert again.out.splitlines()[:2] == [
        "9 rows in = 0 added + 3 already there + 6 refused",
        "- line 7: no run of crm in the ledger has scored 'L9'",
    ]
    for line, why in faults:
        assert f"line {line}: {why}" in refused.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "lead_id,verdict\nL1,accept\n",
            "without 'by'. Expected are lead_id, verdict, code, note, worked_at, by",
        ),
        ("lead_id;by\n", "without 'lead_id', 'by'; with the unknown 'lead_id;by'"),
        ("lead_id,by,worked_on\n", "with the unknown 'worked_on'"),
        ("lead_id,by,by\n", "twice with 'by'"),
        ("", "without 'lead_id', 'by'"),
    ],
)
def test_a_header_of_another_kind_is_refused(crm: Kept, text: str, words: str) -> None:
    run = crm.run("feedback", "import", crm.file(text))

    assert run.code == 2
    assert words in run.err


def test_a_file_that_cannot_be_read_is_said(crm: Kept) -> None:
    (crm.folder / "latin.csv").write_bytes(b"lead_id,by\nL1,Andr\xe9\n")

    for name in ("latin.csv", "absent.csv", "."):
        run = crm.run("feedback", "import", crm.folder / name)
        assert run.code == 2
        assert "Feedback is a CSV in UTF-8" in run.err


def test_answers_of_one_lead_are_listed_as_a_table(crm: Kept) -> None:
    crm.run("feedback", "import", crm.file(HEAD + GOOD))

    head, row = crm.run("feedback", "list", "--lead", "L1").out.splitlines()

    assert head.split() == ["lead", "answer", "reason", "worked", "score", "band", "by", "recorded", "note"]
    assert row.startswith("L1   accept good fit 2026-01-02 10:00  30.0 below ann")
    assert row.rstrip().endswith("called, twice nice")
    assert len(crm.run("feedback", "list", "--limit", "2", "--json").json["feedback"]) == 2


def test_a_decision_is_recorded_listed_and_lifted(crm: Kept) -> None:
    held = crm.run(
        "override", "L1", "--hold", "--why", "legal check", "--owner", "Kim", "--until", day(7), "--by", "ann"
    )
    out = crm.run(
        "override", "--account", "A2", "--disqualify", "--why", "a competitor", "--by", "ann", "--json"
    )

    assert held.code == out.code == 0
    assert held.out.startswith(
        f"Recorded decision 1: hold L1 (Kim: legal check), counts up to {day(7)}. The next"
    )
    assert datetime.fromisoformat(out.json["recorded_at"]).tzinfo is not None
    assert {name: value for name, value in out.json.items() if name != "recorded_at"} == {
        "number": 2, "kind": "account_id", "subject": "A2", "action": "disqualify", "owner": "ann",
        "reason": "a competitor", "until": None, "by": "ann",
    }  # fmt: skip
    assert [each["subject"] for each in crm.run("override", "--json").json["decisions"]] == ["A2", "L1"]
    assert crm.run("override", "L1", "--lift", "--why", "signed", "--by", "ann").code == 0
    assert [each["subject"] for each in crm.run("override", "--json").json["decisions"]] == ["A2"]
    lines = crm.run("override", "L1").out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["L1", "lift"], ["L1", "hold"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hold"], "A decision is about a lead or --account ID, and one of"),
        (["L1", "--account", "A1", "--hold"], "A decision is about a lead or --account ID"),
        (["L1", "--hold", "--raise"], "A decision is about a lead or --account ID"),
        (["L1", "--hold", "--why", "x"], "The action 'hold' needs `until`"),
        (["L1", "--hold", "--until", "soon"], "--until is 'soon', expected a day such as 2026-03-31"),
        (["L1", "--disqualify"], "reason is empty"),
        (["L1", "--until", "2099-01-01", "--why", "on leave"], "Say what is decided: --raise, --hold"),
        (["L9", "--disqualify", "--why", "x"], "knows the lead 'L9'"),
    ],
)
def test_a_decision_that_is_not_whole_is_refused(crm: Kept, arguments: list[str], words: str) -> None:
    run = crm.run("override", *arguments)

    assert run.code == 2
    assert words in run.err
    assert crm.run("override", "--json").json["decisions"] == []


def test_without_a_ledger_and_for_other_entities_there_are_no_decisions(crm: Kept) -> None:
    file = crm.folder / "lead-scoring.toml"

    file.write_text(PROJECT.replace('url = "sqlite:///ledger.db"', ""), encoding="utf-8")
    without = crm.run("override", "L1", "--disqualify", "--why", "x")
    file.write_text(PROJECT.replace("ledger.db", "none.db"), encoding="utf-8")
    absent = crm.run("feedback", "list")
    file.write_text(PROJECT + '[target]\nentity = "account"\n', encoding="utf-8")
    other = crm.run("override", "L1", "--disqualify", "--why", "x")

    assert [each.code for each in (without, absent, other)] == [2, 2, 2]
    assert "The project keeps no ledger" in without.err
    assert "lead-scoring score starts it" in absent.err
    assert not (crm.folder / "none.db").exists()
    assert "Overrides are decisions about leads" in other.err
