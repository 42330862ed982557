"""Half-lives of event groups, learned on development and carried in the sources of the features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.builder import frequent_types
from features.contracts import Tables
from features.durations import MICROSECONDS, format_duration
from features.entities import PERSON, PERSON_LOST, PERSON_WON
from features.errors import InputError
from features.half_lives import decay_groups, group_of, group_sums
from models.half_lives import GroupHalfLife, learn_half_lives
from models.split import Timeline, hashed, random_folds, rolling_folds, slices_of
from pipeline.config import Project
from pipeline.dataset import Dataset
from pipeline.report_figures import Row, Table

__all__ = [
    "half_life_table",
    "half_life_words",
    "half_lives_record",
    "refuse_unknown_groups",
    "with_half_lives",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
MOST_ROWS = 60_000
MOST_GROUPS = 10
LEAST_WINS = 100
LEAST_ROWS = 200
_DRAW = 31_000_000_003
_START = 12 * MICROSECONDS["d"]


def refuse_unknown_groups(project: Project, tables: Tables) -> None:
    """Nothing, where every group in `half_lives_by_group` has an event type, declared or in the data.

    Accounts and customers have types of their own: people who come, win or lose, fields that move, outcomes.

    Raises
    ------
    InputError
        With the groups that there are.
    """
    of_leads = tables.origin or tables  # a target's own events may lack a type that the leads' have
    events = [each.events["event_type"].unique() for each in (tables, of_leads)]
    there = sorted({group_of(str(kind), project.events) for kind in (*project.events.types, *chain(*events))})
    others: set[str] = set()
    if project.targets or project.target.entity != "lead":
        others = {PERSON, PERSON_WON, PERSON_LOST, *of_leads.outcomes["outcome"].astype(str)}
    given = project.features.half_lives_by_group
    stray = [
        name for name in given if name not in there and name not in others and not (others and ": " in name)
    ]
    if stray:
        raise InputError(
            f"{len(stray)} of {len(given)} names in features.half_lives_by_group are no group of this project's event "
            f"types; the first is '{stray[0]}'. There are: {', '.join(there) or 'none'}. A group is a type's `group`, "
            'else its stage, else its own name: [events.types.TYPE] group = "..."'
        )


def with_half_lives(project: Project, dataset: Dataset, tell: Callable[[str], None]) -> Dataset:
    """The dataset with one half-life an event group in its sources, where the project asks for it.

    They are learned on the development rows alone, on whole clusters drawn by hash where there are more than
    60,000 rows. What `half_lives_by_group` gives by hand stays as given. A group keeps the usual half-lives if
    it is rare, beyond the ten most frequent, or if the data tell nothing of it: it moves nothing, or any would do.
    """
    if not project.features.learn_half_lives or dataset.sources.is_static:
        return dataset
    development = slices_of(dataset.timeline, project.split).development
    types = frequent_types(dataset.data, dataset.rows.take(development), dataset.sources)
    rows = _sampled(development, dataset.timeline.cluster)
    if dataset.y[rows].sum() < LEAST_WINS:
        tell(
            f"too few conversions to learn half-lives: {int(dataset.y[rows].sum())}, at least {LEAST_WINS} needed"
        )
        return dataset
    groups = decay_groups(types, dataset.sources.events)
    if not groups:
        tell("no events to learn half-lives from")
        return dataset
    tell(f"learning half-lives of {len(groups)} event groups on {len(rows):,} rows")
    found = _learned(project, dataset, rows, groups)
    given = project.features.half_lives_by_group
    chosen = {**{each.group: each.best for each in found if each.is_told}, **given}
    settings = dataset.sources.features.model_copy(update={"half_lives_by_group": chosen})
    return replace(dataset, sources=replace(dataset.sources, features=settings), half_lives=tuple(found))


def _learned(
    project: Project, dataset: Dataset, rows: Int64, groups: dict[str, tuple[str, ...]]
) -> list[GroupHalfLife]:
    timeline, y = dataset.timeline, dataset.y[rows]
    part = Timeline(
        timeline.order[rows], timeline.known_at[rows], timeline.cluster[rows], timeline.is_ordered
    )
    every = np.arange(len(rows))
    folds = rolling_folds(part, every, y, project.split) or random_folds(part, every, y, project.split)
    examples = dataset.rows.take(rows)
    sums = group_sums(dataset.data, examples, groups, dataset.sources)
    grid = np.array(project.features.half_life_grid)
    start = int(np.abs(np.log(grid / _START)).argmin())
    learnable = _learnable(sums, groups, set(project.features.half_lives_by_group))
    if not folds or len(learnable) == 0:
        return []
    others = np.setdiff1d(np.arange(len(groups)), learnable)
    age = (examples.as_of - examples.spell_start) / MICROSECONDS["d"]
    basics = np.column_stack([np.log1p(age), np.log1p(sums[:, others, start])])
    places = learn_half_lives(sums[:, learnable], basics, y, folds, part.cluster, start)
    names = list(groups)
    return [
        GroupHalfLife(
            names[number],
            groups[names[number]],
            int(grid[each.best]),
            int(grid[each.low]),
            int(grid[each.high]),
            is_told=each.is_useful and not (each.low == 0 and each.high == len(grid) - 1),
        )
        for number, each in zip(learnable, places, strict=True)
    ]


def _learnable(sums: Float64, groups: dict[str, tuple[str, ...]], given: set[str]) -> Int64:
    """Places of the most frequent groups whose half-life is not given, in the order of the groups."""
    active = (sums[:, :, -1] > 0).sum(axis=0)
    free = [n for n, name in enumerate(groups) if name not in given and active[n] >= LEAST_ROWS]
    ranked = sorted(free, key=lambda number: (-active[number], number))
    return np.array(sorted(ranked[:MOST_GROUPS]), dtype=np.int64)


def _sampled(rows: Int64, cluster: Int64) -> Int64:
    share = MOST_ROWS / max(len(rows), 1)
    return rows if share >= 1 else rows[hashed(cluster[rows], _DRAW) < share]


def half_life_words(found: tuple[GroupHalfLife, ...]) -> tuple[str, ...]:
    """What was learned, in a sentence or two; nothing where nothing was asked for."""
    told = [f"{each.group}: half-life {_days(each.best)} ({_range(each)})" for each in found if each.is_told]
    words = [f"Half-lives learned from development: {'; '.join(told)}."] if told else []
    silent = [each.group for each in found if not each.is_told]
    if silent:
        words.append(f"The data tell no half-life of {', '.join(silent)}: the usual ones stay.")
    return tuple(words)


def half_life_table(found: tuple[GroupHalfLife, ...]) -> Table | None:
    """The learned half-lives as a table of the report; None where none were."""
    if not found:
        return None
    rows = [
        Row((
            each.group,
            _days(each.best) if each.is_told else "not told",
            _range(each),
            ", ".join(name.replace("_", " ") for name in each.types),
        ))
        for each in found
    ]  # fmt: skip
    head = ("Event group", "Half-life", "95 % interval", "Event types")
    return Table("Half-lives learned", head, tuple(rows), texts=("Half-life", "95 % interval", "Event types"))


def half_lives_record(found: tuple[GroupHalfLife, ...]) -> dict[str, Any]:
    """Plain values for the bundle's manifest: empty where nothing was learned."""
    learned = {
        each.group: {
            "half_life": format_duration(each.best) if each.is_told else None,
            "interval": [format_duration(each.low), format_duration(each.high)],
        }
        for each in found
    }
    return {"half_lives": learned} if learned else {}


def _range(each: GroupHalfLife) -> str:
    low, high = (f"{moment / MICROSECONDS['d']:g}" for moment in (each.low, each.high))
    return f"{low} to {high} days"


def _days(span: int) -> str:
    days = span / MICROSECONDS["d"]
    return f"{days:g} day{'' if days == 1 else 's'}"
