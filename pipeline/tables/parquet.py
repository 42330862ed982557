"""Reads the bytes of a Parquet file into columns of text, times and floating numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from features.errors import InputError
from pipeline.tables.csv_slow import MAX_FIELD, MAX_RECORD
from pipeline.tables.raw import Damaged, Positions, Source

__all__ = ["read_parquet"]

_MAX_BYTES = 8 << 30


def read_parquet(data: bytes, file: str) -> Source:
    """A Parquet file's rows; text stays text, dictionaries are decoded, whole numbers become their digits.

    Raises
    ------
    InputError
        If the file is damaged, unpacks to an implausible size, or has nested or binary columns.
    """
    try:
        table = _read(data, file)
        plain = [_plain(column) for column in table.columns]
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} can't be read as Parquet: {error}. Copy or export it again.") from error
    names = table.column_names
    rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
    longest = _longest(plain, table.num_rows)
    raw = _raw_text(names, plain)
    if not (longest > MAX_FIELD).any():
        return Source(file=file, names=names, columns=plain, rows=rows, raw=raw)
    over = np.flatnonzero(longest > MAX_FIELD)
    damaged = [
        Damaged(
            int(k) + 1,
            "oversize",
            f"field of {longest[k]} characters, at most {MAX_FIELD}",
            raw(over[[n]])[0][:MAX_RECORD],
        )
        for n, k in enumerate(over)
    ]
    fits = np.flatnonzero(longest <= MAX_FIELD)
    kept = [column.take(fits) for column in plain]
    return Source(
        file=file, names=names, columns=kept, rows=rows[fits], raw=_raw_text(names, kept), damaged=damaged
    )


def _read(data: bytes, file: str) -> pa.Table:
    """The file with text still in dictionaries, so that its true size is known before it is unpacked."""
    source = parquet.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    schema = source.schema_arrow
    nested = [item.name for item in schema if not _is_flat(item.type)]
    if nested:
        names = ", ".join(repr(name) for name in nested)
        raise InputError(
            f"{file} has nested or binary columns: {names}. Flatten them or leave them out of the export."
        )
    if source.metadata.num_rows * max(len(schema), 1) > _MAX_BYTES:
        raise InputError(f"{file} says it has {source.metadata.num_rows} rows; that is no plausible table.")
    texts = [
        item.name for item in schema if pa.types.is_string(item.type) or pa.types.is_large_string(item.type)
    ]
    source = parquet.ParquetFile(
        pa.BufferReader(data), read_dictionary=texts, page_checksum_verification=True, pre_buffer=False
    )
    table = source.read()
    table.validate(full=True)
    size = sum(_unpacked_bytes(column) for column in table.columns)
    if size > _MAX_BYTES:
        raise InputError(f"{file} unpacks to {size} bytes from {len(data)}; that is no plausible table.")
    return table


def _is_flat(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_flat(kind.value_type)
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _unpacked_bytes(column: pa.ChunkedArray) -> int:
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary.cast(pa.large_string())).take(chunk.indices)
        total += pc.sum(lengths.cast(pa.int64())).as_py() or 0
    return total


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text, except times and floating numbers, whose type still matters."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_temporal(kind) or pa.types.is_floating(kind):
        return column.cast(kind)
    return column.cast(pa.large_string())


def _longest(columns: list[pa.ChunkedArray], rows: int) -> Positions:
    longest = np.zeros(rows, np.int64)
    for column in columns:
        if pa.types.is_large_string(column.type):
            lengths = pc.fill_null(pc.utf8_length(column), 0).to_numpy()
            longest = np.maximum(longest, lengths)
    return longest


def _raw_text(names: list[str], columns: list[pa.ChunkedArray]) -> Callable[[Positions], list[str]]:
    def raw(positions: Positions) -> list[str]:
        records: list[list[Any]] = [column.take(pa.array(positions)).to_pylist() for column in columns]
        rows = zip(*records, strict=True)
        return [
            json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=str) for row in rows
        ]

    return raw
