"""What two nights of scoring write down beside the figures, from a real model's runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import RowMapping, select

from pipeline.config import Project, load_project
from pipeline.ledger.attribution import what_changed
from pipeline.ledger.facts import Lines, RunFacts
from pipeline.ledger.run_before import run_before
from pipeline.ledger.schema import DETAILS, OUTCOMES, RUNS, SCORES
from pipeline.ledger.store import open_ledger
from tests.pipeline.conftest import TABLES, Crm, Run, manifest, scores
from tests.pipeline.ledger.runs_by_hand import add_run, night

FIRST, SECOND = "2025-11-01", "2025-11-02"
WHEN = {
    "events": "occurred_at",
    "outcomes": "occurred_at",
    "field_changes": "changed_at",
    "leads": "created_at",
}
SHOWN = """
[ledger.shown]
name = "email"
company = "account_name"
segment = "segment"
"""


@dataclass
class Nights:
    """The CRM's tables as they stood on the first evening, what comes by the second, and a project over them."""

    crm: Crm
    folder: Path
    tables: dict[str, pd.DataFrame]
    project: Path

    def score(self, as_of: str, *more: object) -> Run:
        """Write the tables out and score them."""
        for name, table in self.tables.items():
            table.to_csv(self.folder / f"{name}.csv", index=False, lineterminator="\n")
        output = self.folder / f"scores-{as_of}.parquet"
        run = self.crm.score(output, "-p", self.project, "--data", self.folder, "--as-of", as_of, *more)
        assert run.code == 0, run.err
        return run

    def scores(self, as_of: str) -> pd.DataFrame:
        """What was published, by lead."""
        return scores(self.folder / f"scores-{as_of}.parquet")

    def add(self, table: str, *rows: dict[str, str]) -> None:
        """Rows that were recorded since; columns left out are empty."""
        known = self.tables[table]
        new = pd.DataFrame([{**dict.fromkeys(known.columns, ""), **row} for row in rows])
        self.tables[table] = pd.concat([known, new], ignore_index=True)

    def kept(self, run: int) -> dict[str, RowMapping]:
        """What the ledger holds of each lead."""
        loaded = load_project(self.project)
        asked = (
            select(SCORES, *(column for column in DETAILS.c if column.name not in {"run", "rank"}))
            .join_from(SCORES, DETAILS, (DETAILS.c.run == SCORES.c.run) & (DETAILS.c.rank == SCORES.c.rank))
            .where(SCORES.c.run == run)
        )
        with open_ledger(loaded).reading() as connection:
            return {row["lead_id"]: row for row in connection.execute(asked).mappings()}

    def run(self, number: int) -> RowMapping:
        """A run as the ledger holds it."""
        with open_ledger(load_project(self.project)).reading() as connection:
            return connection.execute(select(RUNS).where(RUNS.c.number == number)).mappings().one()

    def outcomes(self) -> set[tuple[Any, ...]]:
        """(lead, outcome, is_won, hour of its end, run) of every outcome."""
        with open_ledger(load_project(self.project)).reading() as connection:
            rows = connection.execute(select(OUTCOMES)).mappings().all()
        return {
            (row["lead_id"], row["outcome"], row["is_won"], f"{row['ended_at']:%d %H}", row["run"])
            for row in rows
        }


def nights_of(crm: Crm, folder: Path, url: str, more: str = "") -> Nights:
    """The CRM as it stood before the first night."""
    tables = {
        name: pd.read_csv(crm.folder / f"{name}.csv", dtype=str, keep_default_na=False) for name in TABLES
    }
    for name, column in WHEN.items():
        tables[name] = tables[name][tables[name][column] < FIRST].reset_index(drop=True)
    project = crm.written(folder / "lead-scoring.toml", f'\n[ledger]\nurl = "{url}"\n{SHOWN}{more}')
    return Nights(crm, folder, tables, project)


@pytest.fixture
def nights(crm: Crm, tmp_path: Path) -> Nights:
    """Two nights to come and an empty ledger in SQLite."""
    return nights_of(crm, tmp_path, "sqlite:///ledger.db")


@pytest.fixture(scope="module")
def one(crm: Crm, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """The first night scored; nobody scores on."""
    found = nights_of(crm, tmp_path_factory.mktemp("one"), "sqlite:///ledger.db")
    found.score(FIRST)
    return found


def at(hour: float, day: str = FIRST) -> str:
    """A moment after an evening."""
    return f"{pd.Timestamp(day, tz='UTC') + pd.Timedelta(hours=hour):%Y-%m-%dT%H:%M:%S.%fZ}"


def asleep(found: Nights, since: str = "2025-10-02") -> list[str]:
    """Open leads created long before the first night and without any event in the 30 days before it."""
    events, leads = found.tables["events"], found.tables["leads"]
    recent = set(events.loc[events["occurred_at"] >= since, "lead_id"])
    old = set(leads.loc[leads["created_at"] < since, "lead_id"])
    return [lead for lead in found.scores(FIRST).index if lead in old - recent]


def test_the_second_night_writes_down_exactly_what_is_new(crm: Crm, project: Project, tmp_path: Path) -> None:
    found = nights_of(crm, tmp_path / "nights", str(project.ledger.url))
    found.score(FIRST)
    sleeper = asleep(found)[0]
    busy, moved, lost, won, again, late = [
        each for each in found.scores(FIRST).index if each not in asleep(found)
    ][:6]
    found.add(
        "events",
        {"lead_id": busy, "occurred_at": at(3), "event_type": "pricing_view", "channel": "web"},
        {"lead_id": busy, "occurred_at": at(2), "event_type": "form_submit", "channel": "web"},
        {"lead_id": busy, "occurred_at": at(24), "event_type": "meeting", "channel": "web"},
        {"lead_id": sleeper, "occurred_at": at(5), "event_type": "page_view", "channel": "web"},
    )
    change = {"field": "lifecycle_stage", "new_value": "opportunity"}
    found.add("field_changes", {"lead_id": moved, "changed_at": at(5), **change},
              {"lead_id": late, "changed_at": at(24), **change})  # fmt: skip
    endings = (
        (lost, 6, "lost"),
        (won, 7, "won"),
        (again, 2, "lost"),
        (again, 4, "reopened"),
        (late, 24, "lost"),
    )
    found.add(
        "outcomes",
        *({"lead_id": lead, "occurred_at": at(hour), "outcome": name} for lead, hour, name in endings),
    )
    found.score(SECOND)
    found.score(SECOND)

    first, second, run = found.kept(1), found.kept(2), found.run(2)
    assert run["event_watermark"] == pd.Timestamp(at(5))
    assert (run["horizon_days"], run["scored"], first.keys() - second.keys()) == (
        30.0,
        len(second),
        {lost, won},
    )
    assert {lead: json.loads(row["events"]) for lead, row in second.items() if row["events"]} == {
        busy: [["2025-11-01T02:00:00+00:00", "form_submit"], ["2025-11-01T03:00:00+00:00", "pricing_view"]],
        sleeper: [["2025-11-01T05:00:00+00:00", "page_view"]],
    }
    assert [lead for lead, row in second.items() if row["is_awake"]] == [sleeper]
    assert {lead for lead in second if second[lead]["attributes"] != first[lead]["attributes"]} == {moved}
    assert {lead: (row["score_before"], row["band_before"]) for lead, row in second.items()} == {
        lead: (first[lead]["score"], first[lead]["band"]) for lead in second
    }
    assert found.outcomes() == {
        (lost, "lost", False, "01 06", 2), (won, "won", True, "01 07", 2), (again, "lost", False, "01 02", 2),
    }  # fmt: skip
    trend = found.scores(SECOND)["trend"]
    assert trend.to_dict() == {lead: row["score"] - row["score_before"] for lead, row in second.items()}
    with open_ledger(load_project(found.project)).reading() as connection:
        told = what_changed(connection, "sample-crm", moved)
    assert told is not None
    stages = [(each.name, each.new) for each in told.attributes]
    assert (stages, told.events, told.is_new_model) == ([("lifecycle_stage", "opportunity")], (), False)
    assert sum(part.points for part in told.parts) == pytest.approx(trend[moved], abs=1e-9)


def test_a_first_night_knows_of_no_night_before(one: Nights) -> None:
    rows, events = one.kept(1), one.tables["events"]
    kept = {lead: json.loads(row["events"] or "[]") for lead, row in rows.items()}
    assert one.scores(FIRST)["trend"].isna().all()
    assert not any(row["score_before"] or row["band_before"] for row in rows.values())
    assert one.outcomes() == set()
    assert max(len(each) for each in kept.values()) == 30
    told = events.drop_duplicates().groupby("lead_id")["occurred_at"].apply(lambda times: sorted(times)[-30:])
    assert {lead: [moment[:19] for moment, _ in each] for lead, each in kept.items()} == {
        lead: [moment[:19].replace(" ", "T") for moment in told.get(lead, [])] for lead in kept
    }


def test_people_companies_and_raw_values_are_those_of_the_tables(one: Nights) -> None:
    names = json.loads(one.run(1)["attributes"])
    leads = one.tables["leads"].set_index("lead_id")
    accounts = one.tables["accounts"].set_index("account_id")
    for lead, row in one.kept(1).items():
        own, values = leads.loc[lead], dict(zip(names, json.loads(row["attributes"]), strict=True))
        company = accounts["account_name"].get(str(own["account_id"]))
        assert (row["account_id"] or "", row["name"] or "") == (own["account_id"], own["email"])
        assert (row["company"], row["owner"], row["segment"]) == (company or None, None, own["segment"])
        assert (values["email"] or "") == own["email"].partition("@")[2]
        assert str("" if values["budget"] is None else values["budget"]) == own["budget"]
        assert values["consent"] is (own["consent"] == "true")
        is_null = own["job_title"] in {"", "Select", "unknown"}
        assert values["job_title"] == (None if is_null else own["job_title"])
    assert "lead_status" not in names


def test_further_holds_the_optional_columns_that_say_something(one: Nights) -> None:
    published = one.scores(FIRST)
    for lead, row in one.kept(1).items():
        told = {name: published.loc[lead, name] for name in ("funnel_stage", "funnel_change")}
        assert json.loads(row["further"]) == told


def test_what_is_shown_reaches_no_file_beside_the_scores_and_no_manifest(one: Nights) -> None:
    names = {row["name"] for row in one.kept(1).values() if row["name"]}
    output = one.folder / f"scores-{FIRST}.parquet"
    texts = [output.with_suffix(".manifest.json").read_text(encoding="utf-8")]
    texts += [scores(output).to_csv(), one.run(1)["manifest"]]
    assert len(names) > 50
    assert not [name for name in names if any(name in text for text in texts)]


def test_a_rerun_gives_the_same_bytes_and_another_run_of_the_moment_compares_with_the_same_night(
    nights: Nights, tmp_path: Path
) -> None:
    nights.score(FIRST)
    nights.score(SECOND)
    output = nights.folder / f"scores-{SECOND}.parquet"
    before, ledger_run = output.read_bytes(), manifest(output)["ledger_run"]
    nights.score(SECOND)
    assert (output.read_bytes(), manifest(output)["ledger_run"]) == (before, ledger_run)
    lines = nights.project.read_text(encoding="utf-8") + "\n[score]\ntop_reasons = 3\n"
    nights.project.write_text(lines, encoding="utf-8")

    nights.score(SECOND)

    assert manifest(output)["ledger_run"] != ledger_run
    first, third = nights.kept(1), nights.kept(3)
    assert {lead: row["score_before"] for lead, row in third.items()} == {
        lead: first[lead]["score"] for lead in third
    }


def test_the_run_before_is_the_latest_complete_one_of_an_earlier_moment(project: Project) -> None:
    ledger = open_ledger(project, is_new_allowed=True)
    add_run(ledger, project.name, 1, {"L1": 10.0})
    add_run(ledger, project.name, 3, {"L1": 30.0})
    add_run(ledger, project.name, 2, {"L1": 20.0, "L2": 60.0})
    add_run(ledger, project.name, 2, {"L1": 21.0}, is_complete=False, recorded_at=night(9))
    add_run(ledger, "another", 2, {"L1": 90.0})

    found = run_before(project, _microseconds(3))

    assert found is not None
    assert dict(found.scores) == {("L1", ""): (20.0, "below"), ("L2", ""): (60.0, "MQL")}
    assert (found.as_of, found.moments) == (_microseconds(2), (_microseconds(1), _microseconds(2)))
    assert run_before(project, _microseconds(1)) is None


def test_lines_are_made_as_they_are_read() -> None:
    made: list[slice] = []

    def squares(part: slice) -> list[int]:
        made.append(part)
        return [each * each for each in range(part.start, part.stop)]

    lines = Lines(25_000, squares)

    assert (lines[3], lines[-1], lines[10:13], lines[24_998:30_000]) == (
        9, 24_999**2, [100, 121, 144], [24_998**2, 24_999**2],
    )  # fmt: skip
    assert max(part.stop - part.start for part in made) == 3
    assert list(lines) == [each * each for each in range(25_000)]
    with pytest.raises(IndexError):
        lines[25_000]


def test_facts_without_anything_to_tell_have_a_value_a_row() -> None:
    assert {name: len(values) for name, values in RunFacts.none(3).columns.items()} == dict.fromkeys(
        RunFacts.none(0).columns, 3
    )


def _microseconds(day: int) -> int:
    return int(night(day).timestamp() * 1e6)
