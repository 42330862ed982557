"""Damaged exports: what the run does with them, from the file to the exit code.

REFUSE: one message, nothing published, the old output byte for byte. Quarantine: the row is listed with its
raw text and a code, and its neighbours score the same bits as if it had never been there.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.pipeline.conftest import Crm, as_line, manifest, quarantine, scores

Damage = Callable[[str], str | bytes]
BAD = 40


def _value(line: str, old: str, new: str) -> str:
    assert old in line
    return line.replace(old, new, 1)


def _created(line: str) -> str:
    return line.split(",")[1]


def _budget(line: str, budget: str) -> str:
    row = dict(enumerate(next(csv.reader([line]))))
    return as_line(row | {11: budget})


def _coded(leads: pd.DataFrame) -> pd.DataFrame:
    return leads.assign(segment=leads["segment"].map({"B2B": "1", "B2C": "2"}))


QUARANTINED: dict[str, tuple[str, Damage]] = {
    "16 not UTF-8": ("encoding", lambda line: line.encode().replace(b"@", b"\xfc\xff")),
    "17 NUL": ("control_character", lambda line: _value(line, "@", "\0")),
    "17 control character": ("control_character", lambda line: _value(line, "@", "\x07")),
    "26 extra field": ("extra_field", lambda line: line + ",more"),
    "27 missing fields": ("missing_field", lambda line: ",".join(line.split(",")[:5])),
    "28 unclosed quote": ("unclosed_quote", lambda line: line[:-1]),
    "29 stray quote": ("stray_quote", lambda line: line[:-2] + '"x"'),
    "52 empty id": ("empty_id", lambda line: '""' + line[line.index(",") :]),
    "59 infinite": ("infinite", lambda line: _budget(line, "1e999")),
    "43 number as text": ("bad_number", lambda line: _budget(line, "plenty")),
    "66 created after the end": (
        "created_after_end",
        lambda line: _value(line, _created(line), "2026-05-01T00:00Z"),
    ),
    "72 no date": ("bad_time", lambda line: _value(line, _created(line), "0000-00-00")),
}
REFUSED: dict[str, tuple[Callable[[Crm], str | bytes | pd.DataFrame], str]] = {
    "1 zero bytes": (lambda crm: b"", "is empty"),
    "15 UTF-16": (lambda crm: "\n".join(crm.lines()).encode("utf-16"), "utf-16"),
    "18 CR only": (lambda crm: "\r".join(crm.lines()), "CR alone"),
    "36 required column missing": (lambda crm: crm.leads().drop(columns="lead_id"), "'lead_id' is missing"),
    "37 id renamed": (
        lambda crm: crm.leads().rename(columns={"lead_id": "leadid"}),
        "nearest name is 'leadid'",
    ),
    "37 attribute renamed": (
        lambda crm: crm.leads().rename(columns={"region": "area"}),
        "'region' is missing",
    ),
    "37 creation renamed": (lambda crm: crm.leads().rename(columns={"created_at": "made"}), "created_at"),
    "41 duplicate name": (
        lambda crm: crm.leads().rename(columns={"region": "country"}),
        "'country' stands 2 times",
    ),
    "42 case variant": (lambda crm: crm.leads().rename(columns={"created_at": "Created_At"}), "'Created_At'"),
    "45 used column all null": (
        lambda crm: crm.leads().assign(lead_source=""),
        "no value in any of 800 rows",
    ),
    "46 categories became codes": (lambda crm: _coded(crm.leads()), "Categories do not look like"),
    "8 gzip named csv": (lambda crm: b"\x1f\x8b" + b"0" * 99, "content is a gzip file"),
}


@pytest.fixture(scope="module")
def without(crm: Crm, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The scores of the export that never held the row to be damaged."""
    folder = tmp_path_factory.mktemp("without")
    lines = crm.lines()
    data = crm.export(folder / "data", leads="\n".join(lines[:BAD] + lines[BAD + 1 :]) + "\n")
    assert crm.score(folder / "s.parquet", "--data", data).code == 0
    return scores(folder / "s.parquet")


def _same(found: pd.DataFrame, expected: pd.DataFrame) -> bool:
    """Equal to the bit, reasons and warnings included."""
    if not found.index.equals(expected.index):
        return False
    plain = [name for name in expected if name not in {"reasons", "warnings"}]
    nested = all(
        [list(map(str, each)) for each in found[name]] == [list(map(str, each)) for each in expected[name]]
        for name in ("reasons", "warnings")
    )
    return nested and found[plain].equals(expected[plain])


@pytest.mark.parametrize("fault", QUARANTINED)
def test_a_bad_row_is_quarantined_and_its_neighbours_score_as_without_it(
    crm: Crm, without: pd.DataFrame, tmp_path: Path, fault: str
) -> None:
    code, damage = QUARANTINED[fault]
    lines: list[bytes] = [line.encode() for line in crm.lines()]
    bad = damage(crm.lines()[BAD])
    lines[BAD] = bad.encode() if isinstance(bad, str) else bad
    data = crm.export(tmp_path / "data", leads=b"\n".join(lines) + b"\n")

    run = crm.score(tmp_path / "s.parquet", "--data", data)

    counts, held = run.json, quarantine(tmp_path / "s.parquet")
    assert run.code == 3
    assert counts["rows_in"] == 800 == counts["scored"] + counts["not_open"] + counts["quarantined"]
    assert held["code"].tolist() == [code]
    assert held[["file", "row"]].to_numpy().tolist() == [["leads.csv", str(BAD + 1)]]
    assert held["raw"].iloc[0] == lines[BAD].decode("utf-8", errors="backslashreplace")
    assert manifest(tmp_path / "s.parquet")["quarantined_by_code"] == {"leads": {code: 1}}
    assert _same(scores(tmp_path / "s.parquet"), without)


@pytest.mark.parametrize("fault", REFUSED)
def test_a_file_that_cannot_be_trusted_is_refused_and_the_old_output_stays(
    crm: Crm, scored: Path, tmp_path: Path, fault: str
) -> None:
    content, said = REFUSED[fault]
    output = tmp_path / "out" / "scores.parquet"
    shutil.copytree(scored.parent, output.parent)
    before = {path.name: path.read_bytes() for path in output.parent.iterdir()}
    data = crm.export(tmp_path / "data", leads=content(crm))

    run = crm.score(output, "--data", data)

    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("InputError: ")
    assert said in run.err
    assert {path.name: path.read_bytes() for path in output.parent.iterdir()} == before


@pytest.mark.parametrize("lost", ["leads", "events", "outcomes"])
def test_3_a_missing_table_is_refused_by_its_name(crm: Crm, tmp_path: Path, lost: str) -> None:
    data = crm.export(tmp_path / "data")
    (data / f"{lost}.csv").unlink()

    run = crm.score(tmp_path / "s.parquet", "--data", data)

    assert run.code == 2
    assert f"{lost}.csv" in run.err
    assert not (tmp_path / "s.parquet").exists()


def test_3_a_folder_in_place_of_a_table_is_refused(crm: Crm, tmp_path: Path) -> None:
    data = crm.export(tmp_path / "data")
    (data / "events.csv").unlink()
    (data / "events.csv").mkdir()

    run = crm.score(tmp_path / "s.parquet", "--data", data)

    assert run.code in {2, 7}
    assert "events.csv can't be read" in run.err


def test_2_a_header_alone_gives_no_rows_and_a_manifest(crm: Crm, tmp_path: Path) -> None:
    data = crm.export(tmp_path / "data", leads=crm.lines()[0] + "\n")

    run = crm.score(tmp_path / "s.parquet", "--data", data)

    assert run.code == 0
    assert [run.json[name] for name in ("rows_in", "scored", "not_open", "quarantined")] == [0, 0, 0, 0]
    assert len(scores(tmp_path / "s.parquet")) == 0
    assert manifest(tmp_path / "s.parquet")["rows_in"] == 0


@pytest.mark.parametrize(
    "written",
    [
        lambda lines: "\ufeff" + "\n".join(lines) + "\n",
        lambda lines: "\r\n".join(lines) + "\r\n",
        "\n".join,
        lambda lines: "\n".join([*lines[:50], "", "", *lines[50:]]) + "\n",
    ],
    ids=["14 byte order mark", "18 CRLF", "19 no final newline", "31 blank lines"],
)
def test_another_way_to_write_the_same_table_scores_the_same_bytes(
    crm: Crm, scored: Path, tmp_path: Path, written: Callable[[list[str]], str]
) -> None:
    data = crm.export(tmp_path / "data", leads=written(crm.lines()))

    run = crm.score(tmp_path / "scores.parquet", "--data", data)

    assert run.code == 0
    assert (tmp_path / "scores.parquet").read_bytes() == scored.read_bytes()


def test_40_reordered_columns_and_rows_score_the_same_bytes(crm: Crm, scored: Path, tmp_path: Path) -> None:
    leads = crm.leads()
    events = pd.read_csv(crm.folder / "events.csv", dtype=str, keep_default_na=False)
    data = crm.export(
        tmp_path / "data",
        leads=leads[leads.columns[::-1]].sample(frac=1, random_state=1),
        events=events[events.columns[::-1]].sample(frac=1, random_state=2),
    )

    run = crm.score(tmp_path / "scores.parquet", "--data", data)

    assert run.code == 0
    assert (tmp_path / "scores.parquet").read_bytes() == scored.read_bytes()


def test_38_39_optional_columns_missing_or_too_many_are_warnings(crm: Crm, tmp_path: Path) -> None:
    leads = crm.leads().drop(columns="account_id").assign(shoe_size="43")
    data = crm.export(tmp_path / "data", leads=leads)

    run = crm.score(tmp_path / "s.parquet", "--data", data)

    warned = manifest(tmp_path / "s.parquet")["warnings"]
    assert run.code == 0
    assert any("optional columns not in the file: account_id (1)" in each for each in warned)
    assert any("not declared, left out: shoe_size (1)" in each for each in warned)


def test_31_67_what_was_let_pass_is_counted_in_the_manifest(crm: Crm, tmp_path: Path) -> None:
    lines = crm.lines()
    data = crm.export(tmp_path / "data", leads="\n".join([*lines[:9], "", "", "", *lines[9:]]) + "\n")
    events = pd.read_csv(crm.folder / "events.csv", dtype=str, keep_default_na=False)
    moment = pd.Timestamp("2025-06-01T00:00Z")

    run = crm.score(tmp_path / "s.parquet", "--data", data, "--as-of", moment.isoformat())

    warned = manifest(tmp_path / "s.parquet")["warnings"]
    later = next(each for each in warned if each.startswith("events at or after as_of, ignored"))
    counted = int(later.split("(")[1].rstrip(")").replace(",", ""))
    after = int((pd.to_datetime(events["occurred_at"], utc=True, format="ISO8601") >= moment).sum())
    assert run.code == 0
    assert "leads.csv: blank lines (3)" in warned
    assert 0.9 * after < counted <= after  # copies and bot bursts are counted apart


def test_50_51_of_equal_rows_one_is_scored_of_conflicting_ones_none(crm: Crm, tmp_path: Path) -> None:
    lines = [*crm.lines()]
    row = next(line for line in lines[1:] if '"B2B"' in line)
    other = next(line for line in lines[1:] if line != row and '"B2B"' in line)
    lines += [row, row, other.replace('"B2B"', '"B2C"', 1)]
    data = crm.export(tmp_path / "data", leads="\n".join(lines) + "\n")

    run = crm.score(tmp_path / "s.parquet", "--data", data)

    held = quarantine(tmp_path / "s.parquet")
    left = set(scores(tmp_path / "s.parquet").index)
    left |= set(pd.read_csv(tmp_path / "s.not_open.csv", dtype=str)["lead_id"])
    assert run.code == 3
    assert run.json["rows_in"] == 803
    assert sorted(held["code"]) == ["conflicting_duplicate"] * 2 + ["duplicate"] * 2
    assert row.split(",")[0].strip('"') in left
    assert other.split(",")[0].strip('"') not in left


def test_53_54_63_64_ids_are_text_and_come_back_byte_for_byte(crm: Crm, tmp_path: Path) -> None:
    ids = [
        "NA",
        "None",
        "null",
        "nan",
        "007",
        "7",
        "12345678901234567890",
        "=cmd|' /C calc'!A0",
        "😀",
        "مرحبا",
        'a,"b',
        "1e5",
        "True",
    ]
    lead = crm.leads().iloc[0].to_dict() | {"created_at": "2025-12-30T00:00:00Z", "account_id": ""}
    data = crm.export(
        tmp_path / "data",
        leads="\n".join([*crm.lines(), *(as_line(lead | {"lead_id": each}) for each in ids)]) + "\n",
    )

    in_parquet, in_csv = (
        crm.score(tmp_path / "s.parquet", "--data", data),
        crm.score(tmp_path / "s.csv", "--data", data),
    )

    flat = pd.read_csv(tmp_path / "s.csv", dtype=str, keep_default_na=False)["lead_id"]
    assert (in_parquet.code, in_csv.code) == (0, 0)
    assert set(ids) <= set(scores(tmp_path / "s.parquet").index)
    assert set(ids) <= set(flat)


def test_58_a_lead_of_which_nothing_is_known_is_quarantined(crm: Crm, tmp_path: Path) -> None:
    lead = dict.fromkeys(crm.leads().columns, "") | {"lead_id": "blank", "created_at": "2025-12-30T00:00:00Z"}
    data = crm.export(tmp_path / "data", leads="\n".join([*crm.lines(), as_line(lead)]) + "\n")

    run = crm.score(tmp_path / "s.parquet", "--data", data)

    held = quarantine(tmp_path / "s.parquet")
    assert run.code == 3
    assert held[["lead_id", "code"]].to_numpy().tolist() == [["blank", "no_information"]]


def test_61_unseen_categories_fall_into_their_own_bucket_with_a_warning(crm: Crm, tmp_path: Path) -> None:
    leads = crm.leads()
    is_new = leads.index % 4 == 0
    leads.loc[is_new, "lead_source"] = [f"never seen {number}" for number in leads.index[is_new]]
    one = crm.leads()
    one.loc[is_new, "lead_source"] = "never seen"
    folders = [crm.export(tmp_path / "many", leads=leads), crm.export(tmp_path / "one", leads=one)]

    runs = [crm.score(tmp_path / f"{folder.name}.parquet", "--data", folder) for folder in folders]

    many, single = (scores(tmp_path / f"{folder.name}.parquet") for folder in folders)
    new = set(leads.loc[is_new, "lead_id"])
    told = [
        lead
        for lead, said in many["warnings"].items()
        if any("lead source" in each.casefold() for each in said)
    ]
    assert [run.code for run in runs] == [0, 0]
    assert new & set(many.index) <= set(told)
    assert many["probability"].equals(single["probability"])
    assert any(
        "lead_source" in each and "rare or new" in each
        for each in manifest(tmp_path / "many.parquet")["warnings"]
    )


def test_61_over_the_limit_the_run_is_refused_but_one_lead_alone_is_not(crm: Crm, tmp_path: Path) -> None:
    leads = crm.leads().assign(lead_source="never seen")
    is_last = leads["created_at"] == leads["created_at"].max()
    folders = [
        crm.export(tmp_path / "all", leads=leads),
        crm.export(tmp_path / "alone", leads=leads[is_last]),
    ]

    refused, alone = (crm.score(tmp_path / f"{each.name}.parquet", "--data", each) for each in folders)

    assert refused.code == 2
    assert "lead_source__category: " in refused.err
    assert "max_unseen_share" in refused.err
    assert not (tmp_path / "all.parquet").exists()
    assert (alone.code, alone.json["scored"]) == (0, 1)


def test_62_a_case_variant_scores_as_in_training(crm: Crm, scored: Path, tmp_path: Path) -> None:
    leads = crm.leads()
    for name in ("country", "region", "segment"):
        nulls = leads[name].isin(["", "Select", "unknown"])  # null markers are compared exactly
        leads[name] = leads[name].where(nulls, "  " + leads[name].str.upper())
    data = crm.export(tmp_path / "data", leads=leads)

    run = crm.score(tmp_path / "s.parquet", "--data", data)

    assert run.code == 0
    assert scores(tmp_path / "s.parquet")["probability"].equals(scores(scored)["probability"])


def test_20_a_cut_last_row_is_quarantined_and_told(crm: Crm, tmp_path: Path) -> None:
    data = crm.export(tmp_path / "data", leads="\n".join(crm.lines())[:-40])

    run = crm.score(tmp_path / "s.parquet", "--data", data)

    assert run.code == 3
    assert quarantine(tmp_path / "s.parquet")["code"].tolist() == ["truncated"]
    assert any("last record is cut" in each for each in manifest(tmp_path / "s.parquet")["warnings"])
