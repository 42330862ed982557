"""A PostgreSQL server of the tests' own, for ledgers and for tables in a database."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


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
    folder, user = Path(tempfile.mkdtemp(prefix="tests-pg-")), _other_user()
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
