"""If nothing happens: from which day on a lead's score stays below its present band."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from features.asof import NEVER, Examples
from features.builder import build_features
from features.durations import MICROSECONDS
from features.prepare import Prepared
from models.bundle import Bundle

__all__ = ["days_ahead", "is_lower", "silent_until"]

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
DAY = MICROSECONDS["d"]
_ROWS_AT_ONCE = 20_000
_DAYS_AT_ONCE = 7  # more days in one build are not quicker, and cost more where leads drop out


def days_ahead(bundle: Bundle) -> int:
    """How many whole days the horizon holds; 0 for a flat export, which has no time."""
    return 0 if bundle.sources.is_static else bundle.sources.target.horizon // DAY


def is_lower(bundle: Bundle, data: Prepared, rows: Examples, rank: Int64, days: Int64) -> NDArray[np.bool_]:
    """(days, rows) whether each row's band would be lower that many days later, nothing new having happened.

    Parameters
    ----------
    data : as known before the rows' as_of (`features.hindsight.known_before`).
    rank : (rows,) place of each row's band now, as `Scorer.band_rank` gives it.
    days : (days,) whole days after as_of.
    """
    later = rows.take(np.tile(np.arange(len(rows)), len(days)))
    later = replace(later, as_of=later.as_of + np.repeat(days, len(rows)) * DAY)
    X = build_features(data, later, bundle.scorer.catalogue, bundle.sources)
    found = bundle.scorer.band_rank(bundle.scorer.margin(X), X)
    return found.reshape(len(days), len(rows)) < rank


def silent_until(
    bundle: Bundle, data: Prepared, rows: Examples, margins: Float64, X: Float64 | None = None
) -> Int64:
    """(rows,) first moment from which the band stays lower than now if nothing new happens, else `NEVER`.

    The moments looked at are as_of + 1 day, + 2 days, ... up to as_of + horizon; a rest of a day at the end
    is left out. At the one given and at all after it the band is lower than the present one. `NEVER` if there
    is none, if the band is the lowest already, and for a flat export. Nothing new means no event, outcome or
    changed field of the lead or its account; time passes.

    It goes back from the last day and leaves a lead at the first day on which it is not lower, so a lead
    that keeps its band costs one row. No row depends on another.

    Parameters
    ----------
    data : as known before the rows' as_of (`features.hindsight.known_before`).
    margins : (rows,) of the rows as they are.
    X : their features; wanted where the model has score sheets by segment.
    """
    found = np.full(len(rows), NEVER, dtype=np.int64)
    rank = bundle.scorer.band_rank(margins, X)
    last, size = days_ahead(bundle), 1
    left = np.flatnonzero(rank > 0)
    while last > 0 and len(left):
        days = np.arange(max(1, last - size + 1), last + 1)
        lower = is_lower(bundle, data, rows.take(left), rank[left], days)
        stays = np.logical_and.accumulate(lower[::-1])  # lower on the last day, on the last two, ...
        run = stays.sum(axis=0)
        has_any = run > 0
        found[left[has_any]] = rows.as_of[left[has_any]] + (last - run[has_any] + 1) * DAY
        left = left[stays[-1]]
        last = int(days[0]) - 1
        size = max(1, min(_DAYS_AT_ONCE, _ROWS_AT_ONCE // max(1, len(left))))
    return found
