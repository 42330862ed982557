"""What the pages share: the project, its ledger, the templates and how they are filled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from features.errors import OutputError
from models.bands import band_lines
from pipeline.config import Project
from pipeline.ledger.store import Connection, Ledger
from pipeline.review import shown
from pipeline.review.lead_words import band_words
from pipeline.review.units import unit_of

__all__ = ["NO_DECISIONS", "STATIC", "Site", "wants_json"]

HERE = Path(__file__).parent
STATIC = HERE / "static"
TITLES = {
    400: "That can't be shown", 403: "Refused", 404: "Not found", 405: "Not that way", 413: "Too long",
    415: "Refused", 421: "Wrong address", 500: "Something went wrong", 503: "The ledger can't be reached",
}  # fmt: skip
HIGH, MIDDLE = 80.0, 50.0
NO_DECISIONS = (
    "Overrides are decisions about leads; this project scores others, and no scoring would read one."
)


def _templates() -> Environment:
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, autoescape=select_autoescape(default=True, default_for_string=True),
    )  # fmt: skip
    found.filters |= shown.FILTERS
    return found


@dataclass(frozen=True)
class Site:
    """One project's pages."""

    project: Project
    ledger: Ledger
    templates: Environment = field(default_factory=_templates)

    def __post_init__(self) -> None:
        self.templates.filters |= {"band_class": self.band_class, "band_name": self.band_name}

    @property
    def bands(self) -> list[str]:
        """Names of the project's bands, the highest first."""
        named = [name for _, name in reversed(band_lines(self.project.bands))]
        return [*named, self.project.bands.below_name]

    def band_name(self, name: str | None) -> str:
        """A band as people read it: the lowest after the line above it, unless the project named it."""
        return band_words(name, self.project.bands.below_name, band_lines(self.project.bands)[0][1])

    def band_class(self, name: str | None) -> str:
        """`high`, `mid` or `low`: how a band is coloured; one of another project file is `mid`."""
        if name == self.project.bands.below_name:
            return "low"
        cut = next((cut for cut, each in band_lines(self.project.bands) if each == name), MIDDLE)
        return "high" if cut >= HIGH else "mid" if cut >= MIDDLE else "low"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that only reads.

        Raises
        ------
        OutputError
            If the ledger is gone or can't be read; a file of SQLite is not made anew.
        """
        url = self.ledger.engine.url
        if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
            raise OutputError(f"The ledger {self.ledger.shown} is no longer there.")
        with self.ledger.reading() as connection:
            yield connection

    @property
    def can_decide(self) -> bool:
        """Whether overrides count here: they are decisions about leads, which scoring reads where leads are scored."""
        return self.project.target.entity == "lead"

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A template filled; every text is escaped.

        Every template knows `csrf`, the token that forms carry, `by`, who writes, and `unit`, what rows are called,
        and `can_decide`.
        """
        shared = {
            "unit": unit_of(self.project.target.entity), "can_decide": self.can_decide,
            "project": self.project.name, "path": request.url.path, "csrf": getattr(request.state, "csrf", ""),
            "by": getattr(request.state, "by", ""),
        }  # fmt: skip
        return HTMLResponse(self.templates.get_template(template).render(**shared | values), status)

    def json(self, values: Any, status: int = 200) -> JSONResponse:
        """The values as JSON; moments as ISO 8601."""
        return JSONResponse(jsonable_encoder(values), status)

    def fault(self, request: Request, status: int, why: str) -> Response:
        """What went wrong, in words: a page for people, JSON for programs."""
        if wants_json(request):
            return self.json({"error": why}, status)
        return self.page(request, "fault.html", status, title=TITLES.get(status, "Refused"), why=why)


def wants_json(request: Request) -> bool:
    """Whether a program asks: the address is the interface's, or it accepts JSON and no page."""
    accepted = request.headers.get("accept", "")
    return request.url.path.startswith("/api/") or (
        "application/json" in accepted and "text/html" not in accepted
    )
