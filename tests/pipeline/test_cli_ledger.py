"""Scoring into a ledger and asking it, by the real command line."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.pipeline.conftest import Crm, Run, manifest, run_command, scores

EARLY, LATE = "2025-09-01", "2025-09-15"


@dataclass(frozen=True)
class Kept:
    """A project whose ledger holds two runs; `early` and `late` are their outputs."""

    project: Path
    early: Path
    late: Path

    def run(self, command: str, *arguments: object) -> Run:
        """A command on the project."""
        return run_command(command, *arguments, "-p", self.project)


def with_ledger(crm: Crm, folder: Path, url: str = "sqlite:///ledger.db") -> Path:
    """The CRM's project with a ledger beside its file."""
    return crm.written(folder / "lead-scoring.toml", f'\n[ledger]\nurl = "{url}"\n')


@pytest.fixture(scope="module")
def two(crm: Crm, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Two runs of two weeks apart, the second one run twice."""
    folder = tmp_path_factory.mktemp("ledger")
    found = Kept(with_ledger(crm, folder), folder / "early.parquet", folder / "late.parquet")
    for moment, output in ((EARLY, found.early), (LATE, found.late), (LATE, found.late)):
        assert crm.score(output, "-p", found.project, "--as-of", moment).code == 0
    return found


def test_a_ledger_adds_the_trend_alone_and_the_manifest_names_the_run(
    crm: Crm, two: Kept, tmp_path: Path
) -> None:
    for moment in (EARLY, LATE):
        assert crm.score(tmp_path / f"{moment}.parquet", "--as-of", moment).code == 0

    with_run, without = manifest(two.late), manifest(tmp_path / f"{LATE}.parquet")
    assert two.early.read_bytes() == (tmp_path / f"{EARLY}.parquet").read_bytes()
    late, plain = scores(two.late), scores(tmp_path / f"{LATE}.parquet")
    pd.testing.assert_frame_equal(late.drop(columns="trend"), plain.drop(columns="trend"))
    change = (late["score"] - scores(two.early)["score"]).reindex(late.index)
    pd.testing.assert_series_equal(late["trend"], change, check_names=False)
    assert 0 < late["trend"].isna().sum() < len(late)
    assert len(with_run.pop("ledger_run")) == 64
    without.pop("files"), with_run.pop("files")
    assert with_run == without


def test_a_rerun_is_the_same_run(two: Kept) -> None:
    found = two.run("runs", "--json").json["runs"]

    assert [(each["number"], each["as_of"][:10]) for each in found] == [(1, EARLY), (2, LATE)]
    assert [each["run_id"] for each in found] == [manifest(p)["ledger_run"] for p in (two.early, two.late)]
    assert [each["scored"] for each in found] == [manifest(p)["scored"] for p in (two.early, two.late)]


def test_words_that_sales_reads_make_another_run_and_the_size_of_a_chunk_does_not(
    crm: Crm, tmp_path: Path
) -> None:
    ids = []
    for settings in ("", "\n[score]\nchunk_rows = 50\n", "\n[score]\ntop_reasons = 2\n"):
        project = crm.written(tmp_path / "p.toml", '\n[ledger]\nurl = "sqlite:///ledger.db"\n' + settings)
        assert crm.score(tmp_path / "s.parquet", "-p", project, "--as-of", LATE).code == 0
        ids.append(manifest(tmp_path / "s.parquet")["ledger_run"])

    assert ids[0] == ids[1] != ids[2]


def test_the_rows_are_those_of_the_output_and_their_contributions_add_up(two: Kept) -> None:
    published = scores(two.late).reset_index()

    with sqlite3.connect(two.project.parent / "ledger.db") as ledger:
        kept = pd.read_sql(
            "SELECT * FROM ledger_scores JOIN ledger_details USING (run, rank) WHERE run = 2 ORDER BY rank",
            ledger,
        )

    sums = kept["base_score"] + [sum(json.loads(line)) for line in kept["contributions"]]
    assert kept["lead_id"].tolist() == published["lead_id"].tolist()
    for name in ("probability", "score", "band", "fit_grade", "engagement_grade", "base_score"):
        assert kept[name].tolist() == published[name].tolist()
    assert pd.to_datetime(kept["silent_until"], utc=True).equals(
        published["silent_until"].astype("datetime64[us, UTC]")
    )
    inside = published["reasons"].map(lambda lines: all(each["group"] != "limit" for each in lines))
    assert np.abs(sums - kept["score"])[inside].max() < 1e-4
    assert inside.sum() > 100


def test_a_history_says_what_was_published(two: Kept) -> None:
    early, late = scores(two.early), scores(two.late)
    lead = str(early.index.intersection(late.index)[0])
    a, b = early.loc[lead].to_dict(), late.loc[lead].to_dict()

    found = two.run("history", lead, "--json").json["scores"]
    printed = two.run("history", lead).out.splitlines()

    assert [each["score"] for each in found] == [a["score"], b["score"]]
    assert [each["change"] for each in found] == [None, b["score"] - a["score"]]
    assert [each["band"] for each in found] == [a["band"], b["band"]]
    assert [each["first_reason"]["text"] for each in found] == [
        a["reasons"][0]["text"],
        b["reasons"][0]["text"],
    ]
    assert len(printed) == 3
    assert printed[0].split()[:5] == ["run", "as", "of", "score", "change"]
    assert f"{found[1]['change']:+.1f}" in printed[2]
    most = found[1]["moved_most_by"]
    assert (found[0]["moved_most_by"], found[1]["is_new_model"], found[1]["is_new_scale"]) == (
        None,
        False,
        False,
    )
    assert f"{most['words']} {most['points']:+.1f}" in printed[2]
    assert found[1]["first_reason"]["text"] in printed[2]


@pytest.mark.parametrize("asked", [(), ("latest", "previous"), ("1", "2"), ("2", "previous")])
def test_a_comparison_is_what_a_sales_manager_counts_in_the_files(two: Kept, asked: tuple[str, ...]) -> None:
    found: dict[str, Any] = two.run("compare", *asked, "--json", "--top", 3).json
    early, late = scores(two.early), scores(two.late)
    both = early.add_suffix("_a").join(late.add_suffix("_b"), how="inner")
    change = both["score_b"] - both["score_a"]
    crossed = both[both["band_a"] != both["band_b"]].groupby(["band_a", "band_b"]).size()

    assert (found["before"]["number"], found["after"]["number"]) == (1, 2)
    assert (found["both"], found["new"]["count"], found["gone"]["count"]) == (
        len(both), len(late.index.difference(early.index)), len(early.index.difference(late.index)),
    )  # fmt: skip
    assert found["mean_change"] == pytest.approx(change.mean())
    assert sum(each["mean_change"] for each in found["parts"]) == pytest.approx(change.mean())
    assert {(each["from"], each["to"]): each["count"] for each in found["crossings"]} == crossed.to_dict()
    assert [abs(each["change"]) for each in found["moved"]] == pytest.approx(
        change.abs().nlargest(3).tolist()
    )
    assert min(found["both"], found["new"]["count"], found["gone"]["count"], len(crossed)) > 0


def test_a_comparison_is_printed_for_people(two: Kept) -> None:
    said = two.run("compare", "--top", 2).out

    found: dict[str, Any] = two.run("compare", "--json", "--top", 2).json
    assert said.startswith(f"Run 2 ({LATE} 00:00, model ")
    assert f"- {found['both']:,} leads in both: {found['up']:,} up, {found['down']:,} down" in said
    for title in ("Bands crossed", "Who moved most", "What moved the scores, points a lead"):
        assert f"\n{title}\n" in said
    assert all(each["lead_id"] in said for each in found["moved"])
    listed = said.split("What moved the scores, points a lead\n")[1].splitlines()[1:]
    assert len(listed) == 3
    assert listed[2].startswith(f"{len(found['parts']) - 2} others together ")
    means = [float(re.findall(r"[+-]?\d+\.\d\d", line)[0]) for line in listed]
    assert sum(means) == pytest.approx(found["mean_change"], abs=0.02)


def test_a_lead_is_forgotten_and_the_files_are_said_to_stand(crm: Crm, tmp_path: Path) -> None:
    project = with_ledger(crm, tmp_path)
    crm.score(tmp_path / "s.parquet", "-p", project)
    lead = str(scores(tmp_path / "s.parquet").index[0])

    said = run_command("forget", lead, "--why", "asked", "--by", "dpo", "-p", project)
    again = run_command("forget", lead, "--why", "asked", "--by", "dpo", "-p", project)

    assert (said.code, said.out[:28]) == (0, "Deleted 1 scores; recorded a")
    assert (again.code, f"no score of '{lead}'" in again.err) == (2, True)
    assert run_command("history", lead, "-p", project).code == 2


def test_without_a_ledger_its_commands_say_how_to_keep_one(crm: Crm) -> None:
    said = run_command("runs", "-p", crm.project)

    assert said.code == 2
    assert 'Add [ledger] url = "sqlite:///ledger.db"' in said.err


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("oracle://ann:hush@db/x", 2, "kept in a file of SQLite or in PostgreSQL"),
        ("sqlite:////proc/nowhere/ledger.db", 7, "can't be made"),
    ],
)
def test_a_ledger_that_can_t_be_used_is_told_before_any_work_and_nothing_is_published(
    crm: Crm, tmp_path: Path, url: str, code: int, words: str
) -> None:
    said = crm.score(tmp_path / "s.parquet", "-p", with_ledger(crm, tmp_path, url))

    assert (said.code, words in said.err, "hush" in said.err) == (code, True, False)
    assert not list(tmp_path.glob("s.*"))
