"""Two runs compared: who moved how far, which bands were crossed, which reasons moved the scores.

Rows are streamed from the database part by part, so memory does not grow with the ledger.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from pipeline.ledger.reading import LedgerRun
from pipeline.ledger.schema import DETAILS, SCORES

__all__ = ["STEADY_POINTS", "Comparison", "Move", "compare"]

STEADY_POINTS = 0.5  # a smaller change than half a point is none to a reader
PART_ROWS = 5_000
Float64 = NDArray[np.float64]
Alone = tuple[str, str, float, str]


@dataclass(frozen=True)
class Move:
    """A lead in both runs; `group` is the reason group that moved it most, by `group_points`."""

    lead_id: str
    product: str
    before: float
    after: float
    band_before: str
    band_after: str
    group: str | None
    group_points: float

    @property
    def change(self) -> float:
        """Points."""
        return self.after - self.before

    def to_json(self) -> dict[str, Any]:
        """The move with its change."""
        return vars(self) | {"change": self.change}


@dataclass
class Comparison:
    """What changed between two runs of one project.

    Attributes
    ----------
    both, up, down : leads in both runs; of them those that rose, fell by `STEADY_POINTS` or more.
    mean_change : points, over the leads in both; it is the sum of the mean changes in `parts`.
    parts : (name, mean change, mean size of the change) of each reason group, of the `base` and of the `limit` of
        the scale; the largest size first.
    moved : the farthest moves. crossings : by (band before, band after) how many, and the farthest of them.
    new, gone : how many leads stand in one run alone, and (lead_id, product, score, band) of the best of
        them.
    """

    before: LedgerRun
    after: LedgerRun
    both: int = 0
    up: int = 0
    down: int = 0
    mean_change: float = 0.0
    parts: list[tuple[str, float, float]] = field(default_factory=list)
    moved: list[Move] = field(default_factory=list)
    crossings: dict[tuple[str, str], tuple[int, list[Move]]] = field(default_factory=dict)
    new: tuple[int, list[Alone]] = (0, [])
    gone: tuple[int, list[Alone]] = (0, [])

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        names = ("lead_id", "product", "score", "band")
        alone = {
            name: {"count": n, "leads": [dict(zip(names, each, strict=True)) for each in best]}
            for name, (n, best) in (("new", self.new), ("gone", self.gone))
        }  # fmt: skip
        return {
            "before": self.before.to_json(), "after": self.after.to_json(),
            "both": self.both, "up": self.up, "down": self.down, "mean_change": self.mean_change,
            "parts": [{"name": n, "mean_change": mean, "mean_size": size} for n, mean, size in self.parts],
            "moved": [each.to_json() for each in self.moved],
            "crossings": [
                {"from": a, "to": b, "count": n, "leads": [each.to_json() for each in moves]}
                for (a, b), (n, moves) in self.crossings.items()
            ],
            **alone,
        }  # fmt: skip


def compare(connection: Connection, before: LedgerRun, after: LedgerRun, top: int) -> Comparison:
    """What changed from one run to another.

    Parameters
    ----------
    top : leads in each list; counts are of all.
    """
    found = Comparison(before, after)
    groups = list(dict.fromkeys([*before.groups, *after.groups]))
    old, new = SCORES.alias("old"), SCORES.alias("new")
    wide_old, wide_new = DETAILS.alias("wide_old"), DETAILS.alias("wide_new")
    of_sides = (
        (narrow.c.score, wide.c.base_score, narrow.c.band, wide.c.contributions)
        for narrow, wide in ((old, wide_old), (new, wide_new))
    )
    asked = select(old.c.lead_id, old.c.product, *chain.from_iterable(of_sides)).where(
        old.c.run == before.number, new.c.run == after.number,
        old.c.lead_id == new.c.lead_id, old.c.product == new.c.product,
        wide_old.c.run == old.c.run, wide_old.c.rank == old.c.rank,
        wide_new.c.run == new.c.run, wide_new.c.rank == new.c.rank,
    )  # fmt: skip
    sums, sizes = np.zeros(len(groups) + 2), np.zeros(len(groups) + 2)
    for part in connection.execution_options(yield_per=PART_ROWS).execute(asked).partitions():
        # by place, as both sides have the same names
        rows = [tuple(row) for row in part]
        changes = _changes(rows, before.groups, after.groups, groups)
        sums += changes.sum(axis=0)
        sizes += np.abs(changes).sum(axis=0)
        _take(found, [_move(row, each, groups) for row, each in zip(rows, changes, strict=True)], top)
    n = max(found.both, 1)
    names = [*groups, "base", "limit"]
    listed = list(zip(names, (sums / n).tolist(), (sizes / n).tolist(), strict=True))
    found.parts = sorted((each for each in listed if each[2] > 0), key=lambda each: (-each[2], each[0]))
    found.mean_change = float((sums / n).sum())
    found.crossings = dict(sorted(found.crossings.items(), key=lambda each: (-each[1][0], each[0])))
    found.new = _alone(connection, after.number, before.number, top)
    found.gone = _alone(connection, before.number, after.number, top)
    return found


def _changes(
    rows: Sequence[tuple[Any, ...]], of_before: Sequence[str], of_after: Sequence[str], groups: Sequence[str]
) -> Float64:
    """(rows, groups + 2) change in points by reason group, of the base, and of the limit of the scale."""
    n = len(rows)
    sides = []
    for score, base, line, own in ((2, 3, 5, of_before), (6, 7, 9, of_after)):
        points = np.array([json.loads(row[line]) for row in rows], dtype=np.float64).reshape(n, len(own))
        side = np.zeros((n, len(groups) + 2))
        side[:, [groups.index(name) for name in own]] = points
        side[:, -2] = [row[base] for row in rows]
        side[:, -1] = np.array([row[score] for row in rows]) - side[:, -2] - points.sum(axis=1)
        sides.append(side)
    return np.asarray(sides[1] - sides[0])


def _move(row: tuple[Any, ...], changes: Float64, groups: Sequence[str]) -> Move:
    lead_id, product, old, _, old_band, _, new, _, new_band, _ = row
    strongest = int(np.abs(changes[:-2]).argmax()) if groups else -1
    is_moved = strongest >= 0 and changes[strongest] != 0.0
    group, points = (groups[strongest], float(changes[strongest])) if is_moved else (None, 0.0)
    return Move(lead_id, product, old, new, old_band, new_band, group, points)


def _take(found: Comparison, moves: list[Move], top: int) -> None:
    """Count a part of the rows and keep the farthest moves of all parts so far."""
    found.both += len(moves)
    found.up += sum(each.change >= STEADY_POINTS for each in moves)
    found.down += sum(each.change <= -STEADY_POINTS for each in moves)
    found.moved = _farthest([*found.moved, *(each for each in moves if each.change)], top)
    crossed: dict[tuple[str, str], list[Move]] = {}
    for each in moves:
        if each.band_before != each.band_after:
            crossed.setdefault((each.band_before, each.band_after), []).append(each)
    for way, listed in crossed.items():
        count, kept = found.crossings.get(way, (0, []))
        found.crossings[way] = (count + len(listed), _farthest([*kept, *listed], top))


def _farthest(moves: list[Move], top: int) -> list[Move]:
    return heapq.nsmallest(top, moves, key=lambda each: (-abs(each.change), each.lead_id, each.product))


def _alone(connection: Connection, run: int, other: int, top: int) -> tuple[int, list[Alone]]:
    """How many leads one run has and the other lacks, and the first of them in call order."""
    mine, theirs = SCORES.alias("mine"), SCORES.alias("theirs")
    same = (
        (theirs.c.run == other) & (theirs.c.lead_id == mine.c.lead_id) & (theirs.c.product == mine.c.product)
    )
    is_alone = (mine.c.run == run) & ~select(theirs.c.run).where(same).exists()
    count = connection.scalar(select(func.count()).select_from(mine).where(is_alone))
    best = (
        select(mine.c.lead_id, mine.c.product, mine.c.score, mine.c.band)
        .where(is_alone)
        .order_by(mine.c.rank)
        .limit(top)
    )
    return int(count or 0), [
        (row.lead_id, row.product, row.score, row.band) for row in connection.execute(best)
    ]
