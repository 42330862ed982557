"""A flat export run through its test as it would be run: refits, the level followed, labels at once or late.

    python benchmarks/rolling.py [--project examples/uci_bank.toml] [--blocks 8] [--write]

Prints, and with --write writes to docs/campaigns/rolling.md, the pooled figures of every cadence of refits, with and
without the shift of the level, for labels known at once and one block late.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import expit

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "campaigns" / "rolling.md"
HEAD = ("labels", "refit", "level", "AUC", "log loss", "ECE", "log(predicted / observed)")


def rows_of(file: Path, blocks: int, delay: int) -> list[tuple[str, ...]]:
    """The figures at every cadence, labels coming `delay` blocks late."""
    from models import metrics
    from models.settings import RollingSettings
    from models.split import slices_of
    from models.trainer import evaluate
    from pipeline.config import load_project
    from pipeline.dataset import labelled_dataset
    from pipeline.tables import load_tables
    from pipeline.train import development_examples

    project = load_project(file)
    dataset = labelled_dataset(project, load_tables(project))
    examples, catalogue = development_examples(project, dataset, lambda _: None)
    timeline = examples.timeline
    late = delay * (len(slices_of(timeline, project.split).test) // blocks)
    examples = replace(examples, timeline=replace(timeline, known_at=timeline.known_at + late))
    plan = project.plan.model_copy(update={"rolling": RollingSettings(blocks=blocks)})
    rolling = evaluate(examples, catalogue, plan).rolling
    assert rolling is not None
    found: list[tuple[str, ...]] = []
    for every in rolling.cadences:
        for level, odds in (
            ("as learned", rolling.uncorrected(every)),
            ("followed", rolling.corrected(every)),
        ):
            y, p = rolling.y, expit(odds)
            found.append((
                "at once" if delay == 0 else f"{delay} block late",
                "never" if every == len(rolling.start) else f"every {every} of {len(rolling.start)} blocks",
                level, f"{metrics.auc(y, p):.3f}", f"{metrics.log_loss(y, p):.4f}", f"{metrics.ece(y, p):.3f}",
                f"{np.log(p.mean() / y.mean()):+.3f}",
            ))  # fmt: skip
    return found


def main() -> None:
    """Run both delays and print the table."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", type=Path, default=ROOT / "examples" / "uci_bank.toml")
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="write docs/campaigns/rolling.md")
    asked = parser.parse_args()
    rows = [row for delay in (0, 1) for row in rows_of(asked.project, asked.blocks, delay)]
    table = [HEAD, ("---",) * len(HEAD), *rows]
    lines = [f"| {' | '.join(row)} |" for row in table]
    print("\n".join(lines))
    if asked.write:
        said = (
            f"Written by `python benchmarks/rolling.py --blocks {asked.blocks} --write`: {asked.project.stem}, the "
            f"last 20 % in {asked.blocks} blocks, pooled. A model never refitted is shifted once, before the test."
        )
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text("\n".join(["# Campaign: rolling", "", said, "", *lines, ""]), encoding="utf-8")
        print(PAGE)


if __name__ == "__main__":
    main()
