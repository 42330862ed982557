"""The compiled loops behind `models.treeshap`: codes of columns, filling of tables, adding them up.

Compiled by numba and kept on disk where there is a folder for it. Every row is computed by itself and in
the order of the trees, so neither threads nor the rows beside it change a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["TILE", "Leaves", "Plan", "add_tables", "category_codes", "fill_tables", "rank_codes"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
TILE = 256
_TINY = float(np.float32(1e-35))  # LightGBM reads anything this small as 0
_Loop = TypeVar("_Loop", bound=Callable[..., Any])


def _compiled(loop: _Loop) -> _Loop:
    """The loop, compiled at its first call, and kept on disk where numba finds a folder to write to."""
    try:
        return cast(_Loop, numba.njit(cache=True, nogil=True)(loop))
    except RuntimeError:  # no such folder: compiled anew in every process
        return cast(_Loop, numba.njit(nogil=True)(loop))


class Plan(NamedTuple):
    """All trees as flat arrays; `x_start[i] : x_start[i + 1]` are the x of the i-th owner."""

    node_start: Int64  # nodes of a tree
    node_column: Int64
    node_low: Int64  # a numeric node goes left where low <= code <= high
    node_high: Int64
    node_lookup: Int64  # a categorical node goes left where lookup[place + code]; -1 for numeric
    lookup: UInt8
    block_start: Int64  # blocks of a tree
    bit_start: Int64  # bits of a block
    step_start: Int64  # steps of a bit: it is 1 where all of them are taken
    step_node: Int64  # place of the node in its tree
    step_flip: UInt8  # 1 for the right side
    slot_start: Int64  # cells of a block
    slot_cell: Int64
    table_start: Int64  # tables of a block: that of its value, then one a cell, a pattern an entry
    tables: Float64


class Leaves(NamedTuple):
    """The leaves of a block as flat arrays."""

    value: Float64
    feature_start: Int64  # distinct features of a leaf's path
    slot: Int64  # place of a feature's cell in its block
    share: Float64  # training rows that keep to the path at the feature
    hold_start: Int64  # (bit, wanted) pairs of a feature
    hold_bit: Int64
    hold_wanted: Int64


@_compiled
def rank_codes(values: Float64, thresholds: Float64, is_zero_missing: bool, codes: Any) -> None:
    """1 + the number of thresholds below each value; 0 for missing."""
    size = 1
    while size <= len(thresholds):
        size *= 2
    padded = np.full(size, np.inf)
    padded[: len(thresholds)] = thresholds
    for i in range(len(values)):
        value = values[i]
        if abs(value) <= _TINY:
            value = 0.0
        place = 0
        step = size // 2
        while step > 0:
            if padded[place + step - 1] < value:
                place += step
            step //= 2
        is_missing = np.isnan(value) or (is_zero_missing and value == 0.0)
        codes[i] = 0 if is_missing else place + 1


@_compiled
def category_codes(values: Float64, n_categories: int, codes: Any) -> None:
    """1 + the category; 0 for missing, negative and those that no split names."""
    for i in range(len(values)):
        value = values[i]
        codes[i] = int(value) + 1 if -1.0 < value < n_categories else 0


@_compiled
def fill_tables(tables: Float64, leaves: Leaves, x: Float64, weight: Float64) -> None:
    """Fill (1 + cells, patterns): row 0 the value of the leaf reached, then contributions.

    `x` and `weight` are a quadrature on [0, 1] that is exact for the longest path.
    """
    for leaf in range(len(leaves.value)):
        first = leaves.feature_start[leaf]
        depth = leaves.feature_start[leaf + 1] - first
        alone = _leaf_table(leaves.value[leaf], leaves.share[first : first + depth], x, weight)
        for pattern in range(tables.shape[1]):
            mine = 0
            for k in range(depth):
                is_held = 1
                for h in range(leaves.hold_start[first + k], leaves.hold_start[first + k + 1]):
                    if (pattern >> leaves.hold_bit[h]) & 1 != leaves.hold_wanted[h]:
                        is_held = 0
                mine |= is_held << k
            if mine == (1 << depth) - 1:
                tables[0, pattern] += leaves.value[leaf]
            for k in range(depth):
                tables[1 + leaves.slot[first + k], pattern] += alone[mine, k]


@_compiled
def _leaf_table(value: float, share: Float64, x: Float64, weight: Float64) -> Float64:
    """(patterns, features) contributions of one leaf."""
    depth = len(share)
    table = np.zeros((1 << depth, depth))
    before = np.empty(depth + 1)
    for pattern in range(1 << depth):
        for q in range(len(x)):
            before[0] = weight[q]
            for k in range(depth):
                before[k + 1] = before[k] * (((pattern >> k) & 1) * x[q] + (1.0 - x[q]) * share[k])
            after = 1.0
            for k in range(depth - 1, -1, -1):
                held = (pattern >> k) & 1
                table[pattern, k] += value * (held - share[k]) * before[k] * after
                after *= held * x[q] + (1.0 - x[q]) * share[k]
    return table


@_compiled
def add_tables(codes: Any, plan: Plan, margin: Float64, phi: Float64) -> None:
    """Add every tree's margin and contributions, a tile of rows at a time.

    Parameters
    ----------
    codes : (columns, rows) codes; rows are a multiple of `TILE`.
    margin, phi : (rows,) and (cells, rows), added to.
    """
    most_nodes = 1
    for tree in range(len(plan.node_start) - 1):
        most_nodes = max(most_nodes, plan.node_start[tree + 1] - plan.node_start[tree])
    is_left = np.empty((most_nodes, TILE), np.uint8)
    bit, pattern = np.empty(TILE, np.uint8), np.empty(TILE, np.uint16)
    for tree in range(len(plan.node_start) - 1):
        for row in range(0, codes.shape[1], TILE):
            _decide(codes, plan, tree, row, is_left)
            for block in range(plan.block_start[tree], plan.block_start[tree + 1]):
                _patterns(plan, block, is_left, bit, pattern)
                n_patterns = 1 << (plan.bit_start[block + 1] - plan.bit_start[block])
                start = plan.table_start[block]
                _add(plan.tables[start : start + n_patterns], pattern, margin[row : row + TILE])
                for slot in range(plan.slot_start[block], plan.slot_start[block + 1]):
                    start += n_patterns
                    cell = plan.slot_cell[slot]
                    _add(plan.tables[start : start + n_patterns], pattern, phi[cell, row : row + TILE])


@_compiled
def _decide(codes: Any, plan: Plan, tree: int, row: int, is_left: UInt8) -> None:
    """All splits of a tree for a tile of rows."""
    first = plan.node_start[tree]
    for node in range(first, plan.node_start[tree + 1]):
        code, found = codes[plan.node_column[node], row : row + TILE], is_left[node - first]
        place = plan.node_lookup[node]
        if place >= 0:
            table = plan.lookup[place:]
            for i in range(TILE):
                found[i] = table[code[i]]
        else:
            low, high = codes.dtype.type(plan.node_low[node]), codes.dtype.type(plan.node_high[node])
            for i in range(TILE):
                found[i] = (code[i] >= low) & (code[i] <= high)


@_compiled
def _patterns(plan: Plan, block: int, is_left: UInt8, bit: UInt8, pattern: NDArray[np.uint16]) -> None:
    """The pattern of a block's bits for a tile of rows."""
    for i in range(TILE):
        pattern[i] = 0
    first = plan.bit_start[block]
    for number in range(first, plan.bit_start[block + 1]):
        step, stop = plan.step_start[number], plan.step_start[number + 1]
        shift = np.uint16(number - first)
        taken, flip = is_left[plan.step_node[step]], plan.step_flip[step]
        if stop - step == 1:
            for i in range(TILE):
                pattern[i] |= np.uint16(np.uint16(taken[i] ^ flip) << shift)
            continue
        for i in range(TILE):
            bit[i] = taken[i] ^ flip
        for other in range(step + 1, stop):
            taken, flip = is_left[plan.step_node[other]], plan.step_flip[other]
            for i in range(TILE):
                bit[i] &= taken[i] ^ flip
        for i in range(TILE):
            pattern[i] |= np.uint16(np.uint16(bit[i]) << shift)


@_compiled
def _add(table: Float64, pattern: NDArray[np.uint16], total: Float64) -> None:
    for i in range(TILE):
        total[i] += table[pattern[i]]
