"""Who the leads are: accounts, recorded fields, fit level and entry; what is not recorded is in_market."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.fit import fit_level, seniority_of
from pipeline.simulate.parameters import Parameters
from pipeline.simulate.personas import TILTS, draw_personas, redrawn
from pipeline.simulate.settings import DAY, WorldSettings
from pipeline.simulate.vocabulary import (
    CAMPAIGNS,
    COMPETITORS,
    EMPLOYEE_EDGES,
    INDUSTRIES,
    PRODUCTS,
    SENIORITIES,
    TITLES,
    TITLES_B2C,
)

__all__ = ["Accounts", "People", "draw_people"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ACCOUNT_SIZES = np.array([0.28, 0.22, 0.16, 0.12, 0.09, 0.06, 0.04, 0.03])
_SOURCE_LAW = np.array([0.22, 0.18, 0.12, 0.08, 0.12, 0.08, 0.12, 0.08])
_SOURCE_LAW_AFTER = np.array([0.16, 0.10, 0.18, 0.04, 0.08, 0.05, 0.24, 0.15])
_COUNTRY_LAW = np.array([0.32, 0.18, 0.14, 0.10, 0.10, 0.06, 0.06, 0.04])
_SENIORITY_LAW = np.array([[0.09, 0.10, 0.16, 0.27, 0.23, 0.11, 0.04], [0.08, 0, 0, 0.17, 0.43, 0.14, 0.18]])
_COMPETITORS = 0.04
_ENTRY_OF_SOURCE = np.array([1, 1, 1, 2, 2, 1, 0, 0, 1])


@dataclass(frozen=True)
class Accounts:
    """Accounts of a block; a code of -1 or NaN is a missing value, a `competitor` of -1 is none."""

    industry: Ints
    employees: Floats
    country: Ints
    revenue: Ints
    is_priority: NDArray[np.bool_]
    in_market: NDArray[np.bool_]
    name: Ints
    competitor: Ints


@dataclass(frozen=True)
class People:
    """Leads of a block, one entry each; codes are positions in the vocabulary, -1 is missing.

    `size` (0 to 4, -1 unknown) and all fit inputs are taken from what is recorded; `fit` and `entry`
    are functions of recorded fields alone. `cohort` is the position in `Parameters.by_cohort`; `persona`
    is -1 in a world without personas.
    """

    account: Ints
    segment: Ints
    created_us: Ints
    cohort: Ints
    title: Ints
    source: Ints
    campaign: Ints
    country: Ints
    product: Ints
    budget: Floats
    consent: NDArray[np.bool_]
    size: Ints
    fit: Ints
    entry: Ints
    in_market: Ints
    persona: Ints

    @property
    def n(self) -> int:
        """Number of leads."""
        return len(self.segment)


def draw_people(
    rng: np.random.Generator, settings: WorldSettings, law: Parameters, block: int
) -> tuple[People, Accounts]:
    """Accounts and leads of one block, B2B leads first, an account's leads side by side."""
    n = settings.block_size(block)
    n_b2b = round(settings.b2b_share * n)
    account, sizes = _assign_accounts(rng, n_b2b)
    account = np.concatenate([account, np.full(n - n_b2b, -1)])
    accounts = _draw_accounts(rng, settings, law, block, len(sizes))
    created_us = _creation(rng, settings, account, len(sizes))
    cohort = settings.cohort_of(created_us)
    fields = _draw_fields(rng, settings, account, accounts, cohort)
    persona = np.full(n, -1)
    if "personas" in settings.on:
        own = settings.block_generator(block, "personas")
        persona = draw_personas(own, n)
        fields |= _as_personas(own, settings, persona, fields, account < 0, cohort)
    size, budget = _size_and_budget(rng, account, accounts)
    industry = np.where(account >= 0, _at(accounts.industry, account), -1)
    seniority = seniority_of(fields["title"])
    is_competitor = (account >= 0) & (_at(accounts.competitor, account) >= 0)
    people = People(
        account=account,
        segment=(account < 0).astype(np.int64),
        created_us=created_us,
        cohort=np.where(is_competitor, len(law.by_cohort) - 1, cohort),
        budget=budget,
        consent=rng.random(n) < 0.72,
        size=size,
        fit=fit_level(fields, industry, size, budget, is_b2b=account >= 0),
        entry=np.where(seniority == len(SENIORITIES) - 1, 3, _ENTRY_OF_SOURCE[fields["source"]]),
        in_market=np.where(account >= 0, _at(accounts.in_market, account), 0).astype(np.int64),
        persona=persona,
        **fields,
    )
    return people, accounts


def _draw_fields(
    rng: np.random.Generator, settings: WorldSettings, account: Ints, accounts: Accounts, cohort: Ints
) -> dict[str, Ints]:
    """Recorded categories of the leads."""
    n = len(account)
    is_after = _is_after(settings, cohort)
    home = np.where(account >= 0, _at(accounts.country, account), -1)
    title = _titles(rng, settings, (account < 0).astype(np.int64), is_after)
    source = np.where(is_after, _draw(rng, _SOURCE_LAW_AFTER, n), _draw(rng, _SOURCE_LAW, n))
    country = np.where((home >= 0) & (rng.random(n) < 0.9), home, _draw(rng, _COUNTRY_LAW, n))
    return {
        "title": title,
        "source": _with_gaps(rng, settings, source, 0.04),
        "campaign": _with_gaps(rng, settings, rng.integers(0, len(CAMPAIGNS), n), 0.25),
        "country": _with_gaps(rng, settings, country, 0.05),
        "product": _with_gaps(rng, settings, rng.integers(0, len(PRODUCTS), n), 0.15),
    }


def _is_after(settings: WorldSettings, cohort: Ints) -> NDArray[np.bool_]:
    """Whether a lead was created after the drift."""
    return np.asarray(np.full(len(cohort), settings.drift) & (cohort >= settings.drift_cohort))


def _as_personas(
    rng: np.random.Generator,
    settings: WorldSettings,
    persona: Ints,
    fields: dict[str, Ints],
    is_b2c: NDArray[np.bool_],
    cohort: Ints,
) -> dict[str, Ints]:
    """Title, source and campaign drawn anew as the personas have them."""
    is_after = _is_after(settings, cohort)
    title, source = fields["title"].copy(), fields["source"].copy()
    for late, law in ((False, _SOURCE_LAW), (True, _SOURCE_LAW_AFTER)):
        rows = is_after == late
        source[rows] = redrawn(rng, persona[rows], source[rows], law, TILTS["source"])
        for kind in (0, 1):
            rows = (is_after == late) & (is_b2c == bool(kind))
            known, weight, weight_after = _title_law(kind)
            tilt = TILTS["title"][:, known]
            fresh = redrawn(rng, persona[rows], title[rows], weight_after if late else weight, tilt)
            title[rows] = np.where(fresh < 0, -1, known[fresh])
    even = np.ones(len(CAMPAIGNS))
    campaign = redrawn(rng, persona, fields["campaign"], even, TILTS["campaign"])
    return {"title": title, "source": source, "campaign": campaign}


def _size_and_budget(rng: np.random.Generator, account: Ints, accounts: Accounts) -> tuple[Ints, Floats]:
    employees = np.where(account >= 0, _at(accounts.employees, account), np.nan)
    size = np.where(np.isnan(employees), -1, np.searchsorted(EMPLOYEE_EDGES, employees, side="right"))
    budget = np.asarray(
        np.round(np.exp(rng.normal(9.0, 0.8, len(account)) + 0.35 * size), -2), dtype=np.float64
    )
    budget[rng.random(len(account)) < np.where(account >= 0, 0.6, 0.85)] = np.nan
    return size, budget


def _assign_accounts(rng: np.random.Generator, n: int) -> tuple[Ints, Ints]:
    sizes = 1 + _draw(rng, _ACCOUNT_SIZES, max(n, 1))
    n_accounts = int(np.searchsorted(np.cumsum(sizes), n)) + 1 if n else 0
    sizes = sizes[:n_accounts]
    return np.repeat(np.arange(n_accounts), sizes)[:n], sizes


def _draw_accounts(
    rng: np.random.Generator, settings: WorldSettings, law: Parameters, block: int, n: int
) -> Accounts:
    employees = np.ceil(np.exp(rng.normal(4.3, 1.6, n)))
    revenue = np.clip(np.log10(employees) + rng.normal(0.2, 0.4, n), 0, 4).astype(np.int64)
    if settings.dirt:
        employees[rng.random(n) < 0.12] = np.nan
    is_priority = rng.random(n) < 0.15
    competitor = np.full(n, -1)
    if "competitor" in settings.on:
        own = settings.block_generator(block, "competitor")
        competitor = np.where(own.random(n) < _COMPETITORS, own.integers(0, len(COMPETITORS), n), -1)
    return Accounts(
        industry=_with_gaps(rng, settings, rng.integers(0, len(INDUSTRIES), n), 0.06),
        employees=employees,
        country=_draw(rng, _COUNTRY_LAW, n),
        revenue=_with_gaps(rng, settings, revenue, 0.2),
        is_priority=is_priority,
        in_market=rng.random(n) < law.in_market[is_priority.astype(np.int64)],
        name=rng.integers(0, 2**31, n),
        competitor=competitor,
    )


def _creation(rng: np.random.Generator, settings: WorldSettings, account: Ints, n_accounts: int) -> Ints:
    """Creation moments in whole seconds: colleagues arrive within months of each other."""
    n = len(account)
    length = (settings.end_us - settings.start_us) / DAY
    of_account = _at(rng.uniform(0, length, n_accounts), account)
    first = np.where(account >= 0, of_account, rng.uniform(0, length, n))
    day = first + np.where(account >= 0, rng.laplace(0, 45, n), 0.0)
    day = np.abs(day) % (2 * length)
    day = np.minimum(np.where(day > length, 2 * length - day, day), length - 1e-4)
    if settings.seasonality:
        day = _season(settings, day, length)
    return settings.start_us + np.asarray(day * 86_400, dtype=np.int64) * 1_000_000


def _season(settings: WorldSettings, day: Floats, length: float) -> Floats:
    """Days moved so that a uniform density becomes weekly and yearly waves (inverse of the integral)."""
    days = np.arange(round(length))
    date = (days + settings.start_us // DAY).astype("datetime64[D]")
    weekday = (date.astype(np.int64) + 3) % 7
    of_year = (date - date.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
    density = np.where(weekday < 5, 1.0, 0.25) * (1 + 0.3 * np.sin(2 * np.pi * of_year / 365.25))
    total = np.concatenate([[0.0], np.cumsum(density)])
    moved = np.interp(day / length * total[-1], total, np.arange(len(total), dtype=np.float64))
    return np.asarray(np.minimum(moved, length - 1e-4))


def _titles(
    rng: np.random.Generator, settings: WorldSettings, segment: Ints, is_after: NDArray[np.bool_]
) -> Ints:
    """Title codes, B2C ones after the B2B ones; -1 where missing."""
    title = np.empty(len(segment), dtype=np.int64)
    for kind in (0, 1):
        known, weight, weight_after = _title_law(kind)
        rows = segment == kind
        title[rows] = known[_draw(rng, weight, int(rows.sum()))]
        moved = known[_draw(rng, weight_after, int(rows.sum()))]
        title[rows] = np.where(is_after[rows], moved, title[rows])
    return _with_gaps(rng, settings, title, 0.08)


def _title_law(kind: int) -> tuple[Ints, Floats, Floats]:
    """Title codes of a segment with their weights, before and after the drift."""
    levels = seniority_of(np.arange(len(TITLES) + len(TITLES_B2C)))
    is_b2c = np.arange(len(levels)) >= len(TITLES)
    known = np.flatnonzero(is_b2c == bool(kind))
    law = _SENIORITY_LAW[kind] / np.maximum(np.bincount(levels[known], minlength=len(SENIORITIES)), 1)
    weight = law[levels[known]]
    return known, weight, np.where(levels[known] >= 5, 2.0, 1.0) * weight


def _draw(rng: np.random.Generator, weight: Floats, n: int) -> Ints:
    edges = np.cumsum(weight / weight.sum())
    return np.minimum(np.searchsorted(edges, rng.random(n), side="right"), len(weight) - 1)


def _with_gaps(rng: np.random.Generator, settings: WorldSettings, code: Ints, share: float) -> Ints:
    is_gap = rng.random(len(code)) < share
    return np.where(is_gap, -1, code) if settings.dirt else code


def _at(values: NDArray[Any], rows: Ints) -> NDArray[Any]:
    """Entries of an account array for each lead; the first one (to be masked) where there is no account."""
    return values[np.maximum(rows, 0)] if len(values) else np.zeros(len(rows), dtype=values.dtype)
