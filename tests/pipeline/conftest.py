"""One small CRM, simulated and trained once for all workers, and the real command line to run on it."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.pipeline.databases import database  # noqa: F401 - a fixture
from tests.pipeline.postgres import server  # noqa: F401 - a fixture

TABLES = ("leads", "events", "outcomes", "accounts", "field_changes")
SMALL = """
[model]
bootstrap = 100
logistic_penalties = [100.0]

[model.lightgbm]
max_rounds = 60
early_stopping_rounds = 20

[features]
windows = ["30d"]
half_lives = ["14d"]

[split]
folds = 3
"""

FLAT = """
[data.leads]
path = "leads.csv"
[snapshots]
mode = "static"
[static]
label = "bought"
positive = ["yes"]
negative = ["no"]
order = "row"
[attributes.at_creation]
category = ["colour"]
number = ["size"]
[model]
rungs = ["logistic"]
bootstrap = 100
logistic_penalties = [100.0]
"""


@dataclass(frozen=True)
class Run:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on the one line of standard output."""
        assert self.code in {0, 3, 8}, self.err
        line, rest = self.out.split("\n", 1)
        assert rest == "", self.out
        found = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert isinstance(found, dict)
        return found


@contextmanager
def _streams() -> Iterator[tuple[Path, Path]]:
    """Both streams into files, down to what libraries in C print."""
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "out", Path(scratch) / "err"
        kept, python = [os.dup(1), os.dup(2)], (sys.stdout, sys.stderr)
        handles = [path.open("w", encoding="utf-8") for path in files]
        try:
            for number, handle in zip((1, 2), handles, strict=True):
                os.dup2(handle.fileno(), number)
            sys.stdout, sys.stderr = handles
            yield files
        finally:
            for handle in handles:
                handle.flush()
            sys.stdout, sys.stderr = python
            for number, old, handle in zip((1, 2), kept, handles, strict=True):
                os.dup2(old, number)
                os.close(old)
                handle.close()


def run_command(*arguments: object) -> Run:
    """Run `lead-scoring` in this process, through the function that the console command calls."""
    before, code = sys.argv, None
    sys.argv = ["lead-scoring", *(str(each) for each in arguments)]
    with _streams() as (out, err):
        try:
            main()
        except SystemExit as left:
            code = left.code
        finally:
            sys.argv = before
            sys.stdout.flush()
            sys.stderr.flush()
        assert isinstance(code, int)
        return Run(code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))


def run_apart(*arguments: object, **environment: str) -> Run:
    """Run the console command `lead-scoring` in a process of its own."""
    command = [str(Path(sys.executable).parent / "lead-scoring"), *(str(each) for each in arguments)]
    done = subprocess.run(command, capture_output=True, env=os.environ | environment, check=False)
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass(frozen=True)
class Crm:
    """A simulated CRM with its trained model; nobody writes into its folders.

    Attributes
    ----------
    folder : tables of 800 of its leads, to score quickly, and their project file.
    whole : tables of all 3,000 leads, their project file and `out/` with the store of the champion.
    bundle : a copy of the champion's bundle that knows of no store.
    trained : what `train --json` said.
    """

    folder: Path
    whole: Path
    bundle: Path
    trained: dict[str, Any]

    @property
    def project(self) -> Path:
        """The project file."""
        return self.folder / "lead-scoring.toml"

    def leads(self) -> pd.DataFrame:
        """The leads as text."""
        return pd.read_csv(self.folder / "leads.csv", dtype=str, keep_default_na=False)

    def lines(self) -> list[str]:
        """The lines of leads.csv, the header first."""
        return (self.folder / "leads.csv").read_text(encoding="utf-8").splitlines()

    def export(self, to: Path, **tables: str | bytes | pd.DataFrame) -> Path:
        """A folder with these tables in place of the CRM's own."""
        to.mkdir(parents=True)
        for name in TABLES:
            path, content = to / f"{name}.csv", tables.get(name)
            if content is None:
                path.symlink_to(self.folder / path.name)
            elif isinstance(content, pd.DataFrame):
                content.to_csv(path, index=False, lineterminator="\n")
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        return to

    def written(self, to: Path, text: str = "", *, whole: bool = False) -> Path:
        """A project file over the CRM's tables that writes elsewhere, with more settings."""
        folder = self.whole if whole else self.folder
        head = (self.whole / "lead-scoring.toml").read_text(encoding="utf-8")
        head = head.replace("[data]", f'[data]\nfolder = "{folder}"', 1)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(head + text, encoding="utf-8")
        return to

    def score(self, output: Path, *arguments: object) -> Run:
        """Score with the bundle, no store needed."""
        fixed = ("--bundle", self.bundle, "-o", output, "--json")
        project = () if "-p" in arguments else ("-p", self.project)
        return run_command("score", *project, *arguments, *fixed)


def scores(path: Path) -> pd.DataFrame:
    """Scores by lead_id, in their order."""
    found: pd.DataFrame = pq.read_table(path).to_pandas()
    return found.set_index("lead_id")


def manifest(output: Path) -> dict[str, Any]:
    """The manifest beside an output."""
    found = json.loads(output.with_name(f"{output.stem}.manifest.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def quarantine(output: Path) -> pd.DataFrame:
    """The quarantined lead rows beside an output, as text."""
    path = output.with_name(f"{output.stem}.quarantine.csv")
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    return rows[rows["table"] == "leads"].reset_index(drop=True)


def as_line(values: Mapping[Any, str]) -> str:
    """One CSV record."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values.values())
    return text.getvalue()


def without_ledger(text: str) -> str:
    """A project file without the sections of its ledger."""
    return re.sub(r"(?m)^(#.*\n)?\[ledger[^\[]*", "", text)


def _make(folder: Path) -> None:
    made = run_command("simulate", "--leads", 3000, "--seed", 1, "-o", folder / "crm", "--format", "csv")
    assert made.code == 0, made.err
    project = folder / "crm" / "lead-scoring.toml"
    # nobody writes into these folders: a test that wants a ledger gives it a place of its own
    text = without_ledger(project.read_text(encoding="utf-8")).replace('every = "14d"', 'every = "28d"')
    project.write_text(text + SMALL, encoding="utf-8")
    run = run_command("train", "-p", project, "--json")
    assert (run.code, run.err) == (0, ""), run.err
    shutil.copytree(run.json["bundle"], folder / "bundle")
    _take_some(folder / "crm", folder / "few")
    (folder / "trained.json").write_text(run.out, encoding="utf-8")


def _take_some(whole: Path, to: Path) -> None:
    """Leads of both ends (companies first, persons last) with all that is known of them; the same store."""
    to.mkdir()
    text = (whole / "lead-scoring.toml").read_text(encoding="utf-8")
    text = text.replace('output = "out"', f'output = "{whole / "out"}"')
    (to / "lead-scoring.toml").write_text(text, encoding="utf-8")
    shutil.copy(whole / "accounts.csv", to)
    lines = (whole / "leads.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    lines = lines[:501] + lines[-300:]
    (to / "leads.csv").write_text("".join(lines), encoding="utf-8")
    ids = {line.split(",", 1)[0] for line in lines}
    for name in ("events", "outcomes", "field_changes"):
        text = (whole / f"{name}.csv").read_text(encoding="utf-8")
        kept = [line for line in text.splitlines(keepends=True) if line.split(",", 1)[0] in ids]
        (to / f"{name}.csv").write_text("".join(kept), encoding="utf-8")


@pytest.fixture(scope="session")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Crm:
    """The CRM; the first worker that asks for it makes it, the others wait."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "crm-of-all-workers"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "trained.json").exists():
            _make(folder)
    trained = json.loads((folder / "trained.json").read_text(encoding="utf-8"))
    return Crm(folder / "few", folder / "crm", folder / "bundle", trained)


@pytest.fixture(scope="session")
def scored(crm: Crm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scores of the CRM as it is."""
    output = tmp_path_factory.mktemp("scored") / "scores.parquet"
    assert crm.score(output).code == 0
    return output
