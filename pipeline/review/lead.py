"""The page of one lead: its score and reasons, what changed, who else is there, and the answers of sales."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.ledger.account import is_account
from pipeline.ledger.decisions import ACTIONS
from pipeline.ledger.feedback import CODES, MAX_NOTE
from pipeline.ledger.near_ids import nearest_ids
from pipeline.ledger.queue import find_queue_run, queue_page
from pipeline.review.asked import Asked, filter_of
from pipeline.review.lead_forms import FEEDBACK_FIELDS, OVERRIDE_FIELDS, Faults, send_feedback, send_override
from pipeline.review.lead_view import MOST_EVENTS, LeadView, lead_view
from pipeline.review.lead_words import days_words, ordinal, plural, signed
from pipeline.review.queue import PAGE_ROWS, STALE_DAYS
from pipeline.review.shown import lead_address
from pipeline.review.site import NO_DECISIONS, Site, wants_json

if TYPE_CHECKING:
    from pipeline.config import Project
    from pipeline.ledger.store import Connection

__all__ = ["lead_router"]

LARGEST = 2**31 - 1
LONGEST_ID = 1_000
TOLD = {
    "feedback": "Thank you: your answer is kept. It moves no score.",
    "override": "The decision is kept. It stands beside the score and moves it not.",
}
FILTERS = {
    "ordinal": ordinal, "plural": plural, "signed": signed, "days_from": lambda end, start: days_words(start, end),
}  # fmt: skip


def lead_router(site: Site) -> APIRouter:
    """`/lead`, `/api/lead`, and the forms that answer to a score."""
    router = APIRouter()
    site.templates.filters.update(FILTERS)

    @router.get("/lead")
    def show(request: Request) -> Response:
        return _page(site, request)

    @router.get("/api/lead")
    def tell(request: Request) -> Response:
        return _page(site, request)

    @router.post("/lead/feedback")
    def feedback(request: Request) -> Response:
        return _taken(site, request, "feedback")

    @router.post("/lead/override")
    def override(request: Request) -> Response:
        return _taken(site, request, "override")

    return router


def _taken(site: Site, request: Request, what: str) -> Response:
    """Write what a form says and go back to the page, or show it again with what is wrong."""
    form: Mapping[str, str] = request.state.form
    send = send_feedback if what == "feedback" else send_override
    if what == "override" and not site.can_decide:
        raise HTTPException(400, NO_DECISIONS)
    faults = send(site.ledger, site.project.name, form.get("id", ""), form, request.state.by)
    if faults:
        return _page(site, request, form, {what: faults})
    pairs = [*((name, form.get(name, "")) for name in ("id", "product", "run", "of")), ("told", what)]
    return RedirectResponse(f"/lead?{urlencode([each for each in pairs if each[1]])}", 303)


def _page(
    site: Site, request: Request, form: Mapping[str, str] | None = None, faults: Mapping[str, Faults] | None = None
) -> Response:  # fmt: skip
    asked: Mapping[str, str] = request.query_params if form is None else form
    lead_id, run = asked.get("id", ""), _run(asked.get("run"))
    with site.reading() as connection:
        is_text = 0 < len(lead_id) <= LONGEST_ID and "\x00" not in lead_id
        product = asked.get("product") or None
        is_asked = is_text and run != 0 and "\x00" not in (product or "")
        found = lead_view(connection, site.project, lead_id, run, product) if is_asked else None
        near = [] if found is not None or not is_text else nearest_ids(connection, site.project.name, lead_id)
        account = is_text and found is None and _is_account(connection, site.project, lead_id)
        place = None if found is None else _place(connection, site.project.name, found, asked)
    if found is None:
        return _unknown(site, request, asked, near, is_account=account)
    if wants_json(request):
        return site.json({**found.to_json(), "next": place and place["next"]})
    status = 400 if faults else 200
    return site.page(
        request, "lead.html", status, place=place, **_content(found, asked, form or {}, faults or {})
    )


def _place(
    connection: Connection, project: str, view: LeadView, asked: Mapping[str, str]
) -> dict[str, Any] | None:
    """Where the lead stands in the queue it was opened from: the way back, and who is next there.

    None for a lead that the run shown first no longer scores, where no run was asked for: its own queue is history.
    """
    run = None if view.is_present else _run(asked.get("run"))
    of_run = find_queue_run(connection, project, view.lead.run) if view.is_present or run else None
    if of_run is None:
        return None
    queue = Asked(filter_of(asked.get("of", "")), run)
    # who searched looked for somebody, and to find nobody further is to read the rest of a run
    is_list = queue.filter.search is None
    rows = queue_page(connection, of_run, queue.filter, 1, after=view.lead.rank) if is_list else []
    first = (view.lead.rank - 1) // PAGE_ROWS * PAGE_ROWS if queue.filter.is_open else 0
    return {
        "of": queue.words,
        "back": queue.address(after=first or None),
        "is_last": is_list and not rows,
        "next": None
        if not rows
        else {
            "lead_id": rows[0]["lead_id"],
            "name": rows[0]["name"],
            "address": lead_address(rows[0]["lead_id"], rows[0]["product"], run, queue.words),
        },
    }


def _is_account(connection: Connection, project: Project, text: str) -> bool:
    projects = [project.name, *(project.for_target(each).name for each in project.targets)]
    return is_account(connection, projects, text)


def _content(
    view: LeadView, asked: Mapping[str, str], form: Mapping[str, str], faults: Mapping[str, Faults]
) -> dict[str, Any]:  # fmt: skip
    today = datetime.now(UTC).date()
    filled = {name: form.get(name, "") for name in (*FEEDBACK_FIELDS, *OVERRIDE_FIELDS)}
    return {
        "view": view, "lead": view.lead, "told": TOLD.get(asked.get("told", "")), "filled": filled,
        "faults": {name: faults.get(name, {}) for name in ("feedback", "override")}, "codes": CODES,
        "actions": [each for each in ACTIONS if each != "lift"], "most_note": MAX_NOTE, "most_events": MOST_EVENTS,
        "today": today, "tomorrow": today + timedelta(days=1),
        "band_name": view.band_name, "days_old": _days_old(view, today),
        "can_lift": any(each["kind"] == "lead_id" for each in view.decisions),
    }  # fmt: skip


def _days_old(view: LeadView, today: date) -> int | None:
    """Age of the score where that is the latest of an open lead and no longer fresh."""
    as_of = view.lead.as_of
    if as_of is None or view.ended is not None or not view.is_latest:
        return None
    days = (today - as_of.date()).days
    return days if days >= STALE_DAYS else None


def _unknown(
    site: Site, request: Request, asked: Mapping[str, str], near: list[str], *, is_account: bool
) -> Response:
    lead_id, product = asked.get("id", "")[:LONGEST_ID], asked.get("product")
    if not lead_id:
        why = "The address names no lead; it ends in ?id= and the id of a lead."
    elif lead_id in near and product:
        why = (
            f"The lead '{lead_id}' has scores, but none for '{product[:100]}' in the run asked for; without a product "
            "the link shows its best."
        )
    elif lead_id in near:
        why = f"The run that the address names has not scored the lead '{lead_id}'; others have."
    else:
        why = f"No run in the ledger of {site.project.name} has scored a lead '{lead_id}'."
    if wants_json(request):
        return site.json({"error": why, "nearest": near, "is_account": is_account}, 404)
    return site.page(
        request, "lead_unknown.html", 404, why=why, near=near, asked=lead_id, is_account=is_account
    )


def _run(text: str | None) -> int | None:
    """The number of a run; None if none is asked for, 0, which no run has, if it is no number."""
    if text is None or not text.strip():
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST))
    return min(int(text), LARGEST) if is_number else 0
