"""A month of nightly runs on a simulated CRM, as it would have gone: each night sees what was recorded by then.

    python examples/month.py FOLDER [--leads 4000] [--nights 31] [--seed 1]

A world is simulated into FOLDER/world. The export in FOLDER/export is cut at the first evening, a model is trained on
it; then, night by night, the export grows by a day and every open lead is scored into FOLDER/ledger.db. Made-up sales
people answer for some leads. Afterwards FOLDER/lead-scoring.toml is a project like any other.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from models.bundle import Bundle, load_bundle
from pipeline.config import Project, load_project
from pipeline.console import plain_console, progress_lines
from pipeline.ledger.feedback import CODES, Feedback, add_feedback
from pipeline.ledger.store import open_ledger
from pipeline.promote import promote
from pipeline.score import score_project
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.tracking import champion_version, fetch_bundle
from pipeline.train import train_project

WHEN = {
    "leads": "created_at", "events": "occurred_at", "outcomes": "occurred_at", "field_changes": "changed_at",
}  # fmt: skip
OF_ACCOUNTS = """
[targets.accounts]
entity = "account"
roles = ["it", "finance", "operations"]
"""
SALES = ("Ann", "Ben", "Chris")


def _silent(_: str) -> None:
    """A month tells its nights, not their steps."""


class Export:
    """The tables of a CRM as they stood on an evening."""

    def __init__(self, world: Path, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.tables = {path.stem: pd.read_parquet(path) for path in sorted(world.glob("*.parquet"))}

    def cut(self, evening: datetime) -> None:
        """Write what had been recorded before the evening; today's columns are those of then."""
        kept = {
            name: table[table[WHEN[name]] < evening] if name in WHEN else table
            for name, table in self.tables.items()
        }
        leads, changes = kept["leads"].copy(), kept["field_changes"]
        of_stage = changes[changes["field"] == "lifecycle_stage"].sort_values("changed_at", kind="stable")
        stage = of_stage.groupby("lead_id")["new_value"].last()
        leads["lifecycle_stage"] = leads["lead_id"].map(stage).fillna("subscriber")
        is_over = leads["lead_id"].isin(kept["outcomes"]["lead_id"])
        leads["lead_status"] = leads["lead_status"].where(is_over, "Working")
        for name, table in {**kept, "leads": leads}.items():
            table.to_parquet(self.folder / f"{name}.parquet", index=False)


def project_file(folder: Path) -> Path:
    """The world's project file, its tables in `export`, accounts as a target of their own."""
    text = (folder / "world" / "lead-scoring.toml").read_text(encoding="utf-8")
    path = folder / "lead-scoring.toml"
    path.write_text(
        text.replace("[data]\n", '[data]\nfolder = "export"\n', 1) + OF_ACCOUNTS, encoding="utf-8"
    )
    return path


def set_evening(path: Path, evening: datetime) -> Project:
    """The project with the end of its data moved to the evening."""
    text = re.sub(
        r'data_end = "[^"]*"', f'data_end = "{evening:%Y-%m-%dT%H:%M:%SZ}"', path.read_text(encoding="utf-8")
    )
    path.write_text(text, encoding="utf-8")
    return load_project(path)


def champions(
    project: Project, scratch: Path, tell: Callable[[str], None]
) -> tuple[Bundle, dict[str, Bundle]]:
    """Models of the leads and of the other targets, trained on the first evening's export."""
    found: list[Bundle] = []
    for part in (project, *(project.for_target(name) for name in project.targets)):
        tell(f"training {part.name}")
        train_project(part, _silent)
        if champion_version(part) is None:  # few accounts: not shown to be calibrated is not refused
            promote(part, "challenger", "the first model of this target; few rows to judge it by", "month")
        found.append(load_bundle(fetch_bundle(part, "champion", scratch)))
    return found[0], dict(zip(project.targets, found[1:], strict=True))


def answer(project: Project, evening: datetime, rng: np.random.Generator) -> int:
    """What sales says of some of the leads of an evening; how many answers were given."""
    scores = pd.read_parquet(
        project.output_folder / "scores.parquet", columns=["lead_id", "band", "probability"]
    )
    called = scores[scores["band"] == "SQL"]
    called = called[rng.random(len(called)) < 0.04]
    ledger = open_ledger(project)
    for lead, chance in zip(called["lead_id"], called["probability"], strict=True):
        verdict = "accept" if rng.random() < 0.5 + chance else "reject"
        code = str(rng.choice(CODES[verdict]))
        worked = evening + timedelta(hours=float(rng.uniform(8, 17)))
        given = Feedback(str(lead), verdict, code, None, worked, str(rng.choice(SALES)))
        add_feedback(ledger, project.name, given, source="made up")
    return len(called)


def main() -> None:
    """Simulate, train once, score night by night."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--leads", type=int, default=4_000)
    parser.add_argument("--nights", type=int, default=31)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    settings = WorldSettings(n_leads=asked.leads, seed=asked.seed)
    last = datetime.combine(date.fromisoformat(settings.end), datetime.min.time(), UTC)
    evenings = [last - timedelta(days=asked.nights - n) for n in range(asked.nights + 1)]
    rng, console, answers = np.random.default_rng(asked.seed), plain_console(), 0
    with progress_lines(console, "A month") as tell, tempfile.TemporaryDirectory() as scratch:
        simulate_to_folder(settings, asked.folder / "world")
        export, path = Export(asked.folder / "world", asked.folder / "export"), project_file(asked.folder)
        export.cut(evenings[0])
        project = set_evening(path, evenings[0])
        bundle, others = champions(project, Path(scratch), tell)
        for number, evening in enumerate(evenings, start=1):
            tell(f"night {number} of {len(evenings)}")
            export.cut(evening)
            project = set_evening(path, evening)
            score_project(project, bundle, project.output_folder / "scores.parquet", None, _silent, others)
            if evening < last:
                answers += answer(project, evening, rng)
    console.print(
        f"{len(evenings)} nightly runs, {answers} answers of sales: the ledger is {asked.folder / 'ledger.db'}. "
        f"Next: lead-scoring review -p {path}"
    )


if __name__ == "__main__":
    main()
