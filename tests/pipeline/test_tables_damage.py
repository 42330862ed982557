"""Whatever is damaged, no undamaged record is lost, and the fast path reads what the strict one reads."""

from __future__ import annotations

import csv
import io
from unittest.mock import patch

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from features.errors import InputError
from pipeline.config import TableSettings
from pipeline.tables import csv_reader
from pipeline.tables.csv_reader import read_csv
from pipeline.tables.raw import Source

LEADS = 60
SETTINGS = TableSettings(path="leads.csv")
NOTES = ("", "plain", 'said ""yes""', "two\nlines, and a comma", "Grüße 🙂", "a,b", "#x", '""', "tail\n")


def lead(number: int) -> list[str]:
    return [
        f"L{number * 7919 % 100_000:05d}",
        NOTES[number % len(NOTES)].replace('""', '"'),
        str(number),
        "x" * (number % 5),
    ]


def as_text(fields: list[str], *, always: bool) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL, lineterminator="\n").writerow(
        fields
    )
    return out.getvalue().encode()


def records(source: Source) -> list[tuple[str, ...]]:
    return list(zip(*(column.to_pylist() for column in source.columns), strict=True))


damages = st.lists(
    st.tuples(
        st.integers(0, LEADS - 1),
        st.sampled_from(["insert", "replace", "delete", "cut", "double", "drop_newline"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([b'"', b",", b"\n", b"\r", b"\x00", b"\xff", b'","', b'"\n', b'\n"', b"\\", b"7"]),
    ),
    min_size=1,
    max_size=8,
)


def damaged(record: bytes, kind: str, where: float, mark: bytes) -> bytes:
    at = int(where * (len(record) - 1))
    return {
        "insert": record[:at] + mark + record[at:],
        "replace": record[:at] + mark + record[at + 1 :],
        "delete": record[:at] + record[at + 1 :],
        "cut": record[:at] + b"\n",
        "double": record + record[:at] + b"\n",
        "drop_newline": record[:-1] + b",",
    }[kind]


@given(damages, st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([(3, "insert", 0.99, b'"'), (9, "insert", 0.99, b'"')], False, False)
def test_no_undamaged_record_is_lost(
    faults: list[tuple[int, str, float, bytes]], always_quoted: bool, small_blocks: bool
) -> None:
    leads = [lead(k) for k in range(LEADS)]
    written = [as_text(fields, always=always_quoted) for fields in leads]
    for number, kind, where, mark in faults:
        written[number] = damaged(written[number], kind, where, mark)
    touched = {number for number, *_ in faults}
    touched |= {number + 1 for number in touched if not written[number].endswith(b"\n")}
    data = b"lead_id,note,number,tail\n" + b"".join(written)

    source = read_csv(data, SETTINGS, "leads.csv", block_bytes=200 if small_blocks else 1 << 20)

    read = set(records(source))
    lost = [fields for k, fields in enumerate(leads) if k not in touched and tuple(fields) not in read]
    assert lost == []
    assert source.records == len(source.rows) + len(source.damaged)


fragments = st.sampled_from(
    [
        b"a",
        b"L1",
        b"L2",
        b",",
        b",",
        b",",
        b"\n",
        b"\n",
        b"\n",
        b'"',
        b'"',
        b'""',
        b"\r",
        b"\r\n",
        b" ",
        b"\t",
        b"\x00",
        b"\xff",
        "é".encode(),
    ]
)
clean_lines = st.sampled_from([b"L1,a,b\n", b'L2,"a",\n', b'"L3","x ""y""","z,w"\n', b'L4,"two\nlines",b\n'])
texts = st.lists(st.one_of(clean_lines, fragments), max_size=40).map(b"".join)


@given(texts, st.sampled_from([1, 8, 40, 1 << 20]))
@settings(max_examples=600, deadline=None)
def test_the_fast_path_reads_what_the_strict_reader_reads(body: bytes, block_bytes: int) -> None:
    data = b"lead_id,x,y\n" + body
    assume(data.count(b"\r") - data.count(b"\r\n") <= data.count(b"\n"))

    fast = read_csv(data, SETTINGS, "f", block_bytes=block_bytes)
    with patch.object(csv_reader, "is_clean", lambda *_: False):
        strict = read_csv(data, SETTINGS, "f")

    assert records(fast) == records(strict)
    assert fast.rows.tolist() == strict.rows.tolist()
    assert fast.damaged == strict.damaged
    assert fast.blank_lines == strict.blank_lines


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=8)


@given(
    st.lists(st.lists(cells, min_size=3, max_size=3), max_size=12),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=300, deadline=None)
def test_a_legal_file_is_read_as_the_standard_library_reads_it(
    table: list[list[str]], always: bool, line_end: str
) -> None:
    out = io.StringIO()
    ids = [[f"id-{k:03d}", *row] for k, row in enumerate(table)]
    csv.writer(
        out, quoting=csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL, lineterminator=line_end
    ).writerows([["lead_id", "x", "y", "z"], *ids])

    source = read_csv(out.getvalue().encode(), SETTINGS, "f")

    assert records(source) == [tuple(row) for row in ids]
    assert source.damaged == []


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused_with_a_message(data: bytes) -> None:
    try:
        source = read_csv(data, SETTINGS, "f")
    except InputError:
        return

    assert all(len(column) == len(source.rows) for column in source.columns)
