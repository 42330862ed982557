"""The hidden intent chain with its competing outcomes, and what it emits, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.parameters import Parameters
from pipeline.simulate.people import People
from pipeline.simulate.settings import DAY, WorldSettings
from pipeline.simulate.vocabulary import EVENT_TYPES, STAGES

__all__ = [
    "Activity",
    "Lives",
    "StageMoves",
    "draw_activity",
    "draw_lives",
    "draw_stage_moves",
    "inside",
    "with_dirt",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BOT_LEADS = 0.02
_BOT_BURSTS_A_DAY = 0.02
_DUPLICATES = 0.003
_CLICK = EVENT_TYPES.index("email_click")


@dataclass(frozen=True)
class Lives:
    """Intent paths of a block: one entry a stay in a state, sorted by lead and time.

    `lead`, `state`, `from_us`, `to_us` are per stay, half-open; `outcome` (0 won, 1 lost,
    2 disqualified, -1 still open at the end of the data) and `end_us` are per lead.
    """

    lead: Ints
    state: Ints
    from_us: Ints
    to_us: Ints
    outcome: Ints
    end_us: Ints


@dataclass(frozen=True)
class Activity:
    """Events of a block sorted by lead and time; `is_bot` and `is_duplicate` are known to the truth alone."""

    lead: Ints
    at_us: Ints
    event_type: NDArray[np.int8]
    is_bot: NDArray[np.bool_]
    is_duplicate: NDArray[np.bool_]


@dataclass(frozen=True)
class StageMoves:
    """Lifecycle moves of a block sorted by lead and time."""

    lead: Ints
    at_us: Ints
    old: Ints
    new: Ints


def draw_lives(rng: np.random.Generator, settings: WorldSettings, law: Parameters, people: People) -> Lives:
    """Intent paths from creation to the outcome or the end of the data, all leads a jump at a time."""
    end = (settings.end_us - settings.start_us) / DAY
    time = (people.created_us - settings.start_us) / DAY
    state = _first_states(rng, law, people)
    outcome = np.full(people.n, -1)
    finish = np.full(people.n, end)
    stays: list[tuple[Ints, Ints, Floats, Floats]] = []
    alive = np.arange(people.n)
    while len(alive):
        rates = _leaving_rates(law, people, alive, state[alive])
        stop = time[alive] + rng.standard_exponential(len(alive)) / rates.sum(axis=1)
        edges = np.cumsum(rates, axis=1)
        choice = (rng.random(len(alive))[:, None] * edges[:, -1:] >= edges).sum(axis=1)
        stays.append((alive, state[alive], time[alive], np.minimum(stop, end)))
        is_inside = stop < end
        is_over = is_inside & (choice >= 2)
        outcome[alive[is_over]] = choice[is_over] - 2
        finish[alive[is_over]] = stop[is_over]
        time[alive] = stop
        state[alive] += np.where(choice == 0, 1, -1)
        alive = alive[is_inside & ~is_over]
    return _sorted_lives(settings, stays, outcome, finish)


def _first_states(rng: np.random.Generator, law: Parameters, people: People) -> Ints:
    edges = np.cumsum(law.start[people.segment, people.entry, people.in_market], axis=1)
    return np.asarray(np.minimum((rng.random(people.n)[:, None] >= edges).sum(axis=1), 4), dtype=np.int64)


def _leaving_rates(law: Parameters, people: People, rows: Ints, state: Ints) -> Floats:
    """Rates of going up, down, won, lost, disqualified, one row a lead."""
    segment, group = people.segment[rows], people.in_market[rows]
    up, down = np.zeros((2, 5)), np.zeros((2, 5))
    rates = np.empty((len(rows), 5))
    for s in (0, 1):
        for c in (0, 1):
            up[0, :3], down[0, 1:4] = law.up[s, c], law.down[s, c]
            of = (segment == s) & (group == c)
            rates[of, 0], rates[of, 1] = up[0, state[of]], down[0, state[of]]
    rates[:, 2:] = law.hazards[:, segment, state].T * law.by_fit[:, people.fit[rows]].T
    rates[:, 2] *= law.by_cohort[people.cohort[rows]] * law.by_class[people.in_market[rows]]
    return rates


def _sorted_lives(
    settings: WorldSettings, stays: list[tuple[Ints, Ints, Floats, Floats]], outcome: Ints, finish: Floats
) -> Lives:
    lead, state, start, stop = (np.concatenate(column) for column in zip(*stays, strict=True))
    order = np.argsort(lead, kind="stable")
    start_us, stop_us, end_us = (_to_us(settings, days) for days in (start[order], stop[order], finish))
    return Lives(lead[order], state[order], start_us, stop_us, outcome, end_us)


def _to_us(settings: WorldSettings, days: Floats) -> Ints:
    return settings.start_us + np.rint(days * DAY).astype(np.int64)


def draw_activity(
    rng: np.random.Generator, settings: WorldSettings, law: Parameters, people: People, lives: Lives
) -> Activity:
    """Events of a block: a marked Poisson process given the state, bot bursts and exact duplicates on top."""
    kind = people.segment[lives.lead] * 5 + lives.state
    by_kind = np.argsort(kind, kind="stable")
    lead, state = lives.lead[by_kind], lives.state[by_kind]
    start, stop = lives.from_us[by_kind], lives.to_us[by_kind]
    rate = law.activity[people.segment[lead], people.in_market[lead], state]
    count = rng.poisson(rate * ((stop - start) / DAY))
    who, at_us = np.repeat(lead, count), inside(rng, np.repeat(start, count), np.repeat(stop, count))
    u = rng.random(len(who))
    event_type = np.empty(len(who), dtype=np.int8)
    edges = np.concatenate([[0], np.cumsum(np.bincount(kind[by_kind], count, minlength=10))]).astype(np.int64)
    for k in range(10):
        part = slice(edges[k], edges[k + 1])
        steps = np.cumsum(law.mix[k // 5, k % 5])[:-1]
        event_type[part] = np.searchsorted(steps, u[part], side="right")
    return with_dirt(rng, settings, people, lives, (who, at_us, event_type))


def with_dirt(
    rng: np.random.Generator,
    settings: WorldSettings,
    people: People,
    lives: Lives,
    events: tuple[Ints, Ints, NDArray[np.int8]],
) -> Activity:
    """Events (lead, moment, type) by lead and time, with bot bursts and exact duplicates on top."""
    who, at_us, event_type = events
    bot_lead, bot_us = _bot_bursts(rng, people, lives) if settings.dirt else (who[:0], at_us[:0])
    who, at_us = np.concatenate([who, bot_lead]), np.concatenate([at_us, bot_us])
    event_type = np.concatenate([event_type, np.full(len(bot_lead), _CLICK, dtype=np.int8)])
    order = np.argsort((who << 48) | (at_us - settings.start_us))
    is_bot = order >= len(who) - len(bot_lead)
    is_again = np.zeros(len(order), dtype=bool)
    if settings.dirt:
        twice = np.flatnonzero((rng.random(len(order)) < _DUPLICATES) & ~is_bot)
        place = np.sort(np.concatenate([np.arange(len(order)), twice]), kind="stable")
        order, is_bot = order[place], is_bot[place]
        is_again = np.concatenate([[False], place[1:] == place[:-1]])
    return Activity(who[order], at_us[order], event_type[order], is_bot, is_again)


def inside(rng: np.random.Generator, start: Ints, stop: Ints) -> Ints:
    """Moments drawn evenly from [start, stop)."""
    at_us = start + (rng.random(len(start)) * (stop - start)).astype(np.int64)
    return np.minimum(at_us, np.maximum(stop - 1, start))


def _bot_bursts(rng: np.random.Generator, people: People, lives: Lives) -> tuple[Ints, Ints]:
    """Clicks of link scanners: 10 to 29 within 1.6 seconds, at a rate that knows nothing of the lead."""
    length = (lives.end_us - people.created_us) / DAY
    n_bursts = rng.poisson(np.where(rng.random(people.n) < _BOT_LEADS, _BOT_BURSTS_A_DAY, 0.0) * length)
    lead = np.repeat(np.arange(people.n), n_bursts)
    start = inside(rng, people.created_us[lead], lives.end_us[lead])
    is_whole = start + 1_600_000 < lives.end_us[lead]
    lead, start = lead[is_whole], start[is_whole]
    n_clicks = rng.integers(10, 30, len(lead))
    lead, start = np.repeat(lead, n_clicks), np.repeat(start, n_clicks)
    return lead, start + rng.integers(0, 1_600_000, len(lead))


def draw_stage_moves(rng: np.random.Generator, law: Parameters, lives: Lives) -> StageMoves:
    """Lifecycle moves: their rate depends on the state, the new stage on the state and the present stage."""
    count = rng.poisson(law.move_rate[lives.state] * ((lives.to_us - lives.from_us) / DAY))
    lead, state = np.repeat(lives.lead, count), np.repeat(lives.state, count)
    at_us = inside(rng, np.repeat(lives.from_us, count), np.repeat(lives.to_us, count))
    order = np.lexsort((at_us, lead))
    lead, state, at_us = lead[order], state[order], at_us[order]
    edges = np.cumsum(law.move_law(), axis=2)
    u = rng.random(len(lead))
    old, new = np.zeros(len(lead), dtype=np.int64), np.zeros(len(lead), dtype=np.int64)
    rank = np.arange(len(lead)) - np.searchsorted(lead, lead)
    for step in range(int(rank.max(initial=-1)) + 1):
        rows = np.flatnonzero(rank == step)
        if step:
            old[rows] = new[rows - 1]
        cut = u[rows][:, None] >= edges[state[rows], old[rows]]
        new[rows] = np.minimum(cut.sum(axis=1), len(STAGES) - 1)
    return StageMoves(lead, at_us, old, new)
