"""The base rate moves: the shift of the log-odds that the newest known outcomes ask for, if it has paid of late."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.calibration import fit_logistic, row_log_loss
from models.split import blocks_in_time

__all__ = ["NO_SHIFT", "PriorShift", "Sequence", "estimate", "sequence_of", "shift_at"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
WINDOWS = (1, 2, 4, 8)
KEPT_A_BLOCK = 0.8  # a block's word counts a fifth less with each block that has passed since
LEAST_PAST = 3
LEAST_CONVERSIONS = 5


@dataclass(frozen=True)
class PriorShift:
    """What is added to the calibrated log-odds from one moment on, and what speaks for it.

    Attributes
    ----------
    value : the shift in use; 0 where none is.
    proposed : the intercept of the newest blocks, shrunk by its own noise.
    raw, raw_error : the same before it was shrunk, and its clustered standard error.
    rows, conversions : what it was estimated on.
    gain : mean log loss saved when replayed on the past blocks, newer blocks counting more; the shift is
        used only if it is above 0.
    past : blocks it was replayed on.
    """

    value: float = 0.0
    proposed: float = 0.0
    raw: float = 0.0
    raw_error: float = float("nan")
    rows: int = 0
    conversions: int = 0
    gain: float = float("nan")
    past: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values, None for what is not known."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}


NO_SHIFT = PriorShift()


@dataclass(frozen=True)
class Sequence:
    """Blocks of rows in time, each predicted by a model that knew none of its labels.

    Attributes
    ----------
    log_odds : (n,) calibrated log-odds without any shift.
    y, cluster : (n,) labels; account, else lead.
    known_at : (n,) when the label was complete.
    block : (n,) number of the block, rising in time.
    start : (blocks,) when each block begins.
    n_calibrated : the first blocks, on which the calibration itself was fitted. What it took from them would be
        hindsight in a replay, so there its level is fitted anew on what was known at each block's start.
    """

    log_odds: Float64
    y: Float64
    cluster: Int64
    known_at: Int64
    block: Int64
    start: Int64
    n_calibrated: int = 0
    _gains: dict[tuple[int, int], float] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def complete_at(self) -> Int64:
        """(blocks,) when the last label of each block was known."""
        last = np.full(len(self.start), np.iinfo(np.int64).min)
        np.maximum.at(last, self.block, self.known_at)
        return last

    @cached_property
    def level(self) -> Float64:
        """(blocks,) what the level of a calibration fitted before each block would have added."""
        found = np.zeros(len(self.start))
        for block in range(min(self.n_calibrated, len(self.start))):
            is_known = self.known_at <= self.start[block]
            won = int(self.y[is_known].sum())
            if min(won, int(is_known.sum()) - won) >= LEAST_CONVERSIONS:
                offset = self.log_odds[is_known]
                found[block] = fit_logistic(np.ones((1, len(offset))), self.y[is_known], offset=offset)[0]
        return found

    def complete(self, moment: int) -> Int64:
        """Blocks whose every label was known at a moment, the oldest first."""
        return np.flatnonzero((self.complete_at <= moment) & (self.start < moment))

    def proposed(self, moment: int, window: int, level: float = 0.0) -> PriorShift:
        """The shift that the newest complete blocks ask for at a moment, not judged."""
        is_in = np.isin(self.block, self.complete(moment)[-window:])
        return estimate(self.log_odds[is_in] + level, self.y[is_in], self.cluster[is_in])

    def gain(self, block: int, window: int) -> float:
        """Mean log loss that the shift known at a block's start saved on the block; NaN where none was known."""
        if (block, window) not in self._gains:
            self._gains[block, window] = self._replayed(block, window)
        return self._gains[block, window]

    def _replayed(self, block: int, window: int) -> float:
        level = float(self.level[block])
        shift = self.proposed(int(self.start[block]), window, level)
        if shift.rows == 0:
            return float("nan")
        is_in = self.block == block
        y, odds = self.y[is_in], self.log_odds[is_in] + level
        return float((row_log_loss(y, odds) - row_log_loss(y, odds + shift.value)).mean())


def sequence_of(
    log_odds: Float64, y: Float64, cluster: Int64, order: Int64, known_at: Int64, rows_a_block: int
) -> Sequence:
    """Rows on which a calibration was fitted, in blocks of about equal size; rows of one moment stay together.

    Parameters
    ----------
    order : (n,) the as_of, or the order of a flat export.
    rows_a_block : size aimed at.
    """
    count = max(1, round(len(order) / max(1, rows_a_block)))
    block, start = blocks_in_time(order, count)
    return Sequence(log_odds, y, cluster, known_at, block, start, len(start))


def estimate(log_odds: Float64, y: Float64, cluster: Int64) -> PriorShift:
    """Intercept of y with the log-odds as offset, shrunk to value * max(0, 1 - (error / value)^2).

    The positive-part rule of James and Stein (1961), toward no shift. The error is clustered. With fewer than
    five of either class there is no shift.

    Examples
    --------
    >>> rows = np.arange(2000)
    >>> found = estimate(np.zeros(2000), (rows % 4 == 0).astype(float), rows)
    >>> round(found.raw, 3), round(found.value, 3)
    (-1.099, -1.096)
    """
    conversions = int(y.sum())
    if min(conversions, len(y) - conversions) < LEAST_CONVERSIONS:
        return NO_SHIFT
    raw = float(fit_logistic(np.ones((1, len(y))), y, offset=log_odds)[0])
    p = expit(log_odds + raw)
    codes = np.unique(cluster, return_inverse=True)[1]
    error = float(np.sqrt((np.bincount(codes, weights=y - p) ** 2).sum()) / (p * (1.0 - p)).sum())
    value = raw * max(0.0, 1.0 - (error / raw) ** 2) if raw != 0.0 else 0.0
    return PriorShift(value, value, raw, error, len(y), conversions)


def shift_at(past: Sequence, moment: int) -> PriorShift:
    """The shift to use from a moment on: what the newest complete blocks ask for, if that has paid.

    At the start of each past block whose labels are complete by now, the shift that could have been known then
    is applied to it. Of the windows (the newest 1, 2, 4 or 8 blocks) the one that saved the most log loss is
    taken, newer blocks counting more; it is used only if it saved any. With fewer than three such blocks there
    is no shift.

    Parameters
    ----------
    past : blocks that begin before the moment; later ones are not looked at.
    moment : in the units of `Sequence.start`.
    """
    blocks = past.complete(moment)
    gains = {window: np.array([past.gain(int(each), window) for each in blocks]) for window in WINDOWS}
    weights = KEPT_A_BLOCK ** np.arange(len(blocks))[::-1]
    saved: dict[int, float] = {}
    for window, each in gains.items():
        is_shown = np.isfinite(each)
        if is_shown.sum() >= LEAST_PAST:
            saved[window] = float((weights * each)[is_shown].sum() / weights[is_shown].sum())
    if not saved:
        return NO_SHIFT
    window = max(saved, key=lambda each: saved[each])
    found, gain = past.proposed(moment, window), saved[window]
    value = found.value if gain > 0.0 else 0.0
    past_count = int(np.isfinite(gains[window]).sum())
    return PriorShift(
        value, found.value, found.raw, found.raw_error, found.rows, found.conversions, gain, past_count
    )
