"""What moves the scores: the share of each reason group in a model, and the points it moves."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.classifier import BlendRung, LightGBMRung, LogisticRung, PointsRung
from models.intervals import Interval
from models.tiers import TieredRung
from pipeline.report_figures import Table, cell, formed, rows_of

__all__ = ["importance", "points_moved", "reason_table"]

Float64 = NDArray[np.float64]
MOST_GROUPS = 15
MOST_ROWS = 10


def reason_table(bundle: Bundle) -> Table | None:
    """The strongest reason groups, their share of the model and the points they move; None without any."""
    shares, label = importance(bundle)
    if not shares:
        return None
    moved = points_moved(bundle)
    rows = [(name, formed(share, "%"), cell(moved[name], "1")) for name, share in shares.items()]
    return Table(
        "The strongest reasons",
        ("Reason", label, "Points moved"),
        rows_of(rows[:MOST_ROWS]),
        note=f"Points moved: mean size of the points up or down, on n = {len(bundle.golden):,} rows spread over the "
        "training, with its 95 % interval. A share is a part of the fitted model and has no interval. What goes with "
        "buying need not cause it.",
    )


def importance(bundle: Bundle) -> tuple[dict[str, float], str]:
    """Share of each reason group in the model, the largest first, and what the share is of.

    Trees: total gain of the splits. Logistic: absolute weights on standardised columns. Blend: both
    shares, mixed by the blend's weights. Points: the mean points of a rule on the golden rows.
    """
    weights, label = _weights(bundle.scorer.rung, bundle.golden)
    total = weights.sum()
    names, group = _labels(bundle)
    shares: dict[str, float] = defaultdict(float)
    for place, weight in zip(group.tolist(), weights, strict=True):
        shares[names[place]] += float(weight / total) if total > 0 else 0.0
    ranked = sorted(
        ((name, share) for name, share in shares.items() if share > 0), key=lambda each: (-each[1], each[0])
    )
    return dict(ranked[:MOST_GROUPS]), label


def points_moved(bundle: Bundle) -> dict[str, Interval]:
    """Mean absolute points of each reason group on the golden rows, with its 95 % interval."""
    names, _ = _labels(bundle)
    points = bundle.scorer.scored(bundle.golden, 1).explained.points
    found = {}
    for name in dict.fromkeys(names):
        size = np.abs(points[:, [each == name for each in names]].sum(axis=1))
        error = float(size.std(ddof=1) / math.sqrt(len(size))) if len(size) > 1 else float("nan")
        value = float(size.mean())
        found[name] = Interval(value, max(0.0, value - 1.96 * error), value + 1.96 * error)
    return found


def _labels(bundle: Bundle) -> tuple[list[str], NDArray[np.int64]]:
    """Words of each reason group, and the group of each feature."""
    groups, place = bundle.scorer.catalogue.groups()
    words = dict.fromkeys(groups, "")
    for feature in bundle.scorer.catalogue.features:
        words[feature.group] = words[feature.group] or feature.words or feature.group
    return [_capital(words[each]) for each in groups], place


def _weights(rung: Any, golden: Float64) -> tuple[Float64, str]:
    if isinstance(rung, TieredRung):
        return _weights(rung.shared, golden)
    if isinstance(rung, BlendRung):
        linear, trees = (_weights(part, golden)[0] for part in (rung.logistic, rung.trees))
        parts = [each / each.sum() if each.sum() > 0 else each for each in (linear, trees)]
        mixed = rung.weights[1] * parts[0] + rung.weights[2] * parts[1]
        return mixed, "Share of weights and of gain, blended"
    if isinstance(rung, LightGBMRung):
        return rung.importance(), "Share of the trees' gain"
    found = np.zeros(golden.shape[1])
    if isinstance(rung, LogisticRung):
        np.add.at(found, rung.encoding.feature, np.abs(rung.weights))
        return found, "Share of the absolute weights"
    if isinstance(rung, PointsRung):
        found[rung.rules] = np.abs(golden[:, rung.rules]).mean(axis=0)
    return found, "Share of the points given"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
