"""What a scoring run tells the ledger beside the figures, so that every change can be attributed later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from features.asof import NEVER
from features.durations import MICROSECONDS
from features.entities import OF_ACCOUNTS, PRODUCT_MARK
from features.explicit import attribute_values
from features.view import RowView
from models.bundle import Bundle
from pipeline.output import OPTIONAL

if TYPE_CHECKING:
    from pipeline.ledger.run_before import RunBefore
    from pipeline.score import ScoredRows

__all__ = ["FACT_COLUMNS", "EndingsToTell", "Lines", "RunFacts", "before_of", "facts_of", "trend_of"]

Int64 = NDArray[np.int64]
FACT_COLUMNS = (
    "name", "company", "owner", "segment", "account_id", "attributes", "events", "is_awake", "further",
)  # fmt: skip
SHOWN = ("name", "company", "owner", "segment")
# an account's row may not name the leads that carry it: a lead must be deletable
NOT_FURTHER = ("account_id", "product", "carried_by")
PART_ROWS = 10_000
_to_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Lines(Sequence[Any]):
    """Values that are made part by part as they are read, so that those of a large run are never all there."""

    def __init__(self, n_rows: int, make: Callable[[slice], list[Any]]) -> None:
        self._n_rows, self._make = n_rows, make

    def __len__(self) -> int:
        return self._n_rows

    def __iter__(self) -> Iterator[Any]:
        """The values of all rows."""
        for start in range(0, self._n_rows, PART_ROWS):
            yield from self[start : start + PART_ROWS]

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        """The values of the chosen rows."""
        if isinstance(place, slice):
            start, stop, step = place.indices(self._n_rows)
            return self._make(slice(start, max(start, stop)))[::step]
        row = range(self._n_rows)[place]
        return self._make(slice(row, row + 1))[0]


@dataclass(frozen=True)
class EndingsToTell:
    """What a run has to say of how leads ended.

    Attributes
    ----------
    rows : of the table of outcomes, without `run`, that the ledger lacks or has otherwise: the earliest first.
    withdrawn : (lead_id, moment) of rows that the ledger has and the tables have no more.
    """

    rows: Sequence[Mapping[str, Any]] = ()
    withdrawn: Sequence[tuple[str, datetime]] = ()


@dataclass(frozen=True)
class RunFacts:
    """What was known when a run's leads were scored, and what the run before said.

    Attributes
    ----------
    columns : by name in `FACT_COLUMNS`, one value a row in the order of the output table; None where there is
        nothing to tell. `attributes`, `events` and `further` are JSON text.
    attributes : names of the attribute columns, in the order of the values.
    event_watermark : moment of the latest event known before `as_of`.
    anchors : JSON object, `p_mql` and `p_sql`, and those of each sheet under `sheets`; of a bare points table its
        lines in points under `points`.
    scores_before : score and band of the run before, by (lead_id, product); the product is empty but for
        lead x product.
    endings : how leads once scored ended, where the ledger has it otherwise.
    """

    columns: Mapping[str, Sequence[Any]]
    attributes: tuple[str, ...]
    event_watermark: datetime | None
    horizon_days: float | None
    anchors: str
    scores_before: Mapping[tuple[str, str], tuple[float, str]]
    endings: EndingsToTell

    @classmethod
    def none(cls, n_rows: int) -> RunFacts:
        """Facts of a run that has none to tell.

        Examples
        --------
        >>> RunFacts.none(2).columns["owner"]
        [None, None]
        """
        columns = {name: [None] * n_rows for name in FACT_COLUMNS}
        return cls(columns, (), None, None, "{}", {}, EndingsToTell())


def before_of(found: ScoredRows) -> RunBefore | None:
    """The run before in the project's ledger; None if there is none, or no ledger."""
    if found.project.ledger.url is None:
        return None
    from pipeline.ledger.run_before import run_before

    return run_before(found.project, found.leads.as_of)


def trend_of(found: ScoredRows, before: RunBefore | None) -> list[float | None]:
    """Score minus the score of the run before, one a row of `found.rows`; None for a lead that it lacks."""
    if before is None:
        return [None] * len(found.rows.lead_id)
    known = [
        before.scores.get(key) for key in _keys(found, found.rows.lead_id, found.rows.optional.get("product"))
    ]
    return [
        None if old is None else score - old[0] for score, old in zip(found.rows.score, known, strict=True)
    ]


def facts_of(found: ScoredRows, table: pa.Table, before: RunBefore | None) -> RunFacts:
    """The facts of a run.

    Parameters
    ----------
    table : the output, in call order.
    before : the run before in the ledger, if there is one.
    """
    from pipeline.ledger.outcomes import endings_to_tell
    from pipeline.ledger.run_before import moment_of
    from pipeline.ledger.timeline import timeline_of

    leads, n = found.leads, table.num_rows
    keys = list(_keys(found, table.column("lead_id").to_pylist(), table.column("product").to_pylist()))
    ids = [lead + PRODUCT_MARK + product if product else lead for lead, product in keys]
    row = pd.Index(leads.lead_ids).get_indexer(pd.Index(ids)).astype(np.int64)
    names = used_attributes(found.bundle)
    columns: dict[str, Sequence[Any]] = _shown(found, [lead for lead, _ in keys]) | {
        "attributes": _attribute_lines(found, names, row),
        "further": Lines(n, lambda part: _further_lines(table.slice(part.start, part.stop - part.start))),
        "events": [None] * n,
        "is_awake": [None] * n,
    }
    latest = None
    if leads.as_of != NEVER:
        is_known = np.array([before is not None and key in before.scores for key in keys], dtype=bool)
        at = None if before is None else before.as_of
        timeline = timeline_of(leads.data, leads.as_of, leads.rows.lead[row], is_known, at)
        columns |= {"events": Lines(n, timeline.lines), "is_awake": timeline.is_awake.tolist()}
        latest = timeline.latest
    target = found.bundle.sources.target
    return RunFacts(
        columns={name: columns[name] for name in FACT_COLUMNS},
        attributes=names,
        event_watermark=None if latest is None else moment_of(latest),
        horizon_days=None if found.bundle.sources.is_static else target.horizon / MICROSECONDS["d"],
        anchors=_anchors(found.bundle),
        scores_before={} if before is None else before.scores,
        endings=EndingsToTell() if before is None else endings_to_tell(found, before.moments),
    )


def used_attributes(bundle: Bundle) -> tuple[str, ...]:
    """Attributes that a feature of the model is made of, in the order in which they are declared."""
    read = {each.source for each in bundle.scorer.catalogue.features if each.family == "explicit"}
    read |= {rule.attribute for rule in bundle.sources.points if rule.attribute is not None}
    return tuple(name for name in bundle.sources.usable() if name in read)


def _keys(found: ScoredRows, lead_ids: list[str], products: list[Any] | None) -> Sequence[tuple[str, str]]:
    """(lead_id, product) of rows; the product is empty but for lead x product."""
    if found.project.target.entity != "product" or products is None:
        return [(lead, "") for lead in lead_ids]
    return list(zip(lead_ids, products, strict=True))


def _shown(found: ScoredRows, ids: list[str]) -> dict[str, Sequence[Any]]:
    """Account and what people see, of the lead or of its account."""
    people = (found.tables.origin or found.tables).leads
    if found.project.target.entity in OF_ACCOUNTS:
        account = pd.Series(ids, dtype=object)
        keys = {"accounts": account}
    else:
        account = people.set_index("lead_id")["account_id"].reindex(ids)
        keys = {"leads": pd.Series(ids, dtype=object), "accounts": account}
    columns: dict[str, Sequence[Any]] = {name: [None] * len(ids) for name in SHOWN}
    columns["account_id"] = _plain(account)
    for table, chosen in keys.items():
        shown = found.tables.shown.get(table, pd.DataFrame())
        columns |= {str(name): _plain(shown[name].reindex(chosen.to_numpy(dtype=object))) for name in shown}
    return columns


def _plain(values: pd.Series) -> list[Any]:
    return [None if is_missing else value for value, is_missing in zip(values, values.isna(), strict=True)]


def _attribute_lines(found: ScoredRows, names: tuple[str, ...], row: Int64) -> Sequence[Any]:
    """JSON array a row: the values of the attributes as they were known at as_of."""
    data, sources = found.leads.data, found.bundle.sources
    if not names:
        return [None] * len(row)
    nothing = data.events.events.take(np.zeros(0, dtype=np.int64))
    view = RowView(data, found.leads.rows.take(row), nothing, sources.events, ())
    written = []
    for name in names:
        kind, availability = sources.usable()[name]
        is_there = availability == "history" or name in data.leads.columns
        since = "at_creation" if sources.is_static else availability
        values = attribute_values(view, name, since) if is_there else np.full(len(row), None, dtype=object)
        written.append(_written(values, kind))

    def lines(part: slice) -> list[str]:
        columns = ([texts[code] for code in codes[part].tolist()] for texts, codes in written)
        return [f"[{','.join(each)}]" for each in zip(*columns, strict=True)]

    return Lines(len(row), lines)


def _written(values: NDArray[np.object_], kind: str) -> tuple[list[str], NDArray[np.int32]]:
    """JSON text of each different value, and each row's place among them."""
    codes, unique = pd.factorize(pd.Series(values, dtype=object), use_na_sentinel=True)
    texts = [
        *(_to_json(_as_kept(value, kind)) for value in unique),
        "null",
    ]  # a missing value has the code -1
    return texts, codes.astype(np.int32)


def _as_kept(value: Any, kind: str) -> Any:
    """A value as it is kept; of an e-mail address its domain, which is all that is read of it."""
    if kind == "email":
        _, at, domain = str(value).rpartition("@")
        return domain if at else None
    if kind == "boolean" and isinstance(value, float):
        return bool(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, str | float) else str(value)


def _further_lines(table: pa.Table) -> list[str | None]:
    """JSON object a row: the optional columns of the output that say something."""
    names = [name for name, _ in OPTIONAL if name not in NOT_FURTHER]
    names = [name for name in names if table.column(name).null_count < table.num_rows]
    rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    if not names:
        return [None] * table.num_rows
    told = (
        {name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows
    )
    return [_to_json(each) if each else None for each in told]


def _anchors(bundle: Bundle) -> str:
    scorer = bundle.scorer
    if scorer.table_lines is not None:
        return _to_json({"points": dict(zip(("mql", "sql"), scorer.table_lines, strict=True))})
    found: dict[str, Any] = {"p_mql": scorer.anchors.p_mql, "p_sql": scorer.anchors.p_sql}
    if scorer.sheets is not None:
        lines = scorer.sheets.anchors.items()
        found["sheets"] = {name: {"p_mql": each.p_mql, "p_sql": each.p_sql} for name, each in lines}
    return _to_json(found)
