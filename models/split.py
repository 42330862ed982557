"""Development | gap | test, and expanding time blocks inside development."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.errors import NoHistoryError
from models.settings import SplitSettings

__all__ = [
    "Fold",
    "Slices",
    "Timeline",
    "blocks_in_time",
    "fold_tail",
    "hashed",
    "random_folds",
    "rolling_folds",
    "slices_of",
]

Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
# each draw has its own numbers: a tail drawn like the test would be empty, the test having taken its clusters
_TEST, _FOLDS, _TAIL = 0, 1_000_003, 7_000_000_001


@dataclass(frozen=True)
class Timeline:
    """Where each example lies in time.

    Attributes
    ----------
    order : (n,) the as_of, or the order of a flat export.
    known_at : (n,) when the label was complete: as_of + horizon + outcome delay; for a flat export, the order.
    cluster : (n,) code of the account, else of the lead.
    is_ordered : False where nothing gives a time order: rows are then split at random by cluster.
    """

    order: Int64
    known_at: Int64
    cluster: Int64
    is_ordered: bool = True


@dataclass(frozen=True)
class Slices:
    """Positions of the rows of each slice; `gap` rows have labels that reach into the test."""

    development: Int64
    gap: Int64
    test: Int64
    test_start: int


@dataclass(frozen=True)
class Fold:
    """One step of the rolling origin: train on what was known, predict the next block."""

    train: Int64
    validate: Int64
    block: int


def slices_of(timeline: Timeline, settings: SplitSettings) -> Slices:
    """The last `test_share` of the rows by time are the test; development had its labels before that.

    Rows of one moment stay together. Without an order, whole clusters are drawn by hash instead.

    Raises
    ------
    NoHistoryError
        If nothing is left to train on.
    """
    n = len(timeline.order)
    if not timeline.is_ordered:
        test = hashed(timeline.cluster, _TEST) < settings.test_share
        return Slices(np.flatnonzero(~test), np.zeros(0, dtype=np.int64), np.flatnonzero(test), 0)
    if n == 0:
        raise NoHistoryError("There are no examples with a complete outcome window; nothing can be trained.")
    ranked = np.sort(timeline.order)
    start = int(ranked[min(n - 1, int(np.floor(n * (1 - settings.test_share))))])
    is_test = timeline.order >= start
    if is_test.all():
        raise NoHistoryError(
            f"All {n} rows lie at one moment or so few that none is left before the test. "
            "Use more snapshots (snapshots.every), a smaller split.test_share, or a longer history."
        )
    is_development = ~is_test & (timeline.known_at <= start)
    if not is_development.any():
        raise NoHistoryError(
            f"All {int((~is_test).sum())} rows before the test have outcome windows that reach into it. "
            "Use a shorter target.horizon, a smaller split.test_share, or a longer history."
        )
    gap = np.flatnonzero(~is_test & ~is_development)
    return Slices(np.flatnonzero(is_development), gap, np.flatnonzero(is_test), start)


def rolling_folds(
    timeline: Timeline, rows: Int64, y: NDArray[np.float64], settings: SplitSettings
) -> list[Fold]:
    """Expanding folds inside development, each purged of labels not known when its block begins.

    Blocks hold about the same number of rows. A fold whose training part has fewer than 10 conversions,
    or fewer than 10 other rows, is left out; so is one whose block has a single class.

    Parameters
    ----------
    rows : positions of the development rows.
    y : (n,) labels of all examples.
    """
    if not timeline.is_ordered:
        return random_folds(timeline, rows, y, settings)
    order, known = timeline.order[rows], timeline.known_at[rows]
    region_start = _first_trainable(order, known, y[rows])
    if region_start is None:
        return []
    region = np.sort(order[order >= region_start])
    places = [int(len(region) * k / settings.folds) for k in range(settings.folds)]
    starts = np.unique(region[places])
    folds: list[Fold] = []
    for block, start in enumerate(starts):
        end = starts[block + 1] if block + 1 < len(starts) else np.iinfo(np.int64).max
        train = rows[(known <= start) & (order < start)]
        validate = rows[(order >= start) & (order < end)]
        if _can_train(y[train]) and 0 < y[validate].sum() < len(validate):
            folds.append(Fold(train, validate, len(folds)))
    return folds


def blocks_in_time(order: Int64, most: int) -> tuple[Int64, Int64]:
    """Block of each row, 0, 1, ..., and when each block begins.

    Up to `most` blocks of about equal size; rows of one moment stay together.

    Examples
    --------
    >>> block, start = blocks_in_time(np.array([1, 2, 2, 2, 3, 4]), 3)
    >>> block.tolist(), start.tolist()
    ([0, 1, 1, 1, 2, 2], [1, 2, 3])
    """
    ranked = np.sort(order)
    start = np.unique(ranked[[len(order) * each // most for each in range(most)]])
    return (np.searchsorted(start, order, side="right") - 1).astype(np.int64), start


def fold_tail(
    timeline: Timeline, train: Int64, y: NDArray[np.float64], share: float = 0.2
) -> tuple[Int64, Int64]:
    """A fold's training rows as (fit, tail) for early stopping: the tail is its last part in time.

    Rows whose labels reach into the tail are left out of the fit while at least half of the conversions
    remain; otherwise whole clusters are drawn by hash, and single rows where there is but one cluster.
    Neither part is empty, given two rows.
    """
    if timeline.is_ordered:
        order = timeline.order[train]
        start = np.sort(order)[int(len(train) * (1 - share))]
        tail, fit = train[order >= start], train[(order < start) & (timeline.known_at[train] <= start)]
        if y[fit].sum() >= max(10.0, 0.5 * y[train].sum()) and y[tail].sum() >= 5:
            return fit, tail
    is_tail = _drawn(timeline.cluster[train], share)
    if is_tail.all() or not is_tail.any():
        is_tail = _drawn(np.arange(len(train)), share)
    return train[~is_tail], train[is_tail]


def _drawn(cluster: Int64, share: float) -> Bools:
    """Whole clusters, in the order of their hash, while at most this share of the rows is drawn; at least one."""
    clusters, place, rows = np.unique(cluster, return_inverse=True, return_counts=True)
    ranked = np.argsort(hashed(clusters, _TAIL), kind="stable")
    is_drawn = np.zeros(len(clusters), dtype=bool)
    is_drawn[ranked] = np.cumsum(rows[ranked]) <= share * len(cluster)
    is_drawn[ranked[:1]] = True
    return np.asarray(is_drawn[place])


def _can_train(y: NDArray[np.float64]) -> bool:
    return bool(y.sum() >= 10 and (len(y) - y.sum()) >= 10)


def _first_trainable(order: Int64, known: Int64, y: NDArray[np.float64]) -> int | None:
    """The earliest moment before which a fifth of the conversions, and at least 10, were known."""
    by_known = np.argsort(known, kind="stable")
    wins = np.cumsum(y[by_known])
    need = max(10.0, 0.2 * float(y.sum()))
    reached = np.flatnonzero(wins >= need)
    if len(reached) == 0:
        return None
    moment = known[by_known[reached[0]]]
    later = order[order >= moment]
    return int(later.min()) if len(later) else None


def random_folds(
    timeline: Timeline, rows: Int64, y: NDArray[np.float64], settings: SplitSettings
) -> list[Fold]:
    """Folds of whole clusters drawn by hash, for rows without a usable order."""
    part = np.floor(hashed(timeline.cluster[rows], _FOLDS) * max(2, settings.folds)).astype(np.int64)
    folds = [Fold(rows[part != k], rows[part == k], k) for k in range(max(2, settings.folds))]
    return [f for f in folds if _can_train(y[f.train]) and 0 < y[f.validate].sum() < len(f.validate)]


def hashed(cluster: Int64, draw: int = 0) -> NDArray[np.float64]:
    """A number in [0, 1) for each cluster, spread evenly and anew for each draw (splitmix64)."""
    z = (cluster + draw).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / float(2**53)
