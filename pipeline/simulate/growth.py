"""Life after the first win: the mechanism `growth`, its law, its events and its outcomes.

A customer is a lead that won. It has a hidden health class that never changes, drawn given its segment.
From the win on, given the class, all that follows is independent of how the lead was won:

- events (`GROWTH_EVENTS`) are Poisson with one rate in the onboarding and one after it;
- `upsell` and `cross_sell` each happen at most once, at a hazard by class and phase times a multiplier by
  a recorded field: the company's size band for the one, the first product for the other;
- `renewed` and `churned` compete: whichever is first ends the target `renewal`, so a renewed customer no
  longer churns. `churned`, written once with the target `renewal`, ends everything: events stop, and upsell
  and cross-sell no longer happen.

What the events and outcomes carry beside (product, channel, value, amount) does not depend on the class.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.simulate import tables
from pipeline.simulate.people import People
from pipeline.simulate.settings import BLOCK_LEADS, DAY, WorldSettings
from pipeline.simulate.vocabulary import CHANNELS, PRODUCTS

__all__ = [
    "CHURNED",
    "GROWTH_EVENTS",
    "GROWTH_OUTCOMES",
    "HEALTH",
    "RENEWAL",
    "TARGETS",
    "GrowthLaw",
    "add_growth",
    "hazard_multipliers",
    "make_growth_law",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HEALTH = ("thriving", "steady", "struggling")
GROWTH_EVENTS = ("product_use", "feature_use", "support_ticket", "invoice_paid")
TARGETS = ("upsell", "cross_sell", "renewal")
GROWTH_OUTCOMES = ("upsell", "cross_sell", "renewed", "churned")
RENEWAL, CHURNED = 2, 3

_NEVER = np.iinfo(np.int64).max
_EVENT_CHANNEL = np.array([CHANNELS.index(name) for name in ("web", "web", "phone", "email")])
_INVOICE = GROWTH_EVENTS.index("invoice_paid")


@dataclass(frozen=True)
class GrowthLaw:
    """The law of customers. Rates are per day; the phases are onboarding (0) and after it (1).

    Attributes
    ----------
    health
        Chance of each health class, shape (segment, class).
    events
        Rate of each event type, shape (phase, class, type).
    hazards
        Hazards of upsell, cross-sell, renewed and churned, shape (phase, class, 4).
    by_size
        Multiplier of the upsell hazard by size band; the last entry is for an unknown size.
    by_product
        Multiplier of the cross-sell hazard by first product; the last entry is for an unknown product.
    onboarding_days
        Length of the first phase.
    """

    health: Floats
    events: Floats
    hazards: Floats
    by_size: Floats
    by_product: Floats
    onboarding_days: float

    def write(self, path: Path) -> None:
        """Write the law as JSON."""
        text = {field.name: np.asarray(getattr(self, field.name)).tolist() for field in fields(self)}
        path.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> GrowthLaw:
        """Read what `write` wrote; every float comes back bit for bit."""
        text = json.loads(path.read_text(encoding="utf-8"))
        days = float(text.pop("onboarding_days"))
        arrays = {name: np.array(values, dtype=np.float64) for name, values in text.items()}
        return cls(**arrays, onboarding_days=days)


def make_growth_law(settings: WorldSettings) -> GrowthLaw:
    """The law of the customers of a world; with `shuffle_labels` every customer has the same hazards."""
    # rows: thriving, steady, struggling; columns: upsell, cross-sell, renewed, churned
    hazards = np.array(
        [[0.0045, 0.0030, 0.0040, 0.0003], [0.0018, 0.0015, 0.0030, 0.0009], [0.0006, 0.0006, 0.0015, 0.0045]]
    )
    by_size = np.array([0.6, 0.8, 1.0, 1.3, 1.6, 0.9])
    by_product = np.array([1.4, 1.1, 0.8, 0.5, 1.0])
    if settings.shuffle_labels:
        hazards = np.repeat(hazards.mean(axis=0, keepdims=True), len(HEALTH), axis=0)
        by_size, by_product = np.ones_like(by_size), np.ones_like(by_product)
    # rows: thriving, steady, struggling; columns as GROWTH_EVENTS
    onboarding = np.array([[0.40, 0.20, 0.05, 0.033], [0.34, 0.15, 0.06, 0.033], [0.28, 0.11, 0.07, 0.033]])
    settled = np.array([[0.36, 0.16, 0.02, 0.033], [0.22, 0.08, 0.03, 0.033], [0.09, 0.03, 0.06, 0.027]])
    return GrowthLaw(
        health=np.array([[0.40, 0.35, 0.25], [0.30, 0.35, 0.35]]),
        events=np.stack([onboarding, settled]),
        hazards=np.stack([hazards * np.array([0.3, 0.5, 0.5, 0.7]), hazards]),
        by_size=by_size,
        by_product=by_product,
        onboarding_days=45.0,
    )


def hazard_multipliers(law: GrowthLaw, size: Ints, product: Ints) -> Floats:
    """Multiplier of each hazard by the customer's recorded fields, shape (4, customer)."""
    one = np.ones(len(size))
    return np.stack([law.by_size[size], law.by_product[product], one, one])


@dataclass(frozen=True)
class _Customers:
    """Customers of a block, one entry each, by lead; -1 is an unknown size or product."""

    lead: Ints
    won_us: Ints
    segment: Ints
    size: Ints
    product: Ints
    health: Ints

    @property
    def n(self) -> int:
        return len(self.lead)


@dataclass(frozen=True)
class _Lives:
    """How customers went on: `ended_us` and `outcome` have shape (customer, target), never and -1 while open.

    `outcome` is a position in `GROWTH_OUTCOMES`; `until_us` is the churn, else the end of the data.
    """

    ended_us: Ints
    outcome: Ints
    until_us: Ints


def add_growth(
    settings: WorldSettings, block: int, people: People, recorded: dict[str, pa.Table]
) -> tuple[dict[str, pa.Table], pa.Table]:
    """The tables of a block with what its customers went on to do, and the truth on the customers.

    Parameters
    ----------
    settings, block
        The world and the number of the block; the draws are the mechanism's own.
    people
        Leads of the block.
    recorded
        Tables of the block; only `events` and `outcomes` change: growth's rows join in by lead and time,
        and `outcomes` gets the column `target`, null on the leads' own rows.

    Returns
    -------
    The tables, and one row a customer: lead, won_at, segment, size, product, health.
    """
    rng, law = settings.block_generator(block, "growth"), make_growth_law(settings)
    customers = _draw_customers(rng, law, people, recorded["outcomes"], block)
    lives = _draw_lives(rng, law, settings, customers)
    ids = tables.lead_ids(block, people.n)
    extra = _event_rows(rng, law, customers, lives, ids)
    own = recorded["outcomes"]
    own = own.append_column("target", tables.spelled(TARGETS, np.full(own.num_rows, -1)))
    found = {
        **recorded,
        "events": _merged(recorded["events"], extra, block),
        "outcomes": _merged(own, _outcome_rows(rng, customers, lives, ids), block),
    }
    small = {
        name: pa.array(getattr(customers, name).astype(np.int8))
        for name in ("segment", "size", "product", "health")
    }
    lead = pa.array(customers.lead + block * BLOCK_LEADS, type=pa.int32())
    return found, pa.table({"lead": lead, "won_at": tables.moments(customers.won_us), **small})


def _draw_customers(
    rng: np.random.Generator, law: GrowthLaw, people: People, outcomes: pa.Table, block: int
) -> _Customers:
    won = outcomes.filter(pc.equal(outcomes["outcome"].cast(pa.string()), "won"))
    lead = _positions(won["lead_id"], block)
    product = pc.fill_null(pc.index_in(won["product"].cast(pa.string()), pa.array(PRODUCTS)), -1)
    edges = np.cumsum(law.health[people.segment[lead]], axis=1)[:, :-1]
    return _Customers(
        lead=lead,
        won_us=won["occurred_at"].cast(pa.int64()).to_numpy(),
        segment=people.segment[lead],
        size=people.size[lead],
        product=product.to_numpy().astype(np.int64),
        health=(rng.random(len(lead))[:, None] >= edges).sum(axis=1),
    )


def _positions(lead_id: pa.ChunkedArray, block: int) -> Ints:
    """Position of each lead in its block."""
    number = pc.cast(pc.utf8_slice_codeunits(lead_id.cast(pa.string()), 1), pa.int64())
    return np.asarray(number.to_numpy() - 1 - block * BLOCK_LEADS, dtype=np.int64)


def _draw_lives(
    rng: np.random.Generator, law: GrowthLaw, settings: WorldSettings, customers: _Customers
) -> _Lives:
    """Four independent clocks; renewed and churned race, and the churn stops what has not happened yet."""
    factor = hazard_multipliers(law, customers.size, customers.product)
    rates = law.hazards[:, customers.health, :] * factor.T
    spent = rng.standard_exponential((customers.n, len(GROWTH_OUTCOMES)))
    early = rates[0] * law.onboarding_days
    days = np.where(spent < early, spent / rates[0], law.onboarding_days + (spent - early) / rates[1])
    at_us = customers.won_us[:, None] + np.maximum(np.rint(days * DAY).astype(np.int64), 1)
    is_churned = (at_us[:, CHURNED] < at_us[:, RENEWAL]) & (at_us[:, CHURNED] < settings.end_us)
    until_us = np.where(is_churned, at_us[:, CHURNED], settings.end_us)
    happens = at_us[:, :CHURNED] < until_us[:, None]
    outcome = np.where(happens, np.arange(len(TARGETS)), -1)
    ended_us = np.where(happens, at_us[:, :CHURNED], _NEVER)
    outcome[is_churned, RENEWAL], ended_us[is_churned, RENEWAL] = CHURNED, until_us[is_churned]
    return _Lives(ended_us, outcome, until_us)


def _event_rows(
    rng: np.random.Generator, law: GrowthLaw, customers: _Customers, lives: _Lives, ids: pa.Array
) -> pa.Table:
    """Events of the customers, strictly after the win and before the churn or the end of the data."""
    who, at_us, kind = [], [], []
    settled_us = customers.won_us + round(law.onboarding_days * DAY)
    spans = (
        (customers.won_us + 1, np.minimum(settled_us, lives.until_us)),
        (settled_us, lives.until_us),
    )
    for phase, (start, stop) in enumerate(spans):
        length = np.maximum(stop - start, 0)
        count = rng.poisson(law.events[phase, customers.health] * (length / DAY)[:, None])
        owner, type_ = np.divmod(np.repeat(np.arange(count.size), count.ravel()), len(GROWTH_EVENTS))
        who.append(owner)
        at_us.append(start[owner] + (rng.random(len(owner)) * length[owner]).astype(np.int64))
        kind.append(type_)
    row, when, what = (np.concatenate(part) for part in (who, at_us, kind))
    value = np.round(np.exp(_price_level(customers)[row] - 2.0 + 0.4 * rng.standard_normal(len(row))), 2)
    return pa.table(
        {
            "lead_id": pa.DictionaryArray.from_arrays(pa.array(customers.lead[row], type=pa.int32()), ids),
            "occurred_at": tables.moments(when),
            "event_type": tables.spelled(GROWTH_EVENTS, what),
            "channel": tables.spelled(CHANNELS, _EVENT_CHANNEL[what]),
            "product": tables.spelled(PRODUCTS, customers.product[row]),
            "value": pa.array(value, mask=what != _INVOICE),
        }
    )


def _outcome_rows(rng: np.random.Generator, customers: _Customers, lives: _Lives, ids: pa.Array) -> pa.Table:
    """Outcomes of the customers, one row a target that ended; a cross-sell is of another product."""
    row, target = np.nonzero(lives.outcome >= 0)
    outcome = lives.outcome[row, target]
    first = customers.product[row]
    other = (first + rng.integers(1, len(PRODUCTS), len(row))) % len(PRODUCTS)
    product = np.where(outcome == GROWTH_OUTCOMES.index("cross_sell"), other, first)
    amount = np.exp(_price_level(customers)[row] + rng.normal(-0.8, 0.5, len(row)))
    return pa.table(
        {
            "lead_id": ids.take(pa.array(customers.lead[row])),
            "occurred_at": tables.moments(lives.ended_us[row, target]),
            "outcome": tables.spelled(GROWTH_OUTCOMES, outcome),
            "amount": pa.array(np.round(amount, 2), mask=outcome == CHURNED),
            "product": tables.spelled(PRODUCTS, product),
            "target": tables.spelled(TARGETS, target),
        }
    )


def _price_level(customers: _Customers) -> Floats:
    """Mean of the log amount, by size and first product: nothing hidden."""
    level = np.where(customers.segment == 0, 8.0 + 0.5 * np.maximum(customers.size, 0), 6.2)
    return np.asarray(level + 0.3 * np.maximum(customers.product, 0), dtype=np.float64)


def _merged(own: pa.Table, extra: pa.Table, block: int) -> pa.Table:
    """Both tables by lead and time, own rows first at the same moment."""
    joined = pa.concat_tables([own, extra.cast(own.schema)]).unify_dictionaries().combine_chunks()
    at_us = joined["occurred_at"].cast(pa.int64()).to_numpy()
    return joined.take(pa.array(np.lexsort((at_us, _positions(joined["lead_id"], block)))))
