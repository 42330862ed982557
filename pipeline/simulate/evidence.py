"""What an observer of a world can have seen: events, lifecycle moves and outcomes as coded steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.simulate.parameters import STAGE_MOVE, WON, Parameters
from pipeline.simulate.vocabulary import EVENT_TYPES, STAGES
from pipeline.simulate.world import World

__all__ = [
    "Evidence",
    "Steps",
    "has_mechanism",
    "integers",
    "pieces",
    "read_steps",
    "read_truth",
    "rows_of",
    "truth_table",
]

Ints = NDArray[np.int64]

_COLUMNS = {
    "events": ("lead_id", "occurred_at", "event_type"),
    "field_changes": ("lead_id", "changed_at", "old_value", "new_value"),
    "outcomes": ("lead_id", "occurred_at", "outcome"),
}
_CLICK = EVENT_TYPES.index("email_click")
_OUTCOMES = ("won", "lost", "disqualified")


@dataclass(frozen=True)
class Evidence:
    """What is fixed for each lead, one entry a lead of the world: all but `in_market` is observable.

    `account` counts from 0; a lead without an account has one of its own. `account_number` has one entry an
    account: its number in the world, from which its id is spelled.
    """

    law: Parameters
    account: Ints
    created_us: Ints
    segment: Ints
    is_priority: Ints
    in_market: Ints
    fit: Ints
    entry: Ints
    cohort: Ints
    account_number: Ints


@dataclass(frozen=True)
class Steps:
    """Coded observations sorted by lead and time: an event type, a lifecycle move or an outcome."""

    lead: Ints
    at_us: Ints
    code: Ints


def has_mechanism(source: World | Path | str, name: str) -> bool:
    """Whether a world, or the one of a folder, has the mechanism switched on."""
    if isinstance(source, World):
        return name in source.settings.on
    text = (Path(source) / "truth" / "settings.json").read_text(encoding="utf-8")
    return name in json.loads(text).get("on", ())


def read_truth(source: World | Path | str) -> Evidence:
    """The fixed facts of all leads and the law."""
    law = (
        source.law
        if isinstance(source, World)
        else Parameters.read(Path(source) / "truth" / "parameters.json")
    )
    table = truth_table(source, "leads")
    columns = {name: integers(table[name]) for name in table.column_names if name != "lead_id"}
    account = columns["account"]
    own = account.max(initial=-1) + 1 + np.arange(len(account))
    number, account = np.unique(np.where(account < 0, own, account), return_inverse=True)
    names = ("segment", "is_priority", "in_market", "fit", "entry", "cohort")
    fixed = {name: columns[name] for name in names}
    return Evidence(law, account, columns["created_at"], **fixed, account_number=number)


def read_steps(source: World | Path | str, is_wanted: NDArray[np.bool_]) -> Steps:
    """Steps of the wanted leads; link scanners' clicks and exact duplicates are left out.

    Parameters
    ----------
    source
        A world or its folder.
    is_wanted
        One entry a lead of the world.
    """
    parts = [(np.empty(0, dtype=np.int64),) * 3]
    for name, columns in _COLUMNS.items():
        for table in pieces(source, name, columns):
            lead = rows_of(table["lead_id"])
            keep = np.flatnonzero(is_wanted[lead])
            kept = table.take(pa.array(keep))
            parts.append((lead[keep], integers(kept[columns[1]]), _codes(name, kept)))
    lead, at_us, code = (np.concatenate(column) for column in zip(*parts, strict=True))
    known = (code >= 0) & ~_is_bot(source, lead, at_us, code)
    lead, at_us, code = lead[known], at_us[known], code[known]
    order = np.lexsort((code, at_us, lead))
    lead, at_us, code = lead[order], at_us[order], code[order]
    is_again = np.zeros(len(lead), dtype=bool)
    is_again[1:] = (np.diff(lead) == 0) & (np.diff(at_us) == 0) & (np.diff(code) == 0)
    return Steps(lead[~is_again], at_us[~is_again], code[~is_again])


def truth_table(source: World | Path | str, name: str) -> pa.Table:
    """A table of the truth: `leads`, `traits`, `paths` or `bots`."""
    if isinstance(source, World):
        return source.truth[name]
    return pq.read_table(Path(source) / "truth" / f"{name}.parquet")


def rows_of(lead_id: pa.ChunkedArray) -> Ints:
    """Position of each lead in the world, from its id."""
    encoded = lead_id.combine_chunks().dictionary_encode()
    rows = pc.cast(pc.utf8_slice_codeunits(encoded.dictionary, 1), pa.int64())
    return np.asarray(rows.to_numpy(zero_copy_only=False)[encoded.indices.to_numpy()] - 1, dtype=np.int64)


def _codes(name: str, table: pa.Table) -> Ints:
    if name == "events":
        return _positions(table["event_type"], EVENT_TYPES)
    if name == "outcomes":
        outcome = _positions(table["outcome"], _OUTCOMES)
        return np.where(outcome < 0, -1, WON + outcome)
    old, new = _positions(table["old_value"], STAGES), _positions(table["new_value"], STAGES)
    return np.where((old < 0) | (new < 0), -1, STAGE_MOVE + old * len(STAGES) + new)


def _positions(column: pa.ChunkedArray, vocabulary: tuple[str, ...]) -> Ints:
    position = pc.index_in(column, value_set=pa.array(vocabulary))
    return np.asarray(pc.fill_null(position, -1).to_numpy(), dtype=np.int64)


def _is_bot(source: World | Path | str, lead: Ints, at_us: Ints, code: Ints) -> NDArray[np.bool_]:
    table = truth_table(source, "bots")
    bots = set(zip(integers(table["lead"]).tolist(), integers(table["occurred_at"]).tolist(), strict=True))
    is_bot = np.zeros(len(lead), dtype=bool)
    suspects = np.flatnonzero((code == _CLICK) & np.isin(lead, integers(table["lead"])))
    pairs = zip(suspects.tolist(), lead[suspects].tolist(), at_us[suspects].tolist(), strict=True)
    is_bot[[row for row, who, when in pairs if (who, when) in bots]] = True
    return is_bot


def pieces(source: World | Path | str, name: str, wanted: Sequence[str]) -> Iterator[pa.Table]:
    """The wanted columns of a table of the world, in pieces that fit into memory."""
    columns = list(wanted)
    if isinstance(source, World):
        yield source.tables[name].select(columns)
        return
    file_format = json.loads((Path(source) / "truth" / "settings.json").read_text(encoding="utf-8"))[
        "file_format"
    ]
    path = Path(source) / f"{name}.{file_format}"
    if file_format == "parquet":
        with pq.ParquetFile(path, read_dictionary=["lead_id"]) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=columns)
        return
    moment, word = pa.timestamp("us", tz="UTC"), pa.string()
    types = {column: moment if column.endswith("_at") else word for column in columns}
    convert = pa_csv.ConvertOptions(include_columns=columns, column_types=types, strings_can_be_null=True)
    read = pa_csv.ReadOptions(block_size=64_000_000)
    with pa_csv.open_csv(path, read_options=read, convert_options=convert) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def integers(column: pa.ChunkedArray) -> Ints:
    """A column as int64; moments as microseconds since 1970 UTC."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.asarray(column.to_numpy(), dtype=np.int64)
