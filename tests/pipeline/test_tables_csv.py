"""The CSV reader on the faults of containers and structure, by hand."""

from __future__ import annotations

import pytest

from features.errors import InputError
from pipeline.config import TableSettings
from pipeline.tables.csv_reader import read_csv
from pipeline.tables.raw import Source


def read(data: bytes | str, **settings: object) -> Source:
    raw = data.encode() if isinstance(data, str) else data
    return read_csv(raw, TableSettings.model_validate({"path": "leads.csv", **settings}), "leads.csv")


def rows(source: Source) -> list[list[str]]:
    return [list(row) for row in zip(*(column.to_pylist() for column in source.columns), strict=True)]


def damage(source: Source) -> list[tuple[int, str, str]]:
    return [(record.row, record.code, record.raw) for record in source.damaged]


def test_a_header_alone_is_no_records() -> None:
    source = read("lead_id,x\n")

    assert source.names == ["lead_id", "x"]
    assert source.records == 0


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"leads\.csv is empty"):
        read(data)


def test_a_file_of_blank_lines_is_refused() -> None:
    with pytest.raises(InputError, match="only blank lines"):
        read("\n\n\n")


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert read(b"\xef\xbb\xbflead_id,x\nL1,1\n").names == ["lead_id", "x"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-32-be"])
def test_wide_text_is_refused_with_the_setting_that_reads_it(encoding: str) -> None:
    name = encoding[:6]

    with pytest.raises(InputError, match=f'Set encoding = "{name}"'):
        read("lead_id,x\nL1,1\n".encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1", "cp1252"])
def test_a_configured_encoding_is_read(encoding: str) -> None:
    assert rows(read("lead_id,x\nL1,Müller\n".encode(encoding), encoding=encoding)) == [["L1", "Müller"]]


def test_a_byte_that_the_configured_encoding_lacks_costs_its_record_alone() -> None:
    source = read(b"lead_id,x\nL1,\x81\nL2,b\n", encoding="cp1252")

    assert damage(source) == [(2, "encoding", "L1,\\x81")]
    assert rows(source) == [["L2", "b"]]


def test_half_a_wide_character_is_refused() -> None:
    with pytest.raises(InputError, match="can't be read as utf-16"):
        read("lead_id,x\nL1,1\n".encode("utf-16") + b"\x00", encoding="utf-16")


def test_bytes_that_are_no_utf8_cost_their_record_alone() -> None:
    source = read(b"lead_id,x\nL1,a\nL2,\xff\xfe\nL3,\xc3\xa9\n")

    assert damage(source) == [(3, "encoding", "L2,\\xff\\xfe")]
    assert rows(source) == [["L1", "a"], ["L3", "é"]]


@pytest.mark.parametrize("mark", ["\x00", "\x07", "\x0b", "\x1b", "\x7f"])
def test_a_control_character_costs_its_record_alone(mark: str) -> None:
    source = read(f"lead_id,x\nL1,a\nL2,b{mark}\nL3,c\n")

    assert [(row, code) for row, code, _ in damage(source)] == [(3, "control_character")]
    assert rows(source) == [["L1", "a"], ["L3", "c"]]


def test_a_tab_inside_a_field_is_text() -> None:
    assert rows(read("lead_id,x\nL1,a\tb\n")) == [["L1", "a\tb"]]


def test_lines_may_end_with_carriage_return_and_newline() -> None:
    source = read('lead_id,x\r\nL1,a\r\nL2,"b"\r\n')

    assert rows(source) == [["L1", "a"], ["L2", "b"]]


def test_lines_that_end_with_a_carriage_return_alone_are_refused() -> None:
    with pytest.raises(InputError, match="CR alone"):
        read("lead_id,x\rL1,a\rL2,b\r")


def test_a_stray_carriage_return_costs_its_record_alone() -> None:
    source = read("lead_id,x\nL1,a\rb\nL2,b\n")

    assert damage(source) == [(2, "control_character", "L1,a\rb")]
    assert rows(source) == [["L2", "b"]]


def test_a_last_line_without_newline_is_read() -> None:
    source = read("lead_id,x\nL1,a")

    assert rows(source) == [["L1", "a"]]
    assert not source.is_cut


@pytest.mark.parametrize("last", ["L2", 'L2,"b'])
def test_a_record_cut_by_the_end_of_the_file_is_truncated(last: str) -> None:
    source = read(f"lead_id,x\nL1,a\n{last}")

    assert damage(source) == [(3, "truncated", last)]
    assert rows(source) == [["L1", "a"]]
    assert source.is_cut


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_wrong_delimiter_is_refused_with_the_right_one(delimiter: str) -> None:
    written = delimiter.replace("\t", r"\\t").replace("|", r"\|")

    with pytest.raises(InputError, match=f'Set delimiter = "{written}"'):
        read(f"lead_id{delimiter}x\nL1{delimiter}1\n")


def test_a_delimiter_beyond_ascii_is_read() -> None:
    assert rows(read('lead_id¦x\nL1¦"a¦b"\n', delimiter="¦")) == [["L1", "a¦b"]]


def test_an_extra_field_costs_its_record_alone() -> None:
    source = read("lead_id,x\nL1,a\nL2,b,c\nL3,d\n")

    assert damage(source) == [(3, "extra_field", "L2,b,c")]
    assert source.damaged[0].detail == "3 fields, expected 2"
    assert rows(source) == [["L1", "a"], ["L3", "d"]]


def test_missing_fields_cost_their_record_and_are_not_filled() -> None:
    source = read("lead_id,x\nL1,a\nL2\nL3,d\n")

    assert damage(source) == [(3, "missing_field", "L2")]
    assert rows(source) == [["L1", "a"], ["L3", "d"]]


def test_an_unclosed_quote_costs_its_line_alone() -> None:
    source = read('lead_id,x,y\nL1,"a,1\nL2,b,2\nL3,"c",3\nL4,d,4\n')

    assert damage(source) == [(2, "unclosed_quote", 'L1,"a,1')]
    assert [row[0] for row in rows(source)] == ["L2", "L3", "L4"]


def test_two_lost_quotes_do_not_swallow_the_records_between() -> None:
    source = read('lead_id,x\nL1,"a\nL2,b\nL3,c\nL4,d"\nL5,e\n')

    assert [(row, code) for row, code, _ in damage(source)] == [(2, "unclosed_quote"), (5, "stray_quote")]
    assert [row[0] for row in rows(source)] == ["L2", "L3", "L5"]


def test_a_lost_quote_does_not_tear_a_quoted_newline_after_it() -> None:
    source = read('lead_id,x\nL1,"a\nL2,"\nb"\nL3,c\n')

    assert damage(source) == [(2, "unclosed_quote", 'L1,"a')]
    assert rows(source) == [["L2", "\nb"], ["L3", "c"]]


def test_a_stray_quote_costs_its_record_alone() -> None:
    source = read('lead_id,x\nL1,5" pipe\nL2,"a"b\nL3,c\n')

    assert [(row, code) for row, code, _ in damage(source)] == [(2, "stray_quote"), (3, "stray_quote")]
    assert rows(source) == [["L3", "c"]]


def test_quoted_newlines_delimiters_and_quotes_are_read() -> None:
    source = read('lead_id,x\nL1,"Hi John,\nregards, ""Bob""\r\n\nbye"\nL2,b\n')

    assert rows(source) == [["L1", 'Hi John,\nregards, "Bob"\r\n\nbye'], ["L2", "b"]]
    assert source.rows.tolist() == [2, 6]
    assert source.blank_lines == 0


def test_many_lines_that_might_close_each_other_are_damaged_in_pairs() -> None:
    source = read("lead_id,x,y\n" + '",x\n' * 5000 + "L1,a,b\n")

    assert [code for _, code, _ in damage(source)] == ["missing_field"] * 2500
    assert rows(source) == [["L1", "a", "b"]]


def test_a_quote_that_closes_beyond_the_longest_record_costs_its_line_alone() -> None:
    source = read('lead_id,x\nL1,"a\n' + ("y" * 1000 + "\n") * 500 + 'z"\nL2,b\n')

    assert damage(source)[0] == (2, "unclosed_quote", 'L1,"a')
    assert rows(source) == [["L2", "b"]]


def test_a_record_over_two_lines_with_an_extra_field_is_one_damaged_record() -> None:
    source = read('lead_id,x\nL1,"a\nb",c\nL2,d\n')

    assert damage(source) == [(2, "extra_field", 'L1,"a\nb",c')]
    assert rows(source) == [["L2", "d"]]


def test_blank_lines_are_counted_and_are_no_records() -> None:
    source = read("\nlead_id,x\n\nL1,a\n  \n\r\nL2,b\n\n")

    assert source.blank_lines == 5
    assert source.rows.tolist() == [4, 7]
    assert source.records == 2


def test_a_line_of_empty_fields_is_a_record() -> None:
    assert rows(read("lead_id,x\n,\n")) == [["", ""]]


def test_a_repeated_header_is_quarantined() -> None:
    source = read('lead_id,x\nL1,a\n"lead_id",x\nlead_id,b\n')

    assert damage(source) == [(3, "repeated_header", '"lead_id",x')]
    assert rows(source) == [["L1", "a"], ["lead_id", "b"]]


def test_a_line_that_begins_with_a_hash_is_data() -> None:
    assert rows(read("lead_id,x\n#1,a\n")) == [["#1", "a"]]


@pytest.mark.parametrize("text", ["x" * 32_001, '"' + "x" * 32_001 + '"'])
def test_a_field_over_32_thousand_characters_is_oversize(text: str) -> None:
    source = read(f"lead_id,x\nL1,{text}\nL2,b\n")

    assert [(row, code) for row, code, _ in damage(source)] == [(2, "oversize")]
    assert rows(source) == [["L2", "b"]]


def test_a_field_of_32_thousand_characters_is_read() -> None:
    assert rows(read(f"lead_id,x\nL1,{'é' * 32_000}\n")) == [["L1", "é" * 32_000]]


def test_a_record_over_400_thousand_characters_is_oversize_and_its_raw_text_is_cut() -> None:
    source = read(f"lead_id{',x' * 20}\nL1{(',' + 'x' * 21_000) * 20}\n")

    assert source.damaged[0].code == "oversize"
    assert len(source.damaged[0].raw) == 400_000


def test_more_than_ten_thousand_columns_are_refused() -> None:
    with pytest.raises(InputError, match="10001 columns, at most 10000"):
        read(",".join(f"c{k}" for k in range(10_001)) + "\n")


@pytest.mark.parametrize(
    ("header", "code"),
    [(b'lead_id,"x', "unclosed_quote"), (b"lead_id,\xff", "encoding"), (b"a\x00,b", "control")],
)
def test_a_damaged_header_is_refused(header: bytes, code: str) -> None:
    with pytest.raises(InputError, match=f"header can't be read .{code}"):
        read(header + b"\nL1,1\n")


def test_a_quoted_newline_in_the_header_is_part_of_the_name() -> None:
    source = read('lead_id,"first\nname"\nL1,a\n')

    assert source.names == ["lead_id", "first\nname"]
    assert source.rows.tolist() == [3]


def test_a_single_column_is_read() -> None:
    assert rows(read('lead_id\nL1\n"L\n2"\n')) == [["L1"], ["L\n2"]]


def test_other_line_separators_of_unicode_are_text() -> None:
    assert rows(read("lead_id,x\nL1,a\u2028b\x85c\n")) == [["L1", "a\u2028b\x85c"]]


def test_raw_text_is_the_text_of_the_file() -> None:
    source = read('lead_id,x\r\nL1,"a\r\nb"\r\nL2,c\r\n')

    assert source.raw(source.rows[:0]) == []
    assert source.raw((source.rows > 0).nonzero()[0]) == ['L1,"a\r\nb"', "L2,c"]
