"""The test as the model would be run: refitted before a block, used until the next refit, its level followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.prior_shift import PriorShift, Sequence, sequence_of, shift_at
from models.split import Timeline, blocks_in_time

__all__ = ["Rolling", "roll_test"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
NOW = 0
Fit = Callable[[Int64, Int64], Float64]


@dataclass(frozen=True)
class Rolling:
    """Predictions of the test from every origin.

    Attributes
    ----------
    start : (blocks,) when each block of the test begins; a model is fitted at each.
    block : (test,) block of each test row.
    log_odds : (blocks, test) calibrated log-odds by the model of each origin, without a shift; NaN before it.
    past : out-of-fold rows of development as blocks of the same size; what a shift is learned from at first.
    y, cluster, known_at : (test,) as in `models.prior_shift.Sequence`.
    """

    start: Int64
    block: Int64
    log_odds: Float64
    past: Sequence
    y: Float64
    cluster: Int64
    known_at: Int64
    _shifts: dict[int, tuple[PriorShift, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def cadences(self) -> tuple[int, ...]:
        """Blocks between refits that the origins can show: 1, 2, 4 ... and all of them, which is never."""
        n = len(self.start)
        found = [2**k for k in range(n.bit_length()) if 2**k < n]
        return (*found, n)

    def uncorrected(self, every: int) -> Float64:
        """(test,) log-odds with a refit before every `every` blocks and no shift."""
        origin = self.block // every * every
        return np.asarray(self.log_odds[origin, np.arange(len(self.block))])

    def shifts(self, every: int) -> tuple[PriorShift, ...]:
        """The shift in use from each refit on, learned from what was known then."""
        if every not in self._shifts:
            whole = self._sequence(every)
            self._shifts[every] = tuple(
                shift_at(whole, int(self.start[k])) for k in range(0, len(self.start), every)
            )
        return self._shifts[every]

    def corrected(self, every: int) -> Float64:
        """(test,) log-odds with a refit, and a shift if one has paid, before every `every` blocks."""
        shift = np.array([each.value for each in self.shifts(every)])
        return np.asarray(self.uncorrected(every) + shift[self.block // every])

    def shift_now(self) -> PriorShift:
        """The shift for a model fitted on everything, at the end of what is known."""
        if NOW not in self._shifts:
            self._shifts[NOW] = (shift_at(self._sequence(1), int(self.known_at.max()) + 1),)
        return self._shifts[NOW][0]

    def _sequence(self, every: int) -> Sequence:
        """Development's blocks, then the test's as predicted at this cadence."""
        past, n = self.past, len(self.past.start)
        return Sequence(
            np.concatenate([past.log_odds, self.uncorrected(every)]),
            np.concatenate([past.y, self.y]),
            np.concatenate([past.cluster, self.cluster]),
            np.concatenate([past.known_at, self.known_at]),
            np.concatenate([past.block, self.block + n]),
            np.concatenate([past.start, self.start]),
            n_calibrated=n,
        )


def roll_test(
    fit: Fit, first: Float64, test: Int64, timeline: Timeline, y: Float64,
    out_of_fold: tuple[Int64, Float64], blocks: int,
) -> Rolling:  # fmt: skip
    """Fit a recipe again before every block of the test and predict that block and the later ones.

    Parameters
    ----------
    fit : rows to fit on and rows to predict -> calibrated log-odds of the latter.
    first : (test,) log-odds by the fit on development, which is the first origin's.
    test : positions of the test rows.
    timeline, y : of all examples.
    out_of_fold : positions of development's out-of-fold rows and their calibrated log-odds.
    blocks : how many blocks are aimed at.
    """
    order, known_at, cluster = timeline.order, timeline.known_at, timeline.cluster
    block, start = blocks_in_time(order[test], blocks)
    log_odds = np.full((len(start), len(test)), np.nan)
    log_odds[0] = first
    for origin in range(1, len(start)):
        rows = np.flatnonzero((known_at <= start[origin]) & (order < start[origin]))
        later = np.flatnonzero(block >= origin)
        log_odds[origin, later] = fit(rows, test[later])
    rows, odds = out_of_fold
    size = max(1, round(len(test) / len(start)))
    past = sequence_of(odds, y[rows], cluster[rows], order[rows], known_at[rows], size)
    return Rolling(start, block, log_odds, past, y[test], cluster[test], known_at[test])
