"""An oracle of the oracle: the filter as a book writes it, and the open leads of a simulated world."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import expm

from pipeline.simulate import World
from pipeline.simulate.vocabulary import EVENT_TYPES, STAGES

Floats = NDArray[np.float64]

DAY = pd.Timedelta(days=1)
HORIZON = 30


def open_rows(world: World, first: str, days: int) -> pd.DataFrame:
    """Every open lead at cuts `days` apart, with the label; the last cut is mature."""
    ended = world.outcomes.set_index("lead_id").reindex(world.leads["lead_id"])
    created, end = world.leads["created_at"].to_numpy(), ended["occurred_at"].to_numpy()
    parts = []
    for cut in pd.date_range(first, "2025-12-01", freq=f"{days}D", tz="UTC"):
        is_open = (created < cut) & ~(end < cut)
        won = (ended["outcome"] == "won").to_numpy() & (end < cut + HORIZON * DAY)
        ids = world.leads["lead_id"][is_open]
        parts.append(pd.DataFrame({"lead_id": ids, "as_of": cut, "won": won[is_open]}))
    return pd.concat(parts, ignore_index=True)


class Textbook:
    """The filter as a book writes it: matrix exponentials, one lead and one class at a time."""

    def __init__(self, world: World) -> None:
        self.world, self.law = world, world.law
        self.truth = world.truth["leads"].to_pandas().set_index("lead_id")
        bots = world.truth["bots"].to_pandas()
        ids = world.leads["lead_id"].to_numpy()
        is_bot = pd.MultiIndex.from_arrays([world.events["lead_id"], world.events["occurred_at"]]).isin(
            pd.MultiIndex.from_arrays([ids[bots["lead"]], bots["occurred_at"]])
        )
        self.events = world.events[~is_bot].drop_duplicates()

    def generator(self, lead: str, market: int) -> tuple[Floats, Floats]:
        """Transition rates with leaving on the diagonal, and hazards (won, lost, disqualified)."""
        fact, law = self.truth.loc[lead], self.law
        rates = np.zeros((5, 5))
        for state in range(3):
            rates[state, state + 1] = law.up[fact["segment"], market, state]
            rates[state + 1, state] = law.down[fact["segment"], market, state]
        hazards = law.hazards[:, fact["segment"]] * law.by_fit[:, fact["fit"]][:, None]
        hazards[0] *= law.by_cohort[fact["cohort"]]
        return rates - np.diag(rates.sum(axis=1)), hazards

    def observations(self, lead: str, market: int, as_of: pd.Timestamp) -> list[tuple[pd.Timestamp, Floats]]:
        """Moments before as_of and the rate of what was seen there, by state."""
        law, segment = self.law, self.truth.loc[lead, "segment"]
        seen = []
        mine = self.events[self.events["lead_id"] == lead]
        for at, kind in zip(mine["occurred_at"], mine["event_type"], strict=True):
            mix = law.mix[segment][:, EVENT_TYPES.index(kind)]
            seen.append((at, law.activity[segment, market] * mix))
        changes = self.world.field_changes
        moves = changes[(changes["lead_id"] == lead) & changes["new_value"].isin(STAGES)].dropna()
        for at, old, new in zip(moves["changed_at"], moves["old_value"], moves["new_value"], strict=True):
            weight = law.move_weight.copy()
            weight[:, STAGES.index(old)] = 0
            seen.append((at, law.move_rate * weight[:, STAGES.index(new)] / weight.sum(axis=1)))
        ends = self.world.outcomes[self.world.outcomes["lead_id"] == lead]
        for at, kind in zip(ends["occurred_at"], ends["outcome"], strict=True):
            row = ("won", "lost", "disqualified").index(kind)
            seen.append((at, self.generator(lead, market)[1][row]))
        return sorted((each for each in seen if each[0] < as_of), key=lambda each: each[0])

    def forward(self, lead: str, market: int, as_of: pd.Timestamp) -> tuple[float, Floats]:
        """Log-likelihood and law of the state at as_of."""
        fact, law = self.truth.loc[lead], self.law
        moving, hazards = self.generator(lead, market)
        silent = moving - np.diag(hazards.sum(axis=0) + law.activity[fact["segment"], market] + law.move_rate)
        vector = law.start[fact["segment"], fact["entry"], market]
        now, log_likelihood, is_over = fact["created_at"], 0.0, False
        for at, rate in [*self.observations(lead, market, as_of), (as_of, np.ones(5))]:
            if not is_over:
                vector = vector @ expm(silent * ((at - now) / DAY)) * rate
            log_likelihood += np.log(vector.sum())
            vector = vector / vector.sum()
            ends = self.world.outcomes.loc[self.world.outcomes["lead_id"] == lead, "occurred_at"]
            is_over = bool((ends == at).any())
            now = at
        return log_likelihood, vector

    def win_chance(self, lead: str, market: int) -> Floats:
        """P(won within the horizon | state), from the generator with two closed states added."""
        moving, hazards = self.generator(lead, market)
        whole = np.zeros((7, 7))
        whole[:5, :5] = moving - np.diag(hazards.sum(axis=0))
        whole[:5, 5], whole[:5, 6] = hazards[0], hazards[1] + hazards[2]
        return np.asarray(expm(whole * HORIZON)[:5, 5])

    def p_history(self, lead: str, as_of: pd.Timestamp) -> float:
        fact = self.truth.loc[lead]
        mates = self.truth[(self.truth["account"] == fact["account"]) & (self.truth["created_at"] < as_of)]
        group = [lead] if fact["account"] < 0 else list(mates.index)
        prior = 0.0 if fact["account"] < 0 else self.law.in_market[int(fact["is_priority"])]
        log_weight, chance = [], []
        for market in (0, 1) if prior else (0,):
            log_weight.append(
                np.log((1 - prior, prior)[market]) + sum(self.forward(one, market, as_of)[0] for one in group)
            )
            chance.append(self.forward(lead, market, as_of)[1] @ self.win_chance(lead, market))
        weight = np.exp(np.array(log_weight) - max(log_weight))
        return float(weight @ chance / weight.sum())
