"""Tables written into databases, as a CRM would hold them."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import pandas as pd
import pytest

from pipeline.config import ROOT, Project
from tests.pipeline.postgres import Server

KINDS = {
    "lead_id": "whole",
    "created_at": "time",
    "country": "text",
    "size": "number",
    "is_partner": "boolean",
}
OUTCOMES = {"lead_id": "whole", "occurred_at": "time", "outcome": "text"}
ATTRIBUTES = {"at_creation": {"category": ["country"], "number": ["size"], "boolean": ["is_partner"]}}
_SQLITE = {"text": "TEXT", "number": "REAL", "whole": "INTEGER", "boolean": "BOOLEAN", "time": "TIMESTAMP"}
_SERVER = {
    "text": "text", "number": "double precision", "whole": "bigint", "boolean": "boolean", "time": "timestamptz",
}  # fmt: skip


@dataclass(frozen=True)
class Database:
    """A database of one test: a file of SQLite in `folder`, or one on the tests' server."""

    url: str
    folder: Path

    @property
    def is_server(self) -> bool:
        """Whether it is PostgreSQL."""
        return self.url.startswith("postgresql")

    def run(self, *statements: LiteralString, rows: tuple[tuple[Any, ...], ...] | None = None) -> None:
        """Run statements; with rows the one statement, written with `?`, for each of them."""
        if self.is_server:
            import psycopg  # an extra

            with psycopg.connect(self.url) as server, server.cursor() as cursor:
                for statement in statements:
                    if rows is not None:
                        cursor.executemany(statement.replace("?", "%s"), rows)
                    else:
                        cursor.execute(statement)
            return
        with closing(sqlite3.connect(self.folder / "crm.db")) as file, file:
            for statement in statements:
                if rows is not None:
                    file.executemany(statement, rows)
                else:
                    file.execute(statement)

    def write(self, name: LiteralString, kinds: Mapping[LiteralString, str], frame: pd.DataFrame) -> None:
        """Make a table and fill it; times become text in SQLite, which has none."""
        types = _SERVER if self.is_server else _SQLITE
        columns: Any = ", ".join(f'"{column}" {types[kind]}' for column, kind in kinds.items())
        self.run(f"CREATE TABLE {name} ({columns})")
        shown = frame[list(kinds)].copy()
        for column, kind in kinds.items():
            if kind == "time" and not self.is_server:
                shown[column] = shown[column].astype("str")
        rows = shown.astype(object).where(shown.notna(), None)
        marks: Any = ", ".join("?" * len(kinds))
        self.run(f"INSERT INTO {name} VALUES ({marks})", rows=tuple(rows.itertuples(index=False, name=None)))

    def project(self, *, data: Mapping[str, Any] | None = None, **sections: Any) -> Project:
        """A project over the tables `leads` and `outcomes`."""
        tables = {"leads": {"table": "leads"}, "outcomes": {"table": "outcomes"}}
        return Project.model_validate(
            {"data": {"url": self.url, **tables, **(data or {})}, **sections, ROOT: self.folder}
        )


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database, of either kind."""
    if request.param == "sqlite":
        return Database("sqlite:///crm.db", tmp_path)
    return new_database(request.getfixturevalue("server"), tmp_path)


def new_database(server: Server, folder: Path) -> Database:
    """An empty database on the server."""
    import psycopg

    name = f"crm_{uuid.uuid4().hex}"
    statement: Any = f"CREATE DATABASE {name}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(statement)
    return Database(server.url(name), folder)


def leads(n: int = 40) -> pd.DataFrame:
    """Leads with ids that no floating number holds, with missing values, quotes and booleans."""
    return pd.DataFrame(
        {
            "lead_id": np.arange(n) + 9_007_199_254_740_993,
            "created_at": pd.date_range("2024-01-01 08:30", periods=n, freq="37h", tz="UTC").as_unit("us"),
            "country": [["DE", "FR", None, "ünï 'x'"][k % 4] for k in range(n)],
            "size": [k / 7 if k % 3 else None for k in range(n)],
            "is_partner": pd.Series([[True, False, None][k % 3] for k in range(n)], dtype=object),
        }
    )


def outcomes(of: pd.DataFrame) -> pd.DataFrame:
    """Every other lead was won."""
    some = of.iloc[::2]
    ended = some["created_at"] + pd.Timedelta("20D")
    return pd.DataFrame({"lead_id": some["lead_id"], "occurred_at": ended, "outcome": "won"})


def fill(database: Database, rows: pd.DataFrame) -> None:
    """Write the leads and the outcomes of 40 leads."""
    database.write("leads", KINDS, rows)
    database.write("outcomes", OUTCOMES, outcomes(leads()))
