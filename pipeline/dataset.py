"""Tables to examples: which rows there are, their labels, their place in time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER, Examples, microseconds, open_examples, snapshot_examples, thin_by_hash
from features.contracts import Tables
from features.errors import InputError, NoHistoryError, QuarantineLimitError
from features.labels import label_examples, latest_mature
from features.points import resolve_rules
from features.prepare import FeatureSources, Prepared, prepare
from features.profile import resolve_profile
from features.settings import StaticSettings
from models.half_lives import GroupHalfLife
from models.split import Timeline
from pipeline.amounts import amount_at_end, first_amount
from pipeline.config import Project

__all__ = [
    "Dataset",
    "check_quarantine",
    "known_labels",
    "label_column",
    "labelled_dataset",
    "sources_of",
    "static_rows",
    "unlabelled_dataset",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Dataset:
    """Labelled examples with what the features are made from.

    Attributes
    ----------
    left_out : rows that are not examples, by reason: immature, in_grace, thinned, unlabelled.
    lead_code : (n,) rank of the lead by lead_id; account : (n,) code, -1 for none.
    amount : (n,) amount of the win that makes the label 1, NaN where there is none.
    n_open : leads open at the end of the data.
    data_end : the end of the data; None for a flat export.
    not_won : the most frequent terminal outcomes that are no wins, with their counts.
    """

    data: Prepared
    sources: FeatureSources
    rows: Examples
    y: Float64
    timeline: Timeline
    lead_code: Int64
    account: Int64
    left_out: dict[str, int]
    amount: Float64
    n_open: int
    data_end: pd.Timestamp | None = None
    not_won: dict[str, int] = field(default_factory=dict)
    half_lives: tuple[GroupHalfLife, ...] = ()


def sources_of(project: Project) -> FeatureSources:
    """What decides the features of a project; the same at training and at scoring."""
    return FeatureSources(
        attributes=project.attributes,
        events=project.events,
        features=project.features,
        target=project.target,
        is_static=project.snapshots.mode == "static",
        points=resolve_rules(project.points, project.attributes, project.events),
        profile=resolve_profile(project.fit, project.attributes),
    )


def labelled_dataset(project: Project, tables: Tables) -> Dataset:
    """All mature, labelled examples of a project.

    Raises
    ------
    InputError
        If nothing is mature, or a flat export's labels or order can't be read; with the counts.
    """
    sources = sources_of(project)
    data = prepare(tables, sources)
    if sources.is_static:
        rows, y, order, left_out, is_ordered = _static(data, project)
        known_at, n_open = order, left_out["unlabelled"]
    else:
        rows, y, left_out = _snapshots(data, tables, project)
        order, is_ordered, n_open = rows.as_of, True, _open_at_end(data, tables)
        known_at = rows.as_of + project.target.horizon + project.target.outcome_delay
    rank = np.argsort(np.argsort(data.leads["lead_id"].to_numpy(dtype=object), kind="stable"), kind="stable")
    account = data.account[rows.lead]
    cluster = np.where(account >= 0, account, len(data.member_start) + rank[rows.lead])
    return Dataset(
        data=data, sources=sources, rows=rows, y=y, timeline=Timeline(order, known_at, cluster, is_ordered),
        lead_code=rank[rows.lead], account=account, left_out=left_out,
        amount=np.where(y == 1.0, _amounts(data, tables, rows, project), np.nan), n_open=n_open,
        data_end=None if sources.is_static else tables.data_end, not_won=_not_won(tables, project),
    )  # fmt: skip


def unlabelled_dataset(project: Project, tables: Tables) -> Dataset:
    """The leads that are open at the end of the data, before any outcome is complete: rows without labels.

    Only `data`, `sources` and `rows` are filled; there is nothing to train on or to judge by.
    """
    sources = sources_of(project)
    data = prepare(tables, sources)
    if data.spells is None:
        rows = static_rows(np.arange(len(data.leads)))
    else:
        rows = open_examples(data.spells, data_end_of(tables))
    none = np.zeros(0, dtype=np.int64)
    return Dataset(
        data=data, sources=sources, rows=rows, y=np.zeros(0), timeline=Timeline(none, none, none),
        lead_code=none, account=none, left_out={}, amount=np.zeros(0), n_open=len(rows),
    )  # fmt: skip


def _open_at_end(data: Prepared, tables: Tables) -> int:
    assert data.spells is not None
    end = data_end_of(tables)
    return len(open_examples(data.spells, end))


def _not_won(tables: Tables, project: Project) -> dict[str, int]:
    skipped = {*project.target.won, *project.target.reopened}
    counts = tables.outcomes["outcome"].value_counts()
    return {str(name): int(n) for name, n in counts.items() if name not in skipped and n}


def _amounts(data: Prepared, tables: Tables, rows: Examples, project: Project) -> Float64:
    if data.spells is None:
        return first_amount(data, tables.outcomes, project.target)[rows.lead]
    return amount_at_end(data, tables.outcomes, rows, project.target)


def check_quarantine(project: Project, tables: Tables) -> int:
    """Number of lead rows in quarantine.

    Raises
    ------
    QuarantineLimitError
        If their share is above `data.quarantine_limit`.
    """
    # lead rows as they were read, also where accounts or pairs of lead and product stand in their place
    rows_in = (tables if tables.origin is None else tables.origin).rows_in["leads"]
    held = tables.quarantine[tables.quarantine["table"] == "leads"]
    limit = project.data.quarantine_limit
    if rows_in and len(held) / rows_in > limit:
        first = held.iloc[0]
        raise QuarantineLimitError(
            f"{len(held):,} of {rows_in:,} lead rows ({len(held) / rows_in:.1%}) are in quarantine, more than the "
            f"limit of {limit:.0%}. The first is row {first['row']} of {first['file']}: {first['code']}, "
            f"{first['detail']}. Nothing was published. Mend the export, or raise data.quarantine_limit."
        )
    return len(held)


def _snapshots(data: Prepared, tables: Tables, project: Project) -> tuple[Examples, Float64, dict[str, int]]:
    assert data.spells is not None
    end = data_end_of(tables)
    _require_wins(tables, project)
    last = latest_mature(end, project.target)
    everything = snapshot_examples(data.spells, project.snapshots, end)
    ids = data.leads["lead_id"].to_numpy(dtype=object)
    rank = np.argsort(np.argsort(ids, kind="stable"), kind="stable")
    everything = everything.take(np.lexsort((rank[everything.lead], everything.as_of)))
    labelled = label_examples(everything, end, project.target)
    if len(labelled.examples) == 0:
        raise NoHistoryError(
            f"No example is mature: an as_of must lie at least {project.target.horizon / 86_400_000_000:g} days before "
            f"the end of the data, {tables.data_end:%Y-%m-%d %H:%M} UTC, and at least one lead must be open then. "
            "Use a shorter target.horizon or a longer history."
        )
    most = project.snapshots.max_rows
    rows = thin_by_hash(labelled.examples, data.leads["lead_id"], most)
    y = label_examples(rows, end, project.target).y
    assert len(rows) == len(y)
    assert int(rows.as_of.max()) <= last
    left_out = {
        "immature": labelled.n_immature,
        "in_grace": labelled.n_in_grace,
        "thinned": len(labelled.examples) - len(rows),
    }
    return rows, y, left_out


def _require_wins(tables: Tables, project: Project) -> None:
    """Refuse a target that no outcome has: most likely it is written otherwise in the export."""
    found = tables.outcomes["outcome"].value_counts()
    wins = {name.strip().casefold() for name in project.target.won}
    alike = [
        str(name)
        for name in found.index
        if name not in project.target.won and str(name).strip().casefold() in wins
    ]
    if alike:
        raise InputError(
            f"{len(alike)} outcomes are written almost like one of target.won = {list(project.target.won)}; the first "
            f"is {alike[0]!r} ({int(found[alike[0]]):,} rows). Add it to target.won, or mend the export."
        )
    if len(found) and not set(project.target.won) & set(found.index):
        listed = ", ".join(f"{str(name)!r} ({count:,})" for name, count in found.head(5).items())
        raise NoHistoryError(  # or the first win is still to come: a points table may score until then
            f"None of the {int(found.sum()):,} outcomes is one of target.won = {list(project.target.won)}; "
            f"found are {listed}. Name those that are wins, exactly as they are written."
        )


def data_end_of(tables: Tables) -> int:
    """The end of the data in microseconds; refused where it is unknown or one stray moment far from all others."""
    end = int(microseconds(tables.data_end)[0])
    far = [each for each in tables.warnings if each.code == "data_end_far"]
    if far:
        raise InputError(
            f"{far[0].table}: {far[0].message}. Nothing can be trained or scored on such an end."
        )
    if end == NEVER:
        raise InputError(
            "events and outcomes hold no moment, so the end of the data is unknown; set data.data_end."
        )
    return end


def _static(data: Prepared, project: Project) -> tuple[Examples, Float64, Int64, dict[str, int], bool]:
    assert project.static is not None
    label = label_column(data.leads, project.static)
    labelled = np.flatnonzero(~np.isnan(label))
    order, moments = _static_order(data.leads, labelled, project)
    rows = static_rows(labelled, moments)
    left_out = {"unlabelled": int(np.isnan(label).sum())}
    return rows, label[labelled], order, left_out, project.static.order is not None


def static_rows(leads: Int64, moments: Int64 | None = None) -> Examples:
    """Examples of a flat export: as_of is the order column where it is a date, else unknown."""
    n = len(leads)
    never = np.full(n, NEVER)
    as_of = never if moments is None else moments
    return Examples(leads, as_of, as_of, never, np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64))


def label_column(leads: pd.DataFrame, static: StaticSettings) -> Float64:
    """Labels to train on, as `known_labels` gives them.

    Raises
    ------
    NoHistoryError
        If every label is open.
    InputError
        If a value is neither positive, negative nor open, or there is a single class.
    """
    label = known_labels(leads, static)
    won, lost = int((label == 1).sum()), int((label == 0).sum())
    if won == 0 or lost == 0:
        kind = NoHistoryError if won == lost else InputError
        raise kind(
            f"The label '{static.label}' has a single class: {won} converted, {lost} not, "
            f"{int(np.isnan(label).sum())} open. A model needs both; check static.positive and static.negative."
        )
    return label


def known_labels(leads: pd.DataFrame, static: StaticSettings) -> Float64:
    """(leads,) 1.0, 0.0, or NaN where the label is missing or says that the lead is still open.

    Raises
    ------
    InputError
        If a value is neither positive, negative nor open.
    """
    text = leads[static.label].str.strip().str.casefold().str.replace(r"^(\d+)\.0$", r"\1", regex=True)
    label = np.full(len(leads), np.nan)
    label[text.isin([each.casefold() for each in static.positive]).to_numpy()] = 1.0
    label[text.isin([each.casefold() for each in static.negative]).to_numpy()] = 0.0
    is_open = text.isna() | text.isin([each.casefold() for each in static.open])
    unknown = np.isnan(label) & ~is_open.to_numpy()
    if unknown.any():
        values = leads.loc[unknown, static.label].value_counts()
        raise InputError(
            f"{int(unknown.sum())} of {len(leads)} labels in '{static.label}' are neither positive "
            f"({', '.join(static.positive)}) nor negative ({', '.join(static.negative)}); the most frequent is "
            f"{values.index[0]!r} ({values.iloc[0]} rows). Name it under static.positive, static.negative or "
            "static.open."
        )
    return label


def _static_order(leads: pd.DataFrame, rows: Int64, project: Project) -> tuple[Int64, Int64 | None]:
    """Dense rank in time of the labelled rows, and their moments where the order is a date."""
    assert project.static is not None
    name = project.static.order
    if name is None or name == "row":
        return rows.astype(np.int64), None
    text = leads[name].iloc[rows]
    numbers = pd.to_numeric(text, errors="coerce")
    if not numbers.isna().any():
        return np.unique(numbers.to_numpy(dtype=np.float64), return_inverse=True)[1].astype(np.int64), None
    form = project.data.leads.time_format or "ISO8601"
    moments = pd.to_datetime(text, format=form, errors="coerce", utc=True)
    lost = int(moments.isna().sum())
    if lost:
        first = text[moments.isna()].iloc[0]
        raise InputError(
            f"{lost} of {len(text)} labelled rows have no usable order in '{name}', the first is {first!r}; expected "
            f'numbers or dates as {form}. Set data.leads.time_format, or static.order = "row".'
        )
    exact = microseconds(moments.astype("datetime64[us, UTC]"))
    return exact, exact
