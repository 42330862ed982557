"""Reads the bytes of a CSV file: header, then blocks of lines by the fast or the strict path."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.errors import InputError
from pipeline.config import TableSettings
from pipeline.tables.csv_fast import is_clean, parse_clean
from pipeline.tables.csv_slow import MAX_RECORD, SlowReader, fields_of
from pipeline.tables.raw import Damaged, Positions, Source

__all__ = ["MAX_COLUMNS", "read_csv"]

MAX_COLUMNS = 10_000
_BLOCK = 1 << 20
_HEADER = 1 << 20
_BATCH = 50_000
_DELIMITERS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}


@dataclass(frozen=True)
class _Part:
    """Some consecutive records: their columns and, 1-based, their first and last physical lines."""

    columns: pa.Table
    starts: Positions
    ends: Positions
    damaged: list[tuple[int, int, str, str]]
    blank: int = 0


def read_csv(data: bytes, settings: TableSettings, file: str, block_bytes: int = _BLOCK) -> Source:
    """A CSV file's records as text columns; no undamaged record is lost.

    Parameters
    ----------
    data : the whole file, uncompressed.
    file : the name to use in messages.
    block_bytes : size of the blocks that take the fast path if a scan proves them clean.

    Raises
    ------
    InputError
        If the file as a whole can't be read: empty, another encoding or delimiter, no usable header.
    """
    data = _as_utf8(data, settings, file)
    lines = _LineIndex(data)
    names, body, blank = _read_header(lines, settings, file)
    reader = _BodyReader(lines, settings.delimiter, len(names), body)
    parts = list(reader.parts(block_bytes))
    columns = pa.concat_tables([part.columns for part in parts]) if parts else reader.nothing()
    starts = _joined([part.starts for part in parts])
    ends = _joined([part.ends for part in parts])
    damaged = [
        Damaged(first, code, detail, lines.text(first, last))
        for part in parts
        for first, last, code, detail in part.damaged
    ]
    repeated = _repeated_header(columns, names)
    if repeated.any():
        detail = "the header once more"
        damaged += [
            Damaged(int(starts[k]), "repeated_header", detail, lines.text(int(starts[k]), int(ends[k])))
            for k in np.flatnonzero(repeated)
        ]
        columns, starts, ends = columns.filter(pa.array(~repeated)), starts[~repeated], ends[~repeated]
    return Source(
        file=file,
        names=names,
        columns=columns.columns,
        rows=starts,
        raw=_raw_text(lines, starts, ends),
        damaged=sorted(damaged, key=lambda record: record.row),
        blank_lines=blank + sum(part.blank for part in parts),
        is_cut=any(record.code == "truncated" for record in damaged),
    )


class _LineIndex:
    """The physical lines of a file, numbered from 1."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        ends = [
            np.flatnonzero(np.frombuffer(data[at : at + _BLOCK], np.uint8) == ord("\n")) + at
            for at in range(0, len(data), _BLOCK)
        ]
        newlines = _joined([end.astype(np.int64) for end in ends])
        self.is_cut = bool(len(data)) and not data.endswith(b"\n")
        self.stops = np.append(newlines, len(data)) if self.is_cut else newlines

    def __len__(self) -> int:
        return len(self.stops)

    def start(self, line: int) -> int:
        """Offset of a line's first byte."""
        return int(self.stops[line - 2]) + 1 if line > 1 else 0

    def bytes(self, first: int, last: int) -> bytes:
        """The bytes of some lines, without the last newline."""
        return self.data[self.start(first) : int(self.stops[last - 1])]

    def text(self, first: int, last: int) -> str:
        """The text of some lines; bytes that are no UTF-8 are written as backslash escapes."""
        return self.bytes(first, last)[:MAX_RECORD].decode("utf-8", "backslashreplace").removesuffix("\r")

    def after(self, offset: int) -> int:
        """The last line that begins at or before an offset."""
        return min(int(np.searchsorted(self.stops, offset)) + 1, len(self))


class _BodyReader:
    """Reads the lines after the header in blocks; what is not proved clean goes to the strict reader."""

    def __init__(self, lines: _LineIndex, delimiter: str, n_fields: int, first_line: int) -> None:
        self.lines, self.delimiter, self.n_fields, self.first_line = lines, delimiter, n_fields, first_line

    def parts(self, block_bytes: int) -> Iterator[_Part]:
        """The records in order. Runs of unclean blocks are read as one, so that no record is torn.

        A record that goes over the end of a block makes the next one unclean too: the closing quote
        leaves that block with a line of an odd number of quotes.
        """
        pending: int | None = None
        first = self.first_line
        while first <= len(self.lines):
            last = self.lines.after(self.lines.start(first) + block_bytes)
            block = self.lines.bytes(first, last) + b"\n"
            parts_runs = pending is None or last == len(self.lines) or _characters(block) > MAX_RECORD
            if parts_runs and is_clean(block, self.delimiter.encode(), self.n_fields):
                if pending is not None:
                    yield self._strict(pending, first - 1)
                    pending = None
                rows = np.arange(first, last + 1, dtype=np.int64)
                yield _Part(parse_clean(block, self.delimiter.encode(), self.n_fields), rows, rows, [])
            elif pending is None:
                pending = first
            first = last + 1
        if pending is not None:
            yield self._strict(pending, len(self.lines))

    def _strict(self, first: int, last: int) -> _Part:
        text = self.lines.bytes(first, last).decode("utf-8", "surrogateescape")
        is_cut = self.lines.is_cut and last == len(self.lines)
        found = SlowReader(text, self.delimiter, self.n_fields, is_cut=is_cut).read()
        batches = [self._columns(found.texts[at : at + _BATCH]) for at in range(0, len(found.texts), _BATCH)]
        return _Part(
            pa.concat_tables([self.nothing(), *batches]),
            np.array(found.starts, np.int64) + first,
            np.array(found.ends, np.int64) + first,
            [(start + first, end + first, code, detail) for start, end, code, detail in found.damaged],
            found.blank,
        )

    def _columns(self, texts: list[str]) -> pa.Table:
        delimiter = self.delimiter.encode()
        if len(delimiter) == 1:
            block = "".join(f"{text}\n" for text in texts).encode()
            return parse_clean(block, delimiter, self.n_fields, has_quoted_newlines=True)
        columns = zip(*(fields_of(text, self.delimiter) for text in texts), strict=True)
        return pa.table({str(k): pa.array(column, pa.string()) for k, column in enumerate(columns)})

    def nothing(self) -> pa.Table:
        """No records."""
        return pa.table({str(k): pa.array([], pa.string()) for k in range(self.n_fields)})


def _read_header(lines: _LineIndex, settings: TableSettings, file: str) -> tuple[list[str], int, int]:
    """Column names, the first line after the header, and the blank lines before it."""
    text = lines.bytes(1, lines.after(_HEADER)).decode("utf-8", "surrogateescape")
    head = text.split("\n")
    blank = next((k for k, line in enumerate(head) if line.strip()), len(head))
    if blank == len(head):
        raise InputError(f"{file} holds only blank lines; expected a header line with the column names.")
    record = SlowReader("\n".join(head[blank:]), settings.delimiter, None).record_at(0)
    if record.code:
        raise InputError(
            f"{file}, line {blank + 1}: the header can't be read ({record.code}: {record.detail}); "
            "expected one line of column names."
        )
    names = fields_of(record.text, settings.delimiter)
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{file} has {len(names)} columns, at most {MAX_COLUMNS} are read.")
    others = {d: words for d, words in _DELIMITERS.items() if d != settings.delimiter and d in names[0]}
    if len(names) == 1 and others:
        best = max(others, key=names[0].count)
        raise InputError(
            f"{file} has a single column {names[0][:80]!r} when cut at {settings.delimiter!r}; "
            f"its delimiter seems to be {others[best]}. Set delimiter = {_toml(best)} for this table."
        )
    return names, blank + record.end + 2, blank


def _as_utf8(data: bytes, settings: TableSettings, file: str) -> bytes:
    if settings.encoding == "utf-8":
        data = data.removeprefix(codecs.BOM_UTF8)
        _refuse_wide_text(data, file)
    elif settings.encoding in ("utf-16", "utf-32"):
        try:
            data = data.decode(settings.encoding).encode("utf-8")
        except UnicodeError as error:
            raise InputError(
                f"{file} can't be read as {settings.encoding}: {error}. Check encoding."
            ) from error
    else:
        text = data.decode(settings.encoding, "surrogateescape")
        data = text.encode("utf-8", "surrogateescape")
    if not data:
        raise InputError(f"{file} is empty; expected at least a header line with the column names.")
    if b"\r" in data and data.count(b"\r") - data.count(b"\r\n") > data.count(b"\n"):
        raise InputError(
            f"{file} ends its lines with CR alone (an old Macintosh export); "
            "save it with LF or CRLF line ends."
        )
    return data


def _refuse_wide_text(data: bytes, file: str) -> None:
    head = data[:4096]
    boms = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
    boms |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    found = next((name for bom, name in boms.items() if head.startswith(bom)), None)
    if found is None and len(head) >= 8 and head.count(0) * 3 > len(head):
        found = "utf-32" if head.count(0) * 3 > 2 * len(head) else "utf-16"
    if found:
        raise InputError(f'{file} is {found} text, not UTF-8. Set encoding = "{found}" for this table.')


def _repeated_header(columns: pa.Table, names: list[str]) -> NDArray[np.bool_]:
    repeated = pc.equal(columns.column(0), names[0]).to_numpy().astype(bool)
    for position in np.flatnonzero(repeated):
        record = [column[int(position)].as_py() for column in columns.columns]
        repeated[position] = record == names
    return np.asarray(repeated)


def _raw_text(lines: _LineIndex, starts: Positions, ends: Positions) -> Callable[[Positions], list[str]]:
    def raw(positions: Positions) -> list[str]:
        return [lines.text(int(starts[k]), int(ends[k])) for k in positions]

    return raw


def _characters(block: bytes) -> int:
    return len(block.decode("utf-8", "replace"))


def _joined(parts: list[Positions]) -> Positions:
    return np.concatenate(parts) if parts else np.array([], np.int64)


def _toml(character: str) -> str:
    return '"\\t"' if character == "\t" else f'"{character}"'
