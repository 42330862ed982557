"""Quality of the model beside others, on the same features and the same split; CPU seconds of each.

    python benchmarks/quality.py [--sets NAME ...] [--peers NAME ...] [--leads N] [--quick] [--keep DIR]

The sets are those of examples/ (left out where their files are missing) and one simulated world. A peer that this
project does not depend on runs in an environment of its own, made in .venv-peers. Writes benchmarks/quality.md and
benchmarks/quality.json; a run of a part, or a quick one, only prints. --keep keeps the peers' answers in a folder
and takes them from there where neither the data nor what may be spent has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.markdown import Markdown

from benchmarks.peers import PEERS
from benchmarks.tasks import (
    QUICK,
    Answer,
    Budget,
    Float64,
    Result,
    Task,
    Tell,
    ask_peer,
    job_of,
    learn_ours,
    load_task,
)
from models import metrics
from models.intervals import Interval, bootstrap_intervals, ece_floor, paired_difference
from pipeline.console import plain_console, progress_lines

HERE = Path(__file__).parent
SETS = {
    "x_education": "online courses, a flat export",
    "uci_bank": "phone campaign, a flat export",
    "bpic2012": "loan applications with events, scored at four ages",
    "maven_crm": "made up, nothing in it tells the outcome: the control",
    "world": "simulated CRM with events, weekly cuts",
}
FIGURES: dict[str, Callable[..., float]] = {
    "auc": metrics.auc,
    "average_precision": metrics.average_precision,
    "log_loss": metrics.log_loss,
    "brier": metrics.brier,
    "ece": metrics.ece,
    "lift_at_10": partial(metrics.lift_at, share=0.1),
}
HEADS = ("AUC", "AP", "log loss", "Brier", "ECE", "lift at 10 %")
PLACES = {"auc": 3, "average_precision": 3, "log_loss": 4, "brier": 4, "ece": 3, "lift_at_10": 2}


def verdict_of(difference: Interval, line: float, n: int) -> str:
    """Ours against a peer, from the paired 95 % interval of our log loss less the peer's.

    `line` is 1 % of the constant's log loss.
    """
    if np.isnan(difference.low) or np.isnan(difference.high):
        return f"undecided ({n:,})"
    if difference.high < 0.0:
        return "better"
    if difference.high <= line:
        return "matched"
    return "worse" if difference.low > line else f"undecided ({n:,})"


def judged(task: Task, answers: list[Answer | tuple[str, str]], n_boot: int) -> Result:
    """The figures of each model on the test, and the verdict of the first against each of the others."""
    y, clusters, line = task.y, task.clusters, 0.01 * task.constant_loss
    ours = answers[0]
    assert isinstance(ours, Answer)
    rows: list[Result] = []
    for answer in answers:
        if isinstance(answer, tuple):
            rows.append({"model": answer[0], "title": PEERS[answer[0]].title, "failed": answer[1]})
            continue
        found = bootstrap_intervals(FIGURES, y, answer.p, clusters, n_boot)
        difference = paired_difference(row_loss(y, ours.p), row_loss(y, answer.p), clusters)
        rows.append({
            "model": answer.model, "title": answer.title,
            "figures": {name: [each.value, each.low, each.high] for name, each in found.items()},
            "ece_floor": ece_floor(y, answer.p, clusters),
            "predicted_over_observed": metrics.calibration_ratio(y, answer.p),
            "cpu_s": answer.cpu_s, "chosen": answer.chosen, "versions": answer.versions,
            "difference": [difference.value, difference.low, difference.high],
            "verdict": None if answer.model in {"ours", "truth"} else verdict_of(difference, line, len(y)),
        })  # fmt: skip
    development, test = task.slices.development, task.slices.test
    return {
        "name": task.name, "about": SETS.get(task.name, task.name), "features": len(task.catalogue),
        "development_rows": len(development), "gap_rows": len(task.slices.gap), "test_rows": len(test),
        "test_clusters": len(np.unique(clusters)), "test_conversions": int(y.sum()), "rates": list(task.rates),
        "constant_log_loss": task.constant_loss, "line": line, "models": rows,
    }  # fmt: skip


def row_loss(y: Float64, p: Float64) -> Float64:
    """Log loss of each row, p kept away from 0 and 1 as in `models.metrics.log_loss`."""
    least = float(np.finfo(np.float64).eps)
    kept = np.clip(p, least, 1.0 - least)
    return np.asarray(-np.where(y == 1.0, np.log(kept), np.log1p(-kept)))


def run_set(task: Task, peers: list[str], budget: Budget, keep: Path, tell: Tell) -> Result:
    """Everybody's answers on one task, judged."""
    tell(f"{task.name}: ours")
    answers: list[Answer | tuple[str, str]] = [learn_ours(task, lambda _: None)]
    job = job_of(task)
    for name in peers:
        tell(f"{task.name}: {PEERS[name].title}")
        answer = ask_peer(name, job, budget, keep)
        answers.append((name, answer) if isinstance(answer, str) else answer)
    if task.truth is not None:
        answers.append(Answer("truth", "the truth (exact filter)", task.truth, None, {}, {}))
    return judged(task, answers, budget.n_boot)


def machine() -> Result:
    """Cores, processor and versions; nothing that names the machine or who uses it."""
    model = platform.processor() or platform.machine()
    if (cpus := Path("/proc/cpuinfo")).exists():
        names = [line for line in cpus.read_text(encoding="utf-8").splitlines() if "model name" in line]
        model = names[0].partition(":")[2].strip() if names else model
    packages = {name: version(name) for name in ("numpy", "scikit-learn", "lightgbm")}
    return {"cores": os.cpu_count(), "processor": model, "system": platform.system(),
            "python": platform.python_version(), **packages}  # fmt: skip


def sections(result: Result) -> list[str]:
    """The parts of the page, in order: each a heading with its words or its table."""
    return [
        opening(result),
        summary(result["sets"]),
        *(section_of(each) for each in result["sets"]),
        closing(result),
    ]


def opening(result: Result) -> str:
    """What was measured, on what, and what the words mean."""
    facts, spent = result["machine"], result["budget"]
    packages = ", ".join(f"{name} {facts[name]}" for name in ("numpy", "scikit-learn", "lightgbm"))
    return f"""# Quality beside others

Written by `make bench-quality`. Everybody gets the same features, the same split (development | gap | test, the test
read once), the same rolling folds inside development to choose by, and {spent["threads"]} threads. CPU seconds (user +
system) count choosing, fitting and predicting. {facts["cores"]} cores, {facts["processor"]}, {facts["system"]},
Python {facts["python"]}, {packages}.

Ranges are 95 % intervals, whole accounts (else leads) drawn. Ours against a peer, by the paired interval of our log
loss less the peer's: *better* if all of it is below 0, *matched* if its upper end is at most 1 % of the constant's log
loss (the line), *worse* if its lower end is above the line, else *undecided* (test rows). The floor of an ECE is what
chance alone exceeds once in twenty times, given these probabilities and clusters; the range of an ECE lies above its
value, for drawing rows anew adds noise to every bin."""


def summary(found: list[Result]) -> str:
    """One row a set, one column a peer: the verdict, and the peer's CPU seconds over ours."""
    peers = [name for name in PEERS if any(name == row["model"] for each in found for row in each["models"])]
    lines = ["## Ours against each", "", table_row(["set", *(PEERS[name].title for name in peers)])]
    lines.append(table_row(["---"] * (1 + len(peers))))
    for each in found:
        by_name = {row["model"]: row for row in each["models"]}
        lines.append(
            table_row([each["name"], *(cell_of(by_name.get(name), by_name["ours"]) for name in peers)])
        )
    return "\n".join([*lines, "", "In brackets: the peer's CPU seconds over ours."])


def cell_of(row: Result | None, ours: Result) -> str:
    """Verdict and ratio of CPU seconds."""
    if row is None or "failed" in row:
        return "-"
    return f"{row['verdict']} ({row['cpu_s'] / max(ours['cpu_s'], 1e-9):.2g})"


def section_of(found: Result) -> str:
    """A set: its size, what moved within it, and a table of all figures."""
    before, after = found["rates"]
    lines = [
        f"## {found['name']}", "",
        f"{found['about'][0].upper()}{found['about'][1:]}. {found['features']} features; development "
        f"{found['development_rows']:,} rows, gap {found['gap_rows']:,}, test {found['test_rows']:,} rows of "
        f"{found['test_clusters']:,} accounts or leads, {found['test_conversions']:,} conversions. The development "
        f"rate as a constant has log loss {found['constant_log_loss']:.4f}; the line is {found['line']:.4f}.", "",
    ]  # fmt: skip
    if not 2 / 3 <= after / before <= 1.5:
        lines += [f"The rate moved from {before:.3f} in development to {after:.3f} in the test: every static model is "
                  "off in level here, however well it ranks.", ""]  # fmt: skip
    heads = ["model", *HEADS, "ECE floor", "CPU s", "ours less its log loss", "ours is"]
    lines += [table_row(heads), table_row(["---"] * len(heads))]
    return "\n".join([*lines, *(table_row(model_cells(row)) for row in found["models"])])


def model_cells(row: Result) -> list[str]:
    """The cells of one model; a peer that gave nothing says why."""
    if "failed" in row:
        return [row["title"], row["failed"], *[""] * (len(HEADS) + 3)]
    figures = [ranged(row["figures"][name], PLACES[name]) for name in FIGURES]
    spent = "" if row["cpu_s"] is None else f"{row['cpu_s']:.1f}"
    against = ["", ""] if row["model"] == "ours" else [ranged(row["difference"], 4), row["verdict"] or ""]
    return [row["title"], *figures, f"{row['ece_floor']:.3f}", spent, *against]


def ranged(values: list[float], places: int) -> str:
    """A value with its interval: `0.733 (0.712 to 0.756)`."""
    value, low, high = (f"{each:.{places}f}" for each in values)
    return f"{value} ({low} to {high})"


def table_row(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def closing(result: Result) -> str:
    """How each was asked, and with which versions."""
    spent = result["budget"]
    used: dict[str, str] = {}
    for each in result["sets"]:
        for row in each["models"]:
            used |= row.get("versions", {})
    return f"""## How each was asked

- ours: ladder, calibration and fit as in `train`, with the settings of the set's project file.
- logistic regression: scikit-learn, one-hot categories, missing flags, scaled numbers; L2 by the folds' log loss.
- LightGBM: `LGBMClassifier()` as it comes; tuned: {spent["trials"]} trials of Optuna over seven parameters, rounds by
  early stopping on the folds. Categories declared in both.
- CatBoost: defaults in order of time; rounds by early stopping on the latest fold, then fitted on all of development.
- FLAML: its own search by log loss on the folds, {spent["flaml_s"]} s of wall time.
- AutoGluon: `best_quality` with the learners that need no PyTorch, {spent["autogluon_s"]} s; it bags by blocks of time.

The simulated world has {spent["leads"]:,} leads. Budgets in seconds are of wall time: a busy machine cuts them short.
Probabilities are taken as each gives them. Versions: {", ".join(f"{name} {used[name]}" for name in sorted(used))}.
What each chose stands in `quality.json`."""


def measure(names: list[str], peers: list[str], budget: Budget, keep: Path, tell: Tell) -> Result:
    """All sets that are there, judged, with the facts of the machine."""
    found, missing = [], []
    for name in names:
        tell(f"{name}: reading")
        task = load_task(name, budget, tell)
        if task is None:
            missing.append(name)
        else:
            found.append(run_set(task, peers, budget, keep, tell))
    return {"machine": machine(), "budget": asdict(budget), "missing": missing, "sets": found}


def main() -> None:
    """Measure, print, and write if all of it was asked for."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before OpenMP is loaded: waiting costs no CPU
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=[*SETS], default=[*SETS])
    parser.add_argument("--peers", nargs="*", choices=[*PEERS], default=[*PEERS])
    parser.add_argument("--leads", type=int, default=Budget.leads, help="leads of the simulated world")
    parser.add_argument("--quick", action="store_true", help="small budgets; prints only")
    parser.add_argument("--keep", type=Path, help="folder for the peers' answers, used again where they fit")
    asked = parser.parse_args()
    budget, console = QUICK if asked.quick else Budget(leads=asked.leads), plain_console()
    if asked.keep is not None:
        asked.keep.mkdir(parents=True, exist_ok=True)
    folder = nullcontext(asked.keep) if asked.keep else tempfile.TemporaryDirectory()
    with folder as keep, progress_lines(console, "Comparing") as tell:
        result = measure(asked.sets, asked.peers, budget, Path(keep), tell)
    page = "\n\n".join(sections(result)) + "\n"
    console.print(Markdown(page) if console.is_terminal else page)
    for name in result["missing"]:
        console.print(f"{name} was left out: its folder of data is not there.")
    is_whole = budget == Budget() and set(asked.sets) == set(SETS) and set(asked.peers) == set(PEERS)
    if is_whole and not result["missing"]:
        (HERE / "quality.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        (HERE / "quality.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
