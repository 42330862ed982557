"""Rows of a database as columns: text in one order, whatever the database's, with its digest, then typed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.errors import InputError
from pipeline.tables.columns import source_of
from pipeline.tables.raw import Source

__all__ = ["SqlRows"]

TEXT = pa.large_string()
_MAX_BYTES = 8 << 30


class SqlRows:
    """The rows of one table while they come in, part by part, each cell as text.

    Parameters
    ----------
    types : what the text of each column becomes in the end, where all of it reads as such: floating, a time, a
        boolean (`true` and `false` in place of 1 and 0). Numbers that a database without types keeps as floating
        ones become floating whatever is declared, so that no id gets a `.0`.
    """

    def __init__(self, table: str, names: Sequence[str], types: Sequence[pa.DataType]) -> None:
        self._table, self._names, self._types = table, list(names), list(types)
        self._parts: list[list[pa.Array]] = [[] for _ in names]
        self._kinds: list[set[type]] = [set() for _ in names]
        self._undecodable: list[int] = []
        self._rows = self._bytes = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Take some rows in.

        Raises
        ------
        InputError
            If the table has more bytes than is plausible.
        """
        for number, cells in enumerate(zip(*rows, strict=True)):
            part = self._text(number, cells)
            self._parts[number].append(part)
            self._bytes += part.nbytes
        self._rows += len(rows)
        if self._bytes > _MAX_BYTES:
            raise InputError(
                f"{self._table} has more than {self._bytes} bytes in its first {self._rows} rows; that is no plausible "
                "table. Read a view with fewer rows or columns."
            )

    def binary(self) -> list[str]:
        """Names of the columns in which bytes were met, which are no text."""
        return [name for name, kinds in zip(self._names, self._kinds, strict=True) if bytes in kinds]

    def finish(self, order: Sequence[str]) -> tuple[Source, str]:
        """The table sorted by the columns of `order`, then by all others by name, and the SHA-256 of its rows.

        Text is compared byte by byte and missing values come last, so that the order is the same on every
        database. Neither the order of the rows in the database nor that of the columns moves the digest.
        """
        names = [name for name in self._names if name not in self.binary()]
        parts = zip(self._names, self._parts, strict=True)
        table = pa.table({name: pa.chunked_array(cells, TEXT) for name, cells in parts if name in names})
        self._parts, table = [], table.combine_chunks()
        first = [name for name in order if name in names]
        keys = [*first, *sorted(set(names) - set(first))]
        places = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in keys])
        is_same, digest = np.ones(max(self._rows - 1, 0), bool), hashlib.sha256()
        columns: dict[str, pa.ChunkedArray] = {}
        for name in sorted(names):  # one by one, that the rows are in memory once
            column, table = table.column(name).take(places), table.drop_columns([name])
            _add(digest, name, column)
            is_same &= _equals_next(column)
            columns[name] = self._typed(self._names.index(name), column)
        is_undecodable = np.zeros(self._rows, bool)
        is_undecodable[self._undecodable] = True
        in_order = is_undecodable[places.to_numpy()]
        typed = [columns[name] for name in names]
        source = source_of(self._table, names, typed, self._rows, in_order, what="table")
        return replace(source, repeated=int(is_same.sum())), digest.hexdigest()

    def _text(self, number: int, cells: tuple[Any, ...]) -> pa.Array:
        kinds = set(map(type, cells))
        self._kinds[number] |= kinds
        try:
            return pa.array(map(_as_text, cells) if kinds - {str, type(None)} else cells, TEXT)
        except UnicodeEncodeError:
            return pa.array([self._decoded(row, cell) for row, cell in enumerate(map(_as_text, cells))], TEXT)

    def _decoded(self, row: int, cell: str | None) -> str | None:
        """The cell with a mark in place of bytes that are no UTF-8; its row is noted."""
        if cell is None:
            return None
        shown = cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if shown != cell:
            self._undecodable.append(self._rows + row)
        return shown

    def _typed(self, number: int, column: pa.ChunkedArray) -> pa.ChunkedArray:
        kinds, kind = self._kinds[number], self._types[number]
        if pa.types.is_boolean(kind):
            is_one, is_zero = (pc.equal(column, each) for each in "10")
            return pc.if_else(is_one, "true", pc.if_else(is_zero, "false", column)).cast(TEXT)
        if float in kinds and str not in kinds:
            kind = pa.float64()
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:  # a moment such as 'infinity': text, that its row alone is judged
            return column


def _as_text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, bytes):
        return None
    return cell if isinstance(cell, str) else repr(cell)


def _equals_next(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """(rows - 1,) whether a cell is that of the next row; two missing ones are."""
    rows = max(len(column) - 1, 0)
    one, other = column.slice(0, rows), column.slice(1)
    equal = pc.fill_null(pc.equal(one, other), fill_value=False)
    return np.asarray(pc.or_(equal, pc.and_(pc.is_null(one), pc.is_null(other))).to_numpy(), bool)


def _add(digest: Any, name: str, column: pa.ChunkedArray) -> None:
    """Add a column to a digest: a missing cell differs from an empty one, and no cell runs into the next."""
    lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy()
    digest.update(f"{name}\0{len(lengths)}\0".encode())
    digest.update(np.ascontiguousarray(lengths, "<i8").tobytes())
    for chunk in pc.fill_null(column, "").chunks:
        offsets = np.frombuffer(chunk.buffers()[1], np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        if len(offsets) > 1:
            digest.update(chunk.buffers()[2].slice(offsets[0], offsets[-1] - offsets[0]))
