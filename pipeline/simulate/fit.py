"""Fit level of a lead: a fixed function of what is recorded at creation, a missing value being a value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.parameters import N_FITS
from pipeline.simulate.vocabulary import PRODUCTS, TITLES, TITLES_B2C

__all__ = ["fit_level", "seniority_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SENIORITY_OF_TITLE = np.array([level for _, level in (*TITLES, *TITLES_B2C)] + [-1])

# the last entry of each table is for a missing value
_SENIORITY_POINTS = np.array([1.1, 1.0, 0.7, 0.3, -0.2, -0.7, -1.4, -0.1])
_SOURCE_POINTS = np.array([0.1, 0.2, 0.1, 0.7, 0.5, 0.1, -0.3, -0.9, 0.0])
_COUNTRY_POINTS = np.array([0.4, 0.4, 0.2, 0.1, -0.5, -0.4, 0.3, 0.0, -0.1])
_INDUSTRY_POINTS = np.array([0.7, 0.2, 0.6, 0.1, -0.3, -0.7, 0.0, 0.3, -0.1])
_SIZE_POINTS = np.array([-0.7, 0.1, 0.6, 0.5, 0.0, -0.2])
_PRODUCT_POINTS = np.array([0.1, 0.2, 0.1, -0.1, -0.1])
_LEVEL_EDGES = np.array([-1.6, -1.05, -0.65, -0.3, 0.05, 0.4, 0.8, 1.25, 1.8])


def seniority_of(title: Ints) -> Ints:
    """Seniority code of each title code, -1 where the title is missing."""
    return np.asarray(_SENIORITY_OF_TITLE[title], dtype=np.int64)


def fit_level(
    fields: dict[str, Ints], industry: Ints, size: Ints, budget: Floats, *, is_b2b: NDArray[np.bool_]
) -> Ints:
    """Fit level of each lead, 0 (poor) to 9 (good).

    Parameters
    ----------
    fields
        Codes of `title`, `source`, `country` and `product`, -1 where missing.
    industry, size
        Codes of the account's industry and size band, -1 where missing or without an account.
    budget
        NaN where missing.
    is_b2b
        Whether the lead belongs to an account; others have no company points.
    """
    product = fields["product"]
    points = _SENIORITY_POINTS[seniority_of(fields["title"])] + _SOURCE_POINTS[fields["source"]]
    points += _COUNTRY_POINTS[fields["country"]] + _PRODUCT_POINTS[product] - 0.3
    points += np.where(np.isnan(budget), 0.0, np.where(budget > 10_000, 0.5, 0.1))
    wants_suite = product == len(PRODUCTS) - 1
    company = _INDUSTRY_POINTS[industry] + _SIZE_POINTS[size]
    company += np.where(wants_suite & (size >= 3), 0.8, np.where(wants_suite & (size < 2), -0.6, 0.0))
    level = np.searchsorted(_LEVEL_EDGES, points + np.where(is_b2b, company, 0.0), side="right")
    assert level.max(initial=0) < N_FITS
    return np.asarray(level, dtype=np.int64)
