"""One lead, explained: its score and the reasons as whole points that add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from features.asof import NEVER
from features.contracts import Tables
from features.errors import InputError
from models.bundle import Bundle
from models.rounding import whole_points
from models.wording import REST_TEXT, Wording
from pipeline.config import Project
from pipeline.score import OpenLeads, leads_to_score, reason_lines, scored_chunks

__all__ = ["Explanation", "explain_lead", "render"]


@dataclass(frozen=True)
class Explanation:
    """One lead's score: exact points in data, whole points for people."""

    lead_id: str
    as_of: str | None
    probability: float | None
    score: float
    band: str
    grade: str
    base_score: float
    reasons: list[dict[str, Any]]
    shown_score: int
    shown_base: int
    shown_points: list[int]
    model_version: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(self.__dict__)


def explain_lead(
    project: Project, bundle: Bundle, tables: Tables, lead_id: str, as_of: pd.Timestamp | None
) -> Explanation:
    """The explanation of one lead.

    Raises
    ------
    InputError
        If the lead is unknown, in quarantine or not open at as_of.
    """
    leads = leads_to_score(tables, bundle, project, as_of)
    wanted = np.array([each == lead_id for each in leads.lead_ids], dtype=bool)
    if not wanted.any():
        raise InputError(_why_not(leads, tables, lead_id))
    chosen = OpenLeads(leads.data, leads.rows.take(wanted), leads.as_of, [])
    _, X, scored = next(iter(scored_chunks(chosen, bundle, 1, project.score.top_reasons)))
    lines = reason_lines(scored, 0, X[0], Wording(bundle.scorer.catalogue))
    rest = sum(line["points"] for line in lines if line["group"] == "rest")
    others = [line["points"] for line in lines if line["group"] != "rest"]
    whole = whole_points(
        np.array([scored.explained.base_score]), np.array([others]), np.array([rest]), scored.score
    )
    left = iter(whole.reasons[0].tolist())
    shown = [int(whole.rest[0]) if line["group"] == "rest" else int(next(left)) for line in lines]
    if whole.rest[0] and all(line["group"] != "rest" for line in lines):
        lines.append({"text": REST_TEXT, "points": 0.0, "group": "rest"})
        shown.append(int(whole.rest[0]))
    p = float(scored.probability[0])
    return Explanation(
        lead_id=lead_id,
        as_of=None if leads.as_of == NEVER else str(np.datetime64(leads.as_of, "us")),
        probability=None if np.isnan(p) else p,
        score=float(scored.score[0]),
        band=str(scored.band[0]),
        grade=f"{scored.fit_grade[0]}{scored.engagement_grade[0]}",
        base_score=float(scored.explained.base_score),
        reasons=lines,
        shown_score=int(whole.score[0]),
        shown_base=int(np.ravel(whole.base)[0]),
        shown_points=shown,
        model_version=bundle.model_version,
    )


def _why_not(leads: OpenLeads, tables: Tables, lead_id: str) -> str:
    moment = "" if leads.as_of == NEVER else f" at {np.datetime64(leads.as_of, 'us')} UTC"
    if lead_id in leads.not_open:
        return f"Lead '{lead_id}' is not open{moment}: it was created later, or already has its outcome."
    held = tables.quarantine[
        (tables.quarantine["table"] == "leads") & (tables.quarantine["lead_id"] == lead_id)
    ]
    if len(held):
        return f"Lead '{lead_id}' is in quarantine: {held.iloc[0]['code']}, {held.iloc[0]['detail']}."
    import difflib

    near = difflib.get_close_matches(lead_id, leads.lead_ids, n=1)
    return f"There is no lead '{lead_id}' in the leads table." + (
        f" Did you mean '{near[0]}'?" if near else ""
    )


def render(found: Explanation, console: Console) -> None:
    """Print the explanation as a table whose whole points add up to the score."""
    chance = "" if found.probability is None else f", {100 * found.probability:.1f} % chance to convert"
    console.print(
        Text.assemble(
            (f"Lead {found.lead_id}", "bold"), ": score ", (str(found.shown_score), "bold"),
            f", {found.band}, grade {found.grade}{chance}",
        ),
        soft_wrap=True,
    )  # fmt: skip
    if found.as_of:
        console.print(
            f"As of {found.as_of[:16].replace('T', ' ')} UTC, model {found.model_version}", style="dim"
        )
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("Points", justify="right")
    table.add_column("Reason")
    table.add_row(f"{found.shown_base}", "An average lead starts here")
    for line, points in zip(found.reasons, found.shown_points, strict=True):
        table.add_row(f"{points:+d}" if points else "0", Text(line["text"]))
    table.add_section()
    table.add_row(f"[bold]{found.shown_score}[/]", "[bold]Score[/]")
    console.print(table)
    console.print("A reason goes with the score; it is not proof of a cause.", style="dim")
