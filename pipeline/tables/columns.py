"""Columns that are read already, as a source: what a cell may hold, and the raw text of a row."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.tables.csv_slow import MAX_FIELD, MAX_RECORD
from pipeline.tables.raw import Damaged, Positions, Source

__all__ = ["source_of"]


def source_of(
    file: str,
    names: list[str],
    columns: list[pa.ChunkedArray],
    rows: int,
    is_undecodable: NDArray[np.bool_] | None = None,
    what: Literal["file", "table"] = "file",
) -> Source:
    """The rows of some columns; one with a cell too long to be true, in no UTF-8 or with a NUL is damaged.

    Parameters
    ----------
    columns : large_string, or times and floating numbers, whose type still matters.
    is_undecodable : (rows,) whether a cell held bytes that are no UTF-8.
    """
    longest = _longest(columns, rows)
    undecodable = np.zeros(rows, bool) if is_undecodable is None else is_undecodable
    has_nul = _has_nul(columns, rows)  # no text to a database, so none to the ledger
    is_damaged = undecodable | has_nul | (longest > MAX_FIELD)
    numbers, raw = np.arange(1, rows + 1, dtype=np.int64), _raw_text(names, columns)
    if not is_damaged.any():
        return Source(file=file, names=names, columns=columns, rows=numbers, raw=raw, what=what)
    damaged = []
    for k in np.flatnonzero(is_damaged):
        code, detail = "oversize", f"field of {longest[k]} characters, at most {MAX_FIELD}"
        if has_nul[k]:
            code, detail = "control_character", f"control character {chr(0)!r}"
        if undecodable[k]:
            code, detail = "encoding", "bytes that are no UTF-8"
        damaged.append(Damaged(int(k) + 1, code, detail, raw(np.array([k]))[0][:MAX_RECORD]))
    fits = np.flatnonzero(~is_damaged)
    kept = [column.take(fits) for column in columns]
    return Source(
        file=file, names=names, columns=kept, rows=numbers[fits], raw=_raw_text(names, kept), damaged=damaged,
        what=what,
    )  # fmt: skip


def _longest(columns: list[pa.ChunkedArray], rows: int) -> Positions:
    longest = np.zeros(rows, np.int64)
    for column in columns:
        if pa.types.is_large_string(column.type):
            lengths = pc.fill_null(pc.utf8_length(column), 0).to_numpy()
            longest = np.maximum(longest, lengths)
    return longest


def _has_nul(columns: list[pa.ChunkedArray], rows: int) -> NDArray[np.bool_]:
    found = np.zeros(rows, bool)
    for column in columns:
        if pa.types.is_large_string(column.type):
            held = pc.fill_null(pc.match_substring(column, "\0"), fill_value=False)
            if pc.any(held).as_py():
                found |= held.to_numpy()
    return found


def _raw_text(names: list[str], columns: list[pa.ChunkedArray]) -> Callable[[Positions], list[str]]:
    def raw(positions: Positions) -> list[str]:
        records: list[list[Any]] = [column.take(pa.array(positions)).to_pylist() for column in columns]
        rows = zip(*records, strict=True)
        return [
            json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=str) for row in rows
        ]

    return raw
