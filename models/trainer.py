"""From examples to a judged recipe: folds, calibration, anchors, one reading of the test, checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.catalogue import Catalogue
from features.errors import InputError, NoModelError
from models import metrics
from models.bands import Anchors, anchors_from
from models.calibration import row_log_loss
from models.evaluation import Evaluation, Examples, SliceSize
from models.gate import judge_calibration, judge_plausibility, judge_refusal
from models.intervals import Interval, bootstrap_intervals, ece_floor
from models.ladder import Recipe, fit_rung
from models.learning_curve import learning_curve
from models.rolling import Rolling, roll_test
from models.selection import OutOfFold, Selection, out_of_fold, select_rung, within_needs
from models.settings import ModelSettings, Plan, SplitSettings
from models.sheets import Sheets, sheets_from
from models.split import Fold, Slices, Timeline, blocks_in_time, random_folds, rolling_folds, slices_of
from models.tier_choice import choose_tiers
from models.tiers import fit_tiered, segment_column, segments_of
from models.tuning import Tuning, finer_penalties, tune_trees

__all__ = ["Chosen", "choose", "evaluate"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Progress = Callable[[str], None]
JUDGED_BLOCKS = 6

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
class Chosen:
    """What development chose, the test unread.

    Attributes
    ----------
    model : settings of the fits, those of the trees as tuned.
    test : positions of the test rows, in lead_id order within equal times.
    """

    slices: Slices
    folds: tuple[Fold, ...]
    model: ModelSettings
    tuning: Tuning | None
    out_of_fold: OutOfFold
    selection: Selection
    test: Int64
    notes: tuple[str, ...]


def choose(examples: Examples, catalogue: Catalogue, plan: Plan, progress: Progress | None = None) -> Chosen:
    """Slices, folds, a search if one is asked for, every rung out of fold, and the recipe.

    Raises
    ------
    InputError
        If a label is neither 0 nor 1, or there is no history before the test.
    NoModelError
        If there are too few conversions to choose anything, with the counts.
    """
    y, timeline = examples.y, examples.timeline
    _require_labels(y)
    slices = slices_of(timeline, plan.split)
    folds, notes = _folds(timeline, slices, y, plan.split)
    _require_conversions(y, slices, folds)
    model, said = within_needs(plan.model, catalogue, int(y[slices.development].sum()))
    tuning = tune_trees(examples.X, y, catalogue, timeline, folds, model, progress)
    if tuning is not None:
        finer = finer_penalties(model.logistic_penalties)
        model = model.model_copy(update={"lightgbm": tuning.best, "logistic_penalties": finer})
    found = out_of_fold(examples.X, y, catalogue, timeline, folds, model, progress)
    selection = select_rung(found, y, timeline, model, catalogue)
    if plan.tiers is not None:
        selection = choose_tiers(
            examples.X, y, catalogue, timeline, folds, slices.development, found, selection, model, plan.tiers, progress
        )  # fmt: skip
    test = slices.test[np.lexsort((timeline.order[slices.test], examples.lead[slices.test]))]
    return Chosen(slices, tuple(folds), model, tuning, found, selection, test, (*notes, *said))


def evaluate(
    examples: Examples,
    catalogue: Catalogue,
    plan: Plan,
    champion_anchors: Anchors | None = None,
    progress: Progress | None = None,
    champion_sheets: Sheets | None = None,
) -> Evaluation:
    """Choose a recipe on development and read the test once.

    Raises
    ------
    InputError, NoModelError
        As `choose`.
    """
    chosen = choose(examples, catalogue, plan, progress)
    slices, selection, model, test = chosen.slices, chosen.selection, chosen.model, chosen.test
    found, y = chosen.out_of_fold, examples.y
    if progress is not None:
        progress(f"test: {len(test):,} rows, read once")
    by_rung = _read_test(examples, catalogue, slices, selection, model, test)
    fit = _Refit(examples, catalogue, selection, model, progress)
    shared = by_rung[selection.recipe.rung] if selection.tiers is not None else None
    if shared is not None:
        by_rung[selection.recipe.rung] = fit(slices.development, test)
    rolling = _rolled(examples, fit, by_rung[selection.recipe.rung], test, found, plan)
    asked = plan.rolling
    judged = Evaluation(
        slices=slices,
        sizes={name: _size(examples, getattr(slices, name)) for name in ("development", "gap", "test")},
        n_folds=len(chosen.folds),
        out_of_fold=found,
        selection=selection,
        anchors=champion_anchors or _anchors(examples, found, selection, plan, rolling),
        test_rows=test,
        test_log_odds=by_rung[selection.recipe.rung],
        intervals={},
        by_rung={name: _plain_metrics(y[test], odds) for name, odds in by_rung.items()},
        log_odds_by_rung=by_rung,
        by_age={},
        unseen_accounts=None,
        refusal=(),
        calibration_checks=(),
        model=model,
        ece_floor=float("nan"),
        rolling=rolling,
        tuning=chosen.tuning,
        refit_every=asked.refit_every,
        has_shift=asked.prior_shift,
        notes=chosen.notes,
        shared_log_odds=shared,
        folds=chosen.folds,
    )
    if rolling is not None:
        odds = rolling.corrected(judged.cadence) if asked.prior_shift else rolling.uncorrected(judged.cadence)
        judged = replace(judged, test_log_odds=odds)
    if selection.tiers is not None:
        judged = _with_sheets(judged, examples, catalogue, plan, champion_sheets)
    if progress is not None:
        progress("judging")
    return _judged(judged, examples, plan, fit)


@dataclass(frozen=True)
class _Refit:
    """The chosen recipe and calibration on other rows: calibrated log-odds of the rows to predict."""

    examples: Examples
    catalogue: Catalogue
    selection: Selection
    model: ModelSettings
    progress: Progress | None

    def __call__(self, rows: Int64, to_predict: Int64) -> Float64:
        if self.progress is not None:
            self.progress(f"fitting again on {len(rows):,} rows")
        X, y = self.examples.X, self.examples.y
        chosen = self.selection
        rung = fit_tiered(chosen.recipe, chosen.tiers, X[rows], y[rows], self.catalogue, self.model)
        return self.selection.calibration.log_odds(rung.margin(X[to_predict]))


def _rolled(
    examples: Examples, fit: _Refit, first: Float64, test: Int64, found: OutOfFold, plan: Plan
) -> Rolling | None:
    timeline, past = examples.timeline, (found.rows, fit.selection.log_odds)
    if not timeline.is_ordered or plan.rolling.blocks < 2:
        return None
    return roll_test(fit, first, test, timeline, examples.y, past, plan.rolling.blocks)


def _judged(found: Evaluation, examples: Examples, plan: Plan, fit: _Refit) -> Evaluation:
    """The evaluation with all that is said of the test."""
    test, log_odds, timeline, model = found.test_rows, found.test_log_odds, examples.timeline, found.model
    labels, clusters = examples.y[test], timeline.cluster[test]
    draw = partial(bootstrap_intervals, clusters=clusters, n_boot=model.bootstrap, seed=model.seed)
    intervals = draw(METRICS | _at_capacity(examples, plan, len(test)), labels, expit(log_odds))
    blocks = np.zeros(len(test), dtype=np.int64)
    if timeline.is_ordered:
        blocks = blocks_in_time(timeline.order[test], JUDGED_BLOCKS)[0]
    checks = (
        *judge_calibration(intervals["calibration_ratio"], intervals["calibration_slope"], plan.gate),
        judge_plausibility(intervals["auc"], plan.gate.auc_most),
    )
    curve = learning_curve(
        fit, found.static_log_odds, found.slices.development, test, examples.y, timeline.cluster, model
    )
    return replace(
        found,
        intervals=intervals,
        by_age=_by_age(examples.age[test], labels, log_odds, clusters, model),
        unseen_accounts=_unseen(examples, found.slices, test, log_odds, model),
        refusal=judge_refusal(labels, log_odds, blocks, clusters, plan.gate.auc_confidence),
        calibration_checks=tuple(checks),
        ece_floor=ece_floor(labels, expit(log_odds), clusters, seed=model.seed),
        curve=curve,
    )


def _at_capacity(examples: Examples, plan: Plan, n_test: int) -> dict[str, Callable[..., float]]:
    """Precision among as large a share of the test as the SQL capacity is of one scoring."""
    if plan.bands.method != "capacity" or not examples.n_scored:
        return {}
    k = max(1, round(plan.bands.sql / examples.n_scored * n_test))
    return {"precision_at_capacity": partial(metrics.precision_at, k=k)}


def _anchors(
    examples: Examples, found: OutOfFold, selection: Selection, plan: Plan, rolling: Rolling | None
) -> Anchors:
    """Lines for a first version, at the level that holds when the test begins."""
    amounts = None if examples.amount is None else examples.amount[found.rows]
    p, y = expit(selection.log_odds + _level(rolling, plan)), examples.y[found.rows]
    return anchors_from(p, y, plan.bands, n_scored=examples.n_scored, amounts=amounts)


def _level(rolling: Rolling | None, plan: Plan) -> float:
    """The shift of the level that was known when the test began."""
    return rolling.shifts(len(rolling.start))[0].value if rolling and plan.rolling.prior_shift else 0.0


def _with_sheets(
    judged: Evaluation, examples: Examples, catalogue: Catalogue, plan: Plan, champion_sheets: Sheets | None
) -> Evaluation:
    """The evaluation with a score sheet for each segment: the champion's where it has one."""
    assert plan.tiers is not None
    rows, column = judged.out_of_fold.rows, plan.tiers.column
    place = segment_column(catalogue, column)
    names = np.array([*catalogue.features[place].levels, None], dtype=object)
    sheets = sheets_from(
        expit(judged.selection.log_odds + _level(judged.rolling, plan)), examples.y[rows],
        names[segments_of(examples.X[rows], place, len(names) - 1)], column, plan.bands,
        plan.tiers.sheet_conversions, n_scored=examples.n_scored,
        amounts=None if examples.amount is None else examples.amount[rows], kept=champion_sheets,
    )  # fmt: skip
    return replace(judged, sheets=sheets, test_sheet=sheets.codes(examples.X[judged.test_rows], catalogue))


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
