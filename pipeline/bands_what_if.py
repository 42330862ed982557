"""What if sales took so many leads a week: lines, stock, promises, and whether such promises were kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.contracts import Tables
from features.errors import InputError
from models.bands import Anchors, points
from models.bundle import Bundle
from models.capacity import BandRules, Paths, Queue, line_for, replay, weekly_queue
from models.capacity_forecast import Forecast, Level
from models.capacity_settings import CapacitySettings
from models.intervals import Interval
from models.tiers import TieredRung
from pipeline.bands_replay import PastWeeks, asked_of, open_at, past_weeks, project_of, promised
from pipeline.config import Project
from pipeline.dataset import data_end_of
from pipeline.open_leads import feature_chunks, leads_to_score

__all__ = ["DEFAULT_CAPACITIES", "HeldOut", "WhatIf", "WhatIfs", "what_ifs"]

Float64 = NDArray[np.float64]
Tell = Callable[[str], None]
DEFAULT_CAPACITIES = (10.0, 20.0, 40.0, 80.0, 160.0)


@dataclass(frozen=True)
class HeldOut:
    """A promise made on the first half of the weeks, and what came in the second.

    Attributes
    ----------
    entries, entered : promised and come in `weeks` weeks.
    conversions, converted : of the first `known_weeks` of these, whose outcomes are complete; None if none is.
    """

    weeks: int
    entries: Interval
    entered: int
    known_weeks: int
    conversions: Interval | None
    converted: int

    @property
    def is_kept(self) -> bool:
        """Whether the entries that came lie in the interval."""
        return self.entries.low <= self.entered <= self.entries.high

    @property
    def is_conversion_kept(self) -> bool | None:
        """Whether the conversions do; None where none is known yet."""
        if self.conversions is None:
            return None
        return self.conversions.low <= self.converted <= self.conversions.high


@dataclass(frozen=True)
class WhatIf:
    """One capacity: its line and what goes with it.

    Attributes
    ----------
    line : the champion's log-odds; score : its points on the champion's present scale, unbounded.
    replayed_line : log-odds by the refitted recipe, with which the weeks were replayed.
    stock_then : in the band when counting began. stock_now : at or above the line at the end of the data.
    by_week : (weeks,) entries of the weeks replayed.
    """

    capacity: float
    line: float
    replayed_line: float
    score: float
    stock_then: int
    stock_now: int
    by_week: tuple[int, ...]
    promise: Forecast
    level: Level
    held_out: HeldOut

    @property
    def probability(self) -> float:
        """The line as a calibrated probability."""
        return float(expit(self.line))

    @property
    def weeks_of_stock(self) -> float:
        """Weeks it takes to work off the stock at the capacity, nothing else being worked."""
        return self.stock_now / self.capacity

    def to_json(self) -> dict[str, Any]:
        """The row as plain values; intervals as [value, low, high]."""
        held, value = self.held_out, self.promise.value
        return {
            "a_week": self.capacity, "probability": self.probability, "score": self.score,
            "stock": self.stock_now, "weeks_of_stock": self.weeks_of_stock, "stock_then": self.stock_then,
            "probability_replayed": float(expit(self.replayed_line)), "entries_by_week": list(self.by_week),
            "ahead_weeks": self.promise.weeks, "entries": _listed(self.promise.entries),
            "conversions": _listed(self.promise.conversions), "value": None if value is None else _listed(value),
            "level": {"promised": self.level.promised, "came": self.level.came, "entries": self.level.entries,
                      "shift": self.level.shift},
            "held_out": {
                "weeks": held.weeks, "entries": _listed(held.entries), "entered": held.entered, "kept": held.is_kept,
                "known_weeks": held.known_weeks, "converted": held.converted if held.conversions else None,
                "conversions": None if held.conversions is None else _listed(held.conversions),
                "conversions_kept": held.is_conversion_kept,
            },
        }  # fmt: skip


def _listed(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]


@dataclass(frozen=True)
class WhatIfs:
    """Everything `bands` found for a champion.

    Attributes
    ----------
    settings : resolved. rules : what they mean on the champion's scale.
    rows : one a capacity, rising; `unreachable` are those no line lets in, with the reason.
    queue : the weekly top-N by the refitted recipe, else None; queue_now : the chance at which it ends today, by the
        champion.
    """

    champion: Bundle
    settings: CapacitySettings
    rules: BandRules
    past: PastWeeks
    rows: tuple[WhatIf, ...]
    unreachable: tuple[str, ...]
    queue: Queue | None
    queue_now: float | None = None

    def row(self, capacity: float | None) -> WhatIf | None:
        """The row of a capacity; None if it was not asked for."""
        return next((each for each in self.rows if each.capacity == capacity), None)

    @cached_property
    def sql(self) -> WhatIf | None:
        """The row of `sql_a_week`."""
        return self.row(self.settings.sql_a_week)

    @cached_property
    def mql(self) -> WhatIf | None:
        """The row of `mql_a_week`."""
        return self.row(self.settings.mql_a_week)

    @property
    def has_sheets(self) -> bool:
        """Whether segments have models or lines of their own, of which the replay of the shared ones knows nothing."""
        scorer = self.champion.scorer
        return scorer.sheets is not None or isinstance(scorer.rung, TieredRung)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        queue = self.queue
        return {
            "model_version": self.champion.model_version,
            "settings": self.settings.model_dump(mode="json"),
            "present": {
                "p_mql": self.champion.scorer.anchors.p_mql,
                "p_sql": self.champion.scorer.anchors.p_sql,
            },
            "fitted_rows": self.past.fitted_rows, "fitted_conversions": self.past.fitted_conversions,
            "sql": None if self.sql is None else self.sql.to_json(),
            "mql": None if self.mql is None else self.mql.to_json(),
            "what_if": [each.to_json() for each in self.rows], "unreachable": list(self.unreachable),
            "weekly_queue": None if queue is None else {
                "size": queue.size, "probability": self.queue_now,
                "new_a_week": float(queue.new.mean()), "probabilities_replayed": expit(queue.line).tolist(),
            },
        }  # fmt: skip


def what_ifs(
    project: Project, tables: Tables, champion: Bundle, settings: CapacitySettings, capacities: Iterable[float],
    top: int | None, tell: Tell,
) -> WhatIfs:  # fmt: skip
    """Replay the past weeks for a champion and answer for each capacity.

    Parameters
    ----------
    tables : as `pipeline.score.tables_for` reads them for the champion.
    capacities : leads a week; those of the settings join them, and they must be reachable.

    Raises
    ------
    InputError
        If the weeks can't be replayed, or no line lets in a capacity of the settings.
    """
    own = settings.resolved()
    rules = own.rules(champion.scorer.anchors.points_per_logit)
    assert own.every is not None
    asked = asked_of(project, champion, own.every, own.n_cuts(rules))
    past = past_weeks(project_of(project, champion), tables, asked, tell)
    present, end = _champion(project, tables, champion, past, rules), data_end_of(tables)
    wanted = {each for each in (own.sql_a_week, own.mql_a_week) if each is not None}
    rows, unreachable = [], []
    for capacity in sorted({*capacities, *wanted}):
        try:
            rows.append(_what_if(past, capacity, own, rules, present, end))
        except InputError as error:
            if capacity in wanted:
                raise
            unreachable.append(str(error))
    queue = None if top is None else weekly_queue(past.paths, top, rules)
    ends = None if queue is None else float(expit(np.sort(present.now)[-queue.size]))
    return WhatIfs(champion, own, rules, past, tuple(rows), tuple(unreachable), queue, ends)


@dataclass(frozen=True)
class _Champion:
    """Log-odds by the champion itself and by the refitted recipe of the same open leads, week by week to the end.

    The weeks are those whose outcomes are not complete, so that the champion's fit knew none of them either.
    """

    anchors: Anchors
    own: Float64
    refitted: Float64
    now: Float64

    def line(self, line: float) -> float:
        """The champion's log-odds at or above which as many leads lie as by the refitted recipe above its line.

        The two may differ in level, so the same probability would let in other numbers.
        """
        n_above = int((self.refitted >= line).sum())
        ranked = np.sort(self.own)[::-1]
        return float(ranked[n_above - 1]) if n_above else float(np.nextafter(ranked[0], np.inf))


def _champion(
    project: Project, tables: Tables, champion: Bundle, past: PastWeeks, rules: BandRules
) -> _Champion:
    leads, scorer = leads_to_score(tables, champion, project, None), champion.scorer
    is_open = past.complete > leads.as_of
    is_open[-1] = True
    places = np.flatnonzero(is_open)[:: -rules.cuts_a_week]
    cuts = past.paths.cuts[places]
    rows = open_at(leads.data, np.sort(cuts))
    found = [
        scorer.calibration.log_odds(scorer.margin(X))
        for _, X in feature_chunks(replace(leads, rows=rows), champion, project.score.chunk_rows)
    ]
    own = np.concatenate([np.zeros(0), *found])
    refitted = past.paths.log_odds[places]
    return _Champion(scorer.anchors, own, refitted[np.isfinite(refitted)], own[rows.as_of == cuts.max()])


def _what_if(
    past: PastWeeks, capacity: float, own: CapacitySettings, rules: BandRules, champion: _Champion, end: int
) -> WhatIf:
    assert own.ahead is not None
    found = replay(past.paths, line_for(past.paths, capacity, rules), rules)
    promise, level = promised(past, found, own.ahead, end)
    line = champion.line(found.line)
    return WhatIf(
        capacity=capacity, line=line, replayed_line=found.line, score=float(points([line], champion.anchors)[0]),
        stock_then=int(found.stock.sum()), stock_now=int((champion.now >= line).sum()),
        by_week=tuple(found.by_week.tolist()), promise=promise, level=level,
        held_out=_held_out(past, capacity, rules, found.weeks, end),
    )  # fmt: skip


def _held_out(past: PastWeeks, capacity: float, rules: BandRules, weeks: int, end: int) -> HeldOut:
    """The line of the first half of the weeks, its promise for the second, and what came."""
    half = weeks // 2
    n_cuts = rules.warm_up + 1 + half * rules.cuts_a_week
    known: Paths = past.paths.until(n_cuts)
    whole = replay(past.paths, line_for(known, capacity, rules), rules)
    learned, moment = whole.within(0, half), int(known.cuts[-1])
    promise, _ = promised(past, learned, weeks - half, moment)
    entered = len(whole.within(half, weeks).week)
    is_known = past.complete[n_cuts + rules.cuts_a_week - 1 :: rules.cuts_a_week] <= end
    known_weeks = int(is_known.sum())
    conversions, converted = None, 0
    if known_weeks:
        conversions = promised(past, learned, known_weeks, moment)[0].conversions
        after = whole.within(half, half + known_weeks)
        converted = int(np.nansum(past.outcome[after.cut, after.lead]))
    return HeldOut(weeks - half, promise.entries, entered, known_weeks, conversions, converted)
