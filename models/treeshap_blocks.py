"""Leaves in blocks: which yes/no conditions decide the contributions of a few neighbouring leaves.

The contribution of a leaf depends only on which of its path's features hold, one yes or no a feature. A
block is a run of neighbouring leaves that share most of their path, so a handful of bits decides them all:
one for each feature of the shared path above, one for each split below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.trees import Tree

__all__ = ["Block", "Condition", "Leaf", "blocks_of"]

Step = tuple[int, int]  # node, and 1 for its left or 0 for its right side
Condition = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Leaf:
    """One leaf with, for each distinct feature of its path, what must hold.

    Attributes
    ----------
    number : of the leaf in its tree.
    features : distinct split columns of the path.
    holds : for each feature the (bit, wanted) pairs that must all be as wanted.
    share : for each feature the share of training rows that follow the path at its splits.
    """

    number: int
    features: tuple[int, ...]
    holds: tuple[Condition, ...]
    share: tuple[float, ...]


@dataclass(frozen=True)
class Block:
    """Leaves decided by a few bits.

    Attributes
    ----------
    bits : each is 1 where all its (node, side) pairs are taken as named.
    cells : where the contributions of its leaves go, sorted.
    """

    bits: tuple[Condition, ...]
    leaves: tuple[Leaf, ...]
    cells: tuple[int, ...]


def blocks_of(tree: Tree, cell: Sequence[int], most_bits: int) -> list[Block]:
    """The leaves of a tree cut into the cheapest runs of at most `most_bits` bits.

    A leaf that needs more bits is a block of its own. The cost of a block is one table lookup for each of
    its cells and one for its value; the cheapest cut is found by dynamic programming.

    Parameters
    ----------
    cell : of each column, where its contributions are summed.
    """
    paths = _paths(tree)
    costs, starts = [0.0], [0]
    for stop in range(1, len(paths) + 1):
        runs = _runs(tree, cell, paths, stop, most_bits)
        best, start = min((costs[first] + cost, first) for first, cost in runs)
        costs.append(best)
        starts.append(start)
    found: list[Block] = []
    stop = len(paths)
    while stop > 0:
        found.append(_block(tree, cell, paths[starts[stop] : stop]))
        stop = starts[stop]
    return found[::-1]


def _paths(tree: Tree) -> list[tuple[int, list[Step]]]:
    """(leaf, its path) from left to right."""
    if tree.n_nodes == 0:
        return [(0, [])]
    found: list[tuple[int, list[Step]]] = []
    waiting: list[tuple[int, list[Step]]] = [(0, [])]
    while waiting:
        child, path = waiting.pop()
        if child < 0:
            found.append((~child, path))
            continue
        waiting.append((int(tree.right[child]), [*path, (child, 0)]))
        waiting.append((int(tree.left[child]), [*path, (child, 1)]))
    return found


def _runs(
    tree: Tree, cell: Sequence[int], paths: list[tuple[int, list[Step]]], stop: int, most_bits: int
) -> list[tuple[int, float]]:
    """(first leaf, cost) of every run that ends before `stop` and has few enough bits."""
    last = paths[stop - 1][1]
    feature = tree.feature.tolist()
    above = {feature[node] for node, _ in last}
    cells = {cell[column] for column in above}
    found = [(stop - 1, _cost(len(above), len(cells)))]
    shared, below = len(last), set[int]()
    for first in range(stop - 2, -1, -1):
        path = paths[first][1]
        common = _common(path, paths[first + 1][1])
        if common < shared:
            below.update(node for node, _ in last[common:shared])
            shared = common
        below.update(node for node, _ in path[shared:])
        n_bits = len({feature[node] for node, _ in last[:shared]}) + len(below)
        if n_bits > most_bits:
            break
        cells.update(cell[feature[node]] for node, _ in path)
        found.append((first, _cost(n_bits, len(cells))))
    return found


def _cost(n_bits: int, n_cells: int) -> float:
    return 1.0 + n_cells + 0.25 * n_bits


def _common(one: list[Step], other: list[Step]) -> int:
    """Steps that two paths share from the root."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))


def _block(tree: Tree, cell: Sequence[int], run: list[tuple[int, list[Step]]]) -> Block:
    feature = tree.feature.tolist()
    paths = [path for _, path in run]
    shared = len(paths[0]) if len(paths) == 1 else min(_common(paths[0], path) for path in paths)
    above: dict[int, list[Step]] = {}
    for node, side in paths[0][:shared]:
        above.setdefault(feature[node], []).append((node, side))
    below = sorted({node for path in paths for node, _ in path[shared:]})
    bits = [*(tuple(steps) for steps in above.values()), *(((node, 1),) for node in below)]
    above_bit = {column: number for number, column in enumerate(above)}
    below_bit = {node: len(above) + number for number, node in enumerate(below)}
    leaves = []
    for number, path in run:
        holds: dict[int, list[tuple[int, int]]] = {column: [(bit, 1)] for column, bit in above_bit.items()}
        share = dict.fromkeys(holds, 1.0)
        for place, (node, side) in enumerate(path):
            child = int(tree.left[node] if side else tree.right[node])
            column = feature[node]
            share[column] = share.get(column, 1.0) * (tree.count(child) / tree.count(node))
            if place >= shared:
                holds.setdefault(column, []).append((below_bit[node], side))
        order = tuple(holds)
        leaves.append(
            Leaf(number, order, tuple(tuple(holds[c]) for c in order), tuple(share[c] for c in order))
        )
    cells = sorted({cell[column] for leaf in leaves for column in leaf.features})
    return Block(tuple(bits), tuple(leaves), tuple(cells))
