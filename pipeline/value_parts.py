"""The value models in a bundle, and the columns that they give a scored row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.durations import format_duration
from features.errors import BundleError
from models.bundle import Bundle
from models.scorer import Scored
from models.settings import ValueSettings
from models.value import AmountModel
from models.value_totals import open_total
from pipeline.config import Project
from pipeline.output import ScoreRows

__all__ = [
    "QUARTILE_BANDS",
    "ValueParts",
    "open_money",
    "read_parts",
    "value_bands",
    "value_columns",
    "value_warnings",
    "written_parts",
]

Float64 = NDArray[np.float64]
HEAD, TREES, CUSTOMER_TREES = "value.json", "value.txt", "customer_value.txt"
QUARTILE_BANDS = ("A", "B", "C", "D")


@dataclass(frozen=True)
class ValueParts:
    """What a bundle knows of money.

    Attributes
    ----------
    amount : E[amount | won within the horizon].
    lines : least expected value of each quartile band, the highest first.
    spread, level_sd : what the interval of a total is drawn from (`models.value_totals.open_total`).
    customers : E[all amounts within `customer_horizon`], in microseconds, or what the expected value is multiplied by
        to get it; None where it is not known.
    """

    amount: AmountModel
    lines: dict[str, float]
    spread: Float64
    level_sd: float
    customers: AmountModel | float | None = None
    customer_horizon: int | None = None


def written_parts(parts: ValueParts) -> dict[str, str]:
    """The files of a bundle that hold the value models: JSON and LightGBM's text."""
    customers, horizon = parts.customers, parts.customer_horizon
    model = customers if isinstance(customers, AmountModel) else None
    head = {
        "amount": parts.amount.to_json(),
        "lines": parts.lines,
        "spread": parts.spread.tolist(),
        "level_sd": parts.level_sd,
        "customers": customers if model is None else model.to_json(),
        "customer_horizon": None if horizon is None else format_duration(horizon),
    }
    texts = {TREES: parts.amount.text, CUSTOMER_TREES: None if model is None else model.text}
    found = {name: text for name, text in texts.items() if text is not None}
    return {HEAD: json.dumps(head, indent=1, sort_keys=True) + "\n", **found}


def read_parts(parts: Mapping[str, str]) -> ValueParts | None:
    """The value models of a bundle's parts; None where it has none.

    Raises
    ------
    BundleError
        If they are of an unknown shape.
    """
    return _read(parts[HEAD], parts.get(TREES), parts.get(CUSTOMER_TREES)) if HEAD in parts else None


@lru_cache(maxsize=4)
def _read(head: str, trees: str | None, customer_trees: str | None) -> ValueParts:
    try:
        values = json.loads(head)
        whose = values["customers"]
        lines = sorted(values["lines"].items(), key=lambda each: -each[1])
        return ValueParts(
            amount=AmountModel.from_json(values["amount"], trees),
            lines={str(name): float(line) for name, line in lines},
            spread=np.array(values["spread"], dtype=np.float64),
            level_sd=float(values["level_sd"]),
            customers=AmountModel.from_json(whose, customer_trees)
            if isinstance(whose, dict)
            else None
            if whose is None
            else float(whose),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{HEAD} is of an unknown shape: {error!r}; train again") from error


def value_columns(project: Project, bundle: Bundle, X: Float64, scored: Scored) -> dict[str, list[Any]]:
    """Money of each row: expected value, amount of a win, band by value, customer value; nothing where it is off."""
    found = read_parts(bundle.parts) if project.value.enabled else None
    if found is None:
        return {}
    amount = found.amount.predict(X)
    expected = np.asarray(scored.probability * amount)
    return {
        "expected_value": _listed(expected),
        "amount_if_won": amount.tolist(),
        "value_band": value_bands(expected, project.value, found.lines),
        "customer_value": _listed(_customer_values(found.customers, X, expected)),
    }


def _customer_values(customers: AmountModel | float | None, X: Float64, expected: Float64) -> Float64:
    if customers is None:
        return np.full(len(X), np.nan)
    alone = customers.predict(X) if isinstance(customers, AmountModel) else customers * expected
    return np.fmax(
        alone, expected
    )  # over a longer horizon it can't be less; fmax passes over an unknown chance


def _listed(values: Float64) -> list[float | None]:
    return [None if np.isnan(each) else each for each in values.tolist()]


def value_bands(expected: Float64, settings: ValueSettings, lines: Mapping[str, float]) -> list[str | None]:
    """Band of each expected value: the project's lines in money, else the quartiles; None where it is unknown."""
    own = settings.bands or lines
    names = sorted(own, key=lambda name: own[name])
    below = settings.below_name if settings.bands else names[0]
    place = np.searchsorted([own[name] for name in names], expected, side="right")
    found = [below if each == 0 else names[each - 1] for each in place.tolist()]
    return [None if np.isnan(value) else name for name, value in zip(found, expected.tolist(), strict=True)]


def value_warnings(project: Project, bundle: Bundle) -> list[str]:
    """What to know where money was asked for and the bundle can't tell it."""
    if project.value.enabled and HEAD not in bundle.parts:
        return [
            "value.enabled = true, but this model was trained without it: the columns are empty; train again"
        ]
    return []


def open_money(project: Project, bundle: Bundle, rows: ScoreRows) -> dict[str, Any]:
    """For the manifest: what the scored leads will bring within the horizon, with its 95 % predictive interval."""
    found = read_parts(bundle.parts) if project.value.enabled else None
    p = np.array(rows.probability, dtype=np.float64)
    if found is None or len(p) == 0 or np.isnan(p).any():
        return {}
    amount = np.array(rows.optional["amount_if_won"], dtype=np.float64)
    total = open_total(p, amount, found.spread, found.level_sd)
    return {"open_total": {"expected": total.value, "low": total.low, "high": total.high, "leads": len(p)}}
