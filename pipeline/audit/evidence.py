"""The tests of one column of the leads against what became of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.asof import NEVER
from features.durations import MICROSECONDS
from pipeline.audit.aggregates import Aggregates, grows_with_age, repeats_today
from pipeline.audit.frames import AuditColumn, LeadHistory
from pipeline.audit.open_leads import closed_against_open
from pipeline.audit.signs import Sign, Weight
from pipeline.audit.statistics import (
    Power,
    coded,
    period_share,
    single_power,
    stickiness,
    sure_share,
    time_blocks,
)
from pipeline.audit.words import NameHint, desk_values, name_hint

__all__ = ["ColumnEvidence", "examine"]

Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
_LEAST = 50
_DAY = MICROSECONDS["d"]


@dataclass(frozen=True)
class ColumnEvidence:
    """Everything measured on one column.

    `power` is that of the value where present, or of the whole column if that is higher.
    """

    column: AuditColumn
    signs: tuple[Sign, ...]
    power: Power | None
    hint: NameHint | None
    desk_words: tuple[str, ...]

    def has(self, *weights: Weight) -> list[Sign]:
        """The signs of the given weights."""
        return [sign for sign in self.signs if sign.weight in weights]


def examine(
    column: AuditColumn, history: LeadHistory, has_account: Mask, today: Aggregates | None = None
) -> ColumnEvidence:
    """All single-column tests of one raw column.

    Weights and limits, each with its reason; what `closed_against_open`, `repeats_today` and
    `grows_with_age` find, they say themselves:

    - `label_copy`, conclusive: AUC alone >= .95, cross-fitted, within blocks of time. No fact of a lead known
      beforehand came near it on any real set tried; the best honest single column reached .76.
    - `power`, conclusive from .90, strong from .80 (the length of a sales call reaches .84), telling where the
      lower 99 % bound is above .70 (of the honest columns tried one, the time spent on a web site, reaches that: a
      total to date), some above .60: honest columns do that too, so it only counts with other evidence.
    - `sure_values`, strong: 10 % of the leads or more hold values that all but settle the outcome (see
      `sure_share`); honest columns reached 8 %.
    - `missingness`, strong: the shares missing among won and lost differ by .25 or more; some from .15.
    - `dated_at_outcome`, conclusive: half of the values or more lie within a day of the outcome, and most of
      them more than a day after creation; `dated_after_outcome`: a tenth lie later than the outcome.
    - `dated_later`, strong: a fifth of the dates lie more than a day after the lead's creation.
    - `filled_later`, strong: young leads lack it more often than older ones, by .30 or more.
    - `differs_when_fresh`, some: the value tells young leads from older ones, AUC >= .85.
    - `calendar_proxy`: neighbours in time share the value (stickiness >= .90) and it ranks leads better
      across periods than within one, by .05 AUC: it tells the period, not the person. `tells_period`: such a
      column that explains 90 % of the variance of the time order, whether or not the rate has moved so far.
    """
    rows = np.ones(len(history.y), bool) if column.table == "leads" else has_account
    codes = coded(column.values, is_numeric=column.kind != "text")
    known = rows & ~np.isnan(history.y)
    blocks = time_blocks(history.order) if history.is_ordered else np.zeros(len(rows), np.int64)
    signs: list[Sign] = []
    power = _power(codes, column, history, known, blocks, signs)
    _missingness(column.is_missing, history, known, blocks, signs)
    signs += closed_against_open(codes, column.is_missing, history, rows, blocks)
    signs += repeats_today(column, today) if today is not None else []
    signs += grows_with_age(column, history, rows)
    _dates(column, history, signs)
    _fresh(codes, column.is_missing, history, rows, signs)
    _calendar(codes, history, known, blocks, signs)
    words = tuple(desk_values(column.values)) if column.kind == "text" else ()
    return ColumnEvidence(column, tuple(signs), power, name_hint(column.name), words)


def _power(
    codes: Int64, column: AuditColumn, history: LeadHistory, known: Mask, blocks: Int64, signs: list[Sign]
) -> Power | None:
    y = history.y
    whole = single_power(codes[known], y[known], blocks[known])
    present = known & ~column.is_missing
    is_number, is_partial = column.kind == "number", present.sum() < 0.99 * known.sum()
    part = None
    if is_partial or is_number:
        part = single_power(codes[present], y[present], blocks[present], is_ordered=is_number)
    powers = [power for power in (whole, part) if power is not None]
    if not powers or whole is None:
        return None
    best = max(powers, key=lambda power: power.low)
    where = " where it is filled" if best is part and is_partial else ""
    words = (
        f"alone it ranks won above lost with AUC {best.auc:.2f}{where} (n = {best.n}, {best.n_positive} won)"
    )
    if best.auc >= 0.95 and best.n >= 0.5 * known.sum():
        signs.append(Sign("label_copy", "conclusive", words))
    elif whole.auc >= 0.90:
        signs.append(Sign("power", "conclusive", words))
    elif best.auc >= 0.80:
        signs.append(Sign("power", "strong", words))
    elif best.low >= 0.70:
        signs.append(Sign("power", "telling", words))
    elif best.low >= 0.60:
        signs.append(Sign("power", "some", words))
    share, count = sure_share(codes[known], y[known])
    if share >= 0.10:
        n = round(share * int(known.sum()))
        signs.append(
            Sign("sure_values", "strong", f"{count} of its values all but settle the outcome ({n} leads)")
        )
    return best


def _missingness(missing: Mask, history: LeadHistory, known: Mask, blocks: Int64, signs: list[Sign]) -> None:
    won, lost = known & (history.y == 1), known & (history.y == 0)
    if min(won.sum(), lost.sum()) < _LEAST or not missing[known].any():
        return
    of_won, of_lost = float(missing[won].mean()), float(missing[lost].mean())
    gap = abs(of_won - of_lost)
    power = single_power(missing[known].astype(np.int64), history.y[known], blocks[known])
    if gap < 0.15 or power is None or power.low < 0.53:
        return
    words = (
        f"missing for {of_won:.0%} of {int(won.sum())} won and {of_lost:.0%} of {int(lost.sum())} lost leads"
    )
    signs.append(Sign("missingness", "strong" if gap >= 0.25 else "some", words))


def _dates(column: AuditColumn, history: LeadHistory, signs: list[Sign]) -> None:
    if column.kind != "time":
        return
    moments = column.values.astype(np.float64)
    given = ~np.isnan(moments)
    closed = given & (history.ended != NEVER)
    n = int(closed.sum())
    if n >= _LEAST:
        away = moments[closed] - history.ended[closed]
        near = int((np.abs(away) <= _DAY).sum())
        is_old = history.ended[closed] - history.created[closed] > _DAY
        late = int((away > 0).sum())
        if near >= 0.5 * n and is_old.mean() > 0.5:
            signs.append(
                Sign("dated_at_outcome", "conclusive", f"within a day of the outcome for {near} of {n} leads")
            )
        elif late >= 0.1 * n:
            signs.append(
                Sign("dated_after_outcome", "conclusive", f"later than the outcome for {late} of {n} leads")
            )
    born = given & (history.created != NEVER)
    n = int(born.sum())
    later = int((moments[born] > history.created[born] + _DAY).sum())
    if n >= _LEAST and later >= 0.2 * n:
        words = f"dated more than a day after the lead was created for {later} of {n}"
        signs.append(Sign("dated_later", "strong", words))


def _fresh(codes: Int64, missing: Mask, history: LeadHistory, rows: Mask, signs: list[Sign]) -> None:
    if not history.is_ordered:
        return
    young = history.is_young & rows
    older = rows & ~history.is_young
    if not young.any():
        tenth = time_blocks(history.order)
        young, older = rows & (tenth == 9), rows & (tenth == 8)
    if min(young.sum(), older.sum()) < _LEAST:
        return
    gap = float(missing[young].mean() - missing[older].mean())
    counts = f"{int(young.sum())} fresh and {int(older.sum())} older leads"
    if gap >= 0.30:
        of_young, of_older = missing[young].mean(), missing[older].mean()
        words = f"missing for {of_young:.0%} of fresh, {of_older:.0%} of older ({counts})"
        signs.append(Sign("filled_later", "strong", words))
    elif history.is_young.any() and stickiness(codes, history.order) < 0.5:
        told = single_power(
            codes[rows], history.is_young[rows].astype(np.float64), np.zeros(rows.sum(), np.int64)
        )
        if told is not None and told.auc >= 0.85:
            words = f"today's value tells fresh from older leads with AUC {told.auc:.2f} ({counts})"
            signs.append(Sign("differs_when_fresh", "some", words))


def _calendar(codes: Int64, history: LeadHistory, known: Mask, blocks: Int64, signs: list[Sign]) -> None:
    if not history.is_ordered:
        return
    stuck = stickiness(codes[known], history.order[known])
    if stuck < 0.90:
        return
    y = history.y[known]
    within = single_power(codes[known], y, blocks[known])
    across = single_power(codes[known], y, np.zeros(len(y), np.int64))
    share = period_share(codes[known], history.order[known])
    told = f"neighbours in time share its value (stickiness {stuck:.2f})"
    if within is not None and across is not None and across.auc >= within.auc + 0.05:
        words = (
            f"{told}; AUC {across.auc:.2f} over the whole time, {within.auc:.2f} within a tenth of it "
            f"(n = {across.n}): it tells the period, not the lead"
        )
        signs.append(Sign("calendar_proxy", "calendar", words))
    elif share >= 0.90:
        words = f"{told} and it gives {share:.0%} of the order in time: it tells the period, not the lead"
        signs.append(Sign("tells_period", "calendar", words))
