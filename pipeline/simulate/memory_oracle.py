"""What could be known in a memory world: the chance of a win given what is remembered at as_of.

The past tells S_g(as_of) and nothing else; what is still to come is averaged over drawn futures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.durations import parse_duration
from features.errors import InputError
from pipeline.simulate.evidence import Evidence, Steps, has_mechanism, read_steps, read_truth
from pipeline.simulate.memory import MemoryLaw, make_memory_law, remembered
from pipeline.simulate.parameters import STAGE_MOVE, WON
from pipeline.simulate.questions import Moments, questions
from pipeline.simulate.settings import DAY
from pipeline.simulate.world import World

__all__ = ["p_history_memory", "p_of_memory"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STEP_DAYS = 1.0
_POOL = 8_192
_SEED = 20_260_101
_CHUNK = 200_000


def p_history_memory(
    source: World | Path | str,
    lead_ids: Sequence[str],
    as_of: Moments,
    horizon: int | str = "30d",
    draws: int = 64,
) -> Floats:
    """P(won in [as_of, as_of + horizon) | all that was observable strictly before as_of), one a row.

    8,192 futures are drawn for each recorded entry, with a fixed seed, and sorted; a row takes every n-th of
    them, `draws` in all. Within a future the win hazard is held for a day. With 64 draws the standard error
    of a row is about 5 % of its value, that of a mean over many rows about 0.5 %.

    Parameters
    ----------
    source
        A world with the mechanism `memory`, or the folder it was written to.
    lead_ids
        One id a row; an id may recur.
    as_of
        One moment a row: microseconds since 1970 UTC, or datetime64.
    horizon
        Such as "30d", or microseconds.
    draws
        Futures a row, 1 to 8,192.

    Returns
    -------
    float64, shape (row,): a probability; NaN where the lead is not open at as_of.

    Raises
    ------
    InputError
        If an id is not of this world, `draws` is out of range, or the world has no memory.
    """
    if not has_mechanism(source, "memory"):
        raise InputError("this world has no memory; simulate it with 'memory' in WorldSettings.on")
    if not 1 <= draws <= _POOL:
        raise InputError(f"draws is {draws}, expected 1 to {_POOL}")
    law = (
        make_memory_law(source.settings)
        if isinstance(source, World)
        else MemoryLaw.read(Path(source) / "truth" / "memory.json")
    )
    facts = read_truth(source)
    rows, at_us = questions(facts, lead_ids, as_of)
    is_asked = np.zeros(len(facts.account), dtype=bool)
    is_asked[rows] = True
    steps = read_steps(source, is_asked)
    memory = _memory_at(law, facts, steps, rows, at_us)
    level = law.level(facts.law, facts.segment[rows], facts.fit[rows], facts.cohort[rows])
    days = (horizon if isinstance(horizon, int) else parse_duration(horizon)) / DAY
    p = p_of_memory(law, memory, level, facts.entry[rows], days, draws)
    ended = np.full(len(facts.account), np.iinfo(np.int64).max)
    is_outcome = steps.code >= WON
    ended[steps.lead[is_outcome]] = steps.at_us[is_outcome]
    is_open = (facts.created_us[rows] < at_us) & (ended[rows] >= at_us)
    return np.where(is_open, p, np.nan)


def p_of_memory(
    law: MemoryLaw, memory: Floats, level: Floats, entry: Ints, horizon_days: float, draws: int
) -> Floats:
    """P(won within the horizon | S, recorded fields), one a row.

    Parameters
    ----------
    memory
        S of each group at as_of, shape (row, group).
    level
        Win hazard of each row with nothing remembered.
    entry
        Recorded entry of each row: it sets the rates of what is to come.
    """
    n_steps = int(np.ceil(horizon_days / _STEP_DAYS))
    middle = np.asarray((np.arange(n_steps) + 0.5) * (horizon_days / n_steps), dtype=np.float64)
    p, chunk = np.empty(len(memory)), max(1, _CHUNK // (draws * n_steps))
    stride = _POOL // draws
    for number in np.unique(entry):
        futures = _futures(law, law.by_entry[number], horizon_days, middle)
        rows = np.flatnonzero(entry == number)
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            # a row's futures hang on its own values alone, not on the other rows
            first = (memory[part].sum(axis=1) * 1e6).astype(np.int64) % stride
            taken = first[:, None] + stride * np.arange(draws)
            lift = _lift(law, memory[part], futures, taken, middle)
            leaving = (level[part], law.lost + law.disqualified)
            p[part] = _win_chance(lift, leaving, horizon_days / n_steps)
    return p


def _lift(law: MemoryLaw, memory: Floats, futures: Floats, taken: Ints, middle: Floats) -> Floats:
    """Factor of the win hazard, shape (row, draw, step)."""
    exponent = np.zeros((*taken.shape, len(middle)))
    for number, (decay, beta) in enumerate(zip(law.decay, law.beta, strict=True)):
        found = futures[number][taken]
        found += (memory[:, [number]] * np.exp(-decay * middle))[:, None, :]
        exponent += beta * np.minimum(found, law.cap, out=found)
    return np.exp(exponent, out=exponent)


def _win_chance(lift: Floats, hazards: tuple[Floats, float], days: float) -> Floats:
    """P(won) of each row, the mean of its futures; steps of so many days, other endings at a constant hazard."""
    level, other = hazards
    won = lift * level[:, None, None]
    leaving = won + other
    stays = np.exp(-days * np.cumsum(leaving, axis=2))
    ends = -np.diff(stays, axis=2, prepend=1.0)
    return np.asarray((ends * won / leaving).sum(axis=2).mean(axis=1))


def _futures(law: MemoryLaw, rate_factor: float, horizon_days: float, middle: Floats) -> Floats:
    """What events to come add to S at the middle of each step, shape (group, future, step).

    Futures are sorted by how much they lift the hazard of a lead that remembers nothing: every n-th of them
    is a stratified sample.
    """
    rng = np.random.default_rng(_SEED + round(1_000 * rate_factor))
    group = law.group_of(np.arange(len(law.type_rates)))
    added = np.zeros((len(law.groups), _POOL, len(middle)))
    for number, decay in enumerate(law.decay):
        rate = rate_factor * law.type_rates[group == number].sum()
        count = rng.poisson(rate * horizon_days, _POOL)
        moment = rng.random(int(count.sum())) * horizon_days
        since = middle - moment[:, None]
        weight = np.where(since > 0, np.exp(-decay * np.maximum(since, 0.0)), 0.0)
        some = np.flatnonzero(count)
        if len(some):
            added[number, some] = np.add.reduceat(weight, (np.cumsum(count) - count)[some], axis=0)
    lift = _lift(law, np.zeros((1, len(law.groups))), added, np.arange(_POOL)[None], middle)
    return np.asarray(added[:, np.argsort(lift[0].sum(axis=1), kind="stable")])


def _memory_at(law: MemoryLaw, facts: Evidence, steps: Steps, rows: Ints, at_us: Ints) -> Floats:
    """S of each row's lead just before its moment, shape (row, group)."""
    is_event = steps.code < STAGE_MOVE
    lead = np.concatenate([np.arange(len(facts.account)), steps.lead[is_event], rows])
    moment = np.concatenate([facts.created_us, steps.at_us[is_event], at_us])
    none = len(law.groups)
    group = np.concatenate(
        [
            np.full(len(facts.account), none),
            law.group_of(steps.code[is_event]),
            np.full(len(rows), none),
        ]
    )
    is_question = np.arange(len(lead)) >= len(lead) - len(rows)
    # at one moment the question comes before the event: known is what lies strictly before
    order = np.lexsort((~is_question, moment, lead))
    found = np.empty((len(lead), none))
    found[order] = remembered(law, lead[order], moment[order], group[order])
    return found[len(lead) - len(rows) :]
