"""What a process of its own does to a ledger: load a made-up run and publish its files, or write feedback meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Event
from pathlib import Path

import pandas as pd

from pipeline.config import Project
from pipeline.ledger import loading
from pipeline.ledger.feedback import Feedback, add_feedback
from pipeline.ledger.keeping import RunToKeep
from pipeline.ledger.store import open_ledger
from pipeline.output import publish
from tests.pipeline.ledger.conftest import kept

__all__ = ["lead_ids", "load_and_publish", "load_in_parts", "made_run", "quick_processes", "write_feedback"]


def quick_processes() -> ForkServerContext:
    """Starts processes that have everything imported."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([__name__])
    return found


def lead_ids(n: int) -> list[str]:
    """Ids of the made-up run's leads."""
    return [f"L{number:06d}" for number in range(n)]


def made_run(project: Project, n: int, day: int = 2) -> RunToKeep:
    """A run of `n` leads."""
    return kept(project, day, {lead: (row % 97 - 40.0, row % 7 / 8) for row, lead in enumerate(lead_ids(n))})


def load_in_parts(project: Project, n: int, output: Path, part_rows: int, *, is_to_die: bool) -> None:
    """As `load_and_publish`, in a process of its own; it may die when the run is in and the files are not out."""
    loading.PART_ROWS = part_rows

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    load_and_publish(project, n, output, die if is_to_die else None)


def load_and_publish(
    project: Project, n: int, output: Path, between: Callable[[], None] | None = None
) -> None:
    """Score's last step: files ready, run into the ledger, then `between`, then files renamed."""
    run = made_run(project, n)

    def record() -> None:
        run.write()
        if between is not None:
            between()

    publish(output, run.table, 5, [], pd.DataFrame(), {"scored": n}, record)


def write_feedback(project: Project, writer: int, stop: Event, waits: Path) -> None:
    """Answer to a lead again and again until told to stop, then say how long each answer took."""
    ledger, own = open_ledger(project), lead_ids(20)[writer]
    taken: list[str] = []
    while not stop.is_set():
        given = Feedback(own, "accept", "good fit", f"answer {len(taken)}", None, f"writer {writer}")
        start = time.monotonic()
        assert add_feedback(ledger, project.name, given, source="test") is not None
        taken.append(str(time.monotonic() - start))
        stop.wait(0.02)
    waits.write_text("\n".join(taken), encoding="utf-8")
