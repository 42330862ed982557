"""The pictures of a report, each with its title and caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models import bands as scale
from models.metrics import gain_curve
from pipeline import plots
from pipeline.record import TrainingRecord
from pipeline.report_calibration import reliability_points
from pipeline.report_gain import beside, curves, gain_points
from pipeline.report_models import curve_marks
from pipeline.report_parts import period_points
from pipeline.report_reasons import importance
from pipeline.report_words import RUNGS

__all__ = ["Picture", "pictures_of"]


@dataclass(frozen=True)
class Picture:
    """A drawn figure, and what stands above and below it."""

    name: str
    title: str
    caption: str
    figure: Any


def pictures_of(record: TrainingRecord) -> list[Picture]:
    """Every picture the record has figures for, in the order of the page."""
    found = [_gain(record), _scores(record), _reliability(record), *_months(record), *_rungs(record)]
    return [*found, *_curve(record), *_importance(record)]


def _gain(record: TrainingRecord) -> Picture:
    table = beside(record)
    shaded = [gain_points(record), *([] if table is None else [gain_points(record, table)])]
    return Picture(
        "gain", "How many buyers the top of the list finds",
        "On the test. Shaded: the 95 % interval of each point, whole accounts drawn.",
        plots.gain_plot(curves(record), *shaded),
    )  # fmt: skip


def _scores(record: TrainingRecord) -> Picture:
    evaluation, bands = record.evaluation, record.project.bands
    y = record.dataset.y[evaluation.test_rows]
    scores = scale.score(evaluation.test_points())
    return Picture(
        "scores", "Who gets which score",
        "On the test. The further apart the two, the better the model tells them apart.",
        plots.score_plot(scores, y, {bands.mql_name: 50.0, bands.sql_name: 80.0, **bands.further}),
    )  # fmt: skip


def _reliability(record: TrainingRecord) -> Picture:
    return Picture(
        "reliability", "Promised against what came",
        "On the test, leads in up to 15 groups of equal size by probability; dots on the line are right. "
        "Both axes are stretched at the low end.",
        plots.reliability_plot(reliability_points(record)),
    )  # fmt: skip


def _months(record: TrainingRecord) -> list[Picture]:
    points = period_points(record)
    if len(points) < 2:
        return []
    caption = "On the test. Where the line runs through the bar, the promise was kept."
    return [Picture("months", "Promised and came, in time", caption, plots.period_plot(points))]


def _rungs(record: TrainingRecord) -> list[Picture]:
    found = record.evaluation
    if len(found.selection.trials) < 2:
        return []
    y = record.dataset.y[found.test_rows]
    lines = {RUNGS[name]: gain_curve(y, odds) for name, odds in found.log_odds_by_rung.items()}
    caption = "On the test, each fitted once. The choice was made on development, before the test was read."
    return [Picture("rungs", "Buyers found, model by model", caption, plots.gain_plot(lines))]


def _curve(record: TrainingRecord) -> list[Picture]:
    marks = curve_marks(record)
    if len(marks) < 2:
        return []
    caption = "The same recipe on an eighth, a quarter, a half and all of development; the same test."
    return [Picture("learning", "What more history brings", caption, plots.curve_plot(marks))]


def _importance(record: TrainingRecord) -> list[Picture]:
    shares, label = importance(record.bundle) if record.bundle is not None else ({}, "")
    if not shares:
        return []
    caption = "Weight of each kind of information in the model; it goes with buying, it need not cause it."
    return [Picture("importance", "What the model looks at", caption, plots.importance_plot(shares, label))]
