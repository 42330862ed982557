"""Bands by capacity: who would have entered a band in past weeks, and the line that lets in as many as sales can take.

A lead enters a band when it reaches its line, leaves it when it falls below the line less the hysteresis, and enters
again only when the cool-down since then is over. Whoever is in the band when counting begins is the stock. Counting
entries is another thing than the top N of each week's list, which holds the same leads until they close (`Queue`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from features.errors import InputError

__all__ = ["BandRules", "Paths", "Queue", "Replayed", "line_for", "paths_of", "replay", "weekly_queue"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
_LINES = 64  # lines tried from the top down before the bracket is halved
_HALVINGS = 30


@dataclass(frozen=True)
class BandRules:
    """When a lead counts as entering a band.

    Attributes
    ----------
    hysteresis : log-odds below the line at which a lead leaves the band; 0 or more.
    cool_down : microseconds after leaving during which a lead can't enter again.
    cuts_a_week : cuts that make one week of the count; 1 for weekly cuts, 7 for daily ones.
    warm_up : cuts replayed before counting begins, so that cool-downs of the time before are known.
    """

    hysteresis: float = 0.0
    cool_down: int = 0
    cuts_a_week: int = 1
    warm_up: int = 0


@dataclass(frozen=True)
class Paths:
    """The log-odds of every open lead at every cut.

    Attributes
    ----------
    cuts : (cuts,) moments in microseconds, rising.
    log_odds : (cuts, leads) calibrated log-odds; NaN where the lead is not open.
    lead : (leads,) position of each lead in the leads table, rising.
    cluster : (leads,) code of the account, else of the lead.
    """

    cuts: Int64
    log_odds: Float64
    lead: Int64
    cluster: Int64

    @cached_property
    def highest(self) -> Float64:
        """(leads,) the most log-odds of each lead that is open at some cut."""
        return np.asarray(np.nanmax(self.log_odds, axis=0))

    def until(self, n_cuts: int) -> Paths:
        """The paths as they were known at the n-th cut; leads not open until then are left out."""
        is_there = np.isfinite(self.log_odds[:n_cuts]).any(axis=0)
        odds = np.ascontiguousarray(self.log_odds[:n_cuts, is_there])
        return Paths(self.cuts[:n_cuts], odds, self.lead[is_there], self.cluster[is_there])


def paths_of(lead: Int64, as_of: Int64, log_odds: Float64, cluster: Int64) -> Paths:
    """Paths from scored rows, one a (lead, as_of).

    Parameters
    ----------
    lead, as_of, log_odds, cluster : (n,) in any order; each pair of lead and as_of once.

    Examples
    --------
    >>> found = paths_of(np.array([4, 4, 7]), np.array([0, 1, 1]), np.array([0.1, 0.2, 0.3]), np.array([1, 1, 2]))
    >>> found.log_odds.tolist()
    [[0.1, nan], [0.2, 0.3]]
    """
    cuts, row = np.unique(as_of, return_inverse=True)
    leads, first, column = np.unique(lead, return_index=True, return_inverse=True)
    matrix = np.full((len(cuts), len(leads)), np.nan)
    matrix[row, column] = log_odds
    return Paths(cuts, matrix, leads, cluster[first])


@dataclass(frozen=True)
class Replayed:
    """What a line would have done in the weeks that were counted.

    Attributes
    ----------
    line : log-odds of the line.
    stock : (leads,) in the band when counting began: not entries, a number of its own.
    held : (leads,) in the band at the last cut.
    cut, lead : (n,) where each entry lies in the paths, in time order; week : (n,) its week, from 0.
    weeks : weeks counted.
    """

    line: float
    stock: Bools
    held: Bools
    cut: Int64
    lead: Int64
    week: Int64
    weeks: int

    @property
    def by_week(self) -> Int64:
        """(weeks,) entries of each week."""
        return np.bincount(self.week, minlength=self.weeks).astype(np.int64)

    @property
    def a_week(self) -> float:
        """Mean entries a week."""
        return len(self.week) / self.weeks

    def within(self, first: int, last: int) -> Replayed:
        """The entries of the weeks from `first` up to `last`, which is not in; the weeks count from 0 again."""
        is_in = (self.week >= first) & (self.week < last)
        return Replayed(
            self.line, self.stock, self.held, self.cut[is_in], self.lead[is_in], self.week[is_in] - first, last - first
        )  # fmt: skip


def replay(paths: Paths, line: float, rules: BandRules) -> Replayed:
    """Entries over a line, cut by cut.

    Who is in the band at cut `rules.warm_up` is the stock; entries count at the cuts after it. A lead that is not
    open is in no band, and leaving so starts the cool-down as well.

    Raises
    ------
    InputError
        If no whole week follows the warm-up.
    """
    weeks = _weeks(paths, rules)
    odds = paths.log_odds
    n_leads = odds.shape[1]
    is_in, ready = np.zeros(n_leads, dtype=bool), np.full(n_leads, np.iinfo(np.int64).min)
    stock = is_in
    cut: list[Int64] = []
    lead: list[Int64] = []
    for place, moment in enumerate(paths.cuts.tolist()):
        now = odds[place]
        stays = is_in & (now >= line - rules.hysteresis)
        ready[is_in & ~stays] = moment + rules.cool_down
        enters = (now >= line) & ~is_in & (ready <= moment)
        is_in = stays | enters
        if place == rules.warm_up:
            stock = is_in
        elif place > rules.warm_up:
            entered = np.flatnonzero(enters)
            lead.append(entered)
            cut.append(np.full(len(entered), place))
    cuts = np.concatenate(cut)
    week = (cuts - rules.warm_up - 1) // rules.cuts_a_week
    return Replayed(line, stock, is_in, cuts, np.concatenate(lead), week, weeks)


def _weeks(paths: Paths, rules: BandRules) -> int:
    counted = len(paths.cuts) - rules.warm_up - 1
    if counted < rules.cuts_a_week or counted % rules.cuts_a_week:
        raise InputError(
            f"{len(paths.cuts)} cuts, {rules.warm_up} of them before counting begins, leave {max(counted, 0)} to count "
            f"entries at; whole weeks of {rules.cuts_a_week} are needed. Replay more weeks."
        )
    return counted // rules.cuts_a_week


def line_for(paths: Paths, capacity: float, rules: BandRules) -> float:
    """The line, in log-odds, with as many mean entries a week as the capacity: the lowest not above it.

    The count need not rise as the line falls, for a lower line turns entries into stock. So lines are tried from the
    top down until one lets in more than the capacity, and the bracket found is halved: a higher capacity never gives
    a higher line.

    Raises
    ------
    InputError
        If the capacity is not above 0, or no line lets so many in.
    """
    if not capacity > 0.0:
        raise InputError(f"a capacity counts leads a week, more than 0; got {capacity:g}")
    tried = np.unique(np.quantile(paths.highest, np.linspace(0.0, 1.0, _LINES)))[::-1]
    above = float(np.nextafter(tried[0], np.inf))
    most = 0.0
    for line in tried.tolist():
        entries = replay(paths, line, rules).a_week
        most = max(most, entries)
        if entries > capacity:
            return _halved(paths, rules, capacity, below=line, above=above)
        above = line
    if most == capacity:
        return above
    raise InputError(
        f"No line lets in {capacity:g} leads a week: at most {most:.3g} entered any band in the "
        f"{_weeks(paths, rules)} weeks replayed. Ask for fewer."
    )


def _halved(paths: Paths, rules: BandRules, capacity: float, below: float, above: float) -> float:
    for _ in range(_HALVINGS):
        middle = 0.5 * (below + above)
        if replay(paths, middle, rules).a_week > capacity:
            below = middle
        else:
            above = middle
    return above


@dataclass(frozen=True)
class Queue:
    """The top N of each week's list, which is no count of entries.

    Attributes
    ----------
    size : N.
    line : (weeks,) log-odds of the last lead in the queue of each week.
    new : (weeks,) leads of the queue that were not in the one of the week before.
    """

    size: int
    line: Float64
    new: Int64


def weekly_queue(paths: Paths, size: int, rules: BandRules) -> Queue:
    """The queues of the counted weeks, each read at its last cut; equal odds go by the order of the leads.

    Raises
    ------
    InputError
        If fewer leads are open at one of these cuts than the queue holds.
    """
    places = rules.warm_up + rules.cuts_a_week * np.arange(_weeks(paths, rules) + 1)
    n_open = np.isfinite(paths.log_odds[places]).sum(axis=1)
    if size < 1 or size > n_open.min():
        raise InputError(
            f"a queue holds 1 or more of the open leads, of which there were as few as {n_open.min():,}; got {size:,}"
        )
    line, new, before = [], [], np.zeros(0, dtype=np.int64)
    for place in places.tolist():
        odds = paths.log_odds[place]
        chosen = np.argsort(-np.nan_to_num(odds, nan=-np.inf), kind="stable")[:size]
        line.append(float(odds[chosen[-1]]))
        new.append(int(np.isin(chosen, before, invert=True).sum()))
        before = chosen
    return Queue(size, np.array(line[1:]), np.array(new[1:], dtype=np.int64))
