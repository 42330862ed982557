"""The page of one lead: its score and reasons, what changed, who else is there, and the answers of sales."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.ledger.decisions import ACTIONS
from pipeline.ledger.feedback import CODES, MAX_NOTE
from pipeline.ledger.near_ids import nearest_ids
from pipeline.review.lead_forms import FEEDBACK_FIELDS, OVERRIDE_FIELDS, Faults, send_feedback, send_override
from pipeline.review.lead_view import MOST_EVENTS, LeadView, lead_view
from pipeline.review.lead_words import days_words, ordinal, plural, signed
from pipeline.review.queue import STALE_DAYS
from pipeline.review.site import Site, wants_json

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
    faults = send(site.ledger, site.project.name, form.get("id", ""), form, request.state.by)
    if faults:
        return _page(site, request, form, {what: faults})
    pairs = [("id", form["id"]), ("product", form.get("product", "")), ("told", what)]
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
    if found is None:
        return _unknown(site, request, lead_id, near, is_of_run=run is not None)
    if wants_json(request):
        return site.json(found.to_json())
    status = 400 if faults else 200
    return site.page(request, "lead.html", status, **_content(found, asked, form or {}, faults or {}))


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


def _unknown(site: Site, request: Request, lead_id: str, near: list[str], *, is_of_run: bool) -> Response:
    asked = lead_id[:LONGEST_ID]
    if not asked:
        why = "The address names no lead; it ends in ?id= and the id of a lead."
    elif is_of_run and asked in near:
        why = f"The run that the address names has not scored the lead '{asked}'; others have."
    else:
        why = f"No run in the ledger of {site.project.name} has scored a lead '{asked}'."
    if wants_json(request):
        return site.json({"error": why, "nearest": near}, 404)
    return site.page(request, "lead_unknown.html", 404, why=why, near=near, asked=asked)


def _run(text: str | None) -> int | None:
    """The number of a run; None if none is asked for, 0, which no run has, if it is no number."""
    if text is None or not text.strip():
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST))
    return min(int(text), LARGEST) if is_number else 0
