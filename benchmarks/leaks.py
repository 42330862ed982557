"""Leaks planted into simulated CRMs: is each left out of training, named, or stopped?

    python benchmarks/leaks.py --leads 4000 --seeds 1 2 3 4 5 --write docs/leaks.md

Every kind of `benchmarks/plants.py` is planted alone into a copy of each world, under a neutral name and declared as
known at creation. Then the leak hunt of `train` runs; only where it says nothing, what is planted is held against the
features it changes and against the alarm of `train` for figures that are too good to be true.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from benchmarks.planting import Copies, Plant
from benchmarks.plants import EXTRA, PLANTS
from features.contracts import Tables
from features.errors import LeadScoringError
from pipeline.config import Project, load_project
from pipeline.dataset import Dataset, labelled_dataset
from pipeline.tables import load_tables

Result = Literal["left out", "named", "stopped", "missed"]
RESULTS: tuple[Result, ...] = ("left out", "named", "stopped", "missed")
_TABLES = ("leads", "events", "outcomes", "accounts", "field_changes")
PAGE = """# Planted leaks

Written by `{command}`.

{kinds} kinds of leaks were planted, one at a time, into {seeds} simulated worlds of {leads} leads. Each column or event
type is called `{extra}`, so that no name helps; each column is declared `at_creation`, as a careless user would.
{caught} of {kinds} kinds were caught in every world.

- left out: the leak hunt of `train` bars it and says so.
- named: it is used, and `train` or `check` asks who writes it, and when.
- stopped: training refuses the data or the model, or no feature of any example changes by it, or the verdict is "too
  good to be true".
- missed: none of these.

{table}

## What one export can't show

{limits}
"""


@dataclass(frozen=True)
class Found:
    """What became of one plant in one world."""

    kind: str
    seed: int
    result: Result
    evidence: str


def planted(folder: Path, scratch: Path, plant: Plant, seed: int) -> Project:
    """The project of a world with one leak planted; `scratch` holds its tables, links to those unchanged."""
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
    project = load_project(folder / "lead-scoring.toml", scratch)
    world = Copies(tables, project, np.random.default_rng([seed, sum(plant.name.encode())]))
    plant.into(world)
    for name in _TABLES:
        path = scratch / f"{name}.parquet"
        if name in world.changed:
            world.tables[name].to_parquet(path, index=False)
        else:
            path.symlink_to(folder / f"{name}.parquet")
    return world.project


def judge(project: Project, clean: Project) -> tuple[Result, str]:
    """What `train` does about the planted leak, with the evidence it gives.

    left out: barred by the leak hunt. named: the hunt, or else `check`, asks about it. stopped: training refuses the
    data, no feature of any example changes by it, or its figures are called too good to be true.
    """
    from pipeline.audit.run import suspects_of
    from pipeline.leak_hunt import hunt_leaks

    tables = load_tables(project)
    hunted, hunt = hunt_leaks(project, tables)
    heard: tuple[tuple[Result, Iterable[object]], ...] = (
        ("left out", hunt.left_out),
        ("named", hunt.to_ask),
        ("named", suspects_of(project, tables)),
    )
    for result, suspects in heard:
        for each in suspects:
            if getattr(each, "column", None) == EXTRA:
                return result, str(getattr(each, "evidence", ""))
    try:
        return _trained(hunted, tables, clean)
    except LeadScoringError as error:
        return "stopped", str(error)


def _trained(project: Project, tables: Tables, clean: Project) -> tuple[Result, str]:
    from models.trainer import evaluate
    from pipeline.train import development_examples

    dataset = labelled_dataset(project, tables)
    X = development_examples(project, dataset, lambda _: None)
    if project.snapshots.mode == clean.snapshots.mode:
        without = development_examples(clean, _dataset(clean), lambda _: None)
        if X[0].X.shape == without[0].X.shape and np.array_equal(X[0].X, without[0].X, equal_nan=True):
            return "stopped", "No feature of any example changes by it."
    found = evaluate(*X, project.plan)
    auc = f"AUC {found.intervals['auc'].value:.3f} on the test"
    is_stopped = found.is_refused or any(
        c.name == "plausible" and c.status == "failed" for c in found.calibration_checks
    )
    return ("stopped", f"{auc}: refused or too good to be true.") if is_stopped else ("missed", f"{auc}.")


def _dataset(project: Project) -> Dataset:
    return labelled_dataset(project, load_tables(project))


def campaign(leads: int, seeds: Iterable[int], kinds: Iterable[str]) -> Iterator[Found]:
    """Each kind in each world, world by world."""
    from pipeline.simulate import WorldSettings, simulate_to_folder

    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            simulate_to_folder(WorldSettings(n_leads=leads, seed=seed), Path(folder))
            clean = load_project(Path(folder) / "lead-scoring.toml")
            for kind in kinds:
                with tempfile.TemporaryDirectory() as scratch:
                    project = planted(Path(folder), Path(scratch), PLANTS[kind], seed)
                    yield Found(kind, seed, *judge(project, clean))


def summary(found: list[Found]) -> str:
    """A table in Markdown, one line a kind, with the evidence from its first world."""
    counts: dict[str, Counter[Result]] = defaultdict(Counter)
    for each in found:
        counts[each.kind][each.result] += 1
    lines = [f"| kind | what is planted | {' | '.join(RESULTS)} | evidence in the first world |"]
    lines.append("|" + "---|" * (len(RESULTS) + 3))
    for kind, of in counts.items():
        first = next(each.evidence for each in found if each.kind == kind).replace("|", "/")
        cells = " | ".join(str(of[result] or "") for result in RESULTS)
        lines.append(f"| {kind} | {PLANTS[kind].what} | {cells} | {first} |")
    return "\n".join(lines)


def page(found: list[Found], leads: int) -> str:
    """The page `docs/leaks.md`."""
    seeds = list(dict.fromkeys(each.seed for each in found))
    kinds = list(dict.fromkeys(each.kind for each in found))
    caught = [kind for kind in kinds if all(each.result != "missed" for each in found if each.kind == kind)]
    numbers = " ".join(str(seed) for seed in seeds)
    limits = "\n".join(f"- {kind}: {PLANTS[kind].limit}." for kind in kinds if PLANTS[kind].limit)
    return PAGE.format(
        command=f"python benchmarks/leaks.py --leads {leads} --seeds {numbers} --write docs/leaks.md",
        kinds=len(kinds), seeds=len(seeds), leads=f"{leads:,}", caught=len(caught), extra=EXTRA,
        table=summary(found), limits=limits or "Nothing in this run.",
    )  # fmt: skip


def main() -> None:
    """Run the campaign and print one JSON line a kind and world, then the table."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leads", type=int, default=4_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--kinds", nargs="+", choices=list(PLANTS), default=list(PLANTS))
    parser.add_argument("--write", type=Path, help="write the table as a page to this file")
    asked = parser.parse_args()
    found = []
    for each in campaign(asked.leads, asked.seeds, asked.kinds):
        found.append(each)
        print(json.dumps(each.__dict__), flush=True)
    print(summary(found))
    if asked.write:
        asked.write.write_text(page(found, asked.leads), encoding="utf-8")


if __name__ == "__main__":
    main()
