"""Files as containers: missing, empty, packed, cut, damaged, misnamed, and Parquet."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from features.contracts import Tables
from features.errors import InputError
from pipeline.config import Project
from pipeline.tables import files, load_tables
from pipeline.tables.files import read_file
from pipeline.tables.parquet import read_parquet

CSV = "".join(f"L{k},2024-01-0{k % 9 + 1},{k * 37 % 101}\n" for k in range(300))
CSV = "lead_id,created_at,size\n" + CSV
STATIC = {"snapshots": {"mode": "static"}, "static": {"label": "size"}}


def load(path: Path, progress: Any = None, attributes: Any = None, **leads: Any) -> Tables:
    data = {"folder": str(path.parent), "leads": {"path": path.name, **leads}}
    project = Project.model_validate({"data": data, "attributes": attributes or {}, **STATIC})
    return load_tables(project, progress)


def packed(table: dict[str, Any] | pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table if isinstance(table, pa.Table) else pa.table(table), out, **options)
    return out.getvalue()


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"leads: There is no file .*leads\.csv"):
        load(tmp_path / "leads.csv")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").mkdir()

    with pytest.raises(InputError, match=r"leads\.csv can't be read"):
        load(tmp_path / "leads.csv")


@pytest.mark.parametrize("name", ["leads.csv", "leads.csv.gz", "leads.parquet"])
def test_a_file_of_zero_bytes_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"is empty .0 bytes"):
        load(write(tmp_path, name, b""))


def test_an_empty_file_packed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty once unpacked"):
        load(write(tmp_path, "leads.csv.gz", gzip.compress(b"")))


def test_the_faults_of_all_files_come_in_one_message(tmp_path: Path) -> None:
    data = {"folder": str(tmp_path), "leads": {"path": "a.csv"}, "outcomes": {"path": "b.csv"}}

    with pytest.raises(InputError, match=r"(?s)leads: There is no file .*outcomes: There is no file"):
        load_tables(Project.model_validate({"data": data}))


def test_packed_and_plain_files_hold_the_same_leads_and_their_own_digest(tmp_path: Path) -> None:
    half = len(CSV) // 2
    members = gzip.compress(CSV[:half].encode()) + gzip.compress(CSV[half:].encode())

    plain = load(write(tmp_path, "leads.csv", CSV.encode()))
    joined = load(write(tmp_path, "leads.csv.gz", members))

    assert joined.leads.equals(plain.leads)
    assert joined.digests == {"leads.csv.gz": hashlib.sha256(members).hexdigest()}


def test_a_cut_gzip_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = gzip.compress(CSV.encode(), mtime=0)

    for size in (*range(3, 24), len(whole) // 2, *range(len(whole) - 9, len(whole))):
        with pytest.raises(InputError, match=r"is cut|is damaged"):
            load(write(tmp_path, "leads.csv.gz", whole[:size]))


def test_a_flipped_bit_in_a_gzip_file_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    whole = gzip.compress(CSV.encode(), mtime=0)
    clean = load(write(tmp_path, "leads.csv.gz", whole)).leads
    refused = 0

    for position in range(0, len(whole), 7):
        bad = bytearray(whole)
        bad[position] ^= 1 << position % 8
        try:
            assert load(write(tmp_path, "leads.csv.gz", bytes(bad))).leads.equals(clean)
        except InputError:
            refused += 1

    assert refused > len(whole) // 7 - 5


def test_garbage_after_a_gzip_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is damaged"):
        load(write(tmp_path, "leads.csv.gz", gzip.compress(CSV.encode()) + b"garbage"))


def test_a_bomb_is_refused_before_it_is_unpacked_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_RATIO_FROM", 1 << 20)
    monkeypatch.setattr(files, "_CHUNK", 1 << 16)

    with pytest.raises(InputError, match=r"unpacks to more than 16\d{5} bytes"):
        load(write(tmp_path, "leads.csv.gz", gzip.compress(b"x" * (8 << 20))))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("leads.csv.gz", CSV.encode(), "is named .gz, but its content is no gzip file"),
        ("leads.csv", gzip.compress(CSV.encode()), "is not named .gz, but its content is a gzip file"),
        ("leads.csv.gz", gzip.compress(gzip.compress(CSV.encode())), "read as CSV, but its content is gzip"),
        ("leads.parquet", CSV.encode(), "is named .parquet, but its content is not"),
        ("leads.csv", packed({"lead_id": ["L1"]}), "read as CSV, but its content is Parquet"),
        ("leads.csv", b"PK\x03\x04...", "read as CSV, but its content is a zip archive or a workbook"),
    ],
)
def test_a_name_that_does_not_fit_the_content_is_refused(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        load(write(tmp_path, name, data))


def test_a_zip_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "leads.zip", "w") as archive:
        archive.writestr("leads.csv", CSV)

    with pytest.raises(InputError, match="a zip archive"):
        load(tmp_path / "leads.zip")


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "leads.csv", CSV.encode())
    stat = Path.stat
    calls = iter([b"", b"L999,2024-01-01,1\n"])

    def grow(self: Path, **options: Any) -> Any:
        if self == path:
            with path.open("ab") as file:
                file.write(next(calls))
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", grow)

    with pytest.raises(InputError, match="changed while it was read"):
        read_file(path)


def test_progress_is_told_of_each_table(tmp_path: Path) -> None:
    told: list[str] = []

    load(write(tmp_path, "leads.csv", CSV.encode()), told.append)

    assert told == ["reading leads from leads.csv", "checking the tables"]


def test_two_files_of_one_name_have_their_own_digests(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    write(tmp_path, "x.csv", CSV.encode())
    write(tmp_path / "more", "x.csv", b"lead_id,occurred_at,outcome\n")
    data = {"folder": str(tmp_path), "leads": {"path": "x.csv"}, "outcomes": {"path": "more/x.csv"}}

    assert set(load_tables(Project.model_validate({"data": data})).digests) == {"x.csv", "outcomes/x.csv"}


@pytest.mark.parametrize("name", ["leads.parquet", "leads.parquet.gz"])
def test_parquet_columns_of_any_type_become_the_contract_s_types(tmp_path: Path, name: str) -> None:
    table = {
        "lead_id": pa.array([10**17 + 1, 7], pa.int64()),
        "created_at": pa.array([1_700_000_000_123_456, None], pa.timestamp("us", "Asia/Tokyo")),
        "account_id": pa.array(["007", None]).dictionary_encode(),
        "size": pa.array([0.1, np.nan]),
        "share": pa.array([0.1, np.nan], pa.float32()),
        "seats": pa.array([3, None], pa.int16()),
        "customer": pa.array([True, False]),
    }
    data = packed(table)

    path = write(tmp_path, name, gzip.compress(data) if name.endswith("gz") else data)

    tables = load(path, attributes={"at_creation": {"number": ["share", "seats"], "boolean": ["customer"]}})

    assert tables.leads["lead_id"].tolist() == ["100000000000000001", "7"]
    assert tables.leads["created_at"][0] == pd.Timestamp(1_700_000_000_123_456, unit="us", tz="UTC")
    assert tables.leads["account_id"].fillna("?").tolist() == ["007", "?"]
    assert tables.leads["size"].fillna("?").tolist() == ["0.1", "?"]
    for column, value in (("share", float(np.float32(0.1))), ("seats", 3.0)):
        assert tables.leads[column].fillna(-9).tolist() == [value, -9]
    assert tables.leads["customer"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.timestamp("ns"), pa.date32()])
def test_parquet_times_without_zone_are_read_in_the_configured_zone(
    tmp_path: Path, kind: pa.DataType
) -> None:
    times = pa.array(["2024-07-01"]).cast(pa.date32()).cast(kind)
    path = write(tmp_path, "leads.parquet", packed({"lead_id": ["L1"], "created_at": times, "size": ["1"]}))

    tables = load(path, time_zone="Europe/Berlin")

    assert tables.leads["created_at"].tolist() == [pd.Timestamp("2024-06-30 22:00", tz="UTC")]


def test_parquet_times_finer_than_microseconds_are_refused(tmp_path: Path) -> None:
    times = pa.array([1], pa.timestamp("ns", "UTC"))
    path = write(tmp_path, "leads.parquet", packed({"lead_id": ["L1"], "created_at": times, "size": ["1"]}))

    with pytest.raises(InputError, match=r"column 'created_at' holds fractions of a microsecond"):
        load(path)


def test_parquet_ids_in_floating_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"'lead_id' is stored as floating numbers .double., which lose digits"
    ):
        load(write(tmp_path, "leads.parquet", packed({"lead_id": [1.0], "size": ["1"]})))


@pytest.mark.parametrize("column", [pa.array([[1]]), pa.array([{"a": 1}]), pa.array([b"x"])])
def test_nested_and_binary_parquet_columns_are_refused(column: pa.Array) -> None:
    with pytest.raises(InputError, match="has nested or binary columns: 'x'"):
        read_parquet(packed({"lead_id": ["L1"], "x": column}), "leads.parquet")


def test_a_long_parquet_field_costs_its_record_alone() -> None:
    source = read_parquet(packed({"lead_id": ["L1", "L2", "L3"], "x": ["a", "x" * 32_001, None]}), "f")

    assert [(record.row, record.code) for record in source.damaged] == [(2, "oversize")]
    assert source.damaged[0].raw.startswith('{"lead_id": "L2", "x": "xxx')
    assert source.rows.tolist() == [1, 3]
    assert source.raw(np.array([1])) == ['{"lead_id": "L3", "x": null}']


def test_a_nul_in_a_parquet_field_costs_its_record_alone() -> None:
    source = read_parquet(packed({"lead_id": ["L1", "L2", "L3"], "x": ["a", "b\0c", None]}), "f")

    assert [(record.row, record.code) for record in source.damaged] == [(2, "control_character")]
    assert source.rows.tolist() == [1, 3]


def test_a_parquet_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed({"x": pa.array(["x" * 10_000] * 10_000)})
    monkeypatch.setattr("pipeline.tables.parquet._MAX_BYTES", 10 << 20)

    assert len(data) < 1 << 20
    with pytest.raises(InputError, match="unpacks to 100000000 bytes"):
        read_parquet(data, "leads.parquet")


def test_a_parquet_file_of_implausibly_many_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.tables.parquet._MAX_BYTES", 100)

    with pytest.raises(InputError, match="says it has 200 rows"):
        read_parquet(packed({"x": pa.nulls(200, pa.int8())}), "leads.parquet")


def test_a_damaged_parquet_file_is_refused_or_read_but_never_crashes(tmp_path: Path) -> None:
    table = pa.table({"lead_id": [f"L{k}" for k in range(200)], "size": [str(k) for k in range(200)]})
    whole = packed(table, write_page_checksum=True)
    refused = 0

    for position in range(4, len(whole) - 4, 29):
        bad = bytearray(whole)
        bad[position] ^= 0x10
        try:
            load(write(tmp_path, "leads.parquet", bytes(bad)))
        except InputError:
            refused += 1

    assert refused > 0


@pytest.mark.parametrize("size", [5, 100, 1000])
def test_a_cut_parquet_file_is_refused(tmp_path: Path, size: int) -> None:
    data = packed({"lead_id": [f"L{k}" for k in range(400)], "size": ["1"] * 400})

    with pytest.raises(InputError, match="or is cut"):
        load(write(tmp_path, "leads.parquet", data[:size]))
