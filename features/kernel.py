"""The one definition of every event feature: array functions over events sorted by (group, time).

A group is a lead or an account. Nothing here sums floats across groups, so one lead alone, a chunk
and the whole batch give the same bits. Counts use integer running totals, which are exact.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "decayed_sums",
    "event_pairs",
    "first_at_or_after",
    "last_before",
    "running_count",
    "window_days",
    "window_sums",
    "with_tail",
]

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
DAY = 86_400_000_000
_PAIRS_AT_ONCE = 4_000_000


def first_at_or_after(time: Int64, low: Int64, high: Int64, moment: Int64) -> Int64:
    """Index of the first event at or after `moment` within [low, high) of each row; `high` if none.

    `time` is sorted inside each [low, high). With low = the group's start, the events in
    [low, result) are those known strictly before `moment`.

    Examples
    --------
    >>> first_at_or_after(np.array([1, 5, 9]), np.array([0]), np.array([3]), np.array([5])).tolist()
    [1]
    """
    if len(time) == 0:
        return low.copy()
    low, high = low.copy(), high.copy()
    while (searching := low < high).any():
        middle = (low + high) // 2
        is_before = searching & (time[np.minimum(middle, len(time) - 1)] < moment)
        low = np.where(is_before, middle + 1, low)
        high = np.where(searching & ~is_before, middle, high)
    return low


def running_count(is_counted: NDArray[np.bool_]) -> Int64:
    """(n + 1,) number of counted events before each index: total[b] - total[a] counts [a, b)."""
    total = np.zeros(len(is_counted) + 1, dtype=np.int64)
    np.cumsum(is_counted, out=total[1:])
    return total


def last_before(is_counted: NDArray[np.bool_], start: Int64, stop: Int64) -> Int64:
    """Index of the last counted event in [start, stop) of each row, -1 where there is none."""
    if len(is_counted) == 0:
        return np.full(len(start), -1, dtype=np.int64)
    latest = np.maximum.accumulate(np.where(is_counted, np.arange(len(is_counted)), -1))
    found = np.where(stop > start, latest[np.maximum(stop - 1, 0)], -1)
    return np.where(found >= start, found, -1)


def window_days(group: Int64, time: Int64, is_counted: NDArray[np.bool_], low: Int64, stop: Int64) -> Int64:
    """Number of distinct UTC days with a counted event in [low, stop) of each row."""
    chosen = np.flatnonzero(is_counted)
    day = time[chosen] // DAY
    is_new = np.ones(len(chosen), dtype=bool)
    is_new[1:] = (day[1:] != day[:-1]) | (group[chosen][1:] != group[chosen][:-1])
    total = running_count(is_counted)
    first, last = total[low], total[stop]
    new_before = running_count(is_new)
    is_cut = np.zeros(len(low), dtype=bool)
    has_any = last > first
    is_cut[has_any] = ~is_new[first[has_any]]
    return new_before[last] - new_before[first] + is_cut


def event_pairs(low: Int64, stop: Int64) -> Iterator[tuple[slice, Int64, Int64]]:
    """(row, event) pairs of all events in [low, stop) of each row, in blocks of whole rows.

    Yields
    ------
    rows : slice of the rows in this block.
    row : (m,) row of each pair, counted from the block's first.
    event : (m,) index of the event.
    """
    size = np.maximum(stop - low, 0)
    done = np.concatenate(([0], np.cumsum(size)))
    begin = 0
    while begin < len(size):
        end = int(np.searchsorted(done, done[begin] + _PAIRS_AT_ONCE, side="right")) - 1
        end = min(max(end, begin + 1), len(size))
        part = size[begin:end]
        row = np.repeat(np.arange(end - begin), part)
        event = (
            np.arange(len(row))
            - np.repeat(done[begin:end] - done[begin], part)
            + np.repeat(low[begin:end], part)
        )
        yield slice(begin, end), row, event
        begin = end


def decayed_sums(
    time: Int64, code: Int64, n_codes: int, low: Int64, stop: Int64, as_of: Int64, half_lives: tuple[int, ...]
) -> Float64:
    """Decayed event intensity: sum of 2 ** -((as_of - time) / half_life) over the events known.

    Parameters
    ----------
    code : (events,) kind of each event in [0, n_codes), or negative for events not counted.

    Returns
    -------
    (rows, n_codes, len(half_lives)) float64, summed in event order inside each row.
    """
    result = np.zeros((len(low), n_codes, len(half_lives)))
    for rows, row, event in event_pairs(low, stop):
        counted = code[event] >= 0
        known = event[counted]
        cell = row[counted] * n_codes + code[known]
        age = (as_of[rows][row[counted]] - time[known]).astype(np.float64)
        cells = (rows.stop - rows.start) * n_codes
        for number, half_life in enumerate(half_lives):
            weight = np.exp(age * (-np.log(2.0) / half_life))
            result[rows, :, number] = np.bincount(cell, weight, minlength=cells).reshape(-1, n_codes)
    return result


def with_tail(decayed: Float64, share: float) -> Float64:
    """Decayed sums with a long tail, taken from the last half-life: (1 - share) * each + share * the last.

    An event's weight is then (1 - share) 2 ** -(age / h) + share 2 ** -(age / H): what lies far back never
    counts for nothing.

    Examples
    --------
    >>> with_tail(np.array([[[0.0, 0.5]]]), 0.2).tolist()
    [[[0.1]]]
    """
    return (1.0 - share) * decayed[..., :-1] + share * decayed[..., -1:]


def window_sums(value: Float64, code: Int64, n_codes: int, low: Int64, stop: Int64) -> Float64:
    """(rows, n_codes) sum of the values present over the events in [low, stop), in event order."""
    result = np.zeros((len(low), n_codes))
    for rows, row, event in event_pairs(low, stop):
        counted = (code[event] >= 0) & ~np.isnan(value[event])
        cell = row[counted] * n_codes + code[event[counted]]
        cells = (rows.stop - rows.start) * n_codes
        result[rows] = np.bincount(cell, value[event[counted]], minlength=cells).reshape(-1, n_codes)
    return result
