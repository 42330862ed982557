"""The page of one account: its score, its people, who is missing, and what was decided about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from features.errors import InputError
from pipeline.ledger.decisions import add_decision
from pipeline.review.account_facts import account_facts
from pipeline.review.account_svg import account_chart
from pipeline.review.site import NO_DECISIONS, Site

__all__ = ["account_router"]

ACTIONS = ("raise", "hold", "disqualify")
FIELDS = ("action", "owner", "reason", "until")
NO_ACCOUNT = (
    "No run in the ledger knows this account. Ids are those of the tables; search the queue for the company."
)


def account_router(site: Site) -> APIRouter:
    """`/account`, `/api/account`, and the form that decides about an account."""
    router = APIRouter()

    @router.get("/account", response_class=HTMLResponse)
    def show(request: Request, id: str = "") -> Response:  # noqa: A002 - the address says id
        return _page(site, request, id)

    @router.get("/api/account")
    def tell(id: str = "") -> JSONResponse:  # noqa: A002
        return site.json(_facts(site, id))

    @router.post("/account/override")
    def decide(request: Request) -> Response:
        form = request.state.form
        subject = form.get("id", "")
        if not site.can_decide:
            raise HTTPException(400, NO_DECISIONS)
        try:
            _add(site, subject, form, request.state.by)
        except InputError as error:
            return _page(site, request, subject, 400, said=str(error), form=form)
        return RedirectResponse(f"/account?{urlencode({'id': subject})}#decision", 303)

    return router


def _facts(site: Site, account_id: str) -> dict[str, Any]:
    with site.reading() as connection:
        # no database holds such an id, and PostgreSQL can't even be asked
        is_text = "\x00" not in account_id
        found = account_facts(connection, site.project, account_id) if is_text else None
    if found is None:
        raise HTTPException(404, NO_ACCOUNT)
    return found


def _page(
    site: Site, request: Request, account_id: str, status: int = 200, *, said: str | None = None,
    form: Mapping[str, str] | None = None,
) -> HTMLResponse:  # fmt: skip
    found = _facts(site, account_id)
    filled = {name: (form or {}).get(name, "") for name in FIELDS}
    return site.page(
        request, "account.html", status, account=found, chart=account_chart(found["history"]), said=said,
        filled=filled, actions=ACTIONS,
    )  # fmt: skip


def _add(site: Site, subject: str, form: Mapping[str, str], by: str) -> None:
    action = form.get("action", "")
    is_lift = action == "lift"
    add_decision(
        site.ledger, site.project.name, kind="account_id", subject=subject, action=action,
        owner=by if is_lift else form.get("owner", ""), reason=form.get("reason", ""),
        until=None if is_lift else _day(form.get("until", "")), by=by,
    )  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text.strip() else None
    except ValueError as error:
        raise InputError(f"until is no day: {text!r:.40}. Write it as 2026-03-31.") from error
