"""Rows of the ledger made from a run's output, part by part, by Arrow's kernels: one row at a time would take longer.

Both tables of a part have the columns of `schema.SCORES` and `schema.DETAILS`, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.ledger.facts import RunFacts

__all__ = ["DECIMALS", "contribution_lines", "details_part", "scores_part"]

DECIMALS = 6  # a millionth of a point; reasons add up to the score to 1e-4 at worst
FIGURES = ("probability", "score", "band")
GRADES = ("fit_grade", "engagement_grade", "silent_until", "expected_value")
PEOPLE = ("account_id", "name", "company", "owner", "segment")
WIDE_FACTS = ("attributes", "events", "further")


def scores_part(output: pa.Table, facts: RunFacts, products: Sequence[str], run: int, start: int) -> pa.Table:
    """The narrow rows of a part of the output.

    Parameters
    ----------
    output : the part, in call order.
    products : of each row, empty but for lead x product.
    start : place of the part's first row in the whole output, from 0.
    """
    n = len(output)
    before = [
        facts.scores_before.get(key, (None, None))
        for key in zip(output.column("lead_id").to_pylist(), products, strict=True)
    ]
    text, points = _first_reasons(_list_of(output, "reasons"))
    return pa.table({
        **_keys(run, start, n),
        "lead_id": output.column("lead_id"),
        "product": pa.array(products, pa.string()),
        **{name: output.column(name) for name in FIGURES},
        "score_before": pa.array([score for score, _ in before], pa.float64()),
        "band_before": pa.array([band for _, band in before], pa.string()),
        **{name: output.column(name) for name in GRADES},
        "is_awake": pa.array(facts.columns["is_awake"][start : start + n], pa.bool_()),
        **_texts(facts.columns, PEOPLE, start, n),
        "first_reason": text,
        "first_points": points,
    })  # fmt: skip


def details_part(
    output: pa.Table, facts: RunFacts, contributions: NDArray[np.float64], run: int, start: int
) -> pa.Table:
    """The wide rows of a part of the output; parameters as in `scores_part`.

    Parameters
    ----------
    contributions : (rows, groups) of the part.
    """
    n = len(output)
    return pa.table({
        **_keys(run, start, n),
        "base_score": output.column("base_score"),
        "reasons": _reason_lines(_list_of(output, "reasons")),
        "contributions": contribution_lines(contributions),
        **_texts(facts.columns, WIDE_FACTS, start, n),
        "warnings": pa.array(
            [json.dumps(each, ensure_ascii=False) if each else None for each in output.column("warnings").to_pylist()],
            pa.string(),
        ),
    })  # fmt: skip


def contribution_lines(points: NDArray[np.float64]) -> pa.StringArray:
    """One JSON array a row: signed points of each reason group, in the order of the bundle's groups.

    Examples
    --------
    >>> import numpy as np
    >>> contribution_lines(np.array([[1.25, -0.00000001], [0.0, 3.0]])).to_pylist()
    ['[1.25,0]', '[0,3]']
    """
    n, groups = points.shape
    rounded = np.round(points, DECIMALS) + 0.0  # no minus zero
    ends = np.arange(0, n * groups + 1, groups) if groups else np.zeros(n + 1)
    return _json_lists(pc.cast(pa.array(rounded.ravel()), pa.string()), ends)


def _reason_lines(reasons: pa.ListArray) -> pa.StringArray:
    """One JSON array of {group, points, text} a row."""
    flat = reasons.flatten()
    lines = pc.binary_join_element_wise(
        '{"group":', _json_texts(flat.field("group")), ',"points":', pc.cast(flat.field("points"), pa.string()),
        ',"text":', _json_texts(flat.field("text")), "}", "",
    )  # fmt: skip
    return _json_lists(lines, _ends(reasons))


def _first_reasons(reasons: pa.ListArray) -> tuple[pa.Array, pa.Array]:
    """Text and points of the first reason of each row, null where it has none."""
    flat, ends = reasons.flatten(), _ends(reasons)
    places = pa.array(ends[:-1], mask=ends[1:] == ends[:-1])
    return flat.field("text").take(places), flat.field("points").take(places)


def _json_texts(texts: pa.Array) -> pa.Array:
    """Each text as JSON; most recur, so each is written once."""
    found = texts.dictionary_encode()
    written = [json.dumps(each, ensure_ascii=False) for each in found.dictionary.to_pylist()]
    return pa.array(written, pa.string()).take(found.indices)


def _json_lists(values: pa.Array, ends: NDArray[np.int64]) -> pa.StringArray:
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)
    return pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")


def _ends(lists: pa.ListArray) -> NDArray[np.int64]:
    """Where each list starts among the flattened values, and the end of the last."""
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _list_of(output: pa.Table, name: str) -> pa.ListArray:
    found = output.column(name).combine_chunks()
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _keys(run: int, start: int, n: int) -> dict[str, pa.Array]:
    ranks = np.arange(start + 1, start + n + 1, dtype=np.int32)
    return {"run": pa.array(np.full(n, run, dtype=np.int32)), "rank": pa.array(ranks)}


def _texts(
    columns: Mapping[str, Sequence[Any]], names: Sequence[str], start: int, n: int
) -> dict[str, pa.Array]:
    return {name: pa.array(columns[name][start : start + n], pa.string()) for name in names}
