"""Why a score changed: the exact split of the difference between two scorings of a lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import Examples, microseconds, open_examples
from features.builder import build_features
from features.contracts import Tables
from features.errors import InputError
from features.hindsight import as_if
from features.prepare import Prepared, prepare
from models.attribution import shapley
from models.bundle import Bundle
from models.rounding import whole_points
from models.scorer import Scored
from pipeline.changes_facts import Facts, facts_of, moment_text, require_open, tables_around
from pipeline.changes_words import ChangeWords
from pipeline.config import Project
from pipeline.dataset import data_end_of
from pipeline.open_leads import tables_for

__all__ = ["PLAYERS", "Change", "Changes", "changes", "explain_change"]

Float64 = NDArray[np.float64]
Player = Literal["time", "events", "fields", "model"]
PLAYERS: tuple[Player, ...] = ("time", "events", "fields", "model")
_TIME, _EVENTS, _FIELDS = 1, 2, 4


@dataclass(frozen=True)
class Changes:
    """Differences of many leads, split; unbounded points (of a bare points table, its own).

    Attributes
    ----------
    lead_ids : leads in the same spell at both moments, sorted.
    points : (4, n), one row a player in the order of `PLAYERS`; they sum to `after - before`, to 1e-6.
    before, after : (n,) points at the earlier moment and at the later.
    """

    lead_ids: list[str]
    points: Float64
    before: Float64
    after: Float64


@dataclass(frozen=True)
class Change:
    """The difference of one lead's two scores in lines that add up to it, to 1e-6.

    Attributes
    ----------
    since, as_of : the two moments, ISO, UTC.
    difference : of the scores as shown, `score_after - score_before`.
    lines : {"text", "points", "kind"}; kind is time, events, fields, model or limit.
    shown_points : whole points of the lines; they add up to `shown_after - shown_before`.
    not_attributable : sentences on what can't be rebuilt as it was at `since`.
    """

    lead_id: str
    since: str
    as_of: str
    score_before: float
    score_after: float
    band_before: str
    band_after: str
    difference: float
    lines: list[dict[str, Any]]
    shown_points: list[int]
    shown_before: int
    shown_after: int
    not_attributable: list[str]
    model_version_before: str
    model_version: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(self.__dict__)


def changes(
    before: Bundle,
    after: Bundle,
    data_before: Prepared,
    data_after: Prepared,
    t0: int,
    t1: int,
    lead_ids: Sequence[str] | None = None,
) -> Changes:
    """Points that time, events, fields and the model each add between two moments, for many leads at once.

    Each is a Shapley value over the 16 mixtures of then and now (`features.hindsight.as_if`): the mean over
    all orders in which the four could have changed. What did not change gets exactly 0.

    Parameters
    ----------
    before, after : the models at t0 and at t1; of one version, half of the mixtures are left out.
    data_before, data_after : the same export, prepared with the sources of each bundle.
    t0, t1 : microseconds, t0 < t1.
    lead_ids : leads to look at; all that are in the same spell at both moments if not given.

    Raises
    ------
    InputError
        If a named lead is not open, in the same spell, at both moments.
    """
    is_same = before.model_version == after.model_version
    known = _open_at_both(data_after, t0, t1)
    shared = known if is_same else known.keys() & _open_at_both(data_before, t0, t1).keys()
    chosen = sorted(shared) if lead_ids is None else list(lead_ids)
    lost = [each for each in chosen if each not in shared]
    if lost:
        raise InputError(
            f"{len(lost)} of {len(chosen)} leads are not open, in the same spell, at both moments; "
            f"the first is '{lost[0]}'. Leave them out."
        )
    values = _points_of_mixtures(after, data_after, t0, t1, chosen)
    if is_same:
        split = np.vstack([shapley(values), np.zeros((1, len(chosen)))])
    else:
        values = np.vstack([_points_of_mixtures(before, data_before, t0, t1, chosen), values])
        split = shapley(values)
    return Changes(chosen, split, values[0], values[-1])


def _open_at_both(data: Prepared, t0: int, t1: int) -> dict[str, int]:
    """Positions by id of the leads whose spell was open at t0 and still is at t1."""
    assert data.spells is not None
    # of an account the spells of its people, which overlap
    is_open = (data.spells.start < t0) & (data.spells.end >= t1)
    lead = np.unique(data.spells.lead[is_open])
    ids = data.leads["lead_id"].to_numpy(dtype=object)
    return {str(name): place for name, place in zip(ids[lead], lead.tolist(), strict=True)}


def _rows(data: Prepared, t0: int, lead_ids: Sequence[str]) -> Examples:
    """Examples at t0 of leads open then, in the order of the ids."""
    assert data.spells is not None
    rows = open_examples(data.spells, t0)
    ids = pd.Index(data.leads["lead_id"].to_numpy(dtype=object)[rows.lead])
    return rows.take(ids.get_indexer(pd.Index(list(lead_ids), dtype=object)).astype(np.int64))


def _points_of_mixtures(bundle: Bundle, data: Prepared, t0: int, t1: int, lead_ids: Sequence[str]) -> Float64:
    """(8, n) points of every mixture of time, events and fields, by bit mask."""
    rows = _rows(data, t0, lead_ids)
    # an account is as old as the first of its people who are open: who has left meanwhile is an event
    start = {False: rows.spell_start, True: _rows(data, t1, lead_ids).spell_start}
    found = np.empty((8, len(rows)))
    for mask in range(8):
        state, as_of = as_if(
            data,
            t0,
            t1,
            time=bool(mask & _TIME),
            events=bool(mask & _EVENTS),
            fields=bool(mask & _FIELDS),
        )
        at = replace(rows, as_of=np.full(len(rows), as_of), spell_start=start[bool(mask & _EVENTS)])
        X = build_features(state, at, bundle.scorer.catalogue, bundle.sources)
        found[mask] = bundle.scorer.points(bundle.scorer.margin(X), X)
    return found


@dataclass(frozen=True)
class _Look:
    """A model that looks at the data at a moment."""

    bundle: Bundle
    data: Prepared
    moment: int

    def scored(self, lead_id: str) -> Scored:
        rows = _rows(self.data, self.moment, [lead_id])
        X = build_features(self.data, rows, self.bundle.scorer.catalogue, self.bundle.sources)
        return self.bundle.scorer.scored(X, 1)


def explain_change(  # noqa: PLR0913, PLR0917 - two moments, two models, two readings of the export
    project: Project,
    after: Bundle,
    tables: Tables,
    lead_id: str,
    t0: pd.Timestamp,
    t1: pd.Timestamp | None,
    before: Bundle | None = None,
    tables_before: Tables | None = None,
) -> Change:
    """What changed one lead's score from t0 to t1, in words and points that add up.

    Parameters
    ----------
    t1 : the end of the data if not given; both moments are aware.
    before : the model at t0, if it was another one than `after`.
    tables_before : the export read with what `before` knows; read from the project if not given.

    Raises
    ------
    InputError
        If t0 is not before t1, the export has no history, or the lead is unknown, in quarantine or not
        open, in the same spell, at both moments.
    """
    before = after if before is None else before
    _refuse_static(before, after)
    _refuse_two_scales(before, after)
    since = int(microseconds(t0)[0])
    as_of = data_end_of(tables) if t1 is None else int(microseconds(t1)[0])
    if since >= as_of:
        raise InputError(
            f"The earlier moment, {moment_text(since)}, must lie before the later one, {moment_text(as_of)}. "
            "Give an earlier --since."
        )
    near = tables_around(tables, lead_id)
    data = data_before = prepare(near, after.sources)
    require_open(data, lead_id, since, as_of)
    if before.model_version != after.model_version:
        read = tables_for(project, before) if tables_before is None else tables_before
        data_before = prepare(tables_around(read, lead_id), before.sources)
        require_open(data_before, lead_id, since, as_of)
    words = ChangeWords(project, (after, before))
    facts = facts_of(near, data, lead_id, since, as_of, (after, before))
    then, now = _Look(before, data_before, since), _Look(after, data, as_of)
    return _change(lead_id, then, now, words, facts)


def _change(lead_id: str, then: _Look, now: _Look, words: ChangeWords, facts: Facts) -> Change:
    split = changes(then.bundle, now.bundle, then.data, now.data, then.moment, now.moment, [lead_id])
    before, after = then.scored(lead_id), now.scored(lead_id)
    score_before, score_after = float(before.score[0]), float(after.score[0])
    limit = float((score_after - split.after[0]) - (score_before - split.before[0]))
    is_same = then.bundle.model_version == now.bundle.model_version
    lines = _lines(split, words, facts, is_same=is_same)
    if limit != 0.0:
        lines.append({"text": words.limit(), "points": limit, "kind": "limit"})
    # time always has a line, so it takes what float noise leaves over
    passed = [line["points"] for line in lines if line["kind"] == "time"]
    others = [line["points"] for line in lines if line["kind"] != "time"]
    whole = whole_points(score_before, [others], passed, score_after)
    left = iter(whole.reasons[0].tolist())
    shown = [int(whole.rest[0]) if line["kind"] == "time" else int(next(left)) for line in lines]
    return Change(
        lead_id=lead_id,
        since=str(np.datetime64(then.moment, "us")),
        as_of=str(np.datetime64(now.moment, "us")),
        score_before=score_before,
        score_after=score_after,
        band_before=str(before.band[0]),
        band_after=str(after.band[0]),
        difference=score_after - score_before,
        lines=lines,
        shown_points=shown,
        shown_before=int(whole.base[0]),
        shown_after=int(whole.score[0]),
        not_attributable=words.not_attributable(),
        model_version_before=then.bundle.model_version,
        model_version=now.bundle.model_version,
    )


def _lines(split: Changes, words: ChangeWords, facts: Facts, *, is_same: bool) -> list[dict[str, Any]]:
    """A line for all that has points or something to name, and always one for time."""
    texts: dict[Player, str | None] = {
        "events": words.events(facts),
        "fields": words.fields(facts),
        "time": words.time(facts),
        "model": None if is_same else words.model(),
    }
    points = dict(zip(PLAYERS, split.points[:, 0].tolist(), strict=True))
    return [
        {"text": text or words.known(), "points": points[kind], "kind": kind}
        for kind, text in texts.items()
        if text is not None or points[kind] != 0.0
    ]


def _refuse_two_scales(before: Bundle, after: Bundle) -> None:
    if (before.scorer.table_lines is None) != (after.scorer.table_lines is None):
        raise InputError(
            f"The models {before.model_version} and {after.model_version} have two scales: one gives the points of a "
            "table, the other a score from a probability. Compare models of one kind, or leave out --since-bundle."
        )


def _refuse_static(*bundles: Bundle) -> None:
    flat = [bundle for bundle in bundles if bundle.sources.is_static]
    if flat:
        raise InputError(
            f"The model {flat[0].model_version} was trained on a flat export, which has no history, so nobody can tell "
            "what changed since another moment; leave out --since."
        )
