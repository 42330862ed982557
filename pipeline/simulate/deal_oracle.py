"""What could be known of a deal: the exact chance of each product, and the exact mean amount."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.errors import InputError
from pipeline.simulate.deals import DealLaw, make_deal_law
from pipeline.simulate.evidence import integers, truth_table
from pipeline.simulate.oracle import p_history
from pipeline.simulate.questions import Moments, lead_rows
from pipeline.simulate.vocabulary import PRODUCTS
from pipeline.simulate.world import World

__all__ = ["amount_if_won", "p_history_product"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def p_history_product(
    source: World | Path | str,
    lead_ids: Sequence[str],
    products: Sequence[str],
    as_of: Moments,
    horizon: int | str = "30d",
) -> Floats:
    """P(won with this product in [as_of, as_of + horizon) | all observable before as_of), one a row.

    Given the recorded interest, the product won says nothing of when it is won and the reverse: this is
    `p_history` times the law of the product. Over all products it adds up to `p_history`.

    Parameters
    ----------
    source
        A world, or the folder it was written to.
    lead_ids, products
        One lead and one product a row.
    as_of, horizon
        As for `p_history`.

    Returns
    -------
    float64, shape (row,): a probability; NaN where the lead is not open at as_of.

    Raises
    ------
    InputError
        If a lead or a product is not of this world, or the lengths differ.
    """
    chosen = _product_codes(products, len(lead_ids))
    p = p_history(source, lead_ids, as_of, horizon)
    _, _, interest = _recorded(source, lead_ids)
    return np.asarray(p * _law(source).product_law(interest)[np.arange(len(p)), chosen])


def amount_if_won(source: World | Path | str, lead_ids: Sequence[str]) -> Floats:
    """E[amount | won, recorded fields] in euro, one a row; what the lead did adds nothing to it.

    Parameters
    ----------
    source
        A world, or the folder it was written to.
    lead_ids
        One id a row; an id may recur.

    Raises
    ------
    InputError
        If an id is not of this world.
    """
    return _law(source).mean_amount(*_recorded(source, lead_ids))


def _law(source: World | Path | str) -> DealLaw:
    if isinstance(source, World):
        return make_deal_law(source.settings)
    return DealLaw.read(Path(source) / "truth" / "deals.json")


def _recorded(source: World | Path | str, lead_ids: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    """Segment, size band and product interest of each lead."""
    traits = truth_table(source, "traits")
    rows = lead_rows(traits.num_rows, lead_ids)
    segment = integers(truth_table(source, "leads")["segment"])
    return segment[rows], integers(traits["size"])[rows], integers(traits["product"])[rows]


def _product_codes(products: Sequence[str], n_leads: int) -> Ints:
    if len(products) != n_leads:
        raise InputError(f"{n_leads} lead ids but {len(products)} products; expected one product an id")
    stray = [product for product in products if product not in PRODUCTS]
    if stray:
        near = difflib.get_close_matches(str(stray[0]), PRODUCTS, n=1, cutoff=0.5)
        raise InputError(
            f"{len(stray)} of {n_leads} products are not of this world; the first is {stray[0]!r}; "
            f"expected {repr(near[0]) if near else ', '.join(PRODUCTS)}"
        )
    return np.array([PRODUCTS.index(product) for product in products], dtype=np.int64)
