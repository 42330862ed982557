"""The tables of one block as Arrow: what the CRM recorded, and the truth beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.simulate import vocabulary as words
from pipeline.simulate.deals import DealLaw, draw_deals
from pipeline.simulate.intent import Activity, Lives, StageMoves
from pipeline.simulate.people import Accounts, People
from pipeline.simulate.personas import draw_marks
from pipeline.simulate.settings import BLOCK_LEADS, DAY, WorldSettings

__all__ = [
    "account_table",
    "event_table",
    "field_change_table",
    "lead_ids",
    "lead_table",
    "moments",
    "outcome_table",
    "spelled",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OUTCOMES = ("won", "lost", "disqualified")
_PLACEHOLDERS = ("Select", "unknown")
_DIRTY_SHARE = 0.04
_TITLES = tuple(title for title, _ in (*words.TITLES, *words.TITLES_B2C))

# by event type: main channel, second channel, median value (0: none recorded)
_CHANNEL = np.array([[0, 0], [0, 0], [1, 1], [1, 0], [2, 1], [1, 0], [1, 0], [1, 0]])
_CHANNEL = np.concatenate([_CHANNEL, [[1, 0], [1, 4], [1, 3], [2, 3], [3, 3], [0, 0], [1, 1], [0, 3]]])
_VALUE = np.array([0, 0, 35, 80, 1800, 120, 90, 45, 0, 0, 0, 1800, 300, 0, 40, 0], dtype=np.float64)


def spelled(vocabulary: Sequence[str], code: Ints) -> pa.DictionaryArray:
    """Words for codes; null for -1. Words that recur share one entry: Parquet's bytes need it."""
    unique = list(dict.fromkeys(vocabulary))
    if len(unique) < len(vocabulary):
        code = np.array([*(unique.index(word) for word in vocabulary), -1])[code]
    indices = pa.array(code, type=pa.int32(), mask=code < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(unique, type=pa.string()))


def moments(at_us: Ints) -> pa.Array:
    """UTC moments of microsecond counts."""
    return pa.array(at_us, type=pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def lead_ids(block: int, n: int) -> pa.Array:
    """Ids of a block's leads, such as L0000001."""
    return pa.array([f"L{row:07d}" for row in range(block * BLOCK_LEADS + 1, block * BLOCK_LEADS + 1 + n)])


def _account_ids(block: int, n: int) -> pa.Array:
    return pa.array([f"A{block:03d}{row:05d}" for row in range(n)], type=pa.string())


def _dirty(
    rng: np.random.Generator, settings: WorldSettings, vocabulary: Sequence[str], code: Ints
) -> pa.DictionaryArray:
    """Words as people type them: other case, stray blanks, placeholder words where nothing is known."""
    if not settings.dirt:
        return spelled(vocabulary, code)
    k, u = len(vocabulary), rng.random(len(code))
    variant = np.where(u < _DIRTY_SHARE, 1 + (u / _DIRTY_SHARE * 3).astype(np.int64), 0)
    gap = np.where(u < 0.6, -1, 4 * k + (u >= 0.8))
    lower, upper = [word.lower() for word in vocabulary], [word.upper() for word in vocabulary]
    padded = [f" {word} " for word in vocabulary]
    spellings = [*vocabulary, *lower, *upper, *padded, *_PLACEHOLDERS]
    return spelled(spellings, np.where(code < 0, gap, code + k * variant))


def lead_table(
    rng: np.random.Generator,
    settings: WorldSettings,
    block: int,
    people: People,
    accounts: Accounts,
    lives: Lives,
    moves: StageMoves,
) -> pa.Table:
    """Leads of a block, one row each; `lead_status` and `lifecycle_stage` hold the values of the last day."""
    home = np.where(people.country >= 0, people.country, -1)
    region_words = sorted(set(words.REGIONS))
    region = np.array([region_words.index(name) for name in words.REGIONS] + [-1])[home]
    of_account = pa.array(people.account, mask=people.account < 0)
    columns = {
        "lead_id": lead_ids(block, people.n),
        "created_at": moments(people.created_us),
        "account_id": _account_ids(block, len(accounts.name)).take(of_account),
        "segment": spelled(("B2B", "B2C"), people.segment),
        "email": _emails(rng, settings, people, accounts),
        "job_title": _dirty(rng, settings, _TITLES, people.title),
        "lead_source": _dirty(rng, settings, words.SOURCES, people.source),
        "campaign": _dirty(rng, settings, words.CAMPAIGNS, people.campaign),
        "country": _dirty(rng, settings, words.COUNTRIES, people.country),
        "region": spelled(region_words, region),
        "product_interest": _dirty(rng, settings, words.PRODUCTS, people.product),
        "budget": pa.array(people.budget, mask=np.isnan(people.budget)),
        "consent": pa.array(people.consent),
        "lead_status": _status(rng, settings, people, lives),
        "lifecycle_stage": spelled(
            (*words.STAGES, "customer", "disqualified"), _last_stage(people.n, lives, moves)
        ),
    }
    return pa.table(columns)


def _status(
    rng: np.random.Generator, settings: WorldSettings, people: People, lives: Lives
) -> pa.DictionaryArray:
    """What the desk fills in by hand, after the fact: the classic leak."""
    is_new = settings.end_us - people.created_us < 14 * DAY
    status = np.where(is_new, 0, np.where(rng.random(people.n) < 0.7, 1, 2))
    status = np.where(lives.outcome >= 0, 3 + lives.outcome, status)
    return spelled(("New", "Working", "Nurture", "Customer", "Closed Lost", "Unqualified"), status)


def _last_stage(n: int, lives: Lives, moves: StageMoves) -> Ints:
    stage = np.zeros(n, dtype=np.int64)
    stage[moves.lead] = moves.new
    return np.where(lives.outcome == 0, 4, np.where(lives.outcome == 2, 5, stage))


def _emails(
    rng: np.random.Generator, settings: WorldSettings, people: People, accounts: Accounts
) -> pa.Array:
    n = people.n
    first, last = rng.integers(0, len(words.FIRST_NAMES), n), rng.integers(0, len(words.LAST_NAMES), n)
    company = [f"{name}{number}.example" for number in range(100) for name in words.COMPANY_NAMES]
    domains = [*company, *words.FREE_DOMAINS, *words.BUSINESS_DOMAINS, *words.STUDENT_DOMAINS]
    theirs = len(domains)
    domains += words.COMPETITOR_DOMAINS
    u, free = rng.random(n), len(company)
    business = free + len(words.FREE_DOMAINS)
    student = business + len(words.BUSINESS_DOMAINS)
    at_home = np.where(u < 0.9, free + rng.integers(0, len(words.FREE_DOMAINS), n), business + (u * 1000) % 3)
    at_home = np.where((people.entry == 3) & (u < 0.6), student + (u * 1000) % 4, at_home)
    at_work = accounts.name[np.maximum(people.account, 0)] % len(company) if len(accounts.name) else at_home
    domain = np.where((people.segment == 0) & (u < 0.93), at_work, at_home).astype(np.int64)
    if (accounts.competitor >= 0).any():
        competitor = np.where(people.account >= 0, accounts.competitor[people.account], -1)
        domain = np.where(competitor >= 0, theirs + competitor, domain)
    text = pc.binary_join_element_wise(
        pa.array(words.FIRST_NAMES).take(pa.array(first)),
        pa.array(words.LAST_NAMES).take(pa.array(last)),
        ".",
    )
    text = pc.binary_join_element_wise(text, pa.array(domains).take(pa.array(domain)), "@")
    if not settings.dirt:
        return text
    v = pa.array(rng.random(n))
    text = pc.if_else(pc.less(v, 0.03), pc.utf8_upper(text), text)
    return pc.if_else(pc.greater(v, 0.97), pa.scalar(None, pa.string()), text)


def account_table(
    rng: np.random.Generator, settings: WorldSettings, block: int, accounts: Accounts
) -> pa.Table:
    """Accounts of a block, one row each."""
    names = [f"{name.title()} {number}" for number in range(100) for name in words.COMPANY_NAMES]
    name = accounts.name % len(names)
    if (accounts.competitor >= 0).any():
        name = np.where(accounts.competitor >= 0, len(names) + accounts.competitor, name)
        names += words.COMPETITORS
    return pa.table(
        {
            "account_id": _account_ids(block, len(accounts.name)),
            "account_name": spelled(names, name),
            "industry": _dirty(rng, settings, words.INDUSTRIES, accounts.industry),
            "employees": pa.array(accounts.employees, mask=np.isnan(accounts.employees)),
            "company_country": spelled(words.COUNTRIES, accounts.country),
            "revenue_band": spelled(words.REVENUE_BANDS, accounts.revenue),
            "is_priority": pa.array(accounts.is_priority),
        }
    )


def event_table(
    rng: np.random.Generator,
    settings: WorldSettings,
    block: int,
    ids: pa.Array,
    people: People,
    activity: Activity,
) -> pa.Table:
    """Events of a block by lead and time; channel, product and value know nothing of the hidden state."""
    kind, n = activity.event_type.astype(np.int64), len(activity.lead)
    channel = _CHANNEL[kind, (rng.random(n) < 0.15).astype(np.int64)]
    interest = people.product[activity.lead]
    u = rng.random(n)
    product = np.where((u < 0.6) | (interest < 0), interest, (u * 1e6).astype(np.int64) % len(words.PRODUCTS))
    value = np.round(_VALUE[kind] * np.exp(0.7 * rng.standard_normal(n, dtype=np.float32)))
    if "personas" in settings.on:
        own = settings.block_generator(block, "personas").spawn(1)[0]
        channel, value = draw_marks(own, people.persona[activity.lead], channel, value)
    again = np.flatnonzero(activity.is_duplicate)
    for marks in (channel, product, value):
        for row in again:
            marks[row] = marks[row - 1]
    return pa.table(
        {
            "lead_id": pa.DictionaryArray.from_arrays(pa.array(activity.lead, type=pa.int32()), ids),
            "occurred_at": moments(activity.at_us),
            "event_type": spelled(words.EVENT_TYPES, kind),
            "channel": spelled(words.CHANNELS, channel),
            "product": spelled(words.PRODUCTS, product),
            "value": pa.array(value, mask=(_VALUE[kind] == 0) | activity.is_bot),
        }
    )


def outcome_table(
    rng: np.random.Generator, law: DealLaw, ids: pa.Array, people: People, lives: Lives
) -> pa.Table:
    """Outcomes of a block; amount in euro on wins, by company size and product."""
    rows = np.flatnonzero(lives.outcome >= 0)
    kind = lives.outcome[rows]
    deals = draw_deals(rng, law, people.segment[rows], people.size[rows], people.product[rows])
    return pa.table(
        {
            "lead_id": ids.take(pa.array(rows)),
            "occurred_at": moments(lives.end_us[rows]),
            "outcome": spelled(OUTCOMES, kind),
            "amount": pa.array(deals.amount, mask=kind != 0),
            "product": spelled(words.PRODUCTS, deals.product),
        }
    )


def field_change_table(ids: pa.Array, people: People, lives: Lives, moves: StageMoves) -> pa.Table:
    """Changes of `lifecycle_stage`: the first value at creation, moves, and what the outcome wrote."""
    stages = (*words.STAGES, "customer", "disqualified")
    ended = np.flatnonzero((lives.outcome == 0) | (lives.outcome == 2))
    lead = np.concatenate([np.arange(people.n), moves.lead, ended])
    at_us = np.concatenate([people.created_us, moves.at_us, lives.end_us[ended]])
    written = np.where(lives.outcome[ended] == 0, 4, 5)
    new = np.concatenate([np.zeros(people.n, dtype=np.int64), moves.new, written])
    part = np.repeat([0, 1, 2], [people.n, len(moves.lead), len(ended)])
    order = np.lexsort((part, at_us, lead))
    lead, at_us, new = lead[order], at_us[order], new[order]
    old = np.where(part[order] == 0, -1, np.concatenate([[-1], new[:-1]]))
    return pa.table(
        {
            "lead_id": ids.take(pa.array(lead)),
            "changed_at": moments(at_us),
            "field": spelled(("lifecycle_stage",), np.zeros(len(lead), dtype=np.int64)),
            "old_value": spelled(stages, old),
            "new_value": spelled(stages, new),
        }
    )
