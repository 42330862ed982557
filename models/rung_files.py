"""Fitted rungs as the files of a bundle, `model.json` and LightGBM's texts, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from features.errors import BundleError
from models.classifier import BlendRung, LightGBMRung, LogisticRung, PointsRung, RungModel
from models.tiers import TieredRung

__all__ = ["TREES", "is_model_file", "rung_from", "rung_to", "trees_in"]

TREES = "model.txt"


def rung_to(rung: RungModel, name: str, file: str = TREES) -> tuple[dict[str, Any], dict[str, str]]:
    """What `model.json` holds, and the texts of the trees by file name.

    Raises
    ------
    BundleError
        If the rung is of a kind that no bundle holds.
    """
    if isinstance(rung, TieredRung):
        head, texts = rung_to(rung.shared, name, file)
        own = {}
        for level, each in rung.own.items():
            own[level], more = rung_to(each, name, f"model.{rung.levels.index(level)}.txt")
            texts |= more
        return {**head, "tiers": rung.to_json(), "own": own}, texts
    if isinstance(rung, BlendRung):
        head = {"rung": name, "weights": list(rung.weights), "logistic": rung.logistic.to_json()}
        return {**head, "trees": _shape(rung.trees)}, {file: rung.trees.text}
    if isinstance(rung, LightGBMRung):
        return {"rung": name, "trees": _shape(rung)}, {file: rung.text}
    if isinstance(rung, LogisticRung):
        return {"rung": name, "logistic": rung.to_json()}, {}
    if isinstance(rung, PointsRung):
        return {"rung": name, "points": rung.to_json()}, {}
    raise BundleError(f"a bundle can't hold a {type(rung).__name__}")


def _shape(trees: LightGBMRung) -> dict[str, Any]:
    return {"columns": trees.columns.tolist(), "n_features": trees.n_features, "rounds": trees.rounds}


def rung_from(
    head: Mapping[str, Any], texts: Mapping[str, str], has_tables: bool, file: str = TREES
) -> RungModel:
    """The rung that `rung_to` wrote.

    Parameters
    ----------
    texts : of the bundle's files, by name.
    has_tables : whether reasons of trees may be looked up in tables.

    Raises
    ------
    BundleError
        If a text is missing, or the head names no model.
    """
    if "tiers" in head:
        shared = rung_from({k: v for k, v in head.items() if k != "tiers"}, texts, has_tables)
        levels = head["tiers"]["levels"]
        own = {
            level: rung_from(each, texts, has_tables, f"model.{levels.index(level)}.txt")
            for level, each in head["own"].items()
        }
        return TieredRung.from_json(head["tiers"], shared, own)
    if "points" in head:
        return PointsRung.from_json(head["points"])
    trees = None
    if "trees" in head:
        if file not in texts:
            raise BundleError(f"the rung has trees, but {file} is missing")
        shape = head["trees"]
        columns = np.array(shape["columns"], dtype=np.int64)
        trees = LightGBMRung(texts[file], columns, shape["n_features"], shape["rounds"], has_tables)
    if "logistic" not in head:
        if trees is None:
            raise BundleError("the model has neither points, coefficients nor trees")
        return trees
    logistic = LogisticRung.from_json(head["logistic"])
    if trees is None:
        return logistic
    first, second, third = (float(weight) for weight in head["weights"])
    return BlendRung(logistic, trees, (first, second, third))


def trees_in(rung: RungModel) -> Iterator[LightGBMRung]:
    """Every fitted set of trees that a rung is made of."""
    if isinstance(rung, LightGBMRung):
        yield rung
    elif isinstance(rung, BlendRung):
        yield rung.trees
    elif isinstance(rung, TieredRung):
        for each in (rung.shared, *rung.own.values()):
            yield from trees_in(each)


def is_model_file(name: str) -> bool:
    """Whether a file holds trees of the model itself: `model.txt`, or `model.3.txt` of a segment."""
    return name.startswith("model.") and name.endswith(".txt")
