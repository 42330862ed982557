"""Tiers on a simulated CRM whose persons follow another law than its companies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from models.calibration import row_log_loss
from models.settings import ModelSettings, TierSettings
from models.trainer import evaluate
from pipeline.config import load_project
from pipeline.dataset import labelled_dataset
from pipeline.simulate import WorldSettings, p_history, simulate_to_folder
from pipeline.tables import load_tables
from pipeline.train import development_examples


@pytest.mark.slow
def test_segments_of_another_law_keep_their_level_and_gain_by_tiers(tmp_path: Path) -> None:
    simulate_to_folder(WorldSettings(n_leads=8000, seed=1, on=("segments",)), tmp_path)
    project = load_project(tmp_path / "lead-scoring.toml")
    dataset = labelled_dataset(project, load_tables(project))
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    model = ModelSettings(rungs=("points", "logistic"), bootstrap=100)
    plan = project.plan.model_copy(update={"model": model, "tiers": TierSettings(column="segment")})

    found = evaluate(examples, catalogue, plan)

    rows, y = dataset.rows.take(found.test_rows), dataset.y[found.test_rows]
    leads = dataset.data.leads
    ids = leads["lead_id"].to_numpy(dtype=object)[rows.lead].tolist()
    truth = p_history(tmp_path, ids, rows.as_of, project.target.horizon)
    segment = leads["segment"].to_numpy(dtype=object)[rows.lead]
    p = expit(found.static_log_odds)
    assert found.shared_log_odds is not None
    for name in ("B2B", "B2C"):
        is_in = segment == name
        assert abs(float(np.mean(p[is_in] - truth[is_in]))) <= 0.02
    assert row_log_loss(y, found.static_log_odds).mean() < row_log_loss(y, found.shared_log_odds).mean()
