"""Negative signals in simulated worlds: they speak against a lead where they are there, and else say nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from features.view import RowView
from models.intervals import Interval, bootstrap_intervals
from models.metrics import auc
from pipeline.config import load_project
from pipeline.dataset import labelled_dataset
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.tables import load_tables


def auc_of_few_warning_signs(folder: Path, *off: str) -> Interval:
    """How well a low share of unsubscribes and careers page views among all events ranks the buyers first."""
    simulate_to_folder(WorldSettings(n_leads=2_000, seed=3, off=off), folder)
    project = load_project(folder / "lead-scoring.toml")
    dataset = labelled_dataset(project, load_tables(project))
    view = RowView(dataset.data, dataset.rows, dataset.data.events.events, dataset.sources.events, ())
    signs, events = view.count("negative", 0), view.count("any", 0)
    has = events > 0
    few = 1 - signs[has] / np.maximum(events[has], 1)
    return bootstrap_intervals({"auc": auc}, dataset.y[has], few, dataset.timeline.cluster[has], 200)["auc"]


def test_warning_signs_speak_against_a_lead_and_switching_them_off_takes_that_away(tmp_path: Path) -> None:
    (tmp_path / "on").mkdir()
    (tmp_path / "off").mkdir()

    with_signs, without = (
        auc_of_few_warning_signs(tmp_path / "on"),
        auc_of_few_warning_signs(tmp_path / "off", "negative"),
    )

    assert with_signs.low > 0.5
    # switched off, every state has the same share of them; buyers, who do more, even show one more often
    assert without.high < 0.5
