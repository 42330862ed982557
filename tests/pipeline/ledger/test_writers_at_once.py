"""A nightly run is loaded while sales answers: nothing is lost and nobody waits long."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from pipeline.config import Project
from pipeline.ledger.schema import DETAILS, FEEDBACK, RUNS, SCORES
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.prepared_load import (
    lead_ids,
    load_and_publish,
    made_run,
    quick_processes,
    write_feedback,
)

WRITERS = 20
LONGEST_WAIT = 2.0


@pytest.mark.slow
def test_twenty_writers_wait_less_than_two_seconds_while_a_run_is_loaded(
    project: Project, ledger: Ledger, tmp_path: Path
) -> None:
    processes = quick_processes()
    made_run(project, WRITERS, day=1).write()
    stop, n = processes.Event(), 50_000
    answers = [tmp_path / f"waits-{number}" for number in range(WRITERS)]
    writers = [
        processes.Process(target=write_feedback, args=(project, number, stop, path))
        for number, path in enumerate(answers)
    ]
    loader = processes.Process(target=load_and_publish, args=(project, n, tmp_path / "scores.parquet"))

    for each in (*writers, loader):
        each.start()
    loader.join()
    stop.set()
    for each in writers:
        each.join()

    waits = [[float(line) for line in path.read_text().split()] for path in answers]
    with ledger.reading() as connection:
        answered = select(FEEDBACK.c.lead_id, func.count()).group_by(FEEDBACK.c.lead_id)
        written = {row[0]: row[1] for row in connection.execute(answered)}
        rows = [
            connection.scalar(select(func.count()).select_from(table).where(table.c.run == 2))
            for table in (SCORES, DETAILS)
        ]
        is_complete = connection.scalar(select(RUNS.c.is_complete).where(RUNS.c.number == 2))
    assert [each.exitcode for each in (*writers, loader)] == [0] * (WRITERS + 1)
    assert (rows, is_complete) == ([n, n], True)
    assert written == {lead: len(own) for lead, own in zip(lead_ids(WRITERS), waits, strict=True)}
    assert min(len(own) for own in waits) >= 5
    assert max(max(own) for own in waits) < LONGEST_WAIT
