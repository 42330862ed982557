"""Promotions, rollbacks and lines set anew beside the scores they explain; a copy, for the registry decides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from features.errors import LeadScoringError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from models.bundle import Bundle
    from pipeline.config import Project
    from pipeline.tracking_registry import Move

__all__ = ["acts_of", "record_act"]

COLUMNS = ("number", "kind", "model_version", "former", "anchors", "why", "by", "recorded_at")


def record_act(project: Project, move: Move, bundle: Bundle) -> str | None:
    """None where the act stands in the project's ledger or it keeps none; else a sentence why it could not be written.

    The act itself is done and recorded in the registry, so nothing here may fail it.

    Parameters
    ----------
    move, bundle : what the registry recorded, and the champion from then on.
    """
    if project.ledger.url is None:
        return None
    record, anchors = move.record, bundle.scorer.anchors
    values = {
        "project": project.name, "kind": record.kind, "model_version": bundle.model_version,
        "former": move.former_model, "anchors": json.dumps(anchors.to_json()), "why": record.why, "by": record.by,
        "recorded_at": record.at,
    }  # fmt: skip
    try:
        _write(project, values)
    except LeadScoringError as error:
        return f"The act is done, but the ledger does not show it: {error}"
    return None


def acts_of(connection: Connection, project: str, limit: int = 100) -> list[dict[str, Any]]:
    """The acts of a project, the newest first; `anchors` as {"p_mql", "p_sql", ...}, `former` is a model_version."""
    from sqlalchemy import select

    from pipeline.ledger.schema import ACTS

    asked = (
        select(*(ACTS.c[name] for name in COLUMNS))
        .where(ACTS.c.project == project)
        .order_by(ACTS.c.recorded_at.desc(), ACTS.c.number.desc())
        .limit(limit)
    )
    found = [dict(row) for row in connection.execute(asked).mappings()]
    return [row | {"anchors": json.loads(row["anchors"]) if row["anchors"] else None} for row in found]


def _write(project: Project, values: dict[str, Any]) -> None:
    from sqlalchemy import insert

    from pipeline.ledger.schema import ACTS
    from pipeline.ledger.store import open_ledger

    with open_ledger(project, is_new_allowed=True).writing() as connection:
        connection.execute(insert(ACTS).values(values))
