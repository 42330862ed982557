"""What a leak is planted with: copies of a world's tables, and the list of all plants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.settings import Kind
from pipeline.config import Project

__all__ = ["EXTRA", "PLANTS", "Copies", "Plant", "Values", "plant"]

EXTRA = "extra"
Mask = NDArray[np.bool_]
Values = Any  # an array or a Series, one value a lead


@dataclass
class Copies:
    """The tables of a world, to change one of them; `changed` names those to write anew."""

    tables: dict[str, pd.DataFrame]
    project: Project
    rng: np.random.Generator
    changed: set[str] = field(default_factory=set)

    @cached_property
    def ending(self) -> pd.DataFrame:
        """Outcome and its moment by lead; null where a lead is open."""
        first = self.tables["outcomes"].sort_values("occurred_at").drop_duplicates("lead_id")
        return first.set_index("lead_id").reindex(self.tables["leads"]["lead_id"]).reset_index()

    @cached_property
    def is_won(self) -> Mask:
        """Leads that were won."""
        return np.asarray(self.ending["outcome"].eq("won").to_numpy(dtype=bool))

    @cached_property
    def is_closed(self) -> Mask:
        """Leads with an outcome."""
        return np.asarray(self.ending["outcome"].notna().to_numpy(dtype=bool))

    @property
    def is_lost(self) -> Mask:
        """Leads with another outcome than a win."""
        return self.is_closed & ~self.is_won

    @property
    def ended(self) -> pd.Series:
        """Moment of each lead's outcome."""
        return self.ending["occurred_at"]

    @property
    def created(self) -> pd.Series:
        """Moment of each lead's creation."""
        return self.tables["leads"]["created_at"]

    @property
    def end(self) -> pd.Timestamp:
        """End of the data."""
        end = self.project.data.data_end
        assert end is not None
        return pd.Timestamp(end)

    def chance(self, share: float) -> Mask:
        """A share of the leads, drawn at random."""
        return np.asarray(self.rng.random(len(self.is_won)) < share)

    def one_of(self, *words: str) -> NDArray[np.object_]:
        """A word drawn for each lead."""
        return self.rng.choice(np.array(words, dtype=object), len(self.is_won))

    def delay(self, low: str, high: str) -> pd.Series:
        """A span of time drawn for each lead between two."""
        day = pd.Timedelta(days=1)
        short, long = pd.Timedelta(low) / day, pd.Timedelta(high) / day
        return pd.Series(
            pd.to_timedelta(self.rng.uniform(short, long, len(self.is_won)), unit="D").as_unit("us")
        )

    def happen(self, who: Mask, when: pd.Series, recorded: pd.Series | None = None) -> None:
        """Add an event of the planted type for some leads; none before the lead was there."""
        when = when.where(when >= self.created, self.created)
        new = pd.DataFrame(
            {"lead_id": self.tables["leads"]["lead_id"], "occurred_at": when, "event_type": EXTRA}
        )
        if recorded is not None:
            new["recorded_at"] = recorded
        self.tables["events"] = pd.concat([self.tables["events"], new[who]], ignore_index=True)
        self.changed.add("events")


@dataclass(frozen=True)
class Plant:
    """One kind of leak.

    Attributes
    ----------
    what : what is planted, in words.
    sow : plants it; returns the values of a column of the leads, or changes the tables itself.
    kind : what the column is declared as; None where no column is planted.
    limit : why one export can't show it, for those that it can't.
    """

    name: str
    what: str
    sow: Callable[[Copies], Values]
    kind: Kind | None
    limit: str = ""

    def into(self, world: Copies) -> None:
        """Plant it into the copies."""
        values = self.sow(world)
        if self.kind is None:
            return
        if values is not None:
            world.tables["leads"] = world.tables["leads"].assign(**{EXTRA: np.asarray(values)})
            world.changed.add("leads")
        attributes = world.project.attributes
        group = attributes.at_creation
        group = group.model_copy(update={self.kind: (*getattr(group, self.kind), EXTRA)})
        attributes = attributes.model_copy(update={"at_creation": group})
        world.project = world.project.model_copy(update={"attributes": attributes})


PLANTS: dict[str, Plant] = {}


def plant(
    what: str, kind: Kind | None = None, limit: str = ""
) -> Callable[[Callable[[Copies], Values]], Callable[[Copies], Values]]:
    def add(sow: Callable[[Copies], Values]) -> Callable[[Copies], Values]:
        PLANTS[sow.__name__] = Plant(sow.__name__, what, sow, kind, limit)
        return sow

    return add
