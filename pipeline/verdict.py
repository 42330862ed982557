"""The verdict of a training in sentences, the most important first."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.special import expit

from features.entities import NOUNS
from models.evaluation import Evaluation
from models.gate import Check
from models.intervals import bootstrap_intervals
from models.metrics import recall_at
from pipeline.dataset import Dataset
from pipeline.record import Verdict
from pipeline.report_figures import ranged

__all__ = ["data_words", "finding", "verdict_words"]

MOVED = 1.5


def verdict_words(
    verdict: Verdict,
    evaluation: Evaluation,
    check: Check | None,
    dataset: Dataset,
    is_re_anchored: bool = False,
) -> tuple[str, ...]:
    """What to tell a head of sales: the verdict, what working the top of the list finds, what is wrong."""
    words = [_headline(verdict, evaluation)]
    words += [f"{check.words}" for check in evaluation.refusal if check.status != "passed"]
    if verdict != "refused":
        size = evaluation.sizes["test"]
        words.append(
            f"{finding(evaluation, dataset)} That was measured on {size.rows:,} rows of {size.leads:,} "
            f"{NOUNS[dataset.sources.target.entity]} that the model had not seen; "
            f"{size.conversions:,} of the rows converted."
        )
        words += [each.words for each in evaluation.calibration_checks if each.status != "passed"]
    words += _moved(evaluation)
    if check is not None and verdict != "refused":
        words.append(check.words)
    if check is not None and not is_re_anchored:
        words.append(
            "The MQL and SQL lines are those of the champion; bands.re_anchor = true would set new ones."
        )
    elif evaluation.anchors.moved and verdict != "refused":
        words.append(
            "The SQL line was raised so that MQL and SQL lie at least half a unit of log-odds apart."
        )
    return (*words, *data_words(dataset), *evaluation.notes)


def finding(evaluation: Evaluation, dataset: Dataset) -> str:
    """What working the best fifth of the list finds, beside the points table or else any order.

    The report opens with the same sentence, and its tables say the same figures: same rows, same draws.
    """
    value, interval = ranged(evaluation.intervals["recall_at_20"], "%")
    of_table = evaluation.log_odds_by_rung.get("points")
    compared = "in any order it would find 20 %"
    if of_table is not None and evaluation.recipe.rung != "points":
        rows, model = evaluation.test_rows, evaluation.model
        found = bootstrap_intervals(
            {"found": partial(recall_at, share=0.2)}, dataset.y[rows], expit(of_table),
            dataset.timeline.cluster[rows], n_boot=model.bootstrap, seed=model.seed,
        )["found"]  # fmt: skip
        table, table_interval = ranged(found, "%")
        compared = f"the points table finds {table} ({table_interval})"
    return f"Working the top 20 % of the list finds {value} of the buyers ({interval}); {compared}."


def data_words(dataset: Dataset) -> tuple[str, ...]:
    """What was left out of training and test, and where the data ends."""
    lost = {reason: count for reason, count in dataset.left_out.items() if count}
    words = []
    if lost:
        listed = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in lost.items())
        words.append(f"Rows left out of training and test: {listed}.")
    return (*words, *_left_aside(dataset), *_not_won(dataset))


def _not_won(dataset: Dataset) -> list[str]:
    if not dataset.not_won:
        return []
    listed = ", ".join(f"{name} {count:,}" for name, count in dataset.not_won.items())
    whom = {"lead": "a lead", "account": "a person"}.get(dataset.sources.target.entity, "one")
    return [f"Outcomes that ended {whom} without a win: {listed}."]


def _left_aside(dataset: Dataset) -> list[str]:
    """Attributes that training may not look at, and where the data ends."""
    sources = dataset.sources
    aside = sorted(set(sources.attributes.kinds()) - set(sources.usable()))
    said = []
    if aside:
        said.append(
            f"Left out, because only today's value is known (attributes.current): {', '.join(aside)}. "
            "What is fixed since the lead was made belongs under attributes.at_creation."
        )
    if dataset.data_end is not None:
        said.append(f"The data ends on {dataset.data_end:%Y-%m-%d %H:%M} UTC.")
    return said


def _headline(verdict: Verdict, evaluation: Evaluation) -> str:
    auc = evaluation.intervals["auc"]
    shown = f"AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
    if verdict == "refused":
        return f"Refused: nothing better than the base rate was found ({shown}). No model was registered."
    if verdict == "champion":
        return f"Champion: the model ranks leads and its probabilities hold ({shown})."
    if any(check.name == "plausible" and check.status == "failed" for check in evaluation.calibration_checks):
        return f"Challenger: too good to be true ({shown}). It will not be promoted by itself."
    if evaluation.is_calibrated:
        return (
            f"Challenger: the model ranks leads and its probabilities hold ({shown}), but the champion stays."
        )
    return f"Challenger: ranking only, not calibrated ({shown}). It will not be promoted by itself."


def _moved(evaluation: Evaluation) -> list[str]:
    """Say it plainly where the conversion rate of the test is not that of development."""
    before, after = evaluation.sizes["development"].rate, evaluation.sizes["test"].rate
    if not (before > 0 and after > 0) or 1 / MOVED < after / before < MOVED:
        return []
    ratio = evaluation.intervals["calibration_ratio"].value
    wrong = "too low" if ratio < 1 else "too high"
    factor = 1 / ratio if 0 < ratio < 1 else ratio
    said = f"The conversion rate moved from {before:.2f} in development to {after:.2f} in the test"
    if not np.isfinite(factor) or 0.8 <= ratio <= 1.25:
        return [f"{said}; the probabilities followed it (mean predicted / observed {ratio:.2f})."]
    return [
        f"{said}. The model learned the old rate, so its probabilities are {wrong} by a factor of {factor:.1f} "
        f"(mean predicted / observed {ratio:.2f}): use the ranking, not the probabilities, and retrain as new "
        "outcomes come in."
    ]
