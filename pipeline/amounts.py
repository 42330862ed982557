"""Money of wins: of the win that an example ended with, and of all wins of its lead or account within a window."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import Examples, microseconds
from features.prepare import Prepared
from features.settings import TargetSettings

__all__ = ["amount_at_end", "amount_within", "first_amount"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def amount_at_end(data: Prepared, outcomes: pd.DataFrame, rows: Examples, target: TargetSettings) -> Float64:
    """(rows,) amount of the win that ended each row's spell, NaN where it has none.

    Of a lead that was reopened and won again each spell has its own. Wins of one lead at one instant, such as
    the lines of an order, add up.
    """
    won = _wins(data, outcomes, target)
    if target.product is not None:
        won = won[won["product"] == target.product]
    summed = won.groupby(["lead", "moment"])["amount"].sum(min_count=1)
    ends = pd.MultiIndex.from_arrays([rows.lead, rows.spell_end])
    found = summed.reindex(ends).to_numpy(dtype=np.float64)
    return np.where(rows.is_won, found, np.nan)


def first_amount(data: Prepared, outcomes: pd.DataFrame, target: TargetSettings) -> Float64:
    """(leads,) amount of each lead's first win that has one, for a flat export, which knows no spells."""
    won = _wins(data, outcomes, target).dropna(subset="amount").sort_values(["moment", "lead"])
    first = won.drop_duplicates("lead").set_index("lead")["amount"]
    return first.reindex(np.arange(len(data.leads))).to_numpy(dtype=np.float64)


def amount_within(
    data: Prepared, outcomes: pd.DataFrame, rows: Examples, horizon: int, target: TargetSettings, *, of_account: bool
) -> Float64:  # fmt: skip
    """(rows,) sum of the amounts above 0 of all wins in [as_of, as_of + horizon), 0 without one.

    Parameters
    ----------
    of_account : whether the wins of all leads of the account count, those created later among them; a lead
        without an account has its own.
    """
    won = _wins(data, outcomes, target)
    won = won[won["amount"] > 0]
    owner = np.arange(len(data.leads))
    if of_account:
        owner = np.where(data.account >= 0, len(data.leads) + data.account, owner)
    times = np.unique(won["moment"].to_numpy(dtype=np.int64))
    width = len(times) + 1
    place = np.searchsorted(times, won["moment"].to_numpy(dtype=np.int64))
    key = owner[won["lead"].to_numpy(dtype=np.int64)] * width + place
    order = np.argsort(key, kind="stable")
    key, total = key[order], np.append(0.0, np.cumsum(won["amount"].to_numpy(dtype=np.float64)[order]))
    of_row = owner[rows.lead] * width
    low = np.searchsorted(key, of_row + np.searchsorted(times, rows.as_of))
    high = np.searchsorted(key, of_row + np.searchsorted(times, rows.as_of + horizon))
    # to the cent: a difference of running sums keeps their rounding
    return np.where(high > low, np.round(total[high] - total[low], 2), 0.0)


def _wins(data: Prepared, outcomes: pd.DataFrame, target: TargetSettings) -> pd.DataFrame:
    """Wins with their lead's position, moment, product and amount; those of unknown leads left out."""
    won = outcomes[outcomes["outcome"].isin(target.won)]
    lead = pd.Index(data.leads["lead_id"]).get_indexer(pd.Index(won["lead_id"]))
    found = pd.DataFrame({
        "lead": lead, "moment": microseconds(won["occurred_at"]), "product": won["product"].to_numpy(),
        "amount": won["amount"].to_numpy(dtype=np.float64),
    })  # fmt: skip
    return found[found["lead"] >= 0]
