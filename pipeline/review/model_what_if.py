"""What calling every lead from a score on, or the first N, would find: expected conversions and value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate

from pipeline.ledger.figures import Heap

__all__ = ["Found", "everyone", "from_each_score", "together"]

TOP = 100
Z = 1.96
EMPTY = Heap(0, 0, 0, 0.0, 0.0, 0, 0.0)


@dataclass(frozen=True)
class Found:
    """Leads called, and what their chances add up to.

    Attributes
    ----------
    score : the lowest score called.
    conversions : sum of the chances; `low` to `high` holds 95 % of what can come if the chances hold and leads
        decide independently. None where no lead has a chance.
    value : sum of the expected values, None where no lead has one.
    of_leads, of_conversions : shares of all open leads and of all expected conversions.
    """

    score: int
    leads: int
    conversions: float | None
    low: float | None
    high: float | None
    value: float | None
    of_leads: float
    of_conversions: float | None


def from_each_score(heaps: Sequence[Heap]) -> list[Found]:
    """What calling all leads at or above each whole score finds, for 0 to 100.

    A bare points table knows neither end: leads above 100 are called from 100 on, those below 0 by no cutoff.

    Parameters
    ----------
    heaps : the leads of a run by whole score.
    """
    of_score = {each.score: each for each in heaps}
    downwards = [of_score.get(score, EMPTY) for score in range(TOP, -1, -1)]
    downwards[0] = reduce(_added, (each for each in heaps if each.score >= TOP), EMPTY)
    sums, of_all = accumulate(downwards, _added), everyone(heaps)
    return [together(each, of_all, TOP - place) for place, each in enumerate(sums)][::-1]


def everyone(heaps: Sequence[Heap]) -> Heap:
    """All leads of the run as one heap."""
    return reduce(_added, heaps, EMPTY)


def together(called: Heap, of_all: Heap, score: int | None = None) -> Found:
    """One heap of leads as a part of all open leads."""
    has_chance = called.with_chance > 0 or (called.n == 0 and of_all.with_chance > 0)
    half = Z * math.sqrt(called.variance)
    is_told = of_all.conversions > 0
    return Found(
        called.score if score is None else score, called.n,
        called.conversions if has_chance else None,
        max(called.conversions - half, 0.0) if has_chance else None,
        min(called.conversions + half, called.with_chance) if has_chance else None,
        called.value if called.with_value else None,
        called.n / of_all.n if of_all.n else 0.0,
        called.conversions / of_all.conversions if is_told else None,
    )  # fmt: skip


def _added(a: Heap, b: Heap) -> Heap:
    return Heap(
        b.score, a.n + b.n, a.with_chance + b.with_chance, a.conversions + b.conversions, a.variance + b.variance,
        a.with_value + b.with_value, a.value + b.value,
    )  # fmt: skip
