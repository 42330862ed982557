"""Checked tables as arrays that the feature builders read; made once a run."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.asof import NEVER, Spells, microseconds, spells_of
from features.cleaning import CleanedEvents, Events, clean_events
from features.contracts import Tables
from features.entities import own_outcomes
from features.errors import ConfigError
from features.fit_settings import ProfileRule
from features.settings import (
    AttributeSettings,
    Availability,
    EventSettings,
    FeatureSettings,
    Kind,
    PointsRule,
    TargetSettings,
)

__all__ = ["ChangeLog", "FeatureSources", "Prepared", "events_of_leads", "prepare"]

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class FeatureSources:
    """The settings that decide what features there can be; they travel in the bundle."""

    attributes: AttributeSettings
    events: EventSettings
    features: FeatureSettings
    target: TargetSettings
    is_static: bool
    points: tuple[PointsRule, ...] = ()
    profile: tuple[ProfileRule, ...] = ()

    def usable(self) -> dict[str, tuple[Kind, Availability]]:
        """Attributes that may become features: with snapshots, `current` ones only where waived."""
        kinds, since = self.attributes.kinds(), self.attributes.availability()
        return {
            name: (kind, since[name])
            for name, kind in kinds.items()
            if self.is_static or since[name] != "current" or name in self.attributes.waived
        }


@dataclass(frozen=True)
class ChangeLog:
    """Values of one field over time, sorted by (owner, time); owner is a lead or an account position."""

    owner: Int64
    time: Int64
    value: NDArray[np.object_]


@dataclass(frozen=True)
class Prepared:
    """Everything known about the leads, as arrays; positions refer to rows of `leads`.

    Attributes
    ----------
    created : (leads,) microseconds, `NEVER` where unknown.
    account : (leads,) index of the account, -1 for none.
    members : lead positions sorted by account; `member_start[a] : member_start[a + 1]` are those of account a.
    wins, losses : (account, moment) of every outcome that is a win, and of every other; sorted.
    lead_changes, account_changes : change logs by field.
    """

    leads: pd.DataFrame
    created: Int64
    account: Int64
    members: Int64
    member_start: Int64
    events: CleanedEvents
    wins: tuple[Int64, Int64]
    losses: tuple[Int64, Int64]
    lead_changes: dict[str, ChangeLog] = field(default_factory=dict)
    account_changes: dict[str, ChangeLog] = field(default_factory=dict)
    spells: Spells | None = None


def prepare(tables: Tables, sources: FeatureSources) -> Prepared:
    """Tables joined, cleaned and sorted for the builders.

    Raises
    ------
    ConfigError
        If an attribute stands in both leads and accounts and so has two meanings.
    """
    leads = _with_account_columns(tables.leads, tables.accounts)
    account, members, member_start = _accounts(leads["account_id"])
    spells = None if sources.is_static else _spells(leads, tables, sources.target)
    return Prepared(
        leads=leads,
        created=microseconds(leads["created_at"]),
        account=account,
        members=members,
        member_start=member_start,
        events=clean_events(tables.events, leads, sources.events, sources.target.outcome_events),
        wins=_endings(spells, account, sources.target.outcome_delay, is_won=True),
        losses=_endings(spells, account, sources.target.outcome_delay, is_won=False),
        lead_changes=_change_logs(tables.field_changes, "lead_id", pd.Index(leads["lead_id"])),
        account_changes=_change_logs(tables.field_changes, "account_id", _account_index(leads["account_id"])),
        spells=spells,
    )


def _spells(leads: pd.DataFrame, tables: Tables, target: TargetSettings) -> Spells:
    """Spells of the leads; of an account those of its people, who win each on their own."""
    if target.entity != "account" or tables.origin is None:
        return spells_of(leads, tables.outcomes, target)
    people = tables.origin.leads
    found = spells_of(people, own_outcomes(tables.origin.outcomes, target), target)
    place = pd.Index(leads["lead_id"]).get_indexer(pd.Index(people["account_id"]))[found.lead]
    order = np.lexsort((found.start, place))
    order = order[place[order] >= 0]
    return Spells(place[order], found.start[order], found.end[order], found.is_won[order])


def _with_account_columns(leads: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    if accounts["is_priority"].isna().all():
        accounts = accounts.drop(columns="is_priority")
    shared = sorted((set(leads.columns) & set(accounts.columns)) - {"account_id"})
    if shared:
        raise ConfigError(
            f"{len(shared)} attributes stand in both leads and accounts, the first is '{shared[0]}'. "
            "Map one of the two to another name under columns."
        )
    if accounts.empty:
        return leads.reset_index(drop=True).assign(
            **{
                name: accounts[name].reindex(leads.index).to_numpy()
                for name in accounts.columns
                if name != "account_id"
            }
        )
    return leads.merge(accounts, on="account_id", how="left", validate="many_to_one")


def _account_index(account_id: pd.Series) -> pd.Index[str]:
    index: pd.Index[str] = pd.Index(sorted(str(each) for each in account_id.dropna().unique()))
    return index


def _accounts(account_id: pd.Series) -> tuple[Int64, Int64, Int64]:
    index = _account_index(account_id)
    account = np.asarray(index.get_indexer(pd.Index(account_id)), dtype=np.int64)
    account[account_id.isna().to_numpy()] = -1
    members = np.lexsort((np.arange(len(account)), account))
    members = members[account[members] >= 0]
    member_start = np.searchsorted(account[members], np.arange(len(index) + 1))
    return account, members, member_start.astype(np.int64)


def _endings(spells: Spells | None, account: Int64, delay: int, *, is_won: bool) -> tuple[Int64, Int64]:
    """Outcomes at accounts, won or not, as (account, moment they were recorded), sorted."""
    if spells is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    rows = np.flatnonzero((spells.is_won == is_won) & (spells.end != NEVER) & (account[spells.lead] >= 0))
    owner, moment = account[spells.lead[rows]], spells.end[rows] + delay
    order = np.lexsort((moment, owner))
    return owner[order], moment[order]


def _change_logs(changes: pd.DataFrame, key: str, index: pd.Index[str]) -> dict[str, ChangeLog]:
    if changes.empty or key not in changes:
        return {}
    owner = index.get_indexer(pd.Index(changes[key]))
    time = microseconds(changes["changed_at"])
    rows = np.flatnonzero((owner >= 0) & changes[key].notna().to_numpy() & (time != NEVER))
    values = changes["new_value"].to_numpy(dtype=object)
    text = np.array([str(value) for value in values[rows]], dtype=object)
    order = rows[np.lexsort((text, time[rows], owner[rows]))]
    field_of = changes["field"].to_numpy(dtype=object)[order]
    return {
        str(name): ChangeLog(owner[chosen := order[field_of == name]], time[chosen], values[chosen])
        for name in pd.unique(pd.Series(field_of))
    }


def events_of_leads(events: Events, leads: Int64) -> Events:
    """Events of the chosen leads (sorted positions), their lead renumbered to the place in `leads`."""
    start = np.searchsorted(events.lead, leads)
    stop = np.searchsorted(events.lead, leads, side="right")
    size = stop - start
    place = np.repeat(np.arange(len(leads)), size)
    before = np.concatenate(([0], np.cumsum(size)))[:-1]
    rows = np.arange(int(size.sum())) - np.repeat(before, size) + np.repeat(start, size)
    chosen = events.take(rows)
    return Events(place, chosen.time, chosen.kind, chosen.channel, chosen.product, chosen.value)
