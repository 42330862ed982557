"""Trained models against the simulated truth: how near to the oracle, how calibrated, how often fooled.

    python benchmarks/truth.py oracle --leads 75000 --seeds 1 2 3
    python benchmarks/truth.py shuffled --leads 6000 --seeds 1 2 3 4 5 6 7 8 9 10
    python benchmarks/truth.py clean --leads 4000 --seeds $(seq 40)

The oracle is P(win within the horizon | everything observable before as_of), by the exact filter of the
simulated world. Nothing here reads it before the model is judged. Clean worlds hold no leak among what the project
declares: whatever the leak hunt of a training leaves out there, it leaves out by mistake.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit


def examine(folder: Path) -> dict[str, Any]:
    """Development, test and oracle figures of one world."""
    from features.errors import NoModelError
    from models.metrics import auc
    from models.trainer import evaluate
    from pipeline.config import load_project
    from pipeline.dataset import labelled_dataset
    from pipeline.simulate import p_history
    from pipeline.tables import load_tables
    from pipeline.train import development_examples

    project = load_project(folder / "lead-scoring.toml")
    dataset = labelled_dataset(project, load_tables(project))
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    try:
        found = evaluate(examples, catalogue, project.plan)
    except NoModelError:
        return {"refused": True, "rung": None}
    rows = dataset.rows.take(found.test_rows)
    ids = dataset.data.leads["lead_id"].to_numpy(dtype=object)[rows.lead]
    truth = p_history(folder, ids.tolist(), rows.as_of, project.target.horizon)
    p, y = expit(found.test_log_odds), dataset.y[found.test_rows]
    bins = np.array_split(np.argsort(p, kind="stable"), 15)
    oracle = auc(y, np.round(truth, 12))
    return {
        "refused": found.is_refused, "calibrated": found.is_calibrated, "rung": found.recipe.rung,
        "test_rows": len(y), "test_leads": len(np.unique(rows.lead)), "conversions": int(y.sum()),
        "auc": round(auc(y, p), 4), "oracle_auc": round(oracle, 4),
        "share_of_oracle": round((auc(y, p) - 0.5) / (oracle - 0.5), 4) if oracle > 0.5 else None,
        "p_over_truth": round(float(p.mean() / truth.mean()), 4),
        "worst_bin": round(max(abs(float(p[b].mean() - truth[b].mean())) for b in bins), 4),
    }  # fmt: skip


def hunt(folder: Path) -> dict[str, Any]:
    """What the leak hunt says of one world."""
    from pipeline.config import load_project
    from pipeline.leak_hunt import hunt_leaks
    from pipeline.tables import load_tables

    project = load_project(folder / "lead-scoring.toml")
    found = hunt_leaks(project, load_tables(project))[1].to_json()
    return {name: [each["column"] for each in suspects] for name, suspects in found.items()}


def main() -> None:
    """Run the worlds asked for and print one JSON line each."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("world", choices=["oracle", "shuffled", "clean"])
    parser.add_argument("--leads", type=int, default=75_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    asked = parser.parse_args()
    from pipeline.simulate import WorldSettings, simulate_to_folder

    for seed in asked.seeds:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            settings = WorldSettings(n_leads=asked.leads, seed=seed, shuffle_labels=asked.world == "shuffled")
            simulate_to_folder(settings, Path(scratch))
            found = (hunt if asked.world == "clean" else examine)(Path(scratch))
        print(json.dumps({"seed": seed, **found, "seconds": round(time.perf_counter() - start)}), flush=True)


if __name__ == "__main__":
    main()
