"""Scoring: the same bits however it is asked, at any moment, with reasons that add up."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import BundleError
from models.bundle import load_bundle
from pipeline.config import load_project
from pipeline.open_leads import leads_to_score, tables_for
from pipeline.output import OPTIONAL
from tests.pipeline.conftest import FLAT, Crm, manifest, run_command, scores

PAST = "2025-09-15T10:00:00+00:00"


def _files(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(output.parent.glob(f"{output.stem}.*"))}


@pytest.mark.parametrize("name", ["scores.parquet", "scores.csv"])
def test_a_rerun_writes_the_same_bytes(crm: Crm, tmp_path: Path, name: str) -> None:
    output = tmp_path / name

    assert crm.score(output).code == 0
    first = _files(output)
    assert crm.score(output).code == 0

    assert set(first) == {name, "scores.not_open.csv", "scores.quarantine.csv", "scores.manifest.json"}
    assert _files(output) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(first)


@pytest.mark.parametrize("chunk_rows", [1, 7, 20_000])
def test_the_chunk_size_changes_no_byte(crm: Crm, scored: Path, tmp_path: Path, chunk_rows: int) -> None:
    project = crm.written(tmp_path / "lead-scoring.toml", f"\n[score]\nchunk_rows = {chunk_rows}\n")

    assert crm.score(tmp_path / "scores.parquet", "-p", project).code == 0

    assert _files(tmp_path / "scores.parquet") == _files(scored)


def test_base_and_all_reasons_add_up_to_every_score(crm: Crm, tmp_path: Path) -> None:
    for top in (1, 5, 50):
        project = crm.written(tmp_path / "lead-scoring.toml", f"\n[score]\ntop_reasons = {top}\n")
        assert crm.score(tmp_path / f"s{top}.parquet", "-p", project).code == 0

        found = scores(tmp_path / f"s{top}.parquet")
        sums = found["base_score"] + [sum(each["points"] for each in lines) for lines in found["reasons"]]
        named = [
            [each for each in lines if each["group"] not in {"rest", "limit"}] for lines in found["reasons"]
        ]
        assert np.abs(sums - found["score"]).max() <= 1e-6
        assert max(len(lines) for lines in named) == top or top == 50
        assert all(each["text"] for lines in found["reasons"] for each in lines)
        assert all(
            abs(a["points"]) >= abs(b["points"]) - 1e-12
            for lines in named for a, b in pairwise(lines)
        )  # fmt: skip


def test_the_list_is_in_call_order_and_the_bands_follow_the_lines(crm: Crm, scored: Path) -> None:
    found = scores(scored)

    keys = list(zip(-found["probability"], found.index, strict=True))
    anchors = json.loads((crm.bundle / "bands.json").read_text(encoding="utf-8"))["anchors"]
    p_mql, p_sql = anchors["p_mql"], anchors["p_sql"]
    expected = np.select(
        [found["probability"] >= p_sql, found["probability"] >= p_mql], ["SQL", "MQL"], "below"
    )
    assert keys == sorted(keys)
    assert found["band"].tolist() == expected.tolist()
    assert set(expected) == {"SQL", "MQL", "below"}
    assert ((found["score"] >= 50) == (found["probability"] >= p_mql)).all()
    assert ((found["score"] >= 80) == (found["probability"] >= p_sql)).all()
    assert found["score"].between(0, 100).all()
    assert found["probability"].between(0, 1, inclusive="neither").all()


def test_columns_of_features_that_are_off_are_there_and_null(scored: Path) -> None:
    found = scores(scored)

    every = [name for name, _ in OPTIONAL]
    off = [name for name in every if not name.startswith("funnel_")]  # the sample declares stages
    assert list(found.columns) == [
        "as_of", "probability", "score", "band", "fit_grade", "engagement_grade", "expected_value", "trend",
        "silent_until", "reasons", "base_score", "model_version", "warnings", *every,
    ]  # fmt: skip
    assert found[["expected_value", "trend", *off]].isna().all(axis=None)
    assert set(found["funnel_change"]) <= {"up", "down", "same", "new"}
    assert set(found["funnel_stage"]) <= {"(none)", "awareness", "consideration", "decision"}
    assert set(found["fit_grade"]) <= set("ABCD")
    assert set(found["engagement_grade"]) <= set("1234")


def test_csv_and_parquet_say_the_same(crm: Crm, scored: Path, tmp_path: Path) -> None:
    run = crm.score(tmp_path / "scores.csv")

    flat = pd.read_csv(tmp_path / "scores.csv", dtype={"lead_id": str})
    found = scores(scored).reset_index()
    assert run.code == 0
    assert flat["lead_id"].tolist() == found["lead_id"].tolist()
    for name in ("probability", "score", "base_score", "band", "fit_grade", "model_version"):
        assert flat[name].tolist() == found[name].tolist()
    assert pd.to_datetime(flat["as_of"]).tolist() == found["as_of"].tolist()
    for number in range(7):
        lines = [each[number] if number < len(each) else None for each in found["reasons"]]
        assert [None if pd.isna(t) else t for t in flat[f"reason_{number + 1}"]] == [
            each and each["text"] for each in lines
        ]
        points = flat[f"reason_{number + 1}_points"]
        assert [None if pd.isna(p) else p for p in points] == [each and each["points"] for each in lines]
    assert "reason_8" not in flat
    assert manifest(tmp_path / "scores.csv")["scored"] == len(flat)


def test_the_ending_of_the_output_decides_its_format(crm: Crm, tmp_path: Path) -> None:
    assert crm.score(tmp_path / "daily.csv.parquet").code == 0
    assert crm.score(tmp_path / "daily.parquet.csv").code == 0

    assert (tmp_path / "daily.csv.parquet").read_bytes().startswith(b"PAR1")
    assert (tmp_path / "daily.parquet.csv").read_text(encoding="utf-8").startswith('"lead_id"')


def test_the_manifest_vouches_for_every_file_and_holds_no_clock(crm: Crm, scored: Path) -> None:
    import hashlib

    found = manifest(scored)

    digests = {
        name: hashlib.sha256((scored.parent / name).read_bytes()).hexdigest() for name in found["files"]
    }
    inputs = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in crm.folder.glob("*.csv")}
    not_open = pd.read_csv(scored.parent / "scores.not_open.csv", dtype=str)["lead_id"]
    assert found["files"] == digests
    assert len(digests) == 3
    assert found["inputs"] == inputs
    assert found["as_of"] == "2026-01-01T00:00:00.000000"
    assert found["rows_in"] == 800 == found["scored"] + found["not_open"] + found["quarantined"]
    assert len(not_open) == found["not_open"]
    assert not set(not_open) & set(scores(scored).index)
    assert not {"time", "duration", "created", "at", "seconds"} & set(found)


def test_a_moment_in_the_past_scores_like_an_export_cut_at_it(crm: Crm, tmp_path: Path) -> None:
    moment = pd.Timestamp(PAST)
    whole = {
        name: pd.read_csv(crm.folder / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("leads", "events", "outcomes", "field_changes")
    }
    times = {
        "leads": "created_at",
        "events": "occurred_at",
        "outcomes": "occurred_at",
        "field_changes": "changed_at",
    }
    cut = {
        name: frame[pd.to_datetime(frame[times[name]], utc=True, format="ISO8601") < moment]
        for name, frame in whole.items()
    }
    data = crm.export(tmp_path / "data", **cut)

    full = crm.score(tmp_path / "full.parquet", "--as-of", PAST)
    then = crm.score(tmp_path / "then.parquet", "--as-of", PAST, "--data", data)

    assert (full.code, then.code) == (0, 0)
    assert (tmp_path / "full.parquet").read_bytes() == (tmp_path / "then.parquet").read_bytes()
    assert then.json["rows_in"] == len(cut["leads"]) < full.json["rows_in"] == 800
    assert 0 < full.json["scored"] == then.json["scored"]


def test_leads_created_at_or_after_the_moment_are_not_open(crm: Crm, tmp_path: Path) -> None:
    leads = crm.leads().set_index("lead_id")
    leads.loc[leads.index[:2], "created_at"] = [PAST, "2025-09-15T09:59:59.999999+00:00"]
    data = crm.export(
        tmp_path / "data", leads=leads.reset_index(), outcomes="lead_id,occurred_at,outcome,amount,product\n"
    )

    run = crm.score(tmp_path / "s.parquet", "--as-of", PAST, "--data", data)

    found = scores(tmp_path / "s.parquet")
    created = pd.to_datetime(leads["created_at"], utc=True, format="ISO8601")
    assert run.code == 0
    assert set(found.index) == set(created.index[created < pd.Timestamp(PAST)])
    assert leads.index[0] not in found.index
    assert leads.index[1] in found.index


def test_a_moment_without_a_zone_is_utc_and_a_zone_is_heeded(crm: Crm, tmp_path: Path) -> None:
    moments = ["2025-09-15T10:00", "2025-09-15T12:00+02:00", PAST]

    for number, moment in enumerate(moments):
        assert crm.score(tmp_path / f"{number}.parquet", "--as-of", moment).code == 0

    assert len({(tmp_path / f"{number}.parquet").read_bytes() for number in range(3)}) == 1


def test_now_is_asked_for_and_written_down(crm: Crm, tmp_path: Path) -> None:
    before = pd.Timestamp.now("UTC")

    run = crm.score(tmp_path / "s.parquet", "--as-of", "now")

    stamp = scores(tmp_path / "s.parquet")["as_of"].unique()
    assert run.code == 0
    assert len(stamp) == 1
    assert before <= stamp[0] <= pd.Timestamp.now("UTC")
    assert pd.Timestamp(manifest(tmp_path / "s.parquet")["as_of"], tz="UTC") == stamp[0]


def test_a_moment_before_every_lead_scores_nobody(crm: Crm, tmp_path: Path) -> None:
    run = crm.score(tmp_path / "s.csv", "--as-of", "2001-01-01")

    assert run.code == 0
    assert (run.json["scored"], run.json["not_open"]) == (0, 800)
    assert (tmp_path / "s.csv").read_text(encoding="utf-8").count("\n") == 1


def test_outcomes_of_later_move_nothing(crm: Crm, tmp_path: Path) -> None:
    outcomes = pd.read_csv(crm.folder / "outcomes.csv", dtype=str, keep_default_na=False)
    later = pd.to_datetime(outcomes["occurred_at"], utc=True, format="ISO8601") >= pd.Timestamp(PAST)
    turned = outcomes.assign(outcome=outcomes["outcome"].mask(later, "won"))
    data = crm.export(tmp_path / "data", outcomes=turned)

    runs = [
        crm.score(tmp_path / "a.parquet", "--as-of", PAST),
        crm.score(tmp_path / "b.parquet", "--as-of", PAST, "--data", data),
    ]

    assert [run.code for run in runs] == [0, 0]
    assert later.sum() > 50
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_one_lead_less_moves_no_score_of_strangers(crm: Crm, scored: Path, tmp_path: Path) -> None:
    leads = crm.leads()
    gone = leads[leads["account_id"] == ""]["lead_id"].isin(scores(scored).index)
    lead = leads.loc[gone[gone].index[0], "lead_id"]
    data = crm.export(tmp_path / "data", leads=leads[leads["lead_id"] != lead])

    run = crm.score(tmp_path / "s.parquet", "--data", data)

    left = scores(scored).drop(index=lead)
    found = scores(tmp_path / "s.parquet")
    assert run.json["rows_in"] == 799
    assert found["probability"].equals(left["probability"])
    assert found["score"].equals(left["score"])


def test_the_bundle_needs_no_store(crm: Crm, scored: Path, tmp_path: Path) -> None:
    project = crm.written(tmp_path / "p" / "lead-scoring.toml")
    bundle = tmp_path / "mailed"
    shutil.copytree(crm.bundle, bundle)

    run = run_command("score", "-p", project, "--bundle", bundle, "--json")

    output = tmp_path / "p" / "out" / "scores.parquet"
    assert run.code == 0
    assert Path(run.json["output"]) == output
    assert output.read_bytes() == scored.read_bytes()
    assert not (tmp_path / "p" / "out" / "mlflow.db").exists()


def test_a_bundle_of_a_flat_export_needs_a_project_with_one(crm: Crm) -> None:

    bundle, project = load_bundle(crm.bundle), load_project(crm.project)
    flat = replace(bundle, sources=replace(bundle.sources, is_static=True))

    with pytest.raises(BundleError, match=r"has no \[static\]"):
        leads_to_score(tables_for(project, bundle), flat, project, None)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a flat export with a trained model."""
    folder = tmp_path_factory.mktemp("flat")
    rng = np.random.default_rng(0)
    size, colour = rng.normal(size=900).round(3), rng.choice(["red", "blue", "green"], 900)
    chance = 1 / (1 + np.exp(-(1.5 * size - 1 + (colour == "red"))))
    bought = np.where(rng.random(900) < chance, "yes", "no").astype(object)
    bought[-60:-30], bought[-30:] = "", "Talking"
    ids = [f"F{number:04d}" for number in range(900)]
    table = pd.DataFrame({"lead_id": ids, "size": size, "colour": colour, "bought": bought})
    table.to_csv(folder / "leads.csv", index=False)
    text = FLAT.replace("order =", 'open = ["talking"]\norder =')
    (folder / "lead-scoring.toml").write_text(text, encoding="utf-8")
    run = run_command("train", "-p", folder / "lead-scoring.toml", "--json")
    assert run.json["verdict"] in {"champion", "challenger"}
    shutil.copytree(run.json["bundle"], folder / "bundle")
    return folder


def _score_flat(flat: Path, table: pd.DataFrame, folder: Path) -> tuple[int, str, Path]:
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "leads.csv", index=False)
    output = folder / "scores.parquet"
    project = flat / "lead-scoring.toml"
    run = run_command(
        "score", "-p", project, "--data", folder, "--bundle", flat / "bundle", "-o", output, "--json"
    )
    return run.code, run.err, output


def test_of_a_flat_export_the_leads_without_a_label_are_scored(flat: Path, tmp_path: Path) -> None:
    table = pd.read_csv(flat / "leads.csv", dtype=str, keep_default_na=False)

    code, _, output = _score_flat(flat, table, tmp_path / "data")

    found = scores(output)
    assert code == 0
    assert sorted(found.index) == table["lead_id"].iloc[-60:].tolist()
    assert found[["as_of", "silent_until"]].isna().all(axis=None)
    assert manifest(output)["as_of"] is None
    assert manifest(output)["not_open"] == 840


def test_a_flat_export_without_its_label_column_is_scored_whole(flat: Path, tmp_path: Path) -> None:
    table = pd.read_csv(flat / "leads.csv", dtype=str, keep_default_na=False).drop(columns="bought")

    code, _, output = _score_flat(flat, table, tmp_path / "data")

    assert code == 0
    assert len(scores(output)) == 900


def test_an_unknown_label_is_refused_at_scoring_as_at_training(flat: Path, tmp_path: Path) -> None:
    table = pd.read_csv(flat / "leads.csv", dtype=str, keep_default_na=False)
    table.loc[5:7, "bought"] = "on hold"

    code, said, output = _score_flat(flat, table, tmp_path / "data")

    assert code == 2
    assert "3 of 900 labels in 'bought'" in said
    assert "'on hold' (3 rows)" in said
    assert not output.exists()


def test_a_flat_export_in_a_ledger_has_its_values_and_neither_events_nor_a_run_before(
    flat: Path, tmp_path: Path
) -> None:
    text = (flat / "lead-scoring.toml").read_text(encoding="utf-8")
    project, output = tmp_path / "lead-scoring.toml", tmp_path / "scores.parquet"
    section = '[ledger]\nurl = "sqlite:///ledger.db"\n[ledger.shown]\nsegment = "colour"\n'
    for more in ("", "[score]\ntop_reasons = 2\n"):  # the second is another run
        project.write_text(text + section + more, encoding="utf-8")
        arguments = ("--data", flat, "--bundle", flat / "bundle", "-o", output, "--json")
        assert run_command("score", "-p", project, *arguments).code == 0

    leads = pd.read_csv(flat / "leads.csv", dtype={"lead_id": str}).set_index("lead_id")
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
        rows = ledger.execute(
            "SELECT lead_id, segment, attributes, events, is_awake, score_before FROM ledger_scores "
            "JOIN ledger_details USING (run, rank)"
        ).fetchall()
    assert len(rows) == 120
    for lead, segment, attributes, *nothing in rows:
        own = leads.loc[lead]
        assert (segment, json.loads(attributes)) == (own["colour"], [own["colour"], own["size"]])
        assert nothing == [None, None, None]
    assert scores(output)["trend"].isna().all()
