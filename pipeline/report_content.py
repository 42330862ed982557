"""What a report and a model card say of a record: headline, checks, the parts of the data, the base rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER
from models.slices import share_interval
from pipeline.record import TrainingRecord
from pipeline.report_figures import formed, ranged
from pipeline.report_words import CHECKS, STATUS
from pipeline.verdict import data_words, finding

__all__ = [
    "SliceRow",
    "base_rate_words",
    "checks",
    "headline",
    "period",
    "ranged",
    "slice_rows",
    "words_of_the_verdict",
]


@dataclass(frozen=True)
class SliceRow:
    """A slice: its period, size and share that converted."""

    name: str
    period: str
    rows: int
    leads: int
    conversions: int
    rate: str
    interval: str


def headline(record: TrainingRecord) -> str:
    """One sentence for a head of sales, the same as in the verdict."""
    if record.verdict == "refused":
        return "No model: nothing was shown to tell buyers from others."
    return finding(record.evaluation, record.dataset)


def words_of_the_verdict(record: TrainingRecord) -> list[str]:
    """The sentences of the verdict that no other part of the page says."""
    told = {*data_words(record.dataset), *record.hunt.words()}
    opening = headline(record)
    return [each for each in record.words if each not in told and not each.startswith(opening)]


def checks(record: TrainingRecord) -> list[tuple[str, str, str, str]]:
    """Name, status as a key, status in words and words of each check."""
    return [
        (
            CHECKS.get(each.name, each.name.replace("_", " ").capitalize()),
            each.status,
            STATUS[each.status],
            each.words,
        )
        for each in record.checks
    ]


def slice_rows(record: TrainingRecord) -> list[SliceRow]:
    """Development, gap and test."""
    dataset, found = record.dataset, []
    for name, size in record.evaluation.sizes.items():
        rows = getattr(record.evaluation.slices, name)
        rate = share_interval(dataset.y[rows], dataset.timeline.cluster[rows])
        counts = size.rows, size.leads, size.conversions
        found.append(SliceRow(name, period(dataset.rows.as_of[rows]), *counts, *ranged(rate, "%")))
    return found


def period(as_of: NDArray[np.int64]) -> str:
    """First and last day of the moments; empty without dates."""
    known = as_of[as_of != NEVER]
    if len(known) == 0:
        return ""
    first, last = (pd.Timestamp(int(moment), unit="us") for moment in (known.min(), known.max()))
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def base_rate_words(record: TrainingRecord) -> str:
    """Whether the share that converts moved, and what that does to the probabilities."""
    before, after = record.evaluation.sizes["development"].rate, record.evaluation.sizes["test"].rate
    ratio = record.evaluation.intervals["calibration_ratio"].value
    rates = f"{formed(before, '%')} of the rows converted in development, {formed(after, '%')} in the test"
    promised = f"{ratio:.2f} sales promised for each that came"
    has_moved, is_off = not (before > 0 and 0.8 <= after / before <= 1.25), not 0.8 <= ratio <= 1.25
    if record.verdict == "refused" or not has_moved:
        return f"The share that converts {'moved' if has_moved else 'hardly moved'}: {rates}; {promised}."
    if not is_off:
        return f"The share that converts moved: {rates}. The probabilities followed it: {promised}."
    wrong = "too low" if ratio < 1 else "too high"
    return (
        f"The share that converts moved: {rates}. Probabilities learned on the former are {wrong} on the latter: "
        f"{promised}. The order of the list does not suffer from that; use the order, and train again as outcomes "
        "come in."
    )
