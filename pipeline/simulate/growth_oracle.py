"""What could be known of a customer: the exact chance of a growth outcome given everything observable.

The health class is constant, so its posterior is a product of Poisson likelihoods and of hazards with their
survival since the win, and the chance is the posterior's mean of the chance given the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.durations import parse_duration
from features.errors import InputError
from pipeline.simulate.evidence import has_mechanism, integers, pieces, read_truth, rows_of, truth_table
from pipeline.simulate.growth import (
    CHURNED,
    GROWTH_EVENTS,
    GROWTH_OUTCOMES,
    RENEWAL,
    TARGETS,
    GrowthLaw,
    hazard_multipliers,
    make_growth_law,
)
from pipeline.simulate.questions import Moments, questions
from pipeline.simulate.settings import DAY
from pipeline.simulate.world import World

__all__ = ["p_health", "p_history_growth"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class _Known:
    """What is known of each row's customer at its moment.

    `is_customer` has shape (row,): won strictly before the moment, and not churned before it. `days` has shape
    (row, phase): days since the win; `count` (row, phase, type): events; `ended_days` (row, target): days
    from the win to the target's outcome, NaN while open. `factor` has shape (row, hazard).
    """

    is_customer: NDArray[np.bool_]
    segment: Ints
    days: Floats
    count: Ints
    ended_days: Floats
    factor: Floats


def p_history_growth(
    source: World | Path | str,
    lead_ids: Sequence[str],
    target: str,
    as_of: Moments,
    horizon: int | str = "90d",
) -> Floats:
    """P(the target's outcome in [as_of, as_of + horizon) | all that was observable before as_of), one a row.

    Known are the win, its product, the segment and size band, and the customer's own events and outcomes of
    all targets strictly before as_of; customers tell nothing of each other, nor the time before the win of
    the time after it.

    Parameters
    ----------
    source
        A world with the mechanism `growth`, or the folder it was written to.
    lead_ids
        One id a row; an id may recur.
    target
        "upsell", "cross_sell" or "renewal"; the outcome asked for is upsell, cross_sell or renewed.
    as_of
        One moment a row: microseconds since 1970 UTC, or datetime64.
    horizon
        Such as "90d", or microseconds.

    Returns
    -------
    float64, shape (row,): a probability; NaN where the lead is no customer at as_of or the target has ended.

    Raises
    ------
    InputError
        If an id is not of this world, the target is unknown, or the world has no growth.
    """
    if target not in TARGETS:
        raise InputError(f"target is {target!r}, expected one of {', '.join(TARGETS)}")
    law, known = _known(source, lead_ids, as_of)
    number = TARGETS.index(target)
    days = (horizon if isinstance(horizon, int) else parse_duration(horizon)) / DAY
    p = (_posterior(law, known) * _chance(law, known, number, days)).sum(axis=1)
    return np.where(known.is_customer & np.isnan(known.ended_days[:, number]), p, np.nan)


def p_health(source: World | Path | str, lead_ids: Sequence[str], as_of: Moments) -> Floats:
    """P(health class | all that was observable before as_of), shape (row, class), classes as in `HEALTH`.

    NaN where the lead is no customer at as_of. Parameters as in `p_history_growth`.
    """
    law, known = _known(source, lead_ids, as_of)
    return np.where(known.is_customer[:, None], _posterior(law, known), np.nan)


def _posterior(law: GrowthLaw, known: _Known) -> Floats:
    log_post = np.log(law.health[known.segment])
    log_post += np.einsum("npt,pct->nc", known.count, np.log(law.events))
    log_post -= known.days @ law.events.sum(axis=2)
    tenure = known.days.sum(axis=1)
    for target in range(len(TARGETS)):
        ended = known.ended_days[:, target]
        watched = _by_phase(law, np.where(np.isnan(ended), tenure, ended))
        leaving = known.factor[:, [target]] * (watched @ law.hazards[:, :, target])
        if target == RENEWAL:
            leaving += known.factor[:, [CHURNED]] * (watched @ law.hazards[:, :, CHURNED])
        phase = (ended >= law.onboarding_days).astype(np.int64)
        seen = np.where(np.isnan(ended)[:, None], 0.0, np.log(law.hazards[phase, :, target]))
        log_post += seen - leaving
    post = np.exp(log_post - log_post.max(axis=1, keepdims=True))
    return np.asarray(post / post.sum(axis=1, keepdims=True))


def _chance(law: GrowthLaw, known: _Known, target: int, horizon_days: float) -> Floats:
    """P(the target's outcome within the horizon | class), shape (row, class).

    While the renewal is open, upsell, renewed and churned compete at constant hazards u, r and k within a
    phase; once renewed nothing stops the upsell. `pending` and `renewed` are the chances to be in either
    state with the target still open.
    """
    tenure = known.days.sum(axis=1)
    left = np.clip(law.onboarding_days - tenure, 0.0, horizon_days)
    pending = np.repeat(np.isnan(known.ended_days[:, [RENEWAL]]), law.health.shape[1], axis=1).astype(float)
    renewed, won = 1.0 - pending, np.zeros_like(pending)
    for phase, days in enumerate((left[:, None], horizon_days - left[:, None])):
        r, k = (law.hazards[phase, :, row] * known.factor[:, [row]] for row in (RENEWAL, CHURNED))
        stays, renews = np.exp(-(r + k) * days), r / (r + k)
        if target == RENEWAL:
            won += pending * renews * (1.0 - stays)
            pending = pending * stays
            continue
        u = law.hazards[phase, :, target] * known.factor[:, [target]]
        waits = np.exp(-u * days)
        before_churn = renews * (1.0 - waits) + (1.0 - renews) * u / (u + r + k) * (1.0 - waits * stays)
        won += pending * before_churn + renewed * (1.0 - waits)
        renewed = waits * (renewed + pending * renews * (1.0 - stays))
        pending = pending * waits * stays
    return won


def _by_phase(law: GrowthLaw, days: Floats) -> Floats:
    early = np.minimum(days, law.onboarding_days)
    return np.stack([early, days - early], axis=1)


def _known(source: World | Path | str, lead_ids: Sequence[str], as_of: Moments) -> tuple[GrowthLaw, _Known]:
    rows, at_us = questions(read_truth(source), lead_ids, as_of)
    law, truth = _law_and_truth(source)
    column = {name: integers(truth[name]) for name in ("lead", "won_at", "segment", "size", "product")}
    place = np.searchsorted(column["lead"], rows)
    is_winner = np.append(column["lead"], -1)[place] == rows
    at = np.where(is_winner, place, 0)
    if not len(truth):
        return law, _nobody(law, len(rows))
    won_us = column["won_at"]
    ended_us, is_churned = _endings(source, column["lead"])
    is_known = ended_us[at] < at_us[:, None]
    is_customer = is_winner & (won_us[at] < at_us) & ~(is_churned[at] & is_known[:, RENEWAL])
    ended_days = np.where(is_known, (ended_us[at] - won_us[at, None]) / DAY, np.nan)
    return law, _Known(
        is_customer=is_customer,
        segment=column["segment"][at],
        days=_by_phase(law, np.maximum(at_us - won_us[at], 0) / DAY),
        count=_counts(source, law, (column["lead"], won_us), at, at_us),
        ended_days=np.where(is_customer[:, None], ended_days, np.nan),
        factor=hazard_multipliers(law, column["size"][at], column["product"][at]).T,
    )


def _nobody(law: GrowthLaw, n: int) -> _Known:
    return _Known(
        is_customer=np.zeros(n, dtype=bool),
        segment=np.zeros(n, dtype=np.int64),
        days=np.zeros((n, 2)),
        count=np.zeros((n, 2, len(GROWTH_EVENTS)), dtype=np.int64),
        ended_days=np.full((n, len(TARGETS)), np.nan),
        factor=np.ones((n, law.hazards.shape[2])),
    )


def _law_and_truth(source: World | Path | str) -> tuple[GrowthLaw, pa.Table]:
    if not has_mechanism(source, "growth"):
        raise InputError("this world has no customers; simulate it with 'growth' in WorldSettings.on")
    law = (
        make_growth_law(source.settings)
        if isinstance(source, World)
        else GrowthLaw.read(Path(source) / "truth" / "growth.json")
    )
    return law, truth_table(source, "customers")


def _endings(source: World | Path | str, customers: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Moment of each target's outcome (never while open), shape (customer, target), and who churned."""
    ended_us = np.full((len(customers), len(TARGETS)), _NEVER)
    is_churned = np.zeros(len(customers), dtype=bool)
    for table in pieces(source, "outcomes", ("lead_id", "occurred_at", "outcome", "target")):
        rows = table.filter(pc.is_in(table["target"], value_set=pa.array(TARGETS)))
        who = np.searchsorted(customers, rows_of(rows["lead_id"]))
        target = pc.index_in(rows["target"], value_set=pa.array(TARGETS)).to_numpy()
        ended_us[who, target] = integers(rows["occurred_at"])
        is_churned[who[pc.equal(rows["outcome"], GROWTH_OUTCOMES[CHURNED]).to_numpy()]] = True
    return ended_us, is_churned


def _counts(
    source: World | Path | str, law: GrowthLaw, customers: tuple[Ints, Ints], at: Ints, at_us: Ints
) -> Ints:
    """Events of each row's customer strictly before its moment, shape (row, phase, type)."""
    lead, won_us = customers
    parts = [(np.empty(0, dtype=np.int64),) * 3]
    is_asked = np.zeros(len(lead), dtype=bool)
    is_asked[at] = True
    for table in pieces(source, "events", ("lead_id", "occurred_at", "event_type")):
        rows = table.filter(pc.is_in(table["event_type"], value_set=pa.array(GROWTH_EVENTS)))
        who = np.searchsorted(lead, rows_of(rows["lead_id"]))
        kind = pc.index_in(rows["event_type"], value_set=pa.array(GROWTH_EVENTS)).to_numpy()
        keep = is_asked[who]
        parts.append((who[keep], integers(rows["occurred_at"])[keep], kind[keep].astype(np.int64)))
    who, when, kind = (np.concatenate(column) for column in zip(*parts, strict=True))
    is_settled = when - won_us[who] >= round(law.onboarding_days * DAY)
    cell = is_settled * len(GROWTH_EVENTS) + kind
    # at one moment the row comes before the event: known is what lies strictly before
    order = np.lexsort((np.repeat([1, 0], [len(who), len(at)]), np.append(when, at_us), np.append(who, at)))
    seen = np.zeros((len(order) + 1, 2 * len(GROWTH_EVENTS)), dtype=np.int64)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    seen[place[: len(who)] + 1, cell] = 1
    seen = seen.cumsum(axis=0)
    first = np.searchsorted(np.append(who, at)[order], at)
    return np.asarray((seen[place[len(who) :]] - seen[first]).reshape(len(at), 2, len(GROWTH_EVENTS)))
