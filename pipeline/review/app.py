"""The web app: pages and JSON on one project's ledger, for this machine alone."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from features.errors import InputError, LeadScoringError, OutputError
from pipeline.cli_registry import acting_name
from pipeline.config import Project
from pipeline.ledger.store import open_ledger
from pipeline.review.account import account_router
from pipeline.review.lead import lead_router
from pipeline.review.model import model_router
from pipeline.review.queue import queue_router
from pipeline.review.security import Guard
from pipeline.review.site import STATIC, Site

__all__ = ["PORT", "create_app"]

PORT = 8765
# FastAPI reports requests and failures, with what stood in them, where the environment names a collector
TELEMETRY: Any = {
    "tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False,
}  # fmt: skip
SAID = {404: "There is no such page.", 405: "This page can't be asked in that way."}


def create_app(project: Project, *, host: str = "127.0.0.1", port: int = PORT) -> FastAPI:
    """The app on the project's ledger, which answers at `host` and `port` alone.

    Raises
    ------
    ConfigError, InputError, OutputError
        As `pipeline.ledger.store.open_ledger`.
    """
    site = Site(project, open_ledger(project))
    app = FastAPI(title="lead-scoring", docs_url=None, redoc_url=None, openapi_url=None, telemetry=TELEMETRY)
    app.add_middleware(Guard, host=host, port=port, default_name=_login_name(), refuse=site.fault)
    _tell_faults(app, site)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for router in (queue_router, lead_router, account_router, model_router):
        app.include_router(router(site))
    return app


def _login_name() -> str:
    try:
        return acting_name(None)
    except InputError:  # then the forms ask for it
        return ""


def _tell_faults(app: FastAPI, site: Site) -> None:
    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        is_bare = error.status_code in SAID and error.detail in {"Not Found", "Method Not Allowed"}
        return site.fault(request, error.status_code, SAID[error.status_code] if is_bare else error.detail)

    @app.exception_handler(RequestValidationError)
    def unreadable(request: Request, error: RequestValidationError) -> Response:
        faults = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return site.fault(request, 400, f"The address or form can't be read: {faults}.")

    @app.exception_handler(LeadScoringError)
    def failed(request: Request, error: LeadScoringError) -> Response:
        return site.fault(request, 503 if isinstance(error, OutputError) else 400, str(error))
