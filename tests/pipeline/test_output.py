"""Publishing: whole or not at all, the manifest last."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.contracts import empty_quarantine
from features.errors import LockedError, OutputError
from pipeline.output import SCHEMA, ScoreRows, files_of, publish, scores_table

NOON = np.datetime64("2026-01-01T12:00:00", "us")


def _rows(**probabilities: float) -> ScoreRows:
    n = len(probabilities)
    return ScoreRows(
        lead_id=list(probabilities), probability=list(probabilities.values()), score=[10.0 * k for k in range(n)],
        band=["below"] * n, fit_grade=["A"] * n, engagement_grade=["1"] * n, base_score=[3.0] * n,
        reasons=[[{"text": "a, \"b\"\nc", "points": 1.0 / 3.0, "group": "g"}]] * n, warnings=[["x", "y"]] * n,
        silent_until=[None if k % 2 else 1_770_000_000_000_000 + k for k in range(n)],
    )  # fmt: skip


def _publish(output: Path, table: pa.Table, quarantine: pd.DataFrame | None = None) -> Path:
    held = empty_quarantine() if quarantine is None else quarantine
    return publish(output, table, 2, ["b", "a"], held, {"scored": len(table)})


def test_ties_in_probability_are_broken_by_lead_id_and_never_by_score() -> None:
    table = scores_table(_rows(c=0.5, a=0.5, b=0.9, d=0.1), NOON, "v1")

    assert table.column("lead_id").to_pylist() == ["b", "a", "c", "d"]
    assert table.schema.equals(SCHEMA)


def test_a_bare_points_table_is_in_order_of_its_points_without_probabilities() -> None:
    nan = float("nan")

    table = scores_table(_rows(a=nan, b=nan, c=nan), None, "v1")

    assert table.column("lead_id").to_pylist() == ["c", "b", "a"]
    assert table.column("probability").to_pylist() == [None] * 3
    assert table.column("as_of").to_pylist() == [None] * 3


def test_no_rows_make_an_empty_table_of_the_same_shape(tmp_path: Path) -> None:
    table = scores_table(ScoreRows(), NOON, "v1")

    for name in ("s.csv", "s.parquet"):
        _publish(tmp_path / name, table)

    assert pq.read_table(tmp_path / "s.parquet").schema.equals(SCHEMA)
    assert (tmp_path / "s.csv").read_text(encoding="utf-8").count("\n") == 1


def test_the_moment_of_silence_stays_with_its_lead_and_may_be_null() -> None:
    found = scores_table(_rows(a=0.2, b=0.9, c=0.5), NOON, "v1").to_pandas().set_index("lead_id")

    assert found.index.tolist() == ["b", "c", "a"]
    assert found["silent_until"].isna().tolist() == [True, False, False]
    assert found.loc["c", "silent_until"] == pd.Timestamp("2026-02-02T02:40:00.000002Z")


def test_what_is_written_is_what_is_listed(tmp_path: Path) -> None:
    output = tmp_path / "new" / "s.v2.csv"

    manifest = _publish(output, scores_table(_rows(a=0.5), NOON, "v1"))

    assert sorted(files_of(output)) == sorted(output.parent.iterdir())
    assert manifest == output.parent / "s.v2.manifest.json"
    assert set(json.loads(manifest.read_text(encoding="utf-8"))["files"]) == {
        each.name for each in files_of(output)[:-1]
    }


def test_text_with_commas_quotes_and_line_ends_survives_csv(tmp_path: Path) -> None:
    _publish(tmp_path / "s.csv", scores_table(_rows(a=1.0 / 3.0), NOON, "v1"))

    found = pd.read_csv(tmp_path / "s.csv")

    assert found["reason_1"].tolist() == ['a, "b"\nc']
    assert found["probability"].tolist() == [1.0 / 3.0]
    assert found["warnings"].tolist() == ["x; y"]


@pytest.mark.parametrize("raw", ["a\rb", "a\nb", 'a"b', "a,b", "\\xfc"])
def test_raw_text_of_any_kind_gets_into_the_quarantine_list(tmp_path: Path, raw: str) -> None:
    row = {"table": "leads", "file": "f", "row": 3, "lead_id": None, "code": "c", "detail": "d", "raw": raw}

    _publish(tmp_path / "s.csv", scores_table(_rows(a=0.5), NOON, "v1"), pd.DataFrame([row]))

    found = pd.read_csv(tmp_path / "s.quarantine.csv", dtype=str, keep_default_na=False)
    assert found.to_numpy().tolist() == [["leads", "f", "3", "", "c", "d", raw]]


@pytest.mark.parametrize("blocked", range(4))
def test_a_folder_in_the_way_of_any_file_leaves_the_old_output_whole(tmp_path: Path, blocked: int) -> None:
    output = tmp_path / "s.parquet"
    _publish(output, scores_table(_rows(a=0.5), NOON, "v1"))
    way = files_of(output)[blocked]
    way.unlink()
    way.mkdir()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    with pytest.raises(OutputError, match="The old output stands"):
        _publish(output, scores_table(_rows(z=0.9), NOON, "v2"))

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_two_that_publish_to_one_output_at_once_do_not_mix_their_files(tmp_path: Path) -> None:
    output = tmp_path / "s.parquet"
    first, second, gone = (scores_table(_rows(**{name: 0.5}), NOON, name) for name in "abc")
    _publish(output, gone)

    def meanwhile() -> None:
        with pytest.raises(
            LockedError, match=r"Another process is writing .*s\.parquet\. Nothing was written"
        ):
            _publish(output, second)

    publish(output, first, 3, [], pd.DataFrame(), {}, meanwhile)

    assert pd.read_parquet(output)["lead_id"].tolist() == ["a"]
    assert sorted(tmp_path.iterdir()) == sorted(files_of(output))
    _publish(output, second)
    assert pd.read_parquet(output)["lead_id"].tolist() == ["b"]


def test_a_lock_left_by_a_dead_process_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / ".s.parquet.lock").touch()

    _publish(tmp_path / "s.parquet", scores_table(_rows(a=0.5), NOON, "v1"))

    assert not (tmp_path / ".s.parquet.lock").exists()


def test_a_failure_between_two_renames_says_that_files_may_be_of_two_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "s.parquet"
    _publish(output, scores_table(_rows(a=0.5), NOON, "v1"))
    replace = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if Path(target).name == "s.quarantine.csv":
            raise OSError("the disk is gone")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OutputError, match="Files may be of two runs: score again"):
        _publish(output, scores_table(_rows(z=0.9), NOON, "v2"))

    assert not (tmp_path / "s.manifest.json").exists()


def test_the_old_manifest_goes_first_and_the_new_one_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "s.parquet"
    _publish(output, scores_table(_rows(a=0.5), NOON, "v1"))
    seen: list[tuple[str, bool]] = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.append((Path(target).name, (tmp_path / "s.manifest.json").exists()))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    _publish(output, scores_table(_rows(z=0.9), NOON, "v2"))

    assert [name for name, _ in seen][-1] == "s.manifest.json"
    assert [there for _, there in seen] == [False] * 4


def test_a_full_disk_halfway_leaves_the_old_output_and_no_temporaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "s.parquet"
    _publish(output, scores_table(_rows(a=0.5), NOON, "v1"))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        _publish(output, scores_table(_rows(z=0.9), NOON, "v2"))

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
