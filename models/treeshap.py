"""Exact path-dependent TreeSHAP of a fixed LightGBM model by table lookups.

The contribution of a leaf with value v to feature k is, with o_j whether the lead keeps to the path at
feature j and z_j the share of training rows that do (Lundberg et al. 2020; Shapley's weights as an
integral, Owen 1972),

    v (o_k - z_k) * integral over x from 0 to 1 of the product over j != k of (x o_j + (1 - x) z_j),

a polynomial that Gauss-Legendre quadrature integrates exactly. It depends on the lead only through the
bits o_j, so it is tabulated once for every pattern of bits of a block of leaves. Explaining a row is then
to find each block's pattern and to add up what stands there. One table of each block holds the value of
the leaf reached, so the margin comes along, with LightGBM's own bits.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.trees import Tree, UnsupportedTreesError, read_trees
from models.treeshap_blocks import Block, blocks_of
from models.treeshap_kernel import TILE, Leaves, Plan, add_tables, category_codes, fill_tables, rank_codes

__all__ = ["MOST_BYTES", "TreeTables"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
MOST_BITS = 10
MOST_LEAF_BITS = 16
MOST_BYTES = 512 * 2**20
CHUNK = 32 * TILE


@dataclass(frozen=True)
class _Column:
    """How one column becomes codes: 0 is missing, then the rank among the thresholds or 1 + category."""

    number: int
    thresholds: Float64
    n_categories: int
    is_zero_missing: bool

    @property
    def most(self) -> int:
        """The highest code."""
        return self.n_categories if self.n_categories else len(self.thresholds) + 1

    def encode(self, values: Float64, codes: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Codes of the values, written into `codes`."""
        if self.n_categories:
            category_codes(values, self.n_categories, codes)
        else:
            rank_codes(values, self.thresholds, self.is_zero_missing, codes)


class TreeTables:
    """Tables of a model; explains any number of rows, each with the same bits as alone.

    Parameters
    ----------
    text : str
        A LightGBM model in its own text format.
    cell : (columns,) 0 to n_cells - 1
        Where each column's contributions are summed: reason groups, or `arange` for each on its own.

    Raises
    ------
    UnsupportedTreesError
        If the model is of another kind (linear leaves, several outputs), if a path has more than
        `MOST_LEAF_BITS` features, or if the tables would take more than `MOST_BYTES`.
    """

    def __init__(self, text: str, cell: Int64, n_cells: int, most_bytes: int = MOST_BYTES) -> None:
        trees = read_trees(text)
        self.base = math.fsum(tree.expected_value() for tree in trees)
        self._columns = _columns(trees)
        widest = max((column.most for column in self._columns), default=0)
        if widest > np.iinfo(np.uint16).max:
            raise UnsupportedTreesError(f"a column has {widest:,} thresholds or categories")
        self._code_type: type[np.uint8] | type[np.uint16] = np.uint8 if widest < 256 else np.uint16
        self.n_cells = n_cells
        self._plan = _plan(trees, self._columns, cell.tolist(), most_bytes)

    @property
    def n_bytes(self) -> int:
        """Size of the tables."""
        return int(self._plan.tables.nbytes)

    def explain(self, X: Float64, threads: int = 1) -> tuple[Float64, Float64]:
        """Margins and contributions, the columns of a cell summed.

        Parameters
        ----------
        X : (rows, columns) float64, NaN for missing, categories as their codes.

        Returns
        -------
        margin : (rows,) log-odds, the bits of LightGBM's own prediction.
        contributions : (rows, n_cells); base + their sum is the margin.
        """
        margin, phi = np.empty(len(X)), np.empty((len(X), self.n_cells))

        def one(start: int) -> None:
            rows = slice(start, min(start + CHUNK, len(X)))
            margin[rows], phi[rows] = self._chunk(X[rows])

        starts = range(0, len(X), CHUNK)
        if threads == 1 or len(starts) < 2:
            for start in starts:
                one(start)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(one, starts))
        return margin, phi

    def _chunk(self, X: Float64) -> tuple[Float64, Float64]:
        padded = -(-len(X) // TILE) * TILE
        codes = np.zeros((len(self._columns), padded), dtype=self._code_type)
        for place, column in enumerate(self._columns):
            column.encode(np.ascontiguousarray(X[:, column.number]), codes[place])
        margin, phi = np.zeros(padded), np.zeros((self.n_cells, padded))
        add_tables(codes, self._plan, margin, phi)
        return margin[: len(X)], phi[:, : len(X)].T


def _columns(trees: list[Tree]) -> list[_Column]:
    """The columns that the trees split on, in order."""
    thresholds: dict[int, set[float]] = {}
    categories: dict[int, int] = {}
    zeros: dict[int, set[bool]] = {}
    for tree in trees:
        for node, column in enumerate(tree.feature.tolist()):
            chosen = tree.categories[node]
            if chosen is None:
                thresholds.setdefault(column, set()).add(float(tree.threshold[node]))
                zeros.setdefault(column, set()).add(bool(tree.is_zero_missing[node]))
            else:
                highest = int(chosen[-1]) + 1 if len(chosen) else 1
                categories[column] = max(categories.get(column, 1), highest)
    mixed = sorted(set(thresholds) & set(categories)) + [c for c, each in zeros.items() if len(each) > 1]
    if mixed:
        raise UnsupportedTreesError(f"column {mixed[0]} is read in two ways")
    return [
        _Column(
            number,
            np.array(sorted(thresholds.get(number, set())), dtype=np.float64),
            categories.get(number, 0),
            zeros.get(number) == {True},
        )
        for number in sorted({*thresholds, *categories})
    ]


def _plan(trees: list[Tree], columns: list[_Column], cell: list[int], most_bytes: int) -> Plan:
    in_trees = [blocks_of(tree, cell, MOST_BITS) for tree in trees]
    blocks = [block for each in in_trees for block in each]
    sizes = [(1 + len(block.cells)) << len(block.bits) for block in blocks]
    _check_size(blocks, 8 * sum(sizes), most_bytes)
    bits = [bit for block in blocks for bit in block.bits]
    steps = [step for bit in bits for step in bit]
    node, lookup = _nodes(trees, columns)
    plan = Plan(
        node_start=_starts([tree.n_nodes for tree in trees]),
        node_column=node[:, 0].copy(),
        node_low=node[:, 1].copy(),
        node_high=node[:, 2].copy(),
        node_lookup=node[:, 3].copy(),
        lookup=lookup,
        block_start=_starts([len(each) for each in in_trees]),
        bit_start=_starts([len(block.bits) for block in blocks]),
        step_start=_starts([len(bit) for bit in bits]),
        step_node=np.array([node for node, _ in steps], dtype=np.int64),
        step_flip=np.array([1 - side for _, side in steps], dtype=np.uint8),
        slot_start=_starts([len(block.cells) for block in blocks]),
        slot_cell=np.array([each for block in blocks for each in block.cells], dtype=np.int64),
        table_start=_starts(sizes),
        tables=np.zeros(sum(sizes)),
    )
    owner = [tree for tree, each in zip(trees, in_trees, strict=True) for _ in each]
    for number, (block, tree) in enumerate(zip(blocks, owner, strict=True)):
        start, stop = plan.table_start[number], plan.table_start[number + 1]
        _fill(block, tree, cell, plan.tables[start:stop])
    return plan


def _check_size(blocks: list[Block], n_bytes: int, most_bytes: int) -> None:
    longest = max((len(block.bits) for block in blocks), default=0)
    if longest > MOST_LEAF_BITS:
        raise UnsupportedTreesError(f"a path asks for {longest} features; {MOST_LEAF_BITS} are the most")
    if n_bytes > most_bytes:
        raise UnsupportedTreesError(f"the tables would take {n_bytes:,} bytes; {most_bytes:,} are the most")


def _nodes(trees: list[Tree], columns: list[_Column]) -> tuple[Int64, NDArray[np.uint8]]:
    """(nodes, 4): column, lowest and highest code that goes left, place in the lookup; and the lookup."""
    place = {column.number: number for number, column in enumerate(columns)}
    rank = [
        {value: 1 + number for number, value in enumerate(column.thresholds.tolist())} for column in columns
    ]
    nodes: list[tuple[int, int, int, int]] = []
    lookups, n_lookup = [np.zeros(0, dtype=np.uint8)], 0
    for tree in trees:
        for node, number in enumerate(tree.feature.tolist()):
            column, chosen = place[number], tree.categories[node]
            if chosen is None:
                low = 0 if tree.is_missing_left[node] else 1
                nodes.append((column, low, rank[column][float(tree.threshold[node])], -1))
                continue
            is_left = np.zeros(columns[column].n_categories + 1, dtype=np.uint8)
            is_left[chosen + 1] = 1
            nodes.append((column, 0, 0, n_lookup))
            lookups.append(is_left)
            n_lookup += len(is_left)
    return np.array(nodes, dtype=np.int64).reshape(-1, 4), np.concatenate(lookups)


def _starts(sizes: list[int]) -> Int64:
    return np.concatenate([[0], np.cumsum(np.array(sizes, dtype=np.int64))]).astype(np.int64)


def _fill(block: Block, tree: Tree, cell: list[int], tables: Float64) -> None:
    """Tables of one block: the value of the leaf reached, then the contributions of each cell."""
    slot = {each: number for number, each in enumerate(block.cells)}
    holds = [each for leaf in block.leaves for each in leaf.holds]
    leaves = Leaves(
        value=np.array([tree.leaf_value[leaf.number] for leaf in block.leaves], dtype=np.float64),
        feature_start=_starts([len(leaf.features) for leaf in block.leaves]),
        slot=np.array([slot[cell[c]] for leaf in block.leaves for c in leaf.features], dtype=np.int64),
        share=np.array([share for leaf in block.leaves for share in leaf.share], dtype=np.float64),
        hold_start=_starts([len(each) for each in holds]),
        hold_bit=np.array([bit for each in holds for bit, _ in each], dtype=np.int64),
        hold_wanted=np.array([wanted for each in holds for _, wanted in each], dtype=np.int64),
    )
    quadrature = _quadrature(max(len(leaf.features) for leaf in block.leaves))
    fill_tables(tables.reshape(1 + len(slot), -1), leaves, *quadrature)


@cache
def _quadrature(degree: int) -> tuple[Float64, Float64]:
    """Nodes and weights on [0, 1] that integrate polynomials below `degree` exactly."""
    x, weight = np.polynomial.legendre.leggauss(max(1, (degree + 1) // 2))
    return (x + 1.0) / 2.0, weight / 2.0
