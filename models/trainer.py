"""From examples to a judged recipe: folds, calibration, anchors, one reading of the test, checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.catalogue import Catalogue
from features.errors import InputError, NoModelError
from models import metrics
from models.bands import Anchors, anchors_from
from models.calibration import row_log_loss
from models.gate import Check, judge_calibration, judge_plausibility, judge_refusal
from models.intervals import Interval, bootstrap_intervals
from models.ladder import Recipe, fit_rung
from models.selection import OutOfFold, Selection, out_of_fold, select_rung
from models.settings import ModelSettings, Plan, SplitSettings
from models.split import Fold, Slices, Timeline, random_folds, rolling_folds, slices_of

__all__ = ["Evaluation", "Examples", "SliceSize", "evaluate", "time_blocks"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Progress = Callable[[str], None]

METRICS: dict[str, Callable[..., float]] = {
    "auc": metrics.auc,
    "average_precision": metrics.average_precision,
    "log_loss": metrics.log_loss,
    "brier": metrics.brier,
    "ece": metrics.ece,
    "calibration_ratio": metrics.calibration_ratio,
    "calibration_slope": metrics.calibration_slope,
    "calibration_intercept": metrics.calibration_intercept,
    "lift_at_10": partial(metrics.lift_at, share=0.1),
    "precision_at_100": partial(metrics.precision_at, k=100),
    "recall_at_10": partial(metrics.recall_at, share=0.1),
    "recall_at_20": partial(metrics.recall_at, share=0.2),
}


@dataclass(frozen=True)
class Examples:
    """Rows to learn from.

    Attributes
    ----------
    X : (n, features), y : (n,) 1 or 0.
    lead : (n,) code of the lead, in lead_id order; account : (n,) code or -1.
    age : (n,) checkpoint of age in microseconds, 0 for calendar cuts.
    amount : (n,) amount of the win where known, else NaN; for anchors by value.
    n_scored : leads scored at one time; for anchors by capacity.
    """

    X: Float64
    y: Float64
    timeline: Timeline
    lead: Int64
    account: Int64
    age: Int64
    amount: Float64 | None = None
    n_scored: int | None = None


@dataclass(frozen=True)
class SliceSize:
    """How much a slice holds."""

    rows: int
    leads: int
    conversions: int

    @property
    def rate(self) -> float:
        """Share of the rows that converted; NaN without rows."""
        return self.conversions / self.rows if self.rows else float("nan")


@dataclass(frozen=True)
class Evaluation:
    """What development chose and what the test, read once, said of it.

    Attributes
    ----------
    test_rows : positions of the test rows, in lead_id order within equal times.
    test_log_odds : (test,) calibrated log-odds by the recipe fitted on development.
    intervals : each metric on the test with its 95 % interval, clustered by account, else lead.
    by_rung : each rung's plain metrics on the test, calibrated on the same out-of-fold rows.
    log_odds_by_rung : (test,) of each rung.
    by_age : AUC by checkpoint of age.
    unseen_accounts : AUC on the test rows of accounts never trained on, if there are enough.
    """

    slices: Slices
    sizes: dict[str, SliceSize]
    n_folds: int
    out_of_fold: OutOfFold
    selection: Selection
    anchors: Anchors
    test_rows: Int64
    test_log_odds: Float64
    intervals: dict[str, Interval]
    by_rung: dict[str, dict[str, float]]
    log_odds_by_rung: dict[str, Float64]
    by_age: dict[int, Interval]
    unseen_accounts: Interval | None
    refusal: tuple[Check, Check]
    calibration_checks: tuple[Check, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def recipe(self) -> Recipe:
        """The rung chosen, and how to fit it again."""
        return self.selection.recipe

    @property
    def is_refused(self) -> bool:
        """Whether the model shows nothing better than the base rate."""
        return any(check.status != "passed" for check in self.refusal)

    @property
    def is_calibrated(self) -> bool:
        """Whether the probabilities may be believed; "not shown" is not passed."""
        return all(check.status == "passed" for check in self.calibration_checks)


def evaluate(
    examples: Examples,
    catalogue: Catalogue,
    plan: Plan,
    champion_anchors: Anchors | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Choose a recipe on development and read the test once.

    Raises
    ------
    InputError
        If a label is neither 0 nor 1, or there is no history before the test.
    NoModelError
        If there are too few conversions to choose anything, with the counts.
    """
    y, timeline, model = examples.y, examples.timeline, plan.model
    _require_labels(y)
    slices = slices_of(timeline, plan.split)
    folds, notes = _folds(timeline, slices, y, plan.split)
    _require_conversions(y, slices, folds)
    found = out_of_fold(examples.X, y, catalogue, timeline, folds, model, progress)
    selection = select_rung(found, y, timeline, model, catalogue)
    anchors = champion_anchors or _anchors(examples, found, selection, plan)
    test = slices.test[np.lexsort((timeline.order[slices.test], examples.lead[slices.test]))]
    if progress is not None:
        progress(f"test: {len(test):,} rows, read once")
    of_rungs = _read_test(examples, catalogue, slices, selection, model, test)
    log_odds, labels, clusters = of_rungs[selection.recipe.rung], y[test], timeline.cluster[test]
    draw = partial(bootstrap_intervals, clusters=clusters, n_boot=model.bootstrap, seed=model.seed)
    intervals = draw(METRICS | _at_capacity(examples, plan, len(test)), labels, expit(log_odds))
    blocks = time_blocks(timeline.order[test]) if timeline.is_ordered else np.zeros(len(test), dtype=np.int64)
    checks = (
        *judge_calibration(intervals["calibration_ratio"], intervals["calibration_slope"], plan.gate),
        judge_plausibility(intervals["auc"], plan.gate.auc_most),
    )
    return Evaluation(
        slices=slices,
        sizes={name: _size(examples, getattr(slices, name)) for name in ("development", "gap", "test")},
        n_folds=len(folds),
        out_of_fold=found,
        selection=selection,
        anchors=anchors,
        test_rows=test,
        test_log_odds=log_odds,
        intervals=intervals,
        by_rung={name: _plain_metrics(labels, odds) for name, odds in of_rungs.items()},
        log_odds_by_rung=of_rungs,
        by_age=_by_age(examples.age[test], labels, log_odds, clusters, model),
        unseen_accounts=_unseen(examples, slices, test, log_odds, model),
        refusal=judge_refusal(labels, log_odds, blocks, clusters, plan.gate.auc_confidence),
        calibration_checks=tuple(checks),
        notes=tuple(notes),
    )


def _at_capacity(examples: Examples, plan: Plan, n_test: int) -> dict[str, Callable[..., float]]:
    """Precision among as large a share of the test as the SQL capacity is of one scoring."""
    if plan.bands.method != "capacity" or not examples.n_scored:
        return {}
    k = max(1, round(plan.bands.sql / examples.n_scored * n_test))
    return {"precision_at_capacity": partial(metrics.precision_at, k=k)}


def _anchors(examples: Examples, found: OutOfFold, selection: Selection, plan: Plan) -> Anchors:
    amounts = None if examples.amount is None else examples.amount[found.rows]
    p, y = expit(selection.log_odds), examples.y[found.rows]
    return anchors_from(p, y, plan.bands, n_scored=examples.n_scored, amounts=amounts)


def time_blocks(order: Int64, most: int = 6) -> Int64:
    """Up to `most` blocks of about equal size in time; rows of one moment stay together."""
    place = np.unique(order, return_inverse=True)[1]
    rows_before = np.concatenate(([0], np.cumsum(np.bincount(place))))[:-1]
    return np.asarray(np.minimum(rows_before * most // max(1, len(order)), most - 1)[place])


def _folds(
    timeline: Timeline, slices: Slices, y: Float64, split: SplitSettings
) -> tuple[list[Fold], list[str]]:
    notes: list[str] = []
    if not timeline.is_ordered:
        notes.append(
            "WARNING: nothing gives these leads a time order, so test and folds are drawn at random, whole accounts "
            "together. Such figures are usually far too good; name a date or an order column in static.order."
        )
    folds = rolling_folds(timeline, slices.development, y, split)
    if not folds:
        folds = random_folds(timeline, slices.development, y, split)
        notes.append(
            "Development is too short for rolling origins: its folds are whole accounts drawn by hash."
        )
    elif len(folds) < min(3, split.folds):
        notes.append(f"Development is short: {len(folds)} rolling fold(s) instead of {split.folds}.")
    return folds, notes


def _require_labels(y: Float64) -> None:
    bad = np.flatnonzero((y != 0.0) & (y != 1.0))
    if len(bad):
        raise InputError(
            f"{len(bad)} of {len(y)} labels are neither 0 nor 1; the first is {y[bad[0]]:g} in row {bad[0]}. "
            "Leave rows without a label out before training."
        )


def _require_conversions(y: Float64, slices: Slices, folds: list[Fold]) -> None:
    won, lost = int(y[slices.development].sum()), int((1 - y[slices.development]).sum())
    test_won = int(y[slices.test].sum())
    if won < 20 or lost < 20 or not folds:
        raise NoModelError(
            f"Too little to learn from: development has {won} conversions and {lost} other rows; at least 20 of each "
            f"are needed, {max(0, 20 - won)} more conversions. Use a longer history, a longer target.horizon, or "
            "score with a points table ([points]) until then."
        )
    if test_won < 5 or test_won == len(slices.test):
        raise NoModelError(
            f"The test slice has {test_won} conversions in {len(slices.test)} rows; nothing can be judged on that. "
            "Use a larger split.test_share or a longer history."
        )


def _read_test(
    examples: Examples, catalogue: Catalogue, slices: Slices, selection: Selection, model: ModelSettings, test: Int64
) -> dict[str, Float64]:  # fmt: skip
    """(test,) calibrated log-odds of every rung, each fitted on development."""
    X, y, X_test = examples.X[slices.development], examples.y[slices.development], examples.X[test]
    recipe = selection.recipe
    margins: dict[str, Float64] = {}
    for trial in selection.trials:
        if trial.rung == "blend":
            w = recipe.weights
            margins["blend"] = w[0] + w[1] * margins["logistic"] + w[2] * margins["lightgbm"]
        else:
            rung = Recipe(trial.rung, recipe.penalty, recipe.rounds, recipe.weights)
            margins[trial.rung] = fit_rung(rung, X, y, catalogue, model).margin(X_test)
    return {name: selection.calibrations[name].log_odds(values) for name, values in margins.items()}


def _plain_metrics(y: Float64, log_odds: Float64) -> dict[str, float]:
    p = expit(log_odds)
    return {
        "auc": metrics.auc(y, p),
        "average_precision": metrics.average_precision(y, p),
        "log_loss": float(row_log_loss(y, log_odds).mean()),
        "brier": metrics.brier(y, p),
        "lift_at_10": metrics.lift_at(y, p, 0.1),
    }


def _by_age(
    age: Int64, y: Float64, log_odds: Float64, clusters: Int64, model: ModelSettings
) -> dict[int, Interval]:
    ages = [int(each) for each in np.unique(age) if each > 0]
    return {each: _auc(y, log_odds, clusters, age == each, model) for each in ages}


def _auc(
    y: Float64, log_odds: Float64, clusters: Int64, rows: NDArray[np.bool_], model: ModelSettings
) -> Interval:
    found = bootstrap_intervals(
        {"auc": metrics.auc}, y[rows], expit(log_odds[rows]), np.unique(clusters[rows], return_inverse=True)[1],
        n_boot=model.bootstrap, seed=model.seed,
    )  # fmt: skip
    return found["auc"]


def _unseen(
    examples: Examples, slices: Slices, test: Int64, log_odds: Float64, model: ModelSettings
) -> Interval | None:
    account = examples.account[test]
    is_unseen = (account >= 0) & ~np.isin(account, examples.account[slices.development])
    labels = examples.y[test]
    if labels[is_unseen].sum() < 10 or (1 - labels[is_unseen]).sum() < 10:
        return None
    return _auc(labels, log_odds, examples.timeline.cluster[test], is_unseen, model)


def _size(examples: Examples, rows: Int64) -> SliceSize:
    return SliceSize(len(rows), len(np.unique(examples.lead[rows])), int(examples.y[rows].sum()))
