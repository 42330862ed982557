"""Tasks for a comparison of models: one set, cut once for everybody; what ours and a peer answer on it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.peers import PEERS, cpu_seconds
from features.catalogue import Catalogue
from models import metrics
from models.boosting import FAMILIES
from models.evaluation import Examples
from models.ladder import fit_rung
from models.settings import Plan
from models.split import Fold, Slices, random_folds, rolling_folds, slices_of
from models.trainer import choose

ROOT = Path(__file__).parents[1]
Float64 = NDArray[np.float64]
Tell = Callable[[str], None]
Result = dict[str, Any]


@dataclass(frozen=True)
class Budget:
    """What the run may spend: the same for all who ask for a budget."""

    leads: int = 4_000
    trials: int = 30
    flaml_s: int = 60
    autogluon_s: int = 60
    threads: int = 2
    n_boot: int = 400

    def options(self, peer: str) -> list[str]:
        """The command line of a peer."""
        seconds = self.autogluon_s if peer == "autogluon" else self.flaml_s
        asked = {"--trials": self.trials, "--seconds": seconds, "--threads": self.threads}
        return [text for option, value in asked.items() for text in (option, str(value))]


QUICK = Budget(leads=1_500, trials=3, flaml_s=10, autogluon_s=30, n_boot=100)


@dataclass(frozen=True)
class Task:
    """Examples, cut once for everybody: development in order of time, its rolling folds, the test."""

    name: str
    examples: Examples
    catalogue: Catalogue
    plan: Plan
    slices: Slices
    folds: list[Fold]
    truth: Float64 | None = None

    @property
    def y(self) -> Float64:
        """(test,) labels."""
        return self.examples.y[self.slices.test]

    @property
    def clusters(self) -> NDArray[np.int64]:
        """(test,) account, else lead."""
        return self.examples.timeline.cluster[self.slices.test]

    @property
    def rates(self) -> tuple[float, float]:
        """Share of conversions in development and in the test."""
        return float(self.examples.y[self.slices.development].mean()), float(self.y.mean())

    @property
    def constant_loss(self) -> float:
        """Log loss of the development rate on the test."""
        return metrics.log_loss(self.y, np.full(len(self.y), self.rates[0]))


@dataclass(frozen=True)
class Answer:
    """Probabilities of the test rows, what they took, and what was chosen on the way."""

    model: str
    title: str
    p: Float64
    cpu_s: float | None
    chosen: Result
    versions: dict[str, str]


def load_task(name: str, budget: Budget, tell: Tell) -> Task | None:
    """The task of a set; None where its files are not there."""
    from pipeline.config import load_project
    from pipeline.dataset import labelled_dataset
    from pipeline.leak_hunt import hunt_leaks
    from pipeline.simulate import WorldSettings, p_history, simulate_to_folder
    from pipeline.tables import load_tables
    from pipeline.train import development_examples

    with tempfile.TemporaryDirectory() as scratch:
        path = ROOT / "examples" / f"{name}.toml"
        if name == "world":
            simulate_to_folder(WorldSettings(n_leads=budget.leads, seed=1), Path(scratch))
            path = Path(scratch) / "lead-scoring.toml"
        project = load_project(path)
        if not (project.root / project.data.folder).is_dir():
            return None
        tables = load_tables(project, tell)
        project, _ = hunt_leaks(project, tables)
        dataset = labelled_dataset(project, tables)
        examples, catalogue = development_examples(project, dataset, tell)
        task = task_of(name, examples, catalogue, project.plan)
        if name != "world":
            return task
        rows = dataset.rows.take(task.slices.test)
        ids = dataset.data.leads["lead_id"].to_numpy(dtype=object)[rows.lead].tolist()
        return replace(task, truth=p_history(Path(scratch), ids, rows.as_of, project.target.horizon))


def task_of(name: str, examples: Examples, catalogue: Catalogue, plan: Plan) -> Task:
    """Slices, folds and the order of the test as the trainer makes them."""
    timeline, y = examples.timeline, examples.y
    slices = slices_of(timeline, plan.split)
    rows = slices.development
    folds = rolling_folds(timeline, rows, y, plan.split) or random_folds(timeline, rows, y, plan.split)
    test = slices.test[np.lexsort((timeline.order[slices.test], examples.lead[slices.test]))]
    slices = Slices(rows, slices.gap, test, slices.test_start)
    return Task(name, examples, catalogue, plan, slices, folds)


def learn_ours(task: Task, tell: Tell) -> Answer:
    """Selection, calibration and one fit as `models.trainer.evaluate` does them, timed without the test's intervals.

    The model stays as it was when the test began: no refits, no shift of its level, like the peers'.
    """
    X, y = task.examples.X, task.examples.y
    catalogue, rows = task.catalogue, task.slices.development
    import lightgbm  # noqa: F401 - imports are nobody's learning, here as with the peers
    import sklearn.linear_model  # noqa: F401

    before = cpu_seconds()
    chosen_by_us = choose(task.examples, catalogue, task.plan, tell)
    selection, model = chosen_by_us.selection, chosen_by_us.model
    rung = fit_rung(selection.recipe, X[rows], y[rows], catalogue, model)
    log_odds = selection.calibration.log_odds(rung.margin(X[task.slices.test]))
    spent = cpu_seconds() - before
    recipe = asdict(selection.recipe) | {"weights": list(selection.recipe.weights)}
    trees = model.lightgbm.model_dump()
    chosen = recipe | {
        "trees": trees,
        "calibration": selection.calibration.kind,
        "rounds_of_folds": list(chosen_by_us.out_of_fold.rounds),
    }
    packages = {name: version(name) for name in ("scikit-learn", "lightgbm")}
    return Answer("ours", "ours", expit(log_odds), spent, chosen, packages)


def job_of(task: Task) -> dict[str, NDArray[Any]]:
    """What a peer gets: the features of the families that our rungs share, rows in order of time."""
    chosen, order = task.catalogue.columns(FAMILIES), task.examples.timeline.order
    rows = task.slices.development[np.argsort(order[task.slices.development], kind="stable")]
    place = np.zeros(len(order), dtype=np.int64)
    place[rows] = np.arange(len(rows))
    features = task.catalogue.features
    job: dict[str, NDArray[Any]] = {
        "X": task.examples.X[np.ix_(rows, chosen)],
        "y": task.examples.y[rows],
        "X_test": task.examples.X[np.ix_(task.slices.test, chosen)],
        "is_category": np.array([features[position].is_category for position in chosen]),
    }
    for number, fold in enumerate(task.folds):
        job |= {
            f"train_{number}": np.sort(place[fold.train]), f"validate_{number}": np.sort(place[fold.validate]),
        }  # fmt: skip
    return job


def ask_peer(name: str, job: dict[str, NDArray[Any]], budget: Budget, keep: Path) -> Answer | str:
    """What a peer answers in a process of its own; or, in words, why it did not."""
    script, options = ROOT / "benchmarks" / "peers.py", budget.options(name)
    digest = hashlib.sha256(json.dumps([name, *options]).encode() + script.read_bytes())
    for key in sorted(job):
        digest.update(np.ascontiguousarray(job[key]).tobytes())
    path = keep / f"{name}-{digest.hexdigest()[:16]}.json"
    if not path.exists():
        python = environment_of(name)
        if not isinstance(python, Path):
            return f"did not install: {python}"
        with tempfile.TemporaryDirectory() as scratch:
            held = Path(scratch) / "job.npz"
            np.savez(held, allow_pickle=False, **job)
            answer = Path(scratch) / "answer.json"
            command: list[str | Path] = [python, "-P", script, name, held, answer, *options]
            threads = {"OMP_NUM_THREADS": str(budget.threads), "OPENBLAS_NUM_THREADS": str(budget.threads)}
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=scratch, env=os.environ | threads
            )
            if done.returncode != 0:
                return f"did not run: {last_words(done.stderr)}"
            shutil.copy(answer, path)
    said = json.loads(path.read_text(encoding="utf-8"))
    p = np.array(said["p"], dtype=np.float64)
    if p.shape != (len(job["X_test"]),) or not np.isfinite(p).all():
        return "did not run: its probabilities are not finite, one a row"
    return Answer(name, PEERS[name].title, p, said["cpu_s"], said["chosen"], said["versions"])


def environment_of(name: str) -> Path | str:
    """The interpreter that holds a peer, made at the first call; or the installer's last words."""
    requires, folder = PEERS[name].requires, ROOT / ".venv-peers" / name
    if not requires:
        return Path(sys.executable)
    python, ready = folder / "bin" / "python", folder / ".ready"
    if ready.exists() and ready.read_text(encoding="utf-8") == "\n".join(requires):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    make: list[str | Path] = [sys.executable, "-m", "venv", folder]
    install: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        *requires,
    ]
    if uv := shutil.which("uv"):
        make = [uv, "venv", "-q", "--python", sys.executable, folder]
        install = [uv, "pip", "install", "-q", "--python", python, *requires]
    for command in (make, install):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False,
            env=os.environ | {"UV_PYTHON_DOWNLOADS": "never"},
        )  # fmt: skip
        if done.returncode != 0:
            return last_words(done.stderr)
    ready.write_text("\n".join(requires), encoding="utf-8")
    return python


def last_words(text: str) -> str:
    """The last line of an error, without words that hold a path or an address."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no word of why"]
    return " ".join(word for word in lines[-1].split() if not {"/", "\\", "@"} & set(word))[:200]
