"""What the report says of the scores by fit alone and by activity alone, beside the whole model."""

from __future__ import annotations

import math
from typing import Any

from scipy.special import expit

from models import metrics
from models.intervals import Interval, bootstrap_intervals
from models.sub_scores import HALVES
from pipeline.record import TrainingRecord
from pipeline.report_figures import Row, Table, cell
from pipeline.report_gain import sizes_words

__all__ = ["sub_score_table"]

NAMES = {"fit": "Fit alone", "activity": "Activity alone"}
MEANINGS = {"fit": "who they are, whatever they did", "activity": "what they did and when, whoever they are"}


def sub_score_table(record: TrainingRecord) -> Table | None:
    """Test figures of each half and of the whole, all fitted once on development; None where not asked for."""
    found = record.bundle.manifest.get("sub_scores", {}) if record.bundle is not None else {}
    if not found:
        return None
    rows = [
        Row(
            (
                NAMES[half],
                str(found[half]["features"]),
                cell(_interval(found[half]["auc"]), "3"),
                cell(_interval(found[half]["log_loss"]), "4"),
            ),
            meaning=MEANINGS[half],
        )
        for half in HALVES
        if half in found
    ]
    whole = _whole(record)
    rows.append(
        Row(
            (
                "The model, both",
                str(len(record.catalogue)),
                cell(whole["auc"], "3"),
                cell(whole["log_loss"], "4"),
            )
        )
    )
    return Table(
        "Fit alone, activity alone",
        ("Score by", "Features", "AUC", "Log loss"),
        tuple(rows),
        note=f"Test: {sizes_words(record)} All are fitted once, on development, and none has its level followed. "
        "Below each figure: its 95 % interval.",
    )


def _whole(record: TrainingRecord) -> dict[str, Interval]:
    evaluation, dataset = record.evaluation, record.dataset
    test, model = evaluation.test_rows, evaluation.model
    return bootstrap_intervals(
        {"auc": metrics.auc, "log_loss": metrics.log_loss}, dataset.y[test], expit(evaluation.static_log_odds),
        dataset.timeline.cluster[test], model.bootstrap, model.seed,
    )  # fmt: skip


def _interval(figures: list[Any]) -> Interval:
    value, low, high = (math.nan if each is None else float(each) for each in figures)
    return Interval(value, low, high)
