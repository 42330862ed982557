"""Worlds on disk: five tables and a folder `truth/` that the pipeline never reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from features.errors import InputError
from pipeline.simulate.deals import make_deal_law
from pipeline.simulate.growth import make_growth_law
from pipeline.simulate.memory import make_memory_law
from pipeline.simulate.parameters import Parameters, make_parameters
from pipeline.simulate.project import project_toml
from pipeline.simulate.settings import BLOCK_LEADS, WorldSettings
from pipeline.simulate.world import TABLES, World, plain, simulate_block

__all__ = ["FileFormat", "simulate_to_folder", "write_world"]

FileFormat = Literal["parquet", "csv"]
Progress = Callable[[int, int], None]

_TIME_COLUMNS = ("occurred_at", "created_at", "changed_at", "from_at", "won_at")


def simulate_to_folder(
    settings: WorldSettings,
    folder: Path | str,
    file_format: FileFormat = "parquet",
    progress: Progress | None = None,
) -> None:
    """Simulate and write block by block: memory does not grow with the number of leads.

    Parameters
    ----------
    settings
        The world; the same settings give the same bytes.
    folder
        Where the tables, `lead-scoring.toml` and `truth/` are written; made where it does not exist.
    file_format
        "parquet" (zstd, one row group a block) or "csv". The truth is always Parquet and JSON.
    progress
        Called after each block with the number of leads done and of all leads.

    Raises
    ------
    InputError
        If broken rows are asked for in a format that cannot hold them.
    """
    law = make_parameters(settings)
    with _Folder(settings, law, Path(folder), file_format) as out:
        for number in range(settings.n_blocks):
            block = simulate_block(settings, law, number)
            out.add(block.tables, block.truth)
            if progress is not None:
                progress(min((number + 1) * BLOCK_LEADS, settings.n_leads), settings.n_leads)


def write_world(world: World, folder: Path | str, file_format: FileFormat = "parquet") -> None:
    """Write a world that was simulated in memory; the tables as `simulate_to_folder` writes them."""
    with _Folder(world.settings, world.law, Path(folder), file_format) as out:
        out.add(world.tables, world.truth)


class _Folder:
    """Open writers of all tables of a world."""

    def __init__(self, settings: WorldSettings, law: Parameters, folder: Path, file_format: str) -> None:
        if file_format not in ("parquet", "csv"):
            raise InputError(f"file format is {file_format!r}, expected 'parquet' or 'csv'")
        if settings.broken_rows and file_format != "csv":
            raise InputError(
                f"broken_rows is {settings.broken_rows}, but Parquet cannot hold a bad date; "
                "write the world as csv or set broken_rows to 0"
            )
        (folder / "truth").mkdir(parents=True, exist_ok=True)
        self._settings, self._folder, self._format = settings, folder, file_format
        self._writers: dict[str, Any] = {}
        law.write(folder / "truth" / "parameters.json")
        make_deal_law(settings).write(folder / "truth" / "deals.json")
        if "growth" in settings.on:
            make_growth_law(settings).write(folder / "truth" / "growth.json")
        if "memory" in settings.on:
            make_memory_law(settings).write(folder / "truth" / "memory.json")
        text = json.dumps({**settings.to_dict(), "file_format": file_format}, indent=1) + "\n"
        (folder / "truth" / "settings.json").write_text(text, encoding="utf-8")
        (folder / "lead-scoring.toml").write_text(project_toml(settings, file_format), encoding="utf-8")

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, *error: object) -> None:
        for writer in self._writers.values():
            writer.close()
        if self._settings.broken_rows and error[0] is None:
            _append_broken_rows(self._folder / "leads.csv", self._settings.broken_rows)

    def add(self, tables: dict[str, pa.Table], truth: dict[str, pa.Table]) -> None:
        for name in TABLES:
            if self._format == "csv":
                self._write_csv(name, plain(tables[name]))
            else:
                self._write_parquet(name, tables[name])
        for name, table in truth.items():
            self._write_parquet(f"truth/{name}", table)

    def _write_parquet(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            times = [column for column in table.column_names if column in _TIME_COLUMNS]
            self._writers[name] = pq.ParquetWriter(
                self._folder / f"{name}.parquet",
                table.schema,
                compression="zstd",
                store_schema=False,
                use_dictionary=[column for column in table.column_names if column not in times],
                column_encoding=dict.fromkeys(times, "DELTA_BINARY_PACKED"),
            )
        self._writers[name].write_table(table, row_group_size=4_000_000)

    def _write_csv(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            options = pa_csv.WriteOptions(quoting_style="needed")
            path = self._folder / f"{name}.csv"
            self._writers[name] = pa_csv.CSVWriter(path, table.schema, write_options=options)
        self._writers[name].write_table(table)


def _append_broken_rows(path: Path, n: int) -> None:
    """Rows that break the contract, in turn: an id given twice, no id, a moment that is no date."""
    with path.open("r", encoding="utf-8") as lines:
        next(lines)
        first = next(lines).rstrip("\n")
    _, created_at, rest = first.split(",", 2)
    with path.open("a", encoding="utf-8", newline="") as out:
        for row in range(n):
            kinds = (first, f",{created_at},{rest}", f"X{row:07d},not a date,{rest}")
            out.write(kinds[row % 3] + "\n")
