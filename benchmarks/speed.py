"""Speed of the main job, beside a peer where there is one; CPU seconds of this process.

    python benchmarks/speed.py [--leads 50000]

Writes benchmarks/results.json: a list of {benchmark, size, ours_cpu_s, peer, peer_cpu_s, ratio, equal_within}.
The peer of the features is DuckDB SQL from memory, on the same columns; those of the reasons are in reasons.py.
Ours and its peers run in one process, in turn.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.reasons import memory_of_a_million, reasons_beside_peers
from features.asof import microseconds, open_examples
from features.builder import build_features
from features.catalogue import Catalogue, Feature
from features.prepare import Prepared, prepare
from pipeline.config import load_project
from pipeline.dataset import sources_of
from pipeline.simulate import WorldSettings, simulate_to_folder
from pipeline.tables import load_tables

DAY = 86_400_000_000
WINDOWS, HALF_LIFE = (7, 30, 90), 14


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds (user + system) of a piece of work, and what it gave."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    result = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


def catalogue_of(kinds: tuple[str, ...]) -> Catalogue:
    """Counts in three windows, days since and one decay of every event type."""
    found: list[Feature] = []
    for kind in kinds:
        source = f"type:{kind}"
        found += [Feature("implicit", source, "count", days * DAY, "count", group=source) for days in WINDOWS]
        found.append(Feature("recency", source, "days_since", 0, "days", group=source))
        found.append(Feature("recency", source, "intensity", HALF_LIFE * DAY, "intensity", group=source))
    return Catalogue(tuple(found))


def sql_of(kinds: tuple[str, ...], moment: str) -> str:
    """The same columns in SQL, in the order of the catalogue."""
    columns: list[str] = []
    for kind in kinds:
        is_kind = f"kind = '{kind}'"
        columns += [
            f"count(*) FILTER ({is_kind} AND moment >= {moment} - INTERVAL {days} DAY)" for days in WINDOWS
        ]
        columns.append(f"epoch({moment} - max(moment) FILTER ({is_kind})) / 86400")
        columns.append(
            f"coalesce(sum(pow(2, -epoch({moment} - moment) / {86_400 * HALF_LIFE})) FILTER ({is_kind}), 0)"
        )
    return (
        f"SELECT lead, {', '.join(columns)} FROM events WHERE moment < {moment} GROUP BY lead ORDER BY lead"
    )


def features_beside_sql(data: Prepared, as_of: int, leads: int, sources: Any) -> dict[str, Any]:
    """Our kernel and DuckDB on the events of all open leads."""
    assert data.spells is not None
    kinds = data.events.kinds
    rows = open_examples(data.spells, as_of)
    ours, X = cpu(lambda: build_features(data, rows, catalogue_of(kinds), sources))
    events = data.events.events
    kind = np.array(kinds, dtype=object)[events.kind]
    frame = pd.DataFrame(
        {"lead": events.lead, "moment": pd.to_datetime(events.time, unit="us"), "kind": kind}
    )
    frame = frame[frame["lead"].isin(rows.lead)]
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.register("source", frame)
    connection.execute("CREATE TABLE events AS SELECT * FROM source")
    moment = f"TIMESTAMP '{pd.Timestamp(as_of, unit='us')}'"
    theirs, answer = cpu(lambda: connection.execute(sql_of(kinds, moment)).df())
    table = answer.set_index("lead").reindex(rows.lead).to_numpy(dtype=np.float64)
    has_events = ~np.isnan(table[:, 0])
    off = np.abs(X[has_events] - table[has_events]) / np.maximum(1.0, np.abs(table[has_events]))
    return {
        "benchmark": "event features of the open leads", "size": f"{leads:,} leads, {len(events):,} events",
        "ours_cpu_s": round(ours, 3), "peer": "DuckDB SQL", "peer_cpu_s": round(theirs, 3),
        "ratio": round(theirs / ours, 2), "equal_within": float(np.nanmax(off)),
    }  # fmt: skip


def alone(name: str, size: str, work: Callable[[], Any]) -> tuple[dict[str, Any], Any]:
    """A step without a peer."""
    spent, result = cpu(work)
    row = {
        "benchmark": name, "size": size, "ours_cpu_s": round(spent, 3), "peer": None, "peer_cpu_s": None,
        "ratio": None, "equal_within": None,
    }  # fmt: skip
    return row, result


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--leads", type=int, default=50_000)
    leads = parser.parse_args().leads
    with tempfile.TemporaryDirectory() as scratch:
        folder, size = Path(scratch), f"{leads:,} leads"
        settings = WorldSettings(n_leads=leads, seed=1)
        simulated, _ = alone("simulate and write Parquet", size, lambda: simulate_to_folder(settings, folder))
        project = load_project(folder / "lead-scoring.toml")
        read, tables = alone("read and check the tables", size, lambda: load_tables(project))
        sources = sources_of(project)
        prepared, data = alone("clean and sort", size, lambda: prepare(tables, sources))
        rows = [
            simulated,
            read,
            prepared,
            features_beside_sql(data, int(microseconds(tables.data_end)[0]), leads, sources),
            *reasons_beside_peers(300),
            *reasons_beside_peers(1000),
            memory_of_a_million(),
        ]
    Path(__file__).with_name("results.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*("" if value is None else f"{value}" for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
