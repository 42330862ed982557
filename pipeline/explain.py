"""One lead, explained: its score, what changed it, what may come next, as whole points that add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.asof import NEVER
from features.contracts import Tables
from features.errors import InputError
from features.settings import Entity
from models.bundle import Bundle
from models.overrides import Override
from models.rounding import whole_points
from models.scorer import Scorer
from models.wording import Wording
from pipeline.config import Project
from pipeline.open_leads import OpenLeads, leads_to_score, scored_chunks, why_unknown
from pipeline.overrides import overrides_of, recorded_overrides
from pipeline.reason_lines import reason_lines

if TYPE_CHECKING:
    from pipeline.changes import Change
    from pipeline.outlook import Outlook

__all__ = ["ExplainedLead", "Explanation", "band_lines", "explain_fully", "explain_lead"]

MQL_LINE, SQL_LINE = 50.0, 80.0


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


@dataclass(frozen=True)
class ExplainedLead:
    """All there is to say of a lead.

    Attributes
    ----------
    lines : name and place of each line of the scale, such as ("MQL", 50.0).
    is_bounded : whether the score lies within 0 to 100; that of a bare points table does not.
    override : what people decided about the lead; the score does not know of it.
    since : what changed since an earlier moment; None if nobody asked.
    """

    explanation: Explanation
    outlook: Outlook
    since: Change | None = None
    lines: tuple[tuple[str, float], ...] = field(default=())
    is_bounded: bool = True
    override: Override | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values: those of the explanation, `since` (or null), `outlook` and `override` (or null)."""
        since = None if self.since is None else self.since.to_json()
        override = None if self.override is None else self.override.to_json()
        return {
            **self.explanation.to_json(), "since": since, "outlook": self.outlook.to_json(), "override": override,
        }  # fmt: skip


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
    return _explanation(project, bundle, leads, _row_of(leads, tables, lead_id, project.target.entity))


def explain_fully(
    project: Project,
    bundle: Bundle,
    tables: Tables,
    lead_id: str,
    as_of: pd.Timestamp | None,
    since: pd.Timestamp | None = None,
    since_bundle: Bundle | None = None,
) -> ExplainedLead:
    """The explanation of one lead with its outlook and, if asked for, what changed since a moment.

    Parameters
    ----------
    since : the earlier moment, aware.
    since_bundle : the model at the earlier moment, if it was another one.

    Raises
    ------
    InputError
        If the lead is unknown, in quarantine or not open at as_of or at since.
    """
    from pipeline.changes import explain_change
    from pipeline.outlook import outlook_of_row

    leads = leads_to_score(tables, bundle, project, as_of)
    row = _row_of(leads, tables, lead_id, project.target.entity)
    change = None
    if since is not None:
        change = explain_change(project, bundle, tables, lead_id, since, as_of, before=since_bundle)
    return ExplainedLead(
        explanation=_explanation(project, bundle, leads, row),
        outlook=outlook_of_row(project, bundle, leads, row),
        since=change,
        lines=band_lines(bundle.scorer),
        is_bounded=bundle.scorer.table_lines is None,
        override=_override(project, bundle, tables, leads, row, is_present=as_of is None),
    )


def _override(
    project: Project, bundle: Bundle, tables: Tables, leads: OpenLeads, row: int, *, is_present: bool
) -> Override | None:
    recorded = recorded_overrides(project, leads.as_of, is_present=is_present)
    if not project.overrides.is_on and not recorded:
        return None
    chosen = leads.rows.take(np.array([row]))
    found = overrides_of(project, bundle.sources, tables, leads.data, chosen, leads.as_of, recorded)
    return found.by_row[0]


def band_lines(scorer: Scorer) -> tuple[tuple[str, float], ...]:
    """Name and place of each band's lower line, from the lowest; of a bare points table its own lines."""
    bands = scorer.bands
    if scorer.table_lines is not None:
        mql, sql = scorer.table_lines
        return ((bands.mql_name, mql), *(() if sql is None else ((bands.sql_name, sql),)))
    lines = {bands.mql_name: MQL_LINE, bands.sql_name: SQL_LINE, **bands.further}
    return tuple(sorted(lines.items(), key=lambda line: line[1]))


def _explanation(project: Project, bundle: Bundle, leads: OpenLeads, row: int) -> Explanation:
    chosen = OpenLeads(leads.data, leads.rows.take(np.array([row])), leads.as_of, [])
    (lead_id,), X, scored = next(iter(scored_chunks(chosen, bundle, 1, project.score.top_reasons)))
    lines = reason_lines(scored, 0, X[0], Wording(bundle.scorer.catalogue, project.phrases, project.words))
    rest = sum(line["points"] for line in lines if line["group"] == "rest")
    others = [line["points"] for line in lines if line["group"] != "rest"]
    whole = whole_points(
        np.atleast_1d(scored.explained.base_score), np.array([others]), np.array([rest]), scored.score
    )
    left = iter(whole.reasons[0].tolist())
    shown = [int(whole.rest[0]) if line["group"] == "rest" else int(next(left)) for line in lines]
    if whole.rest[0] and all(line["group"] != "rest" for line in lines):
        lines.append({"text": project.phrases.text("reason.rest"), "points": 0.0, "group": "rest"})
        shown.append(int(whole.rest[0]))
    p = float(scored.probability[0])
    return Explanation(
        lead_id=lead_id,
        as_of=None if leads.as_of == NEVER else str(np.datetime64(leads.as_of, "us")),
        probability=None if np.isnan(p) else p,
        score=float(scored.score[0]),
        band=str(scored.band[0]),
        grade=f"{scored.fit_grade[0]}{scored.engagement_grade[0]}",
        base_score=float(np.atleast_1d(scored.explained.base_score)[0]),
        reasons=lines,
        shown_score=int(whole.score[0]),
        shown_base=int(np.ravel(whole.base)[0]),
        shown_points=shown,
        model_version=bundle.model_version,
    )


def _row_of(leads: OpenLeads, tables: Tables, lead_id: str, entity: Entity) -> int:
    try:
        return leads.lead_ids.index(lead_id)
    except ValueError:
        raise InputError(_why_not(leads, tables, lead_id, entity)) from None


def _why_not(leads: OpenLeads, tables: Tables, lead_id: str, entity: Entity) -> str:
    moment = "" if leads.as_of == NEVER else f" at {np.datetime64(leads.as_of, 'us')} UTC"
    if lead_id in leads.not_open:
        return f"Lead '{lead_id}' is not open{moment}: it was created later, or already has its outcome."
    return why_unknown(tables, lead_id, entity)
