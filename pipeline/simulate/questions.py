"""Questions put to the oracle: ids and moments as positions and microseconds."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import InputError
from pipeline.simulate.evidence import Evidence
from pipeline.simulate.settings import BLOCK_LEADS

__all__ = ["Moments", "account_questions", "lead_rows", "questions"]

Ints = NDArray[np.int64]
Moments = NDArray[np.int64] | NDArray[np.datetime64]


def questions(facts: Evidence, lead_ids: Sequence[str], as_of: Moments) -> tuple[Ints, Ints]:
    """Position of the lead and microseconds of the moment, one a row."""
    return lead_rows(len(facts.account), lead_ids), _microseconds("lead", as_of, len(lead_ids))


def account_questions(facts: Evidence, account_ids: Sequence[str], as_of: Moments) -> tuple[Ints, Ints]:
    """Number of the account and microseconds of the moment, one a row."""
    found = [re.fullmatch(r"A([0-9]{3,})([0-9]{5})", str(account_id)) for account_id in account_ids]
    number = np.array([int(m[1]) * BLOCK_LEADS + int(m[2]) if m else -1 for m in found], dtype=np.int64)
    has_name = facts.segment[np.unique(facts.account, return_index=True)[1]] == 0
    account = np.minimum(np.searchsorted(facts.account_number, number), len(has_name) - 1)
    is_stray = (facts.account_number[account] != number) | ~has_name[account]
    _refuse_strays("account", account_ids, is_stray, f"one of the {has_name.sum()} account ids in its leads")
    return account, _microseconds("account", as_of, len(account_ids))


def lead_rows(n_leads: int, lead_ids: Sequence[str]) -> Ints:
    """Position of each lead in a world of `n_leads`, from its id.

    Raises
    ------
    InputError
        If an id is not of this world.
    """
    found = [re.fullmatch(r"L([0-9]{7})", str(lead_id)) for lead_id in lead_ids]
    rows = np.array([int(match[1]) - 1 if match else -1 for match in found], dtype=np.int64)
    _refuse_strays("lead", lead_ids, (rows < 0) | (rows >= n_leads), f"L0000001 to L{n_leads:07d}")
    return rows


def _refuse_strays(kind: str, ids: Sequence[str], is_stray: NDArray[np.bool_], expected: str) -> None:
    stray = np.flatnonzero(is_stray)
    if len(stray):
        raise InputError(
            f"{len(stray)} of {len(is_stray)} {kind} ids are not of this world; the first is "
            f"{ids[int(stray[0])]!r}; expected {expected}"
        )


def _microseconds(kind: str, as_of: Moments, n_ids: int) -> Ints:
    moments = np.asarray(as_of)
    if n_ids != len(moments):
        raise InputError(f"{n_ids} {kind} ids but {len(moments)} moments as_of; expected one moment an id")
    if moments.dtype.kind not in "iu":
        moments = pd.DatetimeIndex(pd.to_datetime(pd.Series(moments), utc=True)).as_unit("us").asi8
    return np.asarray(moments, dtype=np.int64)
