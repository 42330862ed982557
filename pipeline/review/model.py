"""The manager's page: promises kept or not, what a cutoff finds, what sales answered, runs, acts and the model card."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

from models.bands import band_lines
from pipeline.ledger.acts import acts_of
from pipeline.ledger.decisions import active_decisions
from pipeline.ledger.figures import (
    answered_leads,
    crossings,
    first_leads,
    ledger_state,
    movers,
    recent_runs,
    score_heaps,
)
from pipeline.ledger.queue import find_run_before
from pipeline.ledger.worked import feedback_summary, worked_share
from pipeline.review.model_card import card_blocks, card_file
from pipeline.review.model_facts import Kept, Memory, amount, promise_facts, share_within
from pipeline.review.model_svg import Interval, curve_chart, kept_chart, reliability_chart
from pipeline.review.model_what_if import Found, everyone, from_each_score, together
from pipeline.review.site import Site

if TYPE_CHECKING:
    from pipeline.ledger.store import Connection

__all__ = ["model_router"]

MOST_RUNS, MOST_ACTS, MOST_DECISIONS, MOST_MOVERS = 60, 30, 200, 20
MQL_LINE = 50
Cutoff = Query(MQL_LINE, ge=0, le=100)
FirstN = Query("", max_length=9)
Number = Query(ge=1, le=2**31 - 1)


def model_router(site: Site) -> APIRouter:
    """`/model`, `/model/run` and their JSON."""
    router = APIRouter()
    memory = Memory()
    site.templates.filters["amount"] = amount

    @router.get("/model", response_class=HTMLResponse)
    def show(request: Request, cutoff: int = Cutoff, first: str = FirstN) -> HTMLResponse:
        found = _facts(site, memory, cutoff, first)
        card = None if found["run"] is None else card_file(site.project, found["run"]["model_version"])
        blocks = [] if card is None else card_blocks(card.read_text(encoding="utf-8", errors="replace"))
        return site.page(
            request,
            "model.html",
            **found,
            charts=_charts(site, found),
            card=blocks,
            lines=_lines(site, found),
        )

    @router.get("/api/model")
    def tell(cutoff: int = Cutoff, first: str = FirstN) -> JSONResponse:
        return site.json(_facts(site, memory, cutoff, first))

    @router.get("/model/run", response_class=HTMLResponse)
    def show_run(request: Request, number: int = Number) -> HTMLResponse:
        return site.page(request, "model_run.html", **_run_facts(site, number))

    @router.get("/api/model/run")
    def tell_run(number: int = Number) -> JSONResponse:
        return site.json(_run_facts(site, number))

    return router


def _facts(site: Site, memory: Memory, cutoff: int, first: str) -> dict[str, Any]:
    project = site.project.name
    with site.reading() as connection:
        runs = recent_runs(connection, project, MOST_RUNS + 1)
        state = ledger_state(connection, project)
        promised = memory.recall(
            "promises", state, lambda: promise_facts(connection, site.project, site.bands)
        )
        return {
            "run": runs[0] if runs else None,
            "promises": promised,
            "what_if": _what_if(connection, memory, state, runs, cutoff, first),
            "answers": _answers(connection, project, memory, state),
            "decisions": active_decisions(connection, project, datetime.now(UTC), limit=MOST_DECISIONS),
            "runs": runs[:MOST_RUNS],
            "has_more_runs": len(runs) > MOST_RUNS,
            "acts": acts_of(connection, project, MOST_ACTS),
        }


def _what_if(
    connection: Connection, memory: Memory, state: Any, runs: list[dict[str, Any]], cutoff: int, first: str
) -> dict[str, Any] | None:
    """What each cutoff finds, and the one that is asked for."""
    if not runs:
        return None
    run = runs[0]["number"]
    heaps = memory.recall("heaps", (state, run), lambda: score_heaps(connection, run))
    rows = from_each_score(heaps)
    n = int(first) if first.isascii() and first.isdigit() and int(first) > 0 else None
    chosen = rows[cutoff] if n is None else together(first_leads(connection, run, n), everyone(heaps))
    return {
        "n": everyone(heaps).n,
        "cutoff": cutoff if n is None else chosen.score,
        "first": n,
        "chosen": chosen,
        "rows": rows,
    }


def _answers(connection: Connection, project: str, memory: Memory, state: Any) -> dict[str, Any]:
    """What sales answered, which leads were worked, and what is known of the answered leads so far."""
    summary = feedback_summary(connection, project)
    worked = memory.recall("worked", (state, summary["answers"]), lambda: worked_share(connection, project))
    came = [
        {**vars(each), **dict(zip(("share", "low", "high"), share_within(each.won, each.n), strict=True))}
        for each in answered_leads(connection, project)
    ]
    return {"summary": summary, "worked": worked, "came": came}


def _run_facts(site: Site, number: int) -> dict[str, Any]:
    with site.reading() as connection:
        run = recent_runs(connection, site.project.name, 1, number=number)
        if not run:
            raise HTTPException(404, f"The ledger has no complete run {number} of this project.")
        found = crossings(connection, number)
        return {
            "run": run[0],
            "before": find_run_before(connection, site.project.name, number, run[0]["as_of"]),
            "crossings": [each for each in found if each.before != each.after],
            "stayed": sum(each.n for each in found if each.before == each.after),
            "movers": movers(connection, number, MOST_MOVERS),
        }


def _charts(site: Site, found: dict[str, Any]) -> dict[str, Any]:
    promised, what_if = found["promises"], found["what_if"]
    bands = [replace(each, name=site.band_name(each.name)) for each in promised["bands"]]
    rows: list[Found] = [] if what_if is None else what_if["rows"]
    is_told = bool(rows) and rows[0].of_conversions is not None
    return {
        "bands": kept_chart(_intervals(bands)) if bands else None,
        "tenths": reliability_chart(_intervals(promised["tenths"])) if promised["tenths"] else None,
        "curve": curve_chart(
            [each.of_conversions or 0.0 for each in rows], [each.of_leads for each in rows], what_if["cutoff"]
        )
        if is_told
        else None,
    }


def _lines(site: Site, found: dict[str, Any]) -> list[tuple[float, str]]:
    """Place and name of each band's line; a bare points table has lines of its own, which the project doesn't tell."""
    what_if = found["what_if"]
    has_chances = what_if is not None and what_if["rows"][0].of_conversions is not None
    return band_lines(site.project.bands) if has_chances else []


def _intervals(rows: list[Kept]) -> list[Interval]:
    return [Interval(each.name, each.mean, each.share, each.low, each.high, each.n) for each in rows]
