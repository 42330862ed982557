"""What more history would bring: the recipe fitted on ever larger parts of development, read on the same test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.intervals import Interval, bootstrap_intervals
from models.metrics import auc
from models.settings import ModelSettings
from models.split import hashed

__all__ = ["CurvePoint", "learning_curve"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
SHARES = (0.125, 0.25, 0.5)
LEAST_CONVERSIONS = 10
_CURVE = 31_000_001  # a draw of its own, apart from those of the split


@dataclass(frozen=True)
class CurvePoint:
    """The AUC on the test of the recipe fitted on a share of development's accounts and leads."""

    share: float
    rows: int
    conversions: int
    auc: Interval


def learning_curve(
    fit: Callable[[Int64, Int64], Float64], whole: Float64, development: Int64, test: Int64, y: Float64,
    cluster: Int64, model: ModelSettings,
) -> tuple[CurvePoint, ...]:  # fmt: skip
    """An eighth, a quarter, a half and all of development, the smaller part within the larger.

    Whole clusters are drawn by hash, from all of the time, so that the parts differ in size alone. Parts with
    fewer than 10 conversions are left out.

    Parameters
    ----------
    fit : rows to fit on and rows to predict -> log-odds of the latter.
    whole : (test,) log-odds of the fit on all of development.
    y, cluster : (n,) of all examples.
    model : gives the replicates of the intervals and their seed.
    """
    place = hashed(cluster[development], _CURVE)
    points = []
    for share in (*SHARES, 1.0):
        rows = development[place < share]
        won = int(y[rows].sum())
        if won < LEAST_CONVERSIONS or won == len(rows):
            continue
        odds = whole if share == 1.0 else fit(rows, test)
        found = bootstrap_intervals({"auc": auc}, y[test], odds, cluster[test], model.bootstrap, model.seed)
        points.append(CurvePoint(share, len(rows), won, found["auc"]))
    return tuple(points)
