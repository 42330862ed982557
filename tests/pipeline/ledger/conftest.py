"""Ledgers on both databases, and runs made by hand to put into them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from pipeline.config import ROOT, Project
from pipeline.ledger.keeping import RunToKeep, contribution_lines
from pipeline.ledger.store import Ledger, open_ledger
from pipeline.output import ScoreRows, scores_table

GROUPS = ("visits", "country")


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server of the tests' own."""

    port: int

    def url(self, database: str = "postgres") -> str:
        """Address of a database on it."""
        return f"postgresql://tester:not-a-secret@127.0.0.1:{self.port}/{database}"


def _programs() -> Path | None:
    """The folder of initdb and pg_ctl, the newest version first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).resolve().parent


def _other_user() -> str | None:
    """PostgreSQL refuses to run as root; then another user's name."""
    if os.geteuid() != 0:
        return None
    names = [each.pw_name for each in pwd.getpwall()]
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server that lives as long as the tests."""
    programs = _programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL here: neither initdb on the path nor below /usr/lib/postgresql")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed; it comes with the extra `postgres`")
    folder, user = Path(tempfile.mkdtemp(prefix="ledger-pg-")), _other_user()
    password = folder / "password"
    password.write_text("not-a-secret", encoding="utf-8")
    if user is not None:
        shutil.chown(folder, user)
        shutil.chown(password, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        # output into a file: the server inherits the streams, and a pipe would never close
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            subprocess.run(
                [programs / program, "-D", folder / "data", *arguments], check=True, cwd="/", user=user,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    try:
        run(
            "initdb", "-U", "tester", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--no-sync"
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-w", "-o", options, "start")
        try:
            yield Server(port)
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        (folder.parent / f"{folder.name}.log").unlink(missing_ok=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A project with an empty ledger of its own, on either database."""
    if request.param == "sqlite":
        return project_with("sqlite:///ledger.db", tmp_path)
    server: Server = request.getfixturevalue("server")
    name = f"ledger_{uuid.uuid4().hex}"
    url = server.url().replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return project_with(server.url(name), tmp_path)


@pytest.fixture
def ledger(project: Project) -> Ledger:
    """The empty ledger of `project`, its tables made."""
    return open_ledger(project, is_new_allowed=True)


def project_with(url: str | None, root: Path, **sections: Any) -> Project:
    """A project that keeps its ledger there; it has no tables to read."""
    tables = {"leads": {"path": "leads.csv"}, "outcomes": {"path": "outcomes.csv"}}
    return Project.model_validate({"data": tables, "ledger": {"url": url}, ROOT: root, **sections})


def kept(
    project: Project,
    day: int,
    leads: Mapping[str, tuple[float, float]],
    *,
    band: Callable[[float], str] = lambda score: "MQL" if score >= 50 else "below",
    groups: tuple[str, ...] = GROUPS,
    run_id: str | None = None,
) -> RunToKeep:
    """A run of January 2026 by hand: points of `GROUPS` by lead on a base of 40; scores are limited to 100."""
    rows, points = ScoreRows(), np.array(list(leads.values()), dtype=np.float64).reshape(len(leads), 2)
    rows.lead_id = list(leads)
    rows.score = np.clip(40 + points.sum(axis=1), 0, 100).tolist()
    rows.probability = [each / 200 for each in rows.score]
    rows.band = [band(each) for each in rows.score]
    rows.fit_grade, rows.engagement_grade = ["A"] * len(leads), ["1"] * len(leads)
    rows.base_score = [40.0] * len(leads)
    rows.silent_until = [None] * len(leads)
    rows.reasons = [
        [{"text": f"{name} count", "points": value, "group": name}
         for name, value in zip(groups, each, strict=True) if value]
        for each in points.tolist()
    ]  # fmt: skip
    rows.warnings = [["Country is rare"] if lead.endswith("1") else [] for lead in leads]
    moment = datetime(2026, 1, day, tzinfo=UTC)
    table = scores_table(rows, np.datetime64(moment.replace(tzinfo=None), "us"), "m1")
    values = {
        "run_id": run_id or f"{day:02d}" * 32, "project": project.name, "entity": "lead", "target": None,
        "as_of": moment, "model_version": "m1", "rows_in": len(leads), "scored": len(leads), "not_open": 0,
        "quarantined": 0, "reason_groups": str(list(groups)).replace("'", '"'), "manifest": "{}",
    }  # fmt: skip
    keys = [(lead, "") for lead in leads]
    lines = contribution_lines(points)
    return RunToKeep(project, values, table, dict(zip(keys, lines, strict=True)))
