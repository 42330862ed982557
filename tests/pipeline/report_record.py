"""A training's record to report on: a small world with a points table, trained once a process, and variations."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from models.intervals import Interval
from pipeline.config import load_project
from pipeline.record import TrainingRecord
from pipeline.report import write_report
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.train import train_project

SMALL = """
[model]
bootstrap = 100

[model.lightgbm]
max_rounds = 20

[features]
families = ["explicit", "recency"]
"""


@cache
def trained() -> TrainingRecord:
    """The record of a small world."""
    with tempfile.TemporaryDirectory() as scratch:
        simulate_to_folder(WorldSettings(n_leads=1_000, seed=5, months=9), Path(scratch))
        path = Path(scratch) / "lead-scoring.toml"
        path.write_text(path.read_text(encoding="utf-8") + SMALL, encoding="utf-8")
        return train_project(load_project(path), lambda _: None).record


def page_of(record: TrainingRecord, folder: Path) -> str:
    """The page as text, with plain spaces."""
    return write_report(record, folder).html.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")


def judged(record: TrainingRecord, **changes: Any) -> TrainingRecord:
    """The record with another evaluation."""
    return replace(record, evaluation=replace(record.evaluation, **changes))


def with_intervals(record: TrainingRecord, **intervals: Interval) -> TrainingRecord:
    """The record with other figures."""
    return judged(record, intervals={**record.evaluation.intervals, **intervals})


def refused(record: TrainingRecord) -> TrainingRecord:
    """The record as if nothing had been found, and no points table stood in."""
    words = ("Refused: nothing was found.",)
    slices = tuple(each for each in record.slices if each.kind != "band")
    return replace(record, verdict="refused", bundle=None, words=words, slices=slices)


def without_points(record: TrainingRecord) -> TrainingRecord:
    """The record as if there had been no points table."""
    evaluation = record.evaluation
    odds = {name: each for name, each in evaluation.log_odds_by_rung.items() if name != "points"}
    trials = tuple(each for each in evaluation.selection.trials if each.rung != "points")
    record = replace(record, words=record.words[:1])
    return judged(record, log_odds_by_rung=odds, selection=replace(evaluation.selection, trials=trials))


def unordered(record: TrainingRecord) -> TrainingRecord:
    """The record as if nothing had given the leads a time order."""
    dataset = replace(record.dataset, timeline=replace(record.dataset.timeline, is_ordered=False))
    return replace(judged(record, rolling=None), dataset=dataset)
