"""Campaigns on simulated worlds whose truth is known; each writes its figures to docs/campaigns/.

    python benchmarks/truth.py oracle --leads 75000 --seeds 1 2 3 4 5
    python benchmarks/truth.py shuffled --leads 6000 --seeds $(seq 100)
    python benchmarks/truth.py clean --leads 4000 --seeds $(seq 40)
    python benchmarks/truth.py small --seeds 1 2 3 4 5
    python benchmarks/truth.py coverage --leads 3000 --seeds $(seq 100)
    python benchmarks/truth.py capacity --leads 7000 --seeds $(seq 50)
    python benchmarks/truth.py targets --leads 12000 --seeds 1 2 3
    python benchmarks/truth.py half_lives --leads 7000 --seeds 1 2 3 4 5
    python benchmarks/truth.py segments --leads 12000 --seeds 1 2 3
    python benchmarks/truth.py colleagues --leads 6000 --seeds 1 2 3

oracle: how near to P(win within the horizon | everything observable before as_of), by the exact filter of the world.
shuffled: how often noise is taken for a model. clean: what the leak hunt leaves out by mistake where nothing leaks.
small: which rung few conversions choose, and whether it loses to the points table. coverage: how often the 95 %
intervals of the test hold the truth, which is read off another, large world. capacity: how often entries and
conversions of later months lie in the intervals promised for a capacity. targets, half_lives, segments, colleagues:
accounts, lead x product, customers, decay, tiers and account features against their own truths. Nothing here is read
before a model is judged.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from benchmarks.capacity import capacity, concluded
from benchmarks.ways import ENDINGS_OF_WAYS, colleagues, half_lives, segments, targets

if TYPE_CHECKING:
    from features.catalogue import Catalogue
    from models.evaluation import Evaluation, Examples
    from pipeline.config import Project
    from pipeline.dataset import Dataset

DOCS = Path(__file__).parents[1] / "docs" / "campaigns"
Figures = dict[str, Any]
# leads whose development has about this many conversions
SMALL = {50: 220, 100: 430, 200: 850, 500: 2100, 2000: 8200}
LARGE_SEED, LARGE_LEADS = 1_000_001, 60_000


@dataclass(frozen=True)
class World:
    """A simulated world, read as a training reads it."""

    folder: Path
    project: Project
    dataset: Dataset
    examples: Examples
    catalogue: Catalogue


def world_of(folder: Path, leads: int, seed: int, shuffled: bool = False) -> World:
    """Simulate a world into a folder and build its examples."""
    from pipeline.config import load_project
    from pipeline.dataset import labelled_dataset
    from pipeline.simulate import WorldSettings, simulate_to_folder
    from pipeline.tables import load_tables
    from pipeline.train import development_examples

    simulate_to_folder(WorldSettings(n_leads=leads, seed=seed, shuffle_labels=shuffled), folder)
    project = load_project(folder / "lead-scoring.toml")
    dataset = labelled_dataset(project, load_tables(project))
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    return World(folder, project, dataset, examples, catalogue)


def judged(world: World, **changes: Any) -> Evaluation | None:
    """The evaluation; None where there are too few conversions for any."""
    from features.errors import NoModelError
    from models.trainer import evaluate

    try:
        return evaluate(world.examples, world.catalogue, world.project.plan.model_copy(update=changes))
    except NoModelError:
        return None


def oracle(folder: Path, leads: int, seed: int) -> Figures:
    """Development, test and oracle figures of one world."""
    from models.metrics import auc
    from pipeline.simulate import p_history

    world = world_of(folder, leads, seed)
    found = judged(world)
    assert found is not None
    rows = world.dataset.rows.take(found.test_rows)
    ids = world.dataset.data.leads["lead_id"].to_numpy(dtype=object)[rows.lead]
    truth = p_history(folder, ids.tolist(), rows.as_of, world.project.target.horizon)
    p, y = expit(found.test_log_odds), world.dataset.y[found.test_rows]
    bins = np.array_split(np.argsort(p, kind="stable"), 15)
    best = auc(y, np.round(truth, 12))
    return {
        "rung": found.recipe.rung, "verdict": "calibrated" if found.is_calibrated else "not calibrated",
        "test rows": len(y), "leads": len(np.unique(rows.lead)), "conversions": int(y.sum()),
        "AUC": round(auc(y, p), 4), "oracle AUC": round(best, 4),
        "share of the oracle": round((auc(y, p) - 0.5) / (best - 0.5), 4),
        "mean p / mean truth": round(float(p.mean() / truth.mean()), 4),
        "worst of 15 bins": round(max(abs(float(p[b].mean() - truth[b].mean())) for b in bins), 4),
        "mean of 15 bins": round(float(np.mean([abs(p[b].mean() - truth[b].mean()) for b in bins])), 4),
    }  # fmt: skip


def shuffled(folder: Path, leads: int, seed: int) -> Figures:
    """Whether a world without signal is refused."""
    found = judged(world_of(folder, leads, seed, shuffled=True))
    if found is None:
        return {"refused": True, "AUC": None, "rung": None}
    return {
        "refused": found.is_refused,
        "AUC": round(found.intervals["auc"].value, 4),
        "rung": found.recipe.rung,
    }


def clean(folder: Path, leads: int, seed: int) -> Figures:
    """What the leak hunt says of a world in which nothing leaks."""
    from pipeline.config import load_project
    from pipeline.leak_hunt import hunt_leaks
    from pipeline.simulate import WorldSettings, simulate_to_folder
    from pipeline.tables import load_tables

    simulate_to_folder(WorldSettings(n_leads=leads, seed=seed), folder)
    project = load_project(folder / "lead-scoring.toml")
    found = hunt_leaks(project, load_tables(project))[1]
    return {
        "left out": ", ".join(each.column for each in found.left_out),
        "named": ", ".join(each.column for each in found.to_ask),
    }


def small(folder: Path, leads: int, seed: int) -> Figures:
    """The rung that few conversions choose, and its paired loss against the points table."""
    from models.calibration import row_log_loss
    from models.intervals import paired_difference

    world = world_of(folder, leads, seed)
    found = judged(world)
    if found is None:
        return {"conversions": int(world.examples.y.sum()), "rung": "refused: too few"}
    y, clusters = world.examples.y[found.test_rows], world.examples.timeline.cluster[found.test_rows]
    losses = row_log_loss(y, found.static_log_odds), row_log_loss(y, found.log_odds_by_rung["points"])
    worse = paired_difference(*losses, clusters)
    auc = found.intervals["auc"]
    return {
        "conversions": found.sizes["development"].conversions, "in the test": int(y.sum()),
        "rung": found.recipe.rung, "refused": found.is_refused,
        "AUC": f"{auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})",
        "AUC of points": round(found.by_rung["points"]["auc"], 3),
        "loss less that of points": f"{worse.value:+.4f} ({worse.low:+.4f} to {worse.high:+.4f})",
        "clearly worse": bool(worse.low > 0.0),
    }  # fmt: skip


@cache
def _large() -> World:
    return world_of(Path(tempfile.mkdtemp(prefix="large-")), LARGE_LEADS, LARGE_SEED)


def coverage(folder: Path, leads: int, seed: int) -> Figures:
    """Whether the intervals of a small world's test hold what its model does in a large world of the same kind."""
    from features.builder import build_features
    from models import metrics
    from models.ladder import fit_rung
    from models.settings import RollingSettings

    large, world = _large(), world_of(folder, leads, seed)
    found = judged(world, rolling=RollingSettings(blocks=1))
    if found is None:
        return {"rung": None}
    rows, X = found.slices.development, world.examples.X
    rung = fit_rung(found.recipe, X[rows], world.examples.y[rows], world.catalogue, found.model)
    as_of = large.dataset.rows.as_of
    period = np.unique(world.dataset.rows.as_of[found.test_rows])
    there = np.flatnonzero((as_of >= period.min()) & (as_of <= period.max()))
    X_there = build_features(
        large.dataset.data, large.dataset.rows.take(there), world.catalogue, world.dataset.sources
    )
    p, y = found.selection.calibration.probability(rung.margin(X_there)), large.dataset.y[there]
    result: Figures = {"rung": found.recipe.rung}
    for name, metric in (("auc", metrics.auc), ("calibration_ratio", metrics.calibration_ratio)):
        each, truth = found.intervals[name], metric(y, p)
        result |= {
            name: f"{each.value:.3f} ({each.low:.3f} to {each.high:.3f})", f"{name} truth": round(truth, 3),
            f"{name} held": bool(each.low <= truth <= each.high),
        }  # fmt: skip
    return result


CAMPAIGNS: dict[str, Callable[[Path, int, int], Figures]] = {
    "oracle": oracle, "shuffled": shuffled, "clean": clean, "small": small, "coverage": coverage,
    "capacity": capacity, "targets": targets, "half_lives": half_lives, "segments": segments,
    "colleagues": colleagues,
}  # fmt: skip


ENDINGS: dict[str, Callable[[list[Figures]], str]] = {"capacity": concluded, **ENDINGS_OF_WAYS}


def conclusion(name: str, rows: list[Figures]) -> str:
    """The campaign in a sentence."""
    n = len(rows)
    if name in ENDINGS:
        return ENDINGS[name](rows)
    if name == "shuffled":
        return f"{sum(not row['refused'] for row in rows)} of {n} worlds without signal were accepted."
    if name == "clean":
        return (
            f"{sum(bool(row['left out']) for row in rows)} of {n} clean worlds lost a column or event type."
        )
    if name == "small":
        worse = sum(bool(row.get("clearly worse")) for row in rows)
        return f"{worse} of {n} chosen models were clearly worse than the points table."
    if name == "coverage":
        shown = [row for row in rows if row["rung"] is not None]
        held = {key: sum(row[f"{key} held"] for row in shown) for key in ("auc", "calibration_ratio")}
        return (
            f"The 95 % interval held the truth in {held['auc']} (AUC) and {held['calibration_ratio']} "
            f"(promised / came) of {len(shown)} worlds; {n - len(shown)} had too few conversions."
        )
    share, bins = (
        min(row["share of the oracle"] for row in rows),
        max(row["worst of 15 bins"] for row in rows),
    )
    return (
        f"At least {share:.3f} of the oracle's AUC above one half; the worst bin of all is off by {bins:.4f}."
    )


def write(name: str, arguments: str, rows: list[Figures]) -> Path:
    """The campaign's page: what was run, the conclusion, one row a world."""
    columns = list(dict.fromkeys(key for row in rows for key in row if key != "seconds"))
    cells = [" | ".join("" if row.get(key) is None else str(row[key]) for key in columns) for row in rows]
    lines = [
        f"# Campaign: {name}", "", f"Written by `python benchmarks/truth.py {name} {arguments} --write`.", "",
        conclusion(name, rows), "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}",
        *(f"| {each} |" for each in cells), "",
    ]  # fmt: skip
    DOCS.mkdir(parents=True, exist_ok=True)
    page = DOCS / f"{name}.md"
    page.write_text("\n".join(lines), encoding="utf-8")
    return page


def main() -> None:
    """Run the worlds asked for, print one JSON line each, and the conclusion."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("campaign", choices=sorted(CAMPAIGNS))
    parser.add_argument("--leads", type=int, default=75_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--write", action="store_true", help="write docs/campaigns/NAME.md")
    asked = parser.parse_args()
    sizes = SMALL if asked.campaign == "small" else {0: asked.leads}
    rows = []
    for aim, leads in sizes.items():
        for seed in asked.seeds:
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as scratch:
                found = CAMPAIGNS[asked.campaign](Path(scratch), leads, seed)
            rows.append({"seed": seed} | ({"aimed at": aim} if aim else {}) | found)
            print(json.dumps(rows[-1] | {"seconds": round(time.perf_counter() - start)}), flush=True)
    print(conclusion(asked.campaign, rows))
    if asked.write:
        size = "" if asked.campaign == "small" else f"--leads {asked.leads} "
        seeds = " ".join(map(str, asked.seeds)) if len(asked.seeds) < 6 else f"$(seq {len(asked.seeds)})"
        print(write(asked.campaign, f"{size}--seeds {seeds}", rows))


if __name__ == "__main__":
    main()
