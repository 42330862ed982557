"""A simulated CRM in memory, made block by block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.simulate import tables
from pipeline.simulate.deals import make_deal_law
from pipeline.simulate.growth import add_growth
from pipeline.simulate.intent import Lives, draw_activity, draw_lives, draw_stage_moves
from pipeline.simulate.memory import draw_memory
from pipeline.simulate.parameters import Parameters, make_parameters
from pipeline.simulate.people import Accounts, People, draw_people
from pipeline.simulate.personas import PERSONAS
from pipeline.simulate.settings import BLOCK_LEADS, WorldSettings

__all__ = ["TABLES", "TRUTHS", "Block", "World", "plain", "simulate", "simulate_block"]

TABLES = ("leads", "events", "outcomes", "accounts", "field_changes")
TRUTHS = ("leads", "traits", "paths", "bots")


@dataclass(frozen=True)
class Block:
    """Tables of one block of leads: what the CRM recorded, and the truth."""

    tables: dict[str, pa.Table]
    truth: dict[str, pa.Table]


@dataclass(frozen=True)
class World:
    """A simulated CRM with its truth.

    Attributes
    ----------
    settings
        What was asked for.
    law
        The rates everything was drawn from.
    tables
        Arrow tables `leads`, `events`, `outcomes`, `accounts`, `field_changes`.
    truth
        Arrow tables `leads` (one row a lead: segment, account, hidden class, fit level, entry and cohort,
        the position in `law.by_cohort`), `traits` (one row a lead: recorded product interest and size band,
        -1 where missing, persona, whether it works for a competitor), `paths` (one row a stay in an intent
        state, from `from_us` on) and `bots` (clicks of link scanners); with growth also `customers` (one row a
        winner: what its later life depends on, and its hidden health). `lead` is the position in `leads`.
    """

    settings: WorldSettings
    law: Parameters
    tables: dict[str, pa.Table]
    truth: dict[str, pa.Table]

    @cached_property
    def leads(self) -> pd.DataFrame:
        """One row a lead."""
        return self._frame("leads")

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row an event, by lead and time."""
        return self._frame("events")

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """One row an outcome; leads still open have none."""
        return self._frame("outcomes")

    @cached_property
    def accounts(self) -> pd.DataFrame:
        """One row an account."""
        return self._frame("accounts")

    @cached_property
    def field_changes(self) -> pd.DataFrame:
        """One row a change of a lead's field, by lead and time."""
        return self._frame("field_changes")

    def _frame(self, name: str) -> pd.DataFrame:
        frame = self.tables[name].to_pandas()
        assert isinstance(frame, pd.DataFrame)
        return frame


def simulate(settings: WorldSettings) -> World:
    """The whole world in memory; about 100 MB for 20,000 leads.

    Examples
    --------
    >>> world = simulate(WorldSettings(n_leads=3, seed=1))
    >>> world.leads["lead_id"].tolist()
    ['L0000001', 'L0000002', 'L0000003']
    """
    law = make_parameters(settings)
    blocks = [simulate_block(settings, law, block) for block in range(settings.n_blocks)]
    return World(
        settings,
        law,
        {name: pa.concat_tables([plain(block.tables[name]) for block in blocks]) for name in TABLES},
        {name: pa.concat_tables([block.truth[name] for block in blocks]) for name in blocks[0].truth},
    )


def plain(table: pa.Table) -> pa.Table:
    """The table with dictionary columns turned into plain strings."""
    types = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in table.schema.types]
    return table.cast(pa.schema(list(zip(table.column_names, types, strict=True))))


def simulate_block(settings: WorldSettings, law: Parameters, block: int) -> Block:
    """One block; it depends on the settings and the block's number, not on other blocks."""
    rng = settings.block_generator(block)
    people, accounts = draw_people(rng, settings, law, block)
    if "memory" in settings.on:
        lives, activity = draw_memory(settings, law, block, people)
    else:
        lives = draw_lives(rng, settings, law, people)
        activity = draw_activity(rng, settings, law, people, lives)
    moves = draw_stage_moves(rng, law, lives)
    ids = tables.lead_ids(block, people.n)
    recorded = {
        "leads": tables.lead_table(rng, settings, block, people, accounts, lives, moves),
        "events": tables.event_table(rng, settings, block, ids, people, activity),
        "outcomes": tables.outcome_table(rng, make_deal_law(settings), ids, people, lives),
        "accounts": tables.account_table(rng, settings, block, accounts),
        "field_changes": tables.field_change_table(ids, people, lives, moves),
    }
    first = block * BLOCK_LEADS
    bot = np.flatnonzero(activity.is_bot)
    truth = {
        "leads": _lead_truth(block, ids, people, accounts),
        "traits": _trait_truth(ids, people, accounts),
        "paths": _path_truth(first, lives),
        "bots": pa.table(
            {
                "lead": pa.array(activity.lead[bot] + first, type=pa.int32()),
                "occurred_at": tables.moments(activity.at_us[bot]),
            }
        ),
    }
    if "growth" in settings.on:
        recorded, truth["customers"] = add_growth(settings, block, people, recorded)
    return Block(recorded, truth)


def _lead_truth(block: int, ids: pa.Array, people: People, accounts: Accounts) -> pa.Table:
    first = block * BLOCK_LEADS
    small = {
        "segment": people.segment,
        "is_priority": np.append(accounts.is_priority, False)[people.account],
        "in_market": people.in_market,
        "fit": people.fit,
        "entry": people.entry,
        "cohort": people.cohort,
    }
    return pa.table(
        {
            "lead_id": ids,
            "account": pa.array(np.where(people.account < 0, -1, people.account + first), type=pa.int32()),
            "created_at": tables.moments(people.created_us),
            **{name: pa.array(values.astype(np.int8)) for name, values in small.items()},
        }
    )


def _trait_truth(ids: pa.Array, people: People, accounts: Accounts) -> pa.Table:
    competitor = np.append(accounts.competitor, -1)[people.account]
    return pa.table(
        {
            "lead_id": ids,
            "product": pa.array(people.product.astype(np.int8)),
            "size": pa.array(people.size.astype(np.int8)),
            "persona": tables.spelled(PERSONAS, people.persona).cast(pa.string()),
            "is_competitor": pa.array(competitor >= 0),
        }
    )


def _path_truth(first: int, lives: Lives) -> pa.Table:
    return pa.table(
        {
            "lead": pa.array(lives.lead + first, type=pa.int32()),
            "from_at": tables.moments(lives.from_us),
            "state": pa.array(lives.state, type=pa.int8()),
        }
    )
