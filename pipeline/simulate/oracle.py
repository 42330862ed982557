"""What could be known: the exact chance of a win given everything observable, or given the true state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.durations import parse_duration
from features.errors import InputError
from pipeline.simulate.evidence import (
    Evidence,
    Steps,
    has_mechanism,
    read_steps,
    read_truth,
    truth_table,
)
from pipeline.simulate.filtering import Chains, run_filter
from pipeline.simulate.parameters import WON
from pipeline.simulate.questions import Moments, account_questions, questions
from pipeline.simulate.settings import DAY
from pipeline.simulate.world import World

__all__ = ["p_history", "p_history_account", "p_state", "questions"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
    facts = _facts(source)
    rows, at_us = questions(facts, lead_ids, as_of)
    known = _known(source, facts, facts.account[rows], at_us)
    if not len(known.member):
        return np.full(len(rows), np.nan)
    n_leads = len(facts.account)
    own = np.searchsorted(known.key * n_leads + known.member, known.asked * n_leads + rows)
    own = np.minimum(own, len(known.member) - 1)
    chance = known.chains.win_chance(_days(horizon))
    groups = _groups(facts, known.chains, rows)
    p = np.einsum("nc,ncs,ncs->n", known.post[known.asked], known.state[own], chance[groups])
    return np.where(_is_open(facts, known.steps, rows, at_us), p, np.nan)


def p_history_account(
    source: World | Path | str, account_ids: Sequence[str], as_of: Moments, horizon: int | str = "30d"
) -> Floats:
    """P(an open lead of the account is won in [as_of, as_of + horizon) | all observable before as_of).

    Counted are the leads open at as_of, not those created later. Given the account's hidden class its
    leads are independent, so the chance that none is won is a product, summed over the two classes.

    Parameters
    ----------
    source
        A world, or the folder it was written to.
    account_ids
        One id a row; an id may recur.
    as_of, horizon
        As for `p_history`.

    Returns
    -------
    float64, shape (row,): a probability; NaN where no lead of the account is open at as_of.

    Raises
    ------
    InputError
        If an id is not of this world, or the lengths differ.
    """
    facts = _facts(source)
    account, at_us = account_questions(facts, account_ids, as_of)
    known = _known(source, facts, account, at_us)
    groups = _groups(facts, known.chains, known.member)
    p = np.einsum("mcs,mcs->mc", known.state, known.chains.win_chance(_days(horizon))[groups])
    is_open = _is_open(facts, known.steps, known.member, known.at_us)
    log_none = np.zeros_like(known.post)
    np.add.at(log_none, known.key[is_open], np.log1p(-p[is_open]))
    any_won = -(known.post * np.expm1(log_none)).sum(axis=1)
    n_open = np.bincount(known.key[is_open], minlength=len(known.post))
    return np.asarray(np.where(n_open > 0, any_won, np.nan)[known.asked])


def p_state(
    source: World | Path | str, lead_ids: Sequence[str], as_of: Moments, horizon: int | str = "30d"
) -> Floats:
    """P(won in [as_of, as_of + horizon) | the true intent state and class at as_of), one a row.

    Nobody can know it: the ceiling above `p_history`. Parameters and NaN as there.
    """
    facts = _facts(source)
    rows, at_us = questions(facts, lead_ids, as_of)
    state = _true_states(source, len(facts.account), rows, at_us)
    chains = Chains(facts.law)
    group = _groups(facts, chains, rows)[np.arange(len(rows)), facts.in_market[rows]]
    p = chains.win_chance(_days(horizon))[group, state]
    steps = read_steps(source, _mask(len(facts.account), rows))
    return np.where(_is_open(facts, steps, rows, at_us), p, np.nan)


@dataclass(frozen=True)
class _Known:
    """What is known of the accounts asked for, one entry a distinct pair of account and moment.

    `post` is the law of the pair's hidden class; `asked` is the pair of each question. `member`, its pair
    `key`, its moment `at_us` and its law of the state by class `state` have one entry a lead created
    before the moment.
    """

    chains: Chains
    steps: Steps
    post: Floats
    asked: Ints
    member: Ints
    key: Ints
    at_us: Ints
    state: Floats


def _facts(source: World | Path | str) -> Evidence:
    if has_mechanism(source, "memory"):
        raise InputError("this world has no hidden intent to filter; ask p_history_memory")
    return read_truth(source)


def _known(source: World | Path | str, facts: Evidence, account: Ints, at_us: Ints) -> _Known:
    keys, asked = _account_moments(account, at_us)
    member, key = _members(facts, *keys)
    steps = read_steps(source, _mask(len(facts.account), member))
    chains = Chains(facts.law)
    log_likelihood, state = _filter_members(facts, chains, steps, member, keys[1][key])
    by_class = np.zeros((len(keys[0]), 2))
    np.add.at(by_class, key, log_likelihood)
    a_lead = np.unique(facts.account, return_index=True)[1]
    post = _class_law(facts, a_lead[keys[0]], by_class)
    return _Known(chains, steps, post, asked, member, key, keys[1][key], state)


def _class_law(facts: Evidence, rows: Ints, log_likelihood: Floats) -> Floats:
    """Law of the account's hidden class given the log-likelihoods of all its leads, shape (row, class)."""
    in_market = np.where(facts.segment[rows] == 0, facts.law.in_market[facts.is_priority[rows]], 0.0)
    with np.errstate(divide="ignore"):
        log_post = np.log(np.stack([1 - in_market, in_market], axis=1)) + log_likelihood
    post = np.exp(log_post - log_post.max(axis=1, keepdims=True))
    return np.asarray(post / post.sum(axis=1, keepdims=True))


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
