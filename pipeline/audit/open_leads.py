"""The tests of a column that hold closed leads against those still open: who has an outcome shows by today's value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.asof import NEVER
from pipeline.audit.frames import LeadHistory
from pipeline.audit.signs import Sign
from pipeline.audit.statistics import single_power, sure_values

__all__ = ["closed_against_open", "open_at", "values_only_closed"]

Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
_LEAST = 50
_EXPECTED = 10.0
_HORIZONS_AGO = (2, 3, 4)


def closed_against_open(
    codes: Int64, missing: Mask, history: LeadHistory, rows: Mask, blocks: Int64
) -> list[Sign]:
    """Signs that today's value, or its being filled, comes with the outcome.

    - `filled_when_closed`: filled far more often for closed leads than for open ones of the same time:
      conclusive if the shares differ by .90, strong from .30.
    - `tells_closed`: the value tells closed from open leads of the same time: AUC .95 conclusive, .85 strong.
    - `only_when_closed`: values that open leads no longer have, see `values_only_closed`: conclusive if they
      all but settle the outcome, strong if they hold 5 % of the closed leads.
    """
    closed, still = rows & history.is_closed, rows & ~history.is_closed
    if min(closed.sum(), still.sum()) < _LEAST:
        return []
    counts = f"{int(closed.sum())} closed and {int(still.sum())} open leads"
    is_closed = history.is_closed[rows].astype(np.float64)
    signs = _only_closed(codes, missing, history, rows)
    fill = single_power((~missing[rows]).astype(np.int64), is_closed, blocks[rows])
    gap = float(missing[still].mean() - missing[closed].mean())
    if gap >= 0.30 and fill is not None and fill.low > 0.55:
        of_closed, of_open = 1 - missing[closed].mean(), 1 - missing[still].mean()
        words = f"filled for {of_closed:.0%} of closed, {of_open:.0%} of open ({counts})"
        signs.append(Sign("filled_when_closed", "conclusive" if gap >= 0.90 else "strong", words))
        return signs
    told = single_power(codes[rows], is_closed, blocks[rows])
    if told is not None and told.auc >= 0.85:
        words = (
            f"today's value tells closed from open leads of the same time with AUC {told.auc:.2f} ({counts})"
        )
        signs.append(Sign("tells_closed", "conclusive" if told.auc >= 0.95 else "strong", words))
    return signs


def values_only_closed(codes: Int64, history: LeadHistory, rows: Mask) -> Mask:
    """Mask of the codes that leads still open have lost, or not got yet.

    A value fixed at creation is as frequent among the leads in progress now as it was among those in progress two,
    three and four horizons ago. One that is written with the outcome is found among those of the past (their
    outcome has come since), but not among those of today. Marked are the codes with ten such leads or more
    expected now, by the lowest of the three, and at most a tenth of them there. Codes without closed leads created in
    the last horizon are left alone: a campaign that has ended is no leak.
    """
    size = int(codes.max(initial=0)) + 1
    nothing = np.zeros(size, bool)
    if history.end == NEVER or not history.horizon:
        return nothing
    now = rows & open_at(history, history.end)
    expected = np.full(size, np.inf)
    for horizons in _HORIZONS_AGO:
        progress = rows & open_at(history, history.end - horizons * history.horizon)
        if progress.sum() < _LEAST:
            return nothing
        scale = min(1.0, float(now.sum() / progress.sum()))
        expected = np.minimum(expected, scale * np.bincount(codes[progress], minlength=size))
    fresh = rows & history.is_closed & (history.created > history.end - history.horizon)
    is_alive = np.bincount(codes[fresh], minlength=size) >= 2
    there = np.bincount(codes[now], minlength=size)
    return np.asarray(is_alive & (expected >= _EXPECTED) & (there <= 0.1 * expected))


def open_at(history: LeadHistory, moment: int) -> Mask:
    """Mask of the leads created before a moment and still open at it, as it is known today."""
    has_end = history.is_closed & (history.ended != NEVER)
    return np.asarray(
        (history.created < moment) & np.where(has_end, history.ended >= moment, ~history.is_closed)
    )


def _only_closed(codes: Int64, missing: Mask, history: LeadHistory, rows: Mask) -> list[Sign]:
    """The sign of single values, or else of being filled at all."""
    filled = (~missing).astype(np.int64)
    for judged in (np.where(missing, 0, codes), filled):
        marked = values_only_closed(judged, history, rows)
        marked[0] = False  # missing is judged by `filled_when_closed` and `missingness`
        have = rows & marked[judged]
        known = have & ~np.isnan(history.y)
        n, still = int((have & history.is_closed).sum()), int((have & ~history.is_closed).sum())
        if n < _LEAST:
            continue
        base = rows & ~np.isnan(history.y)
        is_sure = bool(sure_values(history.y[known].sum(), float(known.sum()), float(history.y[base].mean())))
        if not is_sure and n < 0.05 * (rows & history.is_closed).sum():
            continue
        won = f" ({history.y[known].mean():.0%} of them won)" if known.any() else ""
        which = f"{int(marked.sum())} of its values" if judged is not filled else "any value"
        words = (
            f"{which}: held by {n} closed leads{won} and {still} open ones, though by many of those that were "
            "open at earlier times"
        )
        return [Sign("only_when_closed", "conclusive" if is_sure else "strong", words)]
    return []
