"""The queue: a run's leads in call order, filtered, searched, as a page, as JSON and as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from pipeline.ledger.feedback import answers_on
from pipeline.ledger.figures import ledger_state
from pipeline.ledger.queue import (
    CHANGED_POINTS,
    COOLING_DAYS,
    Facets,
    QueueFilter,
    QueueRun,
    count_bands,
    count_facets,
    find_queue_run,
    find_run_before,
    list_queue_runs,
    queue_page,
    stored_facets,
)
from pipeline.ledger.store import Connection
from pipeline.review.asked import Asked, asked_of
from pipeline.review.overrides import overrides_in_force
from pipeline.review.queue_csv import csv_lines
from pipeline.review.shown import lead_address
from pipeline.review.site import Site

__all__ = ["PAGE_ROWS", "STALE_DAYS", "queue_router"]

PAGE_ROWS = 50
PART_ROWS = 1_800  # of an export: two full questions for the overrides on them
RUNS_TO_CHOOSE = 60
STALE_DAYS = 2


class Counts:
    """What a run's filters find, counted once a run where the run does not bring it."""

    def __init__(self) -> None:
        self._known: dict[Any, Facets] = {}

    def of(self, connection: Connection, project: str, run: QueueRun) -> Facets:
        """The counts of a run."""
        found = stored_facets(run)
        if found is not None:
            return found
        state = run.number, ledger_state(connection, project)
        found = self._known.get(state)
        if found is None:
            found = count_facets(connection, run.number, run.as_of)
            if len(self._known) >= RUNS_TO_CHOOSE:
                self._known.pop(next(iter(self._known)))
            self._known[state] = found
        return found


def queue_router(site: Site) -> APIRouter:
    """The addresses of the queue."""
    router = APIRouter()
    counts = Counts()

    @router.get("/")
    def show(request: Request) -> Response:
        lead = request.query_params.get("lead")
        if lead is not None:
            return RedirectResponse(lead_address(lead), 303)
        asked = asked_of(request.query_params)
        return site.page(request, "queue.html", **_content(site, counts, asked))

    @router.get("/api/queue")
    def answer(request: Request) -> Response:
        found = _content(site, counts, asked_of(request.query_params))
        run = found["run"]
        if run is None:
            return site.json({"run": None, "n": 0, "leads": []})
        kept = {name: found[name] for name in ("n", "bands", "leads")}
        links = {name: found[name] and f"/api/queue{found[name][1:]}" for name in ("next", "previous")}
        told = {name: value for name, value in asdict(run).items() if name != "facets"}
        return site.json({"run": told, **kept, **links})

    @router.get("/export.csv")
    def export(request: Request) -> Response:
        asked = asked_of(request.query_params)
        with site.reading() as connection:
            _, run = _runs(site, connection, asked)
        if run is None:
            raise HTTPException(404, "The ledger has no run yet, so there is nothing to export.")
        name = f"{site.project.name}.run-{run.number}.csv"
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        return StreamingResponse(
            _lines(site, run, asked.filter), media_type="text/csv; charset=utf-8", headers=headers
        )

    return router


def _runs(site: Site, connection: Connection, asked: Asked) -> tuple[list[QueueRun], QueueRun | None]:
    """The latest runs and the one that is asked for, the present one if none is."""
    runs = list_queue_runs(connection, site.project.name, RUNS_TO_CHOOSE)
    if asked.run is None:
        return runs, runs[0] if runs else None
    found = find_queue_run(connection, site.project.name, asked.run)
    if found is None:
        raise HTTPException(404, f"The ledger of {site.project.name} has no run {asked.run} of its leads.")
    return runs, found


def _content(site: Site, counts: Counts, asked: Asked) -> dict[str, Any]:
    with site.reading() as connection:
        runs, run = _runs(site, connection, asked)
        if run is None:
            return {"run": None}
        facets = counts.of(connection, site.project.name, run)
        is_back = asked.before is not None
        rows = queue_page(
            connection, run, asked.filter, PAGE_ROWS + 1, after=asked.after, before=asked.before
        )
        has_more = len(rows) > PAGE_ROWS
        bands = _bands(connection, run, asked, facets, None if has_more else rows)
        rows = (rows[1:] if is_back else rows[:-1]) if has_more else rows
        rows = _known(connection, site, run, rows)
        before = find_run_before(connection, site.project.name, run.number, run.as_of)
    for row in rows:
        row["address"] = lead_address(row["lead_id"], row["product"], asked.run, asked.words)
        row["is_cooling"] = _is_cooling(row["silent_until"], run.as_of)
    is_further, is_later = (True, has_more) if is_back else (has_more, asked.after > 0)
    n = sum(bands.values()) if asked.filter.band is None else bands.get(asked.filter.band, 0)
    return {
        "run": run, "runs": runs, "facets": facets, "asked": asked, "leads": rows, "notes": _notes(runs, run),
        "n": n, "scored": sum(facets.bands.values()), "bands": _ordered(site, bands, facets),
        "first": asked.address() if n and not rows else None,
        "next": asked.address(after=rows[-1]["rank"]) if rows and is_further else None,
        "previous": asked.address(before=rows[0]["rank"]) if rows and is_later else None,
        "before": before, "to_present": None if runs[0].number == run.number else replace(asked, run=None).address(),
        "has_value": any(row["expected_value"] is not None for row in rows),
        "changed_points": CHANGED_POINTS, "cooling_days": COOLING_DAYS, "page_rows": PAGE_ROWS,
    }  # fmt: skip


def _known(
    connection: Connection, site: Site, run: QueueRun, rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rows, each with the override in force on it and the latest answer of sales, None for nothing."""
    decided = overrides_in_force(connection, site.project.name, run.number, rows)
    answers = answers_on(connection, site.project.name, {row["lead_id"] for row in rows})
    return [
        row | {"override": decided.get(row["rank"]), "answer": answers.get(row["lead_id"])} for row in rows
    ]


def _bands(
    connection: Connection, run: QueueRun, asked: Asked, facets: Facets, rows: list[dict[str, Any]] | None
) -> dict[str, int]:
    """How many leads each band has by the other filters; `rows` is None where a page does not hold them all."""
    rest = replace(asked.filter, band=None)
    if rest.is_open:
        return facets.bands
    if rows is not None and asked.filter == rest and asked.after == 0 and asked.before is None:
        return Counter(row["band"] for row in rows)  # a search that finds few has seen every lead already
    return count_bands(connection, run, rest)


def _is_cooling(until: datetime | None, as_of: datetime | None) -> bool:
    return until is not None and as_of is not None and until <= as_of + timedelta(days=COOLING_DAYS)


def _ordered(site: Site, bands: dict[str, int], facets: Facets) -> dict[str, int]:
    """The counts, the highest band first; bands of another project file at the end."""
    names = dict.fromkeys([*site.bands, *sorted(facets.bands)])
    return {name: bands.get(name, 0) for name in names}


def _notes(runs: list[QueueRun], run: QueueRun) -> list[str]:
    """What to know about the run that is shown."""
    notes = []
    if runs[0].number != run.number:
        notes.append(f"This is run {run.number}; the present one is run {runs[0].number}.")
    elif run.as_of is not None and (days := (datetime.now(UTC) - run.as_of).days) >= STALE_DAYS:
        notes.append(
            f"These scores are {days:,} days old; nothing that happened since is in them. "
            "lead-scoring score writes new ones once the tables hold newer data."
        )
    return notes


def _lines(site: Site, run: QueueRun, asked: QueueFilter) -> Iterator[str]:
    """The CSV, read in parts: however many leads there are, few are held."""

    def parts() -> Iterator[list[dict[str, Any]]]:
        after = 0
        while True:
            with site.reading() as connection:
                rows = queue_page(connection, run, asked, PART_ROWS, after=after)
                known = _known(connection, site, run, rows)
            if not rows:
                return
            yield known
            after = rows[-1]["rank"]

    return csv_lines(parts())
