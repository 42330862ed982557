"""What could be known: the exact chance of a win given everything observable, or given the true state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from features.durations import parse_duration
from features.errors import InputError
from pipeline.simulate.evidence import Evidence, Steps, read_steps, read_truth, truth_table
from pipeline.simulate.filtering import Chains, run_filter
from pipeline.simulate.parameters import WON
from pipeline.simulate.settings import DAY
from pipeline.simulate.world import World

__all__ = ["p_history", "p_state"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Moments = NDArray[np.int64] | NDArray[np.datetime64]


def p_history(
    source: World | Path | str, lead_ids: Sequence[str], as_of: Moments, horizon: int | str = "30d"
) -> Floats:
    """P(won in [as_of, as_of + horizon) | all that was observable strictly before as_of), one a row.

    Known are the recorded fields, the lead's own events and lifecycle moves, and the events, moves and
    outcomes of its colleagues; link scanners' clicks and duplicates say nothing. The hidden state and
    the account's hidden class are summed over exactly.

    Parameters
    ----------
    source
        A world, or the folder it was written to.
    lead_ids
        One id a row; an id may recur.
    as_of
        One moment a row: microseconds since 1970 UTC, or datetime64.
    horizon
        Such as "30d", or microseconds.

    Returns
    -------
    float64, shape (row,): a probability; NaN where the lead is not open at as_of.

    Raises
    ------
    InputError
        If an id is not of this world, or the lengths differ.
    """
    facts = read_truth(source)
    rows, at_us = _questions(facts, lead_ids, as_of)
    keys, key = _account_moments(facts.account[rows], at_us)
    member, member_key = _members(facts, *keys)
    steps = read_steps(source, _mask(len(facts.account), member))
    chains = Chains(facts.law)
    log_likelihood, state = _filter_members(facts, chains, steps, member, keys[1][member_key])
    by_class = np.zeros((len(keys[0]), 2))
    np.add.at(by_class, member_key, log_likelihood)
    post = _class_law(facts, rows, by_class[key])
    own = np.searchsorted(member_key * len(facts.account) + member, key * len(facts.account) + rows)
    own = np.minimum(own, max(len(member) - 1, 0))
    chance = chains.win_chance(_days(horizon))
    groups = _groups(facts, chains, rows)
    p = np.einsum("nc,ncs,ncs->n", post, state[own], chance[groups])
    return np.where(_is_open(facts, steps, rows, at_us), p, np.nan)


def p_state(
    source: World | Path | str, lead_ids: Sequence[str], as_of: Moments, horizon: int | str = "30d"
) -> Floats:
    """P(won in [as_of, as_of + horizon) | the true intent state and class at as_of), one a row.

    Nobody can know it: the ceiling above `p_history`. Parameters and NaN as there.
    """
    facts = read_truth(source)
    rows, at_us = _questions(facts, lead_ids, as_of)
    state = _true_states(source, len(facts.account), rows, at_us)
    chains = Chains(facts.law)
    group = _groups(facts, chains, rows)[np.arange(len(rows)), facts.in_market[rows]]
    p = chains.win_chance(_days(horizon))[group, state]
    steps = read_steps(source, _mask(len(facts.account), rows))
    return np.where(_is_open(facts, steps, rows, at_us), p, np.nan)


def _class_law(facts: Evidence, rows: Ints, log_likelihood: Floats) -> Floats:
    """Law of the account's hidden class given the log-likelihoods of all its leads, shape (row, class)."""
    in_market = np.where(facts.segment[rows] == 0, facts.law.in_market[facts.is_priority[rows]], 0.0)
    with np.errstate(divide="ignore"):
        log_post = np.log(np.stack([1 - in_market, in_market], axis=1)) + log_likelihood
    post = np.exp(log_post - log_post.max(axis=1, keepdims=True))
    return np.asarray(post / post.sum(axis=1, keepdims=True))


def _questions(facts: Evidence, lead_ids: Sequence[str], as_of: Moments) -> tuple[Ints, Ints]:
    """Position of the lead and microseconds of the moment, one a row."""
    moments, ids = np.asarray(as_of), np.asarray(lead_ids, dtype=object)
    if len(ids) != len(moments):
        raise InputError(f"{len(ids)} lead ids but {len(moments)} moments as_of; expected one moment an id")
    if moments.dtype.kind not in "iu":
        moments = pd.DatetimeIndex(pd.to_datetime(pd.Series(moments), utc=True)).as_unit("us").asi8
    shape = re.compile(r"L([0-9]{7})")
    found = [shape.fullmatch(str(lead_id)) for lead_id in ids]
    rows = np.array([int(match[1]) - 1 if match else -1 for match in found], dtype=np.int64)
    stray = np.flatnonzero((rows < 0) | (rows >= len(facts.account)))
    if len(stray):
        raise InputError(
            f"{len(stray)} of {len(rows)} lead ids are not of this world; the first is {ids[stray[0]]!r}; "
            f"expected L0000001 to L{len(facts.account):07d}"
        )
    return rows, moments.astype(np.int64)


def _account_moments(account: Ints, at_us: Ints) -> tuple[tuple[Ints, Ints], Ints]:
    """Distinct pairs of account and moment, and the pair of each row."""
    order = np.lexsort((at_us, account))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (np.diff(account[order]) != 0) | (np.diff(at_us[order]) != 0)
    key = np.empty(len(order), dtype=np.int64)
    key[order] = np.cumsum(is_new) - 1
    return (account[order][is_new], at_us[order][is_new]), key


def _members(facts: Evidence, account: Ints, at_us: Ints) -> tuple[Ints, Ints]:
    """Leads of each pair's account created before its moment: lead and number of the pair, sorted."""
    by_account = np.argsort(facts.account, kind="stable")
    first = np.searchsorted(facts.account[by_account], account, side="left")
    size = np.searchsorted(facts.account[by_account], account, side="right") - first
    key = np.repeat(np.arange(len(account)), size)
    inside = np.arange(len(key)) - np.repeat(np.cumsum(size) - size, size)
    member = by_account[first[key] + inside]
    known = facts.created_us[member] < at_us[key]
    return member[known], key[known]


def _filter_members(
    facts: Evidence, chains: Chains, steps: Steps, member: Ints, at_us: Ints
) -> tuple[Floats, Floats]:
    """Log-likelihood by class and state law by class of each member at its moment."""
    leads = np.unique(member)
    lead = np.concatenate([np.searchsorted(leads, member), np.searchsorted(leads, steps.lead)])
    lead[len(member) :][~_mask(len(facts.account), member)[steps.lead]] = -1
    moment = np.concatenate([at_us, steps.at_us])
    code = np.concatenate([-1 - np.arange(len(member)), steps.code])
    order = np.lexsort((code >= 0, moment, lead))
    order = order[np.searchsorted(lead[order], 0) :]
    first = facts.law.start[facts.segment[leads], facts.entry[leads]]
    first = first * np.array([[[1], [1]], [[1], [0]]])[facts.segment[leads]]
    groups = _groups(facts, chains, leads)
    stream = (lead[order], moment[order], code[order])
    found = run_filter(chains, first, groups, facts.created_us[leads], stream, len(member))
    return found.log_likelihood, found.state


def _groups(facts: Evidence, chains: Chains, rows: Ints) -> Ints:
    """Group of chains of each lead by class, shape (row, class)."""
    fixed = facts.segment[rows], facts.fit[rows], facts.cohort[rows]
    return np.stack([chains.group_of(fixed[0], c, fixed[1], fixed[2]) for c in (0, 1)], axis=1)


def _days(horizon: str | int) -> float:
    """A horizon as text ("30d") or in microseconds, in days."""
    return (horizon if isinstance(horizon, int) else parse_duration(horizon)) / DAY


def _is_open(facts: Evidence, steps: Steps, rows: Ints, at_us: Ints) -> NDArray[np.bool_]:
    ended = np.full(len(facts.account), np.iinfo(np.int64).max)
    is_outcome = steps.code >= WON
    ended[steps.lead[is_outcome]] = steps.at_us[is_outcome]
    return np.asarray((facts.created_us[rows] < at_us) & (ended[rows] >= at_us))


def _true_states(source: World | Path | str, n_leads: int, rows: Ints, at_us: Ints) -> Ints:
    paths = truth_table(source, "paths")
    lead, state = paths["lead"].to_numpy(), paths["state"].to_numpy()
    from_us = paths["from_at"].cast(pa.int64()).to_numpy()
    edges = np.searchsorted(lead, np.arange(n_leads + 1))
    place, last = edges[rows], edges[rows + 1] - 1
    while True:
        goes_on = place < last
        goes_on[goes_on] = from_us[place[goes_on] + 1] < at_us[goes_on]
        if not goes_on.any():
            return np.asarray(state[place], dtype=np.int64)
        place = place + goes_on


def _mask(n: int, rows: Ints) -> NDArray[np.bool_]:
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask
