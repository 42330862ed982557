"""Why a lead's score moved from one run to the next: parts that add up, and what else was new.

What a run wrote down is compared, nothing is computed again: so the answer is the same next year, whatever has become
of tables and models since.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import fsum
from typing import Any

from sqlalchemy import Connection, Select, select

from pipeline.ledger.schema import DETAILS, RUNS, SCORES

__all__ = ["BASE", "LIMIT", "Changed", "ChangedValue", "Part", "changes_over_runs", "what_changed"]

BASE, LIMIT = "base", "limit"
ROUNDED = (
    1e-3  # the ledger rounds each group's points to a millionth: a smaller rest is no limit of the scale
)
_OF_SCALE = {BASE: "where an average lead starts", LIMIT: "limit of the scale"}
MOST_RUNS = 400
_LATEST_FIRST = (RUNS.c.as_of.desc().nulls_last(), RUNS.c.number.desc())


@dataclass(frozen=True)
class Part:
    """Points that a reason group, the base or the limit of the scale brought or took.

    Attributes
    ----------
    name : of the group, `base` or `limit`.
    words : what sales calls it, as the later run wrote it down; the name where it wrote nothing.
    """

    name: str
    points: float
    words: str = ""


@dataclass(frozen=True)
class ChangedValue:
    """An attribute that held another value at the run before; None is a missing one."""

    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Changed:
    """One lead in two runs, the later one and the one before that scored the lead.

    Attributes
    ----------
    parts : what moved the score, the largest first; their sum is `change`. `base`: where an average lead starts;
        `limit`: the ends of the scale.
    is_new_model : whether another model scored; then groups differ for more than what the lead did.
    is_new_scale : whether the MQL and SQL lines lie at other probabilities.
    attributes : those that both runs wrote down and that differ.
    events : (moment, type) that the later run knew and the earlier one did not, the earliest first.
    """

    lead_id: str
    product: str
    run: int
    run_before: int
    as_of: datetime | None
    as_of_before: datetime | None
    score: float
    score_before: float
    band: str
    band_before: str
    model_version: str
    model_before: str
    is_new_scale: bool
    parts: tuple[Part, ...]
    attributes: tuple[ChangedValue, ...]
    events: tuple[tuple[datetime, str], ...]

    @property
    def change(self) -> float:
        """Points."""
        return self.score - self.score_before

    @property
    def is_new_model(self) -> bool:
        """Whether the two runs scored with different models."""
        return self.model_version != self.model_before

    @property
    def band_crossed(self) -> bool:
        """Whether the lead is in another band."""
        return self.band != self.band_before

    @property
    def most(self) -> Part | None:
        """The reason group that moved the score most; None if none did."""
        return next((part for part in self.parts if part.name not in {BASE, LIMIT}), None)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        moments = {name: _iso(getattr(self, name)) for name in ("as_of", "as_of_before")}
        lists = {name: [vars(each) for each in getattr(self, name)] for name in ("parts", "attributes")}
        told = {name: getattr(self, name) for name in ("change", "is_new_model", "band_crossed")}
        return {
            **vars(self),
            **moments,
            **lists,
            **told,
            "events": [[_iso(at), kind] for at, kind in self.events],
        }


def what_changed(
    connection: Connection, project: str, lead_id: str, run: int | None = None, product: str | None = None
) -> Changed | None:
    """What moved a lead's score at a run; None if the run, or no run before it, has scored the lead.

    Parameters
    ----------
    run : number of a run; without one the latest that scored the lead.
    product : where products are scored; without one the lead's best in that run.
    """
    keys = _runs_of(project, lead_id)
    keys = keys if run is None else keys.where(SCORES.c.run == run)
    keys = keys if product is None else keys.where(SCORES.c.product == product)
    last = connection.execute(keys.order_by(*_LATEST_FIRST, SCORES.c.rank).limit(1)).first()
    if last is None:
        return None
    of_product = _wide(project, lead_id).where(SCORES.c.product == last.product)
    is_alike = RUNS.c.target.is_not_distinct_from(last.target)
    before = of_product.where(_is_before(last), is_alike).order_by(*_LATEST_FIRST).limit(1)
    now = of_product.where(SCORES.c.run == last.number)
    rows = [*connection.execute(before), *connection.execute(now)]
    return _changed(rows[0], rows[1]) if len(rows) == 2 else None


def changes_over_runs(connection: Connection, project: str, lead_id: str) -> list[Changed]:
    """What moved a lead's score at each run that scored it but the first, by product; of very many the latest."""
    asked = _wide(project, lead_id).order_by(*_LATEST_FIRST).limit(MOST_RUNS)
    rows = list(connection.execute(asked))[::-1]
    products = sorted({row.product for row in rows})
    return [
        _changed(before, now)
        for product in products
        for before, now in pairwise([row for row in rows if row.product == product])
    ]


def _runs_of(project: str, lead_id: str) -> Select[Any]:
    """Number, moment, rank and product of the complete runs that scored the lead."""
    return (
        select(RUNS.c.number, RUNS.c.as_of, RUNS.c.target, SCORES.c.rank, SCORES.c.product)
        .join_from(SCORES, RUNS, RUNS.c.number == SCORES.c.run)
        .where(SCORES.c.lead_id == lead_id, RUNS.c.project == project, RUNS.c.is_complete)
    )


def _wide(project: str, lead_id: str) -> Select[Any]:
    """The same with all that is compared."""
    return (
        _runs_of(project, lead_id)
        .add_columns(
            SCORES.c.lead_id, SCORES.c.score, SCORES.c.band, RUNS.c.model_version, RUNS.c.anchors, RUNS.c.manifest,
            RUNS.c.reason_groups, RUNS.c.attributes.label("names"), DETAILS.c.base_score, DETAILS.c.contributions,
            DETAILS.c.attributes, DETAILS.c.events,
        )
        .join(DETAILS, (DETAILS.c.run == SCORES.c.run) & (DETAILS.c.rank == SCORES.c.rank))
    )  # fmt: skip


def _is_before(run: Any) -> Any:
    """Runs of an earlier moment; of a flat export, which has none, runs recorded before."""
    if run.as_of is None:
        return RUNS.c.as_of.is_(None) & (RUNS.c.number < run.number)
    return RUNS.c.as_of < run.as_of


def _changed(before: Any, now: Any) -> Changed:
    return Changed(
        lead_id=now.lead_id, product=now.product, run=now.number, run_before=before.number,
        as_of=now.as_of, as_of_before=before.as_of, score=now.score, score_before=before.score,
        band=now.band, band_before=before.band, model_version=now.model_version,
        model_before=before.model_version, is_new_scale=json.loads(now.anchors) != json.loads(before.anchors),
        parts=_parts(before, now), attributes=tuple(_values(before, now)), events=tuple(_events(before, now)),
    )  # fmt: skip


def _parts(before: Any, now: Any) -> tuple[Part, ...]:
    """What moved, the largest first; the rest is the limit of the scale, a mere rounding goes to the largest."""
    old, new = _points(before), _points(now)
    moves = {name: new.get(name, 0.0) - old.get(name, 0.0) for name in {**old, **new}}
    rest = (now.score - before.score) - fsum(moves.values())
    if abs(rest) < ROUNDED and moves:
        moves[max(moves, key=lambda name: abs(moves[name]))] += rest
    else:
        moves[LIMIT] = rest
    words = {**_OF_SCALE, **_words(before), **_words(now)}
    parts = [Part(name, points, words.get(name, name)) for name, points in moves.items() if points]
    return tuple(sorted(parts, key=lambda part: (-abs(part.points), part.name)))


def _points(row: Any) -> dict[str, float]:
    groups: Sequence[str] = json.loads(row.reason_groups)
    return {BASE: row.base_score, **dict(zip(groups, json.loads(row.contributions), strict=True))}


def _words(run: Any) -> dict[str, str]:
    found: dict[str, str] = json.loads(run.manifest).get("group_words", {})
    return found


def _values(before: Any, now: Any) -> Iterator[ChangedValue]:
    old, new = (
        dict(zip(json.loads(row.names), json.loads(row.attributes or "null") or [], strict=False))
        for row in (before, now)
    )
    for name, value in new.items():
        if name in old and old[name] != value:
            yield ChangedValue(name, old[name], value)


def _events(before: Any, now: Any) -> Iterator[tuple[datetime, str]]:
    for moment, kind in json.loads(now.events or "[]"):
        at = datetime.fromisoformat(moment)
        # a run keeps what the run before it did not know; that one may have lacked this lead
        if before.as_of is None or at >= before.as_of:
            yield at, kind


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
