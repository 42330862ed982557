"""The fast path for CSV: a block of bytes proved clean by a vectorised scan is parsed by Arrow."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from pipeline.tables.csv_slow import MAX_FIELD

__all__ = ["is_clean", "parse_clean"]

_CONTROL = bytes([*range(9), 11, 12, *range(14, 32), 127])
_QUOTE, _NEWLINE, _RETURN = 34, 10, 13


def is_clean(block: bytes, delimiter: bytes, n_fields: int) -> bool:
    """Whether every line of a block is surely one good record of `n_fields` fields.

    The block must end with a newline. False means only "not proved": blank lines, quoted newlines, long
    lines and any damage are left to the strict reader.
    """
    if len(delimiter) != 1 or len(block.translate(None, _CONTROL)) != len(block):
        return False
    if block.count(b"\r") != block.count(b"\r\n"):
        return False
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    data = np.frombuffer(block, np.uint8)
    newlines = np.flatnonzero(data == _NEWLINE)
    lengths = np.diff(newlines, prepend=-1)
    if lengths.min() < 2 or lengths.max() > MAX_FIELD or b"\n\r\n" in block or block.startswith(b"\r"):
        return False
    delimiters = np.flatnonzero(data == delimiter[0])
    if b'"' in block:
        quotes = np.flatnonzero(data == _QUOTE)
        if not _quotes_are_strict(data, quotes, newlines, delimiter[0]):
            return False
        delimiters = delimiters[np.searchsorted(quotes, delimiters) % 2 == 0]
    return _counts_are(delimiters, newlines, n_fields - 1)


def _counts_are(positions: NDArray[np.int64], newlines: NDArray[np.int64], expected: int) -> bool:
    if len(positions) != expected * len(newlines):
        return False
    return bool((np.searchsorted(positions, newlines) == expected * np.arange(1, len(newlines) + 1)).all())


def _quotes_are_strict(
    data: NDArray[np.uint8], quotes: NDArray[np.int64], newlines: NDArray[np.int64], delimiter: int
) -> bool:
    """Whether no newline is quoted, each opening quote starts a field and each closing quote ends one."""
    if (np.searchsorted(quotes, newlines) % 2).any():
        return False
    opening, closing = quotes[::2], quotes[1::2]
    escaped = closing[:-1] + 1 == opening[1:]
    before = data[opening - 1]
    starts = (before == delimiter) | (before == _NEWLINE) | (opening == 0)
    after = data[closing + 1]
    ends = (after == delimiter) | (after == _NEWLINE) | (after == _RETURN)
    starts[1:] |= escaped
    ends[:-1] |= escaped
    return bool(starts.all() and ends.all())


def parse_clean(
    block: bytes, delimiter: bytes, n_fields: int, *, has_quoted_newlines: bool = False
) -> pa.Table:
    """Good records, one after the other, as text columns named by their position."""
    names = [str(number) for number in range(n_fields)]
    return csv.read_csv(
        pa.BufferReader(block),
        read_options=csv.ReadOptions(column_names=names, block_size=len(block) + 1),
        parse_options=csv.ParseOptions(
            delimiter=delimiter.decode(), ignore_empty_lines=False, newlines_in_values=has_quoted_newlines
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )
