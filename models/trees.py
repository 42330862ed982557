"""LightGBM's text format read into arrays: every split and leaf of every tree.

Only what a fixed model of one output needs is read; anything else is refused by name, so that nothing is
ever computed from a tree that was half understood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import InputError

__all__ = ["Tree", "UnsupportedTreesError", "read_trees"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_ZERO, _MISSING_NAN = 1, 2


class UnsupportedTreesError(InputError):
    """The trees are of a kind that tables of contributions can't be made for."""


@dataclass(frozen=True)
class Tree:
    """One tree. Children are node numbers, or ~leaf where negative; a tree of one leaf has no nodes.

    Attributes
    ----------
    feature, left, right : (nodes,) split column and children.
    threshold : (nodes,) a number goes left if it is at most this; unused where `categories` is given.
    categories : (nodes,) the values that go left, sorted, or None for a numeric split.
    is_missing_left : (nodes,) where a missing number goes; a missing category always goes right.
    is_zero_missing : (nodes,) whether 0 counts as missing at this split.
    leaf_value : (leaves,) log-odds.
    node_count, leaf_count : training rows in each.
    """

    feature: Int64
    threshold: Float64
    categories: tuple[Int64 | None, ...]
    is_missing_left: NDArray[np.bool_]
    is_zero_missing: NDArray[np.bool_]
    left: Int64
    right: Int64
    leaf_value: Float64
    node_count: Float64
    leaf_count: Float64

    @property
    def n_nodes(self) -> int:
        """Splits of the tree."""
        return len(self.feature)

    def count(self, child: int) -> float:
        """Training rows in a child: a node, or ~leaf."""
        return float(self.leaf_count[~child] if child < 0 else self.node_count[child])

    def expected_value(self) -> float:
        """Mean leaf value over the training rows."""
        if self.n_nodes == 0:
            return float(self.leaf_value[0])
        return math.fsum((self.leaf_count / self.node_count[0] * self.leaf_value).tolist())


def read_trees(text: str) -> list[Tree]:
    """The trees of a LightGBM model in their order.

    Parameters
    ----------
    text : str
        What `Booster.model_to_string` wrote.

    Raises
    ------
    UnsupportedTreesError
        If the model has several outputs, linear leaves, averaged output, or is no such text.
    """
    head, *blocks = text.split("\nTree=")
    shape = _fields(head)
    if shape.get("num_tree_per_iteration") != "1":
        raise UnsupportedTreesError(
            f"one output is needed; the model has {shape.get('num_tree_per_iteration', 'none')}"
        )
    if "average_output" in head.splitlines():
        raise UnsupportedTreesError("the model averages its trees")
    try:
        return [_tree(_fields(block.split("\n\n")[0])) for block in blocks]
    except (KeyError, ValueError, IndexError) as error:
        raise UnsupportedTreesError(f"a tree can't be read: {error!r}") from error


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.splitlines())
    return {key: value for key, sign, value in pairs if sign}


def _tree(fields: dict[str, str]) -> Tree:
    if fields.get("is_linear", "0") != "0":
        raise UnsupportedTreesError("the leaves are linear")
    is_leaf = int(fields["num_leaves"]) == 1

    def array(key: str, dtype: Any) -> NDArray[Any]:
        found = np.array([] if is_leaf else fields[key].split(), dtype=dtype)
        if not is_leaf and len(found) != int(fields["num_leaves"]) - (not key.startswith("leaf")):
            raise ValueError(f"{key} has {len(found)} entries")
        return found

    kind = array("decision_type", np.int64)
    threshold = array("threshold", np.float64)
    missing = (kind >> 2) & 3
    is_default_left = (kind & _DEFAULT_LEFT) > 0
    return Tree(
        feature=array("split_feature", np.int64),
        threshold=threshold,
        categories=_categories(fields, kind, threshold),
        # a missing number where none was seen in training counts as 0
        is_missing_left=np.where(missing == 0, threshold >= 0, is_default_left)
        & ((kind & _CATEGORICAL) == 0),
        is_zero_missing=(missing == _MISSING_ZERO) & ((kind & _CATEGORICAL) == 0),
        left=array("left_child", np.int64),
        right=array("right_child", np.int64),
        leaf_value=np.array(fields["leaf_value"].split(), dtype=np.float64),
        node_count=array("internal_count", np.float64),
        leaf_count=array("leaf_count", np.float64),
    )


def _categories(fields: dict[str, str], kind: Int64, threshold: Float64) -> tuple[Int64 | None, ...]:
    """Values that go left at each node: bit b of word w stands for 32 w + b."""
    if int(fields["num_cat"]) == 0:
        return (None,) * len(kind)
    bounds = np.array(fields["cat_boundaries"].split(), dtype=np.int64)
    words = np.array(fields["cat_threshold"].split(), dtype=np.uint32)
    sets = [
        np.flatnonzero(np.unpackbits(words[low:high].view(np.uint8), bitorder="little")).astype(np.int64)
        for low, high in pairwise(bounds.tolist())
    ]
    return tuple(
        sets[int(place)] if each & _CATEGORICAL else None
        for each, place in zip(kind.tolist(), threshold.tolist(), strict=True)
    )
