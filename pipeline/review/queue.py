"""The queue: a run's leads in call order, filtered, searched, as a page, as JSON and as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

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
from pipeline.review.overrides import overrides_in_force
from pipeline.review.queue_csv import csv_lines
from pipeline.review.shown import lead_address
from pipeline.review.site import Site

__all__ = ["STALE_DAYS", "queue_router"]

PAGE_ROWS = 50
PART_ROWS = 1_800  # of an export: two full questions for the overrides on them
RUNS_TO_CHOOSE = 60
STALE_DAYS = 2
LARGEST = 2**31 - 1
LONGEST_TEXT = 200
TEXTS = {
    "band": "band",
    "segment": "segment",
    "product": "product",
    "owner": "owner",
    "account": "account",
    "q": "search",
}
FLAGS = {"changed": "is_changed", "awake": "is_awake", "cooling": "is_cooling"}


@dataclass(frozen=True)
class Asked:
    """What an address asks for."""

    filter: QueueFilter
    run: int | None
    after: int
    before: int | None

    def address(
        self, path: str = "/", *, after: int | None = None, before: int | None = None, **changes: Any
    ) -> str:
        """The address of the same, or with other filters, from a rank on or up to one."""
        changed = replace(self.filter, **changes)
        pairs = [(name, getattr(changed, key)) for name, key in TEXTS.items()]
        pairs += [(name, "1" if getattr(changed, key) else None) for name, key in FLAGS.items()]
        pairs += [("run", self.run), ("after", after), ("before", before)]
        words = urlencode([(name, value) for name, value in pairs if value not in {None, ""}])
        return f"{path}?{words}" if words else path


class Counts:
    """What a run's filters find, counted once a run where the run does not bring it."""

    def __init__(self) -> None:
        self._known: dict[int, Facets] = {}

    def of(self, connection: Connection, run: QueueRun) -> Facets:
        """The counts of a run."""
        found = stored_facets(run) or self._known.get(run.number)
        if found is None:
            found = count_facets(connection, run.number, run.as_of)
            if len(self._known) >= RUNS_TO_CHOOSE:
                self._known.pop(next(iter(self._known)))
            self._known[run.number] = found
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
        asked = _asked(request)
        return site.page(request, "queue.html", **_content(site, counts, asked))

    @router.get("/api/queue")
    def answer(request: Request) -> Response:
        found = _content(site, counts, _asked(request))
        run = found["run"]
        if run is None:
            return site.json({"run": None, "n": 0, "leads": []})
        kept = {name: found[name] for name in ("n", "bands", "leads")}
        links = {name: found[name] and f"/api/queue{found[name][1:]}" for name in ("next", "previous")}
        told = {name: value for name, value in asdict(run).items() if name != "facets"}
        return site.json({"run": told, **kept, **links})

    @router.get("/export.csv")
    def export(request: Request) -> Response:
        asked = _asked(request)
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


def _asked(request: Request) -> Asked:
    given = request.query_params
    texts: dict[str, Any] = {key: _text(name, given.get(name)) for name, key in TEXTS.items()}
    flags: dict[str, Any] = {key: _flag(name, given.get(name)) for name, key in FLAGS.items()}
    numbers = {name: _number(name, given.get(name)) for name in ("run", "after", "before")}
    return Asked(QueueFilter(**texts, **flags), numbers["run"], numbers["after"] or 0, numbers["before"])


def _text(name: str, value: str | None) -> str | None:
    text = (value or "").strip()
    if len(text) > LONGEST_TEXT or "\x00" in text:
        raise HTTPException(400, f"The filter {name} is not a text of at most {LONGEST_TEXT} signs.")
    return text or None


def _flag(name: str, value: str | None) -> bool:
    if value not in {None, "", "0", "1"}:
        raise HTTPException(400, f"The filter {name} is 1 or left out; the address says '{value}'.")
    return value == "1"


def _number(name: str, value: str | None) -> int | None:
    if value is None or not value.strip():
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(LARGEST))):
        raise HTTPException(400, f"{name} is a whole number; the address says '{value}'.")
    return min(int(value), LARGEST)


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
        facets = counts.of(connection, run)
        is_back = asked.before is not None
        rows = queue_page(
            connection, run, asked.filter, PAGE_ROWS + 1, after=asked.after, before=asked.before
        )
        has_more = len(rows) > PAGE_ROWS
        bands = _bands(connection, run, asked, facets, None if has_more else rows)
        rows = (rows[1:] if is_back else rows[:-1]) if has_more else rows
        decided = overrides_in_force(connection, site.project.name, run.number, rows)
        before = find_run_before(connection, site.project.name, run.number, run.as_of)
    for row in rows:
        row["override"] = decided.get(row["rank"])
        row["address"] = lead_address(row["lead_id"], row["product"], asked.run)
        row["is_cooling"] = _is_cooling(row["silent_until"], run.as_of)
    is_further, is_later = (True, has_more) if is_back else (has_more, asked.after > 0)
    band = asked.filter.band
    return {
        "run": run, "runs": runs, "facets": facets, "asked": asked, "leads": rows, "notes": _notes(runs, run),
        "n": sum(bands.values()) if band is None else bands.get(band, 0), "bands": _ordered(site, bands, facets),
        "next": asked.address(after=rows[-1]["rank"]) if rows and is_further else None,
        "previous": asked.address(before=rows[0]["rank"]) if rows and is_later else None,
        "before": before, "to_present": None if runs[0].number == run.number else replace(asked, run=None).address(),
        "has_value": any(row["expected_value"] is not None for row in rows),
        "changed_points": CHANGED_POINTS, "cooling_days": COOLING_DAYS, "page_rows": PAGE_ROWS,
    }  # fmt: skip


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
            "lead-scoring score writes new ones."
        )
    return notes


def _lines(site: Site, run: QueueRun, asked: QueueFilter) -> Iterator[str]:
    """The CSV, read in parts: however many leads there are, few are held."""

    def parts() -> Iterator[list[dict[str, Any]]]:
        after = 0
        while True:
            with site.reading() as connection:
                rows = queue_page(connection, run, asked, PART_ROWS, after=after)
                decided = overrides_in_force(connection, site.project.name, run.number, rows)
            if not rows:
                return
            yield [row | {"override": decided.get(row["rank"])} for row in rows]
            after = rows[-1]["rank"]

    return csv_lines(parts())
