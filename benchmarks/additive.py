"""Whether reasons add up, for every lead: shown points, whole points, and the split of what changed.

    python benchmarks/additive.py --leads 100000

One lead, one moment: each of the simulated leads is explained at a moment drawn from the time it was open. Done
under Platt, beta and isotonic calibration, on the model's own scale and on two that push scores beyond either
end. Then the leads open at two moments are split by what changed, with one model and with two.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.asof import NEVER, Examples, Spells, microseconds
from features.builder import build_features
from features.contracts import Tables
from features.prepare import Prepared, prepare
from models.bands import Anchors
from models.bundle import Bundle
from models.calibration import Calibration
from models.rounding import whole_points
from models.scorer import Scored, Scorer
from pipeline.changes import changes
from pipeline.config import load_project
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.tables import load_tables
from pipeline.train import train_project

DAY = 86_400_000_000
CHUNK, TOP = 20_000, 5
CALIBRATIONS = {
    "platt": Calibration("platt", (1.1, -0.2)),
    "beta": Calibration("beta", (0.7, 1.4, 0.1)),
    "isotonic": Calibration("isotonic", (0.8, -4.0, -4.4, -2.5, -2.2, -1.0, -1.1, 0.5, 0.9)),
}
SCALES = {"own": None, "most above": Anchors(0.001, 0.004), "most below": Anchors(0.9, 0.99)}


def moments_in_spells(spells: Spells, end: int, seed: int) -> Examples:
    """One row a spell, at a moment drawn evenly from the time it was open."""
    until = np.minimum(spells.end, end)
    chosen = np.flatnonzero(until > spells.start + 1)
    share = np.random.default_rng(seed).random(len(chosen))
    as_of = spells.start[chosen] + 1 + (share * (until[chosen] - spells.start[chosen] - 1)).astype(np.int64)
    return Examples(
        spells.lead[chosen], as_of, spells.start[chosen], spells.end[chosen], spells.is_won[chosen],
        np.zeros(len(chosen), dtype=np.int64),
    )  # fmt: skip


def worst_of(scorer: Scorer, found: Scored, phi: NDArray[np.float64]) -> dict[str, float]:
    """How far a chunk of scored rows is from adding up, and how many break a rule."""
    explained = found.explained
    shown = found.reasons.points.sum(axis=1) + found.reasons.rest + explained.limit
    whole = whole_points(
        explained.base_score, found.reasons.points, found.reasons.rest + explained.limit, found.score
    )
    p = found.probability
    return {
        "off": float(np.abs(explained.base_score + shown - found.score).max()),
        "turned": int((np.sign(explained.points) * np.sign(phi) < 0).sum()),
        "whole_off": int((whole.base + whole.reasons.sum(axis=1) + whole.rest != whole.score).sum()),
        "line_broken": int(
            ((whole.score >= 50) != (p >= scorer.anchors.p_mql)).sum()
            + ((whole.score >= 80) != (p >= scorer.anchors.p_sql)).sum()
        ),
        "limited": int((explained.limit != 0).sum()),
    }


def adding_up(bundle: Bundle, data: Prepared, rows: Examples) -> list[dict[str, Any]]:
    """A line for each calibration and scale."""
    lines = []
    for name, calibration in CALIBRATIONS.items():
        for scale, anchors in SCALES.items():
            scorer = replace(bundle.scorer, calibration=calibration, anchors=anchors or bundle.scorer.anchors)
            worst: dict[str, float] = {}
            for start in range(0, len(rows), CHUNK):
                part = rows.take(np.arange(start, min(start + CHUNK, len(rows))))
                X = build_features(data, part, scorer.catalogue, bundle.sources)
                found = worst_of(scorer, scorer.scored(X, TOP), scorer.explain(X)[1])
                for key, value in found.items():
                    worst[key] = (
                        max(worst.get(key, 0.0), value) if key == "off" else worst.get(key, 0) + value
                    )
            lines.append({"calibration": name, "scale": scale, "rows": len(rows), **worst})
    return lines


def changing(before: Bundle, after: Bundle, tables: Tables, days: int) -> dict[str, Any]:
    """The split of every lead open now and some days ago."""
    now = int(microseconds(tables.data_end)[0])
    then = now - days * DAY
    data = {bundle.model_version: prepare(tables, bundle.sources) for bundle in (before, after)}
    first, second = data[before.model_version], data[after.model_version]
    found = changes(before, after, first, second, then, now)
    off = np.abs(found.points.sum(axis=0) - (found.after - found.before))
    return {
        "models": 1 if before.model_version == after.model_version else 2, "days": days,
        "pairs": len(found.lead_ids), "off": float(off.max()),
    }  # fmt: skip


def main() -> None:
    """Print one JSON line a check."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leads", type=int, default=100_000)
    leads = parser.parse_args().leads
    with tempfile.TemporaryDirectory() as scratch:
        bundles = []
        for seed in (1, 2):
            folder = Path(scratch) / f"small{seed}"
            simulate_to_folder(WorldSettings(n_leads=4_000, seed=seed), folder)
            bundle = train_project(load_project(folder / "lead-scoring.toml"), lambda _: None).record.bundle
            assert bundle is not None
            bundles.append(bundle)
        simulate_to_folder(WorldSettings(n_leads=leads, seed=3), Path(scratch) / "large")
        tables = load_tables(load_project(Path(scratch) / "large" / "lead-scoring.toml"))
        data = prepare(tables, bundles[0].sources)
        assert data.spells is not None
        rows = moments_in_spells(data.spells, min(int(microseconds(tables.data_end)[0]), NEVER), 4)
        for line in adding_up(bundles[0], data, rows):
            print(json.dumps(line), flush=True)
        for earlier in bundles:
            print(json.dumps(changing(earlier, bundles[0], tables, 21)), flush=True)


if __name__ == "__main__":
    main()
