"""Loading a run into the ledger: seconds, bytes, and the share of the wall time of scoring as many leads.

    python benchmarks/ledger.py [--rows 1000000] [--leads 50000] [--groups 40] [--bundle DIR] [--postgres URL]

A simulated CRM is scored and its open leads are timed; its output, repeated under other ids and with made-up points of
`--groups` reason groups, is loaded. Scoring is timed without the ledger and scaled by the number of rows. Both are wall
times of one process in the same run, so give it an idle machine, or trust the ratio alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from models.bundle import Bundle, load_bundle
from pipeline.config import Project, load_project
from pipeline.ledger.facts import Lines, RunFacts
from pipeline.ledger.keeping import RunToKeep, run_to_keep
from pipeline.ledger.run_before import RunBefore
from pipeline.ledger.store import open_ledger
from pipeline.output import scores_table
from pipeline.score import ScoredRows, score_project, score_rows
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.train import train_project

TRAINED_ON = 4_000
DAY = 86_400_000_000


def silent(_: str) -> None:
    """Tell nobody."""


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds of a piece of work, and what it gave."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def trained(folder: Path) -> Bundle:
    """A model of a small simulated CRM."""
    simulate_to_folder(WorldSettings(n_leads=TRAINED_ON, seed=1), folder)
    project = load_project(folder / "lead-scoring.toml")
    return load_bundle(train_project(project, silent).folder / "bundle")


def kept_of(project: Project, found: ScoredRows) -> tuple[float, RunToKeep]:
    """Seconds to make a run to keep of scored rows, the whole of its facts included, and the run.

    It is a later night: all its leads were scored the day before.
    """
    scores = {(each, ""): (50.0, "MQL") for each in found.rows.lead_id}
    before = RunBefore(found.leads.as_of - DAY, scores, ())
    stamp = np.datetime64(found.leads.as_of, "us")
    table = scores_table(found.rows, stamp, found.bundle.model_version)
    manifest = {
        "as_of": str(stamp), "model_version": found.bundle.model_version, "inputs": {},
        "rows_in": len(table), "scored": len(table), "not_open": 0, "quarantined": 0,
    }  # fmt: skip

    def keep() -> RunToKeep:
        run = run_to_keep(found, table, manifest, before)
        assert run is not None
        columns = {name: list(values) for name, values in run.facts.columns.items()}
        return replace(run, project=project, facts=replace(run.facts, columns=columns))

    return timed(keep)


def repeated(run: RunToKeep, n: int, groups: int) -> RunToKeep:
    """The run with its rows again and again under other ids, and points of as many groups."""
    own = len(run.table)
    place = np.arange(n) % own
    rng = np.random.default_rng(1)
    ids = pa.array([f"L{number:08d}" for number in rng.permutation(n).tolist()])
    table = run.table.take(place).set_column(0, "lead_id", ids)
    points = rng.normal(0, 6, (n, groups)).round(6)
    facts = replace(
        run.facts, columns={name: Lines(n, part_of(run.facts, name, own)) for name in run.facts.columns}
    )
    values = {**run.values, "run_id": f"{n:064x}", "scored": n, "rows_in": n}
    return replace(run, table=table, contributions=points, facts=facts, values=values)


def part_of(facts: RunFacts, name: str, own: int) -> Callable[[slice], list[Any]]:
    """What a fact says of a part of the repeated rows."""
    values = list(facts.columns[name])
    return lambda part: [values[row % own] for row in range(part.start, part.stop)]


def size_of(project: Project) -> int:
    """Bytes of the database."""
    ledger = open_ledger(project)
    ledger.clean()
    with ledger.reading() as connection:
        if connection.dialect.name == "sqlite":
            return Path(str(ledger.engine.url.database)).stat().st_size
        return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def with_ledger(project: Project, url: str) -> Project:
    """The project with its ledger there."""
    return project.model_copy(update={"ledger": project.ledger.model_copy(update={"url": url})})


def show(rows: Sequence[Mapping[str, str]]) -> None:
    """Print a table."""
    table = Table(*rows[-1])
    for row in rows:
        table.add_row(*row.values())
    Console(width=160).print(table)


def main() -> None:
    """Score, load and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--leads", type=int, default=50_000)
    parser.add_argument("--groups", type=int, default=40)
    parser.add_argument("--bundle", type=Path, help="a model of the simulated CRM; without it one is trained")
    parser.add_argument(
        "--postgres", help="address of an empty database; without it SQLite alone is measured"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        bundle = load_bundle(asked.bundle) if asked.bundle else trained(folder / "small")
        simulate_to_folder(WorldSettings(n_leads=asked.leads, seed=2), folder / "large")
        plain = load_project(folder / "large" / "lead-scoring.toml")
        spent, _ = timed(lambda: score_project(plain, bundle, folder / "scores.parquet", None, silent))
        no_look = plain.model_copy(update={"score": plain.score.model_copy(update={"silent_until": False})})
        least, _ = timed(lambda: score_project(no_look, bundle, folder / "scores.parquet", None, silent))
        beside = with_ledger(plain, f"sqlite:///{folder}/ledger.db")
        keeping, run = kept_of(beside, score_rows(beside, bundle, None, silent))
        n = len(run.table)
        per_row, per_row_least, more = spent / n, least / n, keeping / n
        run = repeated(run, asked.rows, asked.groups)
        work = f"{n:,} of {asked.leads:,} leads"
        rows = [
            {"work": f"scoring {work}", "seconds": f"{spent:.1f}", "us a row": f"{per_row * 1e6:.0f}"},
            {"work": "scoring them without silent_until", "seconds": f"{least:.1f}",
             "us a row": f"{per_row_least * 1e6:.0f}"},
            {"work": f"facts of {n:,} leads", "seconds": f"{keeping:.1f}", "us a row": f"{more * 1e6:.0f}"},
        ]  # fmt: skip
        for name, url in (("SQLite", beside.ledger.url), ("PostgreSQL", asked.postgres)):
            if url is None:
                continue
            project = with_ledger(plain, url)
            open_ledger(project, is_new_allowed=True)
            empty = size_of(project)
            taken, is_new = timed(replace(run, project=project).write)
            if not is_new:
                raise SystemExit(
                    f"The ledger in {name} holds this run already, so there was nothing to load: give an empty one."
                )
            in_all = taken / asked.rows + more
            rows.append({
                "work": f"loading {asked.rows:,} rows of {asked.groups} groups into {name}",
                "seconds": f"{taken:.1f}", "us a row": f"{taken / asked.rows * 1e6:.0f}",
                "bytes a row": f"{(size_of(project) - empty) / asked.rows:.0f}",
                "with facts, of scoring": f"{in_all / per_row:.1%}",
                "of it without silent_until": f"{in_all / per_row_least:.1%}",
            })  # fmt: skip
    show(rows)


if __name__ == "__main__":
    main()
