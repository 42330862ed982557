"""What a report says: the record's figures as words and rows of tables, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from features.asof import NEVER
from features.durations import format_duration
from models import bands as scale
from models.gate import Check
from models.intervals import Interval, bootstrap_intervals
from models.metrics import recall_at, reliability_table
from pipeline.plots import GainPoint, ReliabilityPoint
from pipeline.record import TrainingRecord
from pipeline.report_words import CHECKS, METRICS, RUNGS, STATUS

__all__ = [
    "BandRow",
    "Figure",
    "SliceRow",
    "age_rows",
    "band_rows",
    "base_rate_words",
    "checks",
    "gain_points",
    "headline",
    "labels_on_test",
    "metric_rows",
    "ranged",
    "reliability_points",
    "rung_rows",
    "share_interval",
    "slice_rows",
]

Float64 = NDArray[np.float64]
GAIN_SHARES = (
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.13,
    0.16,
    0.2,
    0.25,
    0.3,
    0.35,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    1.0,
)
MOST_REPLICATES = 200


@dataclass(frozen=True)
class Figure:
    """A figure as it is printed: name, value, interval, and what it means."""

    name: str
    value: str
    interval: str
    meaning: str = ""


@dataclass(frozen=True)
class BandRow:
    """A band on the test: what it promised and what came true."""

    name: str
    rows: int
    leads: int
    conversions: int
    promised: str
    came: str
    interval: str
    buyers: str
    answer: str


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


def labels_on_test(record: TrainingRecord) -> Float64:
    """(test,) 1 or 0 in the order of the evaluation's log-odds."""
    return record.dataset.y[record.evaluation.test_rows]


def share_interval(y: Float64, clusters: NDArray[np.int64], z: float = 1.96) -> Interval:
    """Share of ones with a 95 % interval, clustered; NaN without rows.

    Wilson's interval (1927) on the effective number of rows, which is the variance of independent rows
    over that of whole clusters (Korn and Graubard 1998), at most the rows themselves. With one class
    only, the clusters are counted.

    Examples
    --------
    >>> share_interval(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 1, 2, 3])).value
    0.5
    """
    n = len(y)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    rate, codes = float(y.mean()), np.unique(clusters, return_inverse=True)[1]
    spread = float((np.bincount(codes, weights=y - rate) ** 2).sum()) / n**2
    effective = min(float(n), rate * (1.0 - rate) / spread) if spread > 0.0 else float(codes.max() + 1)
    middle = (rate + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z / (1 + z * z / effective) * math.sqrt(rate * (1 - rate) / effective + (z / (2 * effective)) ** 2)
    return Interval(rate, max(0.0, middle - half), min(1.0, middle + half))


def ranged(interval: Interval, form: str) -> tuple[str, str]:
    """Value and interval as text; `form` is "%", "x" or a number of digits."""
    value, low, high = (_formed(each, form) for each in (interval.value, interval.low, interval.high))
    return value, f"{low} to {high}" if math.isfinite(interval.low) else "too few to tell"


def _formed(value: float, form: str) -> str:
    if not math.isfinite(value):
        return "not shown"
    if form == "%":
        return f"{value:.1%}".replace("%", " %") if value < 0.1 else f"{value:.0%}".replace("%", " %")
    return f"{value:.1f}×" if form == "x" else f"{value:.{form}f}"


def headline(record: TrainingRecord) -> str:
    """One sentence for a head of sales."""
    if record.verdict == "refused":
        return "No model: nothing was shown to tell buyers from others."
    value, interval = ranged(record.evaluation.intervals["recall_at_20"], "%")
    return f"Working the top 20 % of leads finds {value} of the buyers ({interval})."


def metric_rows(record: TrainingRecord) -> list[Figure]:
    """Every metric of the test with its interval."""
    rows = []
    for name, (words, form, meaning) in METRICS.items():
        if name in record.evaluation.intervals:
            rows.append(Figure(words, *ranged(record.evaluation.intervals[name], form), meaning))
    return rows


def checks(record: TrainingRecord) -> list[tuple[str, str, str, str]]:
    """Name, status as a key, status in words and words of each check."""
    evaluation = record.evaluation
    found: list[Check] = [*evaluation.refusal, *evaluation.calibration_checks]
    found += [] if record.champion_check is None else [record.champion_check]
    return [
        (CHECKS.get(each.name, each.name), each.status, STATUS[each.status], each.words) for each in found
    ]


def band_rows(record: TrainingRecord) -> list[BandRow]:
    """Bands from the highest to the lowest; none for a refused model, which gives no probabilities."""
    if record.verdict == "refused":
        return []
    evaluation, dataset = record.evaluation, record.dataset
    y, clusters = labels_on_test(record), dataset.timeline.cluster[evaluation.test_rows]
    chance = expit(evaluation.test_log_odds)
    names = scale.bands(chance, evaluation.anchors, record.project.bands)
    scores = scale.score(scale.points(evaluation.test_log_odds, evaluation.anchors))
    found = []
    for name in sorted(set(names), key=lambda each: -float(scores[names == each].min())):
        is_in = names == name
        came, promised = share_interval(y[is_in], clusters[is_in]), float(chance[is_in].mean())
        leads = len(np.unique(dataset.lead_code[evaluation.test_rows][is_in]))
        share = _formed(float(y[is_in].sum() / max(1.0, y.sum())), "%")
        counts = int(is_in.sum()), leads, int(y[is_in].sum())
        found.append(
            BandRow(
                str(name), *counts, _formed(promised, "%"), *ranged(came, "%"), share, _answer(promised, came)
            )
        )
    return found


def _answer(promised: float, came: Interval) -> str:
    if came.low <= promised <= came.high:
        return "as promised"
    return "more came than promised" if promised < came.low else "fewer came than promised"


def rung_rows(record: TrainingRecord) -> list[tuple[str, str, bool, dict[str, str]]]:
    """Rung in words, how it stood in development, whether it was chosen, and its figures."""
    forms = {"auc": "3", "average_precision": "3", "log_loss": "4", "brier": "4", "lift_at_10": "x"}
    evaluation = record.evaluation
    rows = []
    for trial in evaluation.selection.trials:
        values = {name: _formed(evaluation.by_rung[trial.rung][name], form) for name, form in forms.items()}
        values["development"] = _formed(float(trial.losses.mean()), "4")
        stood = "clearly worse than the best" if trial.clearly_worse else "best, or not clearly worse"
        rows.append((RUNGS[trial.rung], stood, trial.rung == evaluation.recipe.rung, values))
    return rows


def age_rows(record: TrainingRecord) -> list[Figure]:
    """AUC at each checkpoint of age, and on accounts never trained on."""
    evaluation = record.evaluation
    rows = [
        Figure(
            f"AUC {format_duration(age)} after creation",
            *ranged(each, "3"),
            "of leads scored at that age alone",
        )
        for age, each in sorted(evaluation.by_age.items())
    ]
    if evaluation.unseen_accounts is not None:
        meaning = "of leads whose account the model had never met"
        rows.append(Figure("AUC on new accounts", *ranged(evaluation.unseen_accounts, "3"), meaning))
    return rows


def slice_rows(record: TrainingRecord) -> list[SliceRow]:
    """Development, gap and test."""
    dataset, found = record.dataset, []
    for name, size in record.evaluation.sizes.items():
        rows = getattr(record.evaluation.slices, name)
        rate = share_interval(dataset.y[rows], dataset.timeline.cluster[rows])
        counts = size.rows, size.leads, size.conversions
        found.append(SliceRow(name, _period(dataset.rows.as_of[rows]), *counts, *ranged(rate, "%")))
    return found


def _period(as_of: NDArray[np.int64]) -> str:
    known = as_of[as_of != NEVER]
    if len(known) == 0:
        return ""
    first, last = (pd.Timestamp(int(moment), unit="us") for moment in (known.min(), known.max()))
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def base_rate_words(record: TrainingRecord) -> str:
    """Whether the share that converts moved, and what that does to the probabilities."""
    before, after = record.evaluation.sizes["development"].rate, record.evaluation.sizes["test"].rate
    ratio = record.evaluation.intervals["calibration_ratio"].value
    rates = f"{_formed(before, '%')} of the rows converted in development, {_formed(after, '%')} in the test"
    promised = f"{ratio:.2f} sales promised for each that came"
    has_moved, is_off = not (before > 0 and 0.8 <= after / before <= 1.25), not 0.8 <= ratio <= 1.25
    if record.verdict == "refused" or not has_moved:
        return f"It {'moved' if has_moved else 'hardly moved'}: {rates}; {promised}."
    if not is_off:
        return f"It moved: {rates}. The probabilities followed it: {promised}."
    wrong = "too low" if ratio < 1 else "too high"
    return (
        f"It moved: {rates}. Probabilities learned on the former are {wrong} on the latter: {promised}. "
        "The order of the list does not suffer from that; use the order, and train again as outcomes come in."
    )


def reliability_points(record: TrainingRecord) -> list[ReliabilityPoint]:
    """The bins of the calibration error, each with its clustered interval."""
    y, chance = labels_on_test(record), np.asarray(expit(record.evaluation.test_log_odds))
    clusters = record.dataset.timeline.cluster[record.evaluation.test_rows]
    found = []
    for each in reliability_table(y, chance):
        is_in = (chance >= each.p_low) & (chance <= each.p_high)
        came = share_interval(y[is_in], clusters[is_in])
        found.append(ReliabilityPoint(each.predicted, each.observed, came.low, came.high, each.n_rows))
    return found


def gain_points(record: TrainingRecord, shares: Sequence[float] = GAIN_SHARES) -> list[GainPoint]:
    """Share of the buyers found by working the best share of the rows, with clustered intervals."""
    evaluation, model = record.evaluation, record.project.model
    found = bootstrap_intervals(
        {str(share): partial(recall_at, share=share) for share in shares},
        labels_on_test(record),
        evaluation.test_log_odds,
        record.dataset.timeline.cluster[evaluation.test_rows],
        n_boot=min(model.bootstrap, MOST_REPLICATES),
        seed=model.seed,
    )
    return [
        GainPoint(share, each.value, each.low, each.high)
        for share, each in zip(shares, found.values(), strict=True)
    ]
