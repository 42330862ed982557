"""The world in which half-lives are true: the mechanism `memory`.

There is no hidden intent. What a lead does is a Poisson process whose rates depend on its recorded entry
alone, and the win hazard at time t is

    base[segment] * fit[level] * cohort[month] * exp(sum over groups g of beta_g * min(S_g(t), cap)),
    S_g(t) = sum over events i of group g before t of 2^(-(t - t_i) / h_g),

beside constant hazards of lost and disqualified. S_g is Markov, so its value at as_of with the right
half-life h_g is all that the past tells.

Wins are drawn exactly, by thinning: no beta is negative, so between two events the hazard only falls, and its
value right after an event bounds it up to the next. Candidates come at that bound and are kept with the
chance hazard / bound; the first kept one is the win.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.intent import Activity, Lives, inside, with_dirt
from pipeline.simulate.parameters import Parameters
from pipeline.simulate.people import People
from pipeline.simulate.settings import DAY, WorldSettings
from pipeline.simulate.vocabulary import EVENT_TYPES

__all__ = ["MemoryGroup", "MemoryLaw", "draw_memory", "make_memory_law", "remembered"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ONLY_STATE = 1


@dataclass(frozen=True)
class MemoryGroup:
    """One group of event types: its half-life in days, its weight beta and its members."""

    half_life_days: float
    beta: float
    event_types: tuple[str, ...]


@dataclass(frozen=True)
class MemoryLaw:
    """The law of a memory world; rates are per day. Fit and cohort multipliers are the usual world's.

    Attributes
    ----------
    groups
        Groups by name; an event type of no group moves no hazard.
    cap
        The most of S_g that counts.
    rates
        Rate of each event type.
    by_entry
        Multiplier of all rates by recorded entry.
    base
        Win hazard by segment at fit and cohort multiplier 1 and nothing remembered.
    lost, disqualified
        Constant hazards.
    """

    groups: dict[str, MemoryGroup]
    cap: float
    rates: dict[str, float]
    by_entry: tuple[float, ...]
    base: tuple[float, ...]
    lost: float
    disqualified: float

    @property
    def decay(self) -> Floats:
        """Rate of decay of each group, ln 2 / half-life, a day."""
        return np.array([np.log(2) / group.half_life_days for group in self.groups.values()])

    @property
    def beta(self) -> Floats:
        """Weight of each group."""
        return np.array([group.beta for group in self.groups.values()])

    @property
    def type_rates(self) -> Floats:
        """Rate of each event type, in the order of the vocabulary."""
        return np.array([self.rates[name] for name in EVENT_TYPES])

    def group_of(self, event_type: Ints) -> Ints:
        """Group of each event type code, as a position in `groups`; their number where it has none."""
        found = np.full(len(EVENT_TYPES), len(self.groups))
        for number, group in enumerate(self.groups.values()):
            found[[EVENT_TYPES.index(name) for name in group.event_types]] = number
        return np.asarray(found[event_type], dtype=np.int64)

    def lift(self, memory: Floats) -> Floats:
        """exp(sum of beta_g * min(S_g, cap)) of memories with the groups along the last axis."""
        return np.asarray(np.exp((np.minimum(memory, self.cap) * self.beta).sum(axis=-1)))

    def level(self, law: Parameters, segment: Ints, fit: Ints, cohort: Ints) -> Floats:
        """Win hazard of each lead with nothing remembered."""
        return np.asarray(np.array(self.base)[segment] * law.by_fit[0, fit] * law.by_cohort[cohort])

    def write(self, path: Path) -> None:
        """Write the law as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> MemoryLaw:
        """Read what `write` wrote; every float comes back bit for bit."""
        text = json.loads(path.read_text(encoding="utf-8"))
        groups = {
            name: MemoryGroup(group["half_life_days"], group["beta"], tuple(group["event_types"]))
            for name, group in text.pop("groups").items()
        }
        by_entry, base = tuple(text.pop("by_entry")), tuple(text.pop("base"))
        return cls(groups=groups, by_entry=by_entry, base=base, **text)


# by group: half-life in days, weight, rates of its event types
_GROUPS: dict[str, tuple[float, float, dict[str, float]]] = {
    "email": (3.0, 1.2, {"email_open": 0.07, "email_click": 0.03}),
    "web": (
        14.0,
        0.5,
        {
            "page_view": 0.04,
            "blog_view": 0.02,
            "whitepaper_download": 0.006,
            "case_study_view": 0.01,
            "pricing_view": 0.014,
            "form_submit": 0.01,
        },
    ),
    "sales": (
        45.0,
        0.8,
        {"trial_start": 0.002, "demo_request": 0.005, "meeting": 0.006, "phone_call": 0.008},
    ),
}
_UNGROUPED = {"webinar": 0.004, "unsubscribe": 0.002, "careers_view": 0.003, "support_request": 0.004}


def make_memory_law(settings: WorldSettings) -> MemoryLaw:
    """The law of a memory world; with `shuffle_labels` nothing is remembered and all win at one rate."""
    weight, base = (0.0, (0.0023, 0.0023)) if settings.shuffle_labels else (1.0, (0.00011, 0.00016))
    return MemoryLaw(
        groups={
            name: MemoryGroup(half_life, weight * beta, tuple(rates))
            for name, (half_life, beta, rates) in _GROUPS.items()
        },
        cap=5.0,
        rates={name: rate for _, _, rates in _GROUPS.values() for name, rate in rates.items()} | _UNGROUPED,
        by_entry=(0.75, 1.0, 1.3, 0.85),
        base=base,
        lost=0.0055,
        disqualified=0.001,
    )


def draw_memory(
    settings: WorldSettings, law: Parameters, block: int, people: People
) -> tuple[Lives, Activity]:
    """Lives and events of a block, in place of the intent chain; every lead stays in one state for life."""
    rng, memory_law = settings.block_generator(block, "memory"), make_memory_law(settings)
    lead, at_us, kind = _all_events(rng, settings, memory_law, people)
    fixed = (memory_law.lost, memory_law.disqualified)
    days = [rng.exponential(1 / rate, people.n) for rate in fixed]
    ends = [people.created_us + np.maximum(np.rint(each * DAY).astype(np.int64), 1) for each in days]
    level = memory_law.level(law, people.segment, people.fit, people.cohort)
    won_us = _first_wins(rng, settings, memory_law, (people.created_us, level), (lead, at_us, kind))
    moments = np.stack([won_us, *ends, np.full(people.n, settings.end_us)])
    first = moments.argmin(axis=0)
    end_us = moments.min(axis=0)
    outcome = np.where(end_us < settings.end_us, first, -1)
    everyone = np.arange(people.n)
    state = np.full(people.n, _ONLY_STATE)
    lives = Lives(everyone, state, people.created_us, end_us, outcome, end_us)
    kept = at_us < end_us[lead]
    events = lead[kept], at_us[kept], kind[kept].astype(np.int8)
    return lives, with_dirt(rng, settings, people, lives, events)


def _all_events(
    rng: np.random.Generator, settings: WorldSettings, law: MemoryLaw, people: People
) -> tuple[Ints, Ints, Ints]:
    """Events from each lead's creation to the end of the data, by lead and time."""
    length = (settings.end_us - people.created_us) / DAY
    rate = law.type_rates
    count = rng.poisson(rate.sum() * np.array(law.by_entry)[people.entry] * length)
    lead = np.repeat(np.arange(people.n), count)
    at_us = inside(rng, people.created_us[lead], np.full(len(lead), settings.end_us))
    kind = np.searchsorted(np.cumsum(rate / rate.sum())[:-1], rng.random(len(lead)), side="right")
    order = np.lexsort((at_us, lead))
    return lead[order], at_us[order], kind[order]


def _first_wins(
    rng: np.random.Generator,
    settings: WorldSettings,
    law: MemoryLaw,
    leads: tuple[Ints, Floats],
    events: tuple[Ints, Ints, Ints],
) -> Ints:
    """Moment of each lead's win, were nothing else to end it; the end of the data where there is none."""
    created_us, level = leads
    lead, at_us, kind = events
    n = len(created_us)
    # one stretch from the creation on, then one from each event on
    who, start = np.append(np.arange(n), lead), np.append(created_us, at_us)
    group = np.append(np.full(n, len(law.groups)), law.group_of(kind))
    order = np.lexsort((start, who))
    who, start, group = who[order], start[order], group[order]
    stop = np.append(start[1:], settings.end_us)
    stop[np.append(who[1:] != who[:-1], True)] = settings.end_us
    memory = remembered(law, who, start, group)
    bound = level[who] * law.lift(memory)
    count = rng.poisson(bound * ((stop - start) / DAY))
    place = np.repeat(np.arange(len(who)), count)
    # strictly inside: a win is after the event that made it likely, and after the creation
    moment = np.maximum(inside(rng, start[place], stop[place]), start[place] + 1)
    faded = memory[place] * np.exp(-law.decay * ((moment - start[place]) / DAY)[:, None])
    is_kept = rng.random(len(place)) * law.lift(memory[place]) < law.lift(faded)
    won_us = np.full(n, settings.end_us)
    np.minimum.at(won_us, who[place[is_kept]], moment[is_kept])
    return won_us


def remembered(law: MemoryLaw, lead: Ints, at_us: Ints, group: Ints) -> Floats:
    """S_g of each step right after it, shape (step, group); steps are sorted by lead and time.

    A step of group g adds 1 to S_g; one whose group is the number of groups adds nothing.
    """
    n_groups, decay = len(law.groups), law.decay
    jump = np.eye(n_groups + 1)[:, :n_groups]
    is_first = np.ones(len(lead), dtype=bool)
    is_first[1:] = lead[1:] != lead[:-1]
    first = np.flatnonzero(is_first)
    size = np.diff(np.append(first, len(lead)))
    longest = np.argsort(-size, kind="stable")
    first, size = first[longest], size[longest]
    found = np.zeros((len(lead), n_groups))
    active = np.searchsorted(-size, -np.arange(int(size.max(initial=0))), side="left")
    for rank, n in enumerate(active.tolist()):
        at = first[:n] + rank
        found[at] = jump[group[at]]
        if rank:
            days = (at_us[at] - at_us[at - 1]) / DAY
            found[at] += found[at - 1] * np.exp(-decay * days[:, None])
    return found
