"""Reads the bytes of a Parquet file into columns of text, times and floating numbers."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from features.errors import InputError
from pipeline.tables.columns import source_of
from pipeline.tables.raw import Source

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
    return source_of(file, table.column_names, plain, table.num_rows)


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
