"""Columns that repeat what the tables hold at the end of the data: counts and dates over a lead's whole life."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from features.asof import NEVER, microseconds
from features.contracts import Tables
from features.durations import MICROSECONDS
from pipeline.audit.frames import AuditColumn, LeadHistory
from pipeline.audit.signs import Sign

__all__ = ["Aggregates", "aggregates_of", "grows_with_age", "repeats_today"]

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
_DAY = MICROSECONDS["d"]
_LEAST = 200
_MOST_TYPES = 10
_MOST_LEADS = 20_000


@dataclass(frozen=True)
class Aggregates:
    """Numbers by lead, named in words, and the moment of each lead's last event; NaN where there is none."""

    numbers: dict[str, Float64]
    last_event: Float64
    created: Float64


def aggregates_of(tables: Tables, history: LeadHistory) -> Aggregates:
    """What the whole tables say of each lead: events, people and wins at the account, days to the outcome."""
    n = len(tables.leads)
    created = np.where(history.created == NEVER, np.nan, history.created.astype(np.float64))
    ended = np.where(history.ended == NEVER, np.nan, history.ended.astype(np.float64))
    numbers = {"the days from its creation to its outcome": ended - created}
    account = pd.factorize(tables.leads["account_id"])[0]
    if (account >= 0).any():
        wins = np.bincount(account[account >= 0], weights=(history.y == 1)[account >= 0])
        people = np.bincount(account[account >= 0])
        numbers["the number of leads at its account"] = np.where(account >= 0, people[account], np.nan)
        numbers["the number of won leads at its account"] = np.where(account >= 0, wins[account], np.nan)
    lead = pd.Index(tables.leads["lead_id"]).get_indexer(pd.Index(tables.events["lead_id"]))
    moment = microseconds(tables.events["occurred_at"])
    last = np.full(n, -np.inf)
    np.maximum.at(last, lead[lead >= 0], moment[lead >= 0].astype(np.float64))
    # events that all lie in a lead's first day can be counted when it is made
    born = history.created[lead]
    is_late = (lead >= 0) & ((born == NEVER) | (moment > born + _DAY))
    if is_late.sum() < 0.2 * (lead >= 0).sum():
        lead = np.full(len(lead), -1)
    if (lead >= 0).any():
        numbers["the number of its events"] = np.bincount(lead[lead >= 0], minlength=n).astype(np.float64)
    codes, kinds = pd.factorize(tables.events["event_type"])
    for code in np.argsort(-np.bincount(codes, minlength=1), kind="stable")[:_MOST_TYPES]:
        rows = lead[(lead >= 0) & (codes == code)]
        if len(rows):
            name = f"the number of its events of type {kinds[code]}"
            numbers[name] = np.bincount(rows, minlength=n).astype(np.float64)
    return Aggregates(numbers, np.where(np.isinf(last), np.nan, last), created)


def repeats_today(column: AuditColumn, today: Aggregates) -> list[Sign]:
    """Signs that a column was counted or dated when the data ended, not when the lead was created.

    - `counted_today`, conclusive: it ranks the leads as one of the aggregates does, rank correlation >= .95 over 200
      leads or more. No fact known at creation can: it would foresee the count.
    - `dated_last_event`, conclusive: within a day of the lead's last event for 80 % of the leads whose last event came
      more than a day after creation.
    """
    values = column.values.astype(np.float64) if column.kind in {"number", "time"} else None
    if values is None:
        return []
    if column.kind == "time":
        judged = ~np.isnan(values) & (today.last_event > today.created + _DAY)
        near = int((np.abs(values - today.last_event)[judged] <= _DAY).sum())
        n = int(judged.sum())
        words = f"within a day of the lead's last event for {near} of {n} leads: dated today, not at creation"
        return [Sign("dated_last_event", "conclusive", words)] if n >= _LEAST and near >= 0.8 * n else []
    for name, numbers in today.numbers.items():
        both = ~np.isnan(values) & ~np.isnan(numbers)
        n = int(both.sum())
        sample = np.flatnonzero(both)[:: max(1, n // _MOST_LEADS)]
        agreement = _rank_correlation(values[sample], numbers[sample]) if n >= _LEAST else 0.0
        if agreement >= 0.95:
            words = (
                f"it ranks leads as {name} does (rank correlation {agreement:.2f}, n = {n}): counted today"
            )
            return [Sign("counted_today", "conclusive", words)]
    return []


def grows_with_age(column: AuditColumn, history: LeadHistory, rows: Mask) -> list[Sign]:
    """The sign that a number was added up until the data ended: among recent leads the older have more of it.

    - `grows_with_age`, strong: over the leads created in the last two horizons it rises with age, and more so than over
      those created in the two horizons before (a count to date, not a trend): rank correlation >= .25 and five
      standard errors, and above the earlier one by .20 and three.
    """
    if column.kind != "number" or history.end == NEVER or not history.horizon:
        return []
    values, age = column.values.astype(np.float64), history.end - history.created.astype(np.float64)
    found = []
    for first in (0, 2):
        judged = (
            rows
            & ~np.isnan(values)
            & (age >= first * history.horizon)
            & (age < (first + 2) * history.horizon)
        )
        if judged.sum() < _LEAST // 2:
            return []
        found.append((_rank_correlation(values[judged], age[judged]), int(judged.sum())))
    (recent, n), (earlier, n_earlier) = found
    if recent < max(0.25, 5 / n**0.5) or recent < earlier + max(0.20, 3 * (1 / n + 1 / n_earlier) ** 0.5):
        return []
    words = (
        f"among the {n} leads of the last two horizons the older have more of it (rank correlation {recent:.2f}; among "
        f"those before them {earlier:.2f}): it was added up until the data ended"
    )
    return [Sign("grows_with_age", "strong", words)]


def _rank_correlation(first: Float64, second: Float64) -> float:
    """Spearman's correlation; 0 where either has fewer than three values or one that covers 98 %."""
    for values in (first, second):
        counts = np.unique(values, return_counts=True)[1]
        if len(counts) < 3 or counts.max() > 0.98 * len(values):
            return 0.0
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
