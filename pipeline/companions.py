"""What is scored beside the leads: accounts and their buying groups, lead x product; what leads show of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.asof import microseconds
from features.cleaning import clean_events
from features.durations import MICROSECONDS
from features.entities import OF_ACCOUNTS, lead_and_product
from features.titles import department

if TYPE_CHECKING:
    from pipeline.score import ScoredRows

__all__ = ["join_companions"]

RECENT = 30 * MICROSECONDS["d"]
MOST_CARRYING = 3


def join_companions(found: ScoredRows, parts: Mapping[str, ScoredRows]) -> None:
    """Fill the columns of accounts and products, and write beside each lead what its account and products get."""
    found.companions.update(parts)
    for part in (found, *parts.values()):
        entity = part.project.target.entity
        if entity in OF_ACCOUNTS:
            _buying_groups(part, found if part is not found else None)
    for entity, join in (("account", _accounts_of_leads), ("product", _products_of_leads)):
        first = next((each for each in parts.values() if each.project.target.entity == entity), None)
        if first is not None and found.project.target.entity == "lead":
            join(found, first)
    for part in (found, *parts.values()):
        if part.project.target.entity == "product":
            pairs = [lead_and_product(each) for each in part.rows.lead_id]
            part.rows.lead_id[:] = [lead for lead, _ in pairs]
            part.rows.optional["product"] = [product for _, product in pairs]


def _accounts_of_leads(found: ScoredRows, part: ScoredRows) -> None:
    account = _of_leads(found.leads.data.leads, found.rows.lead_id, "account_id")
    place = {each: row for row, each in enumerate(part.rows.lead_id)}
    rows = [None if each is None else place.get(each) for each in account]
    columns: dict[str, list[Any]] = {
        "account_probability": part.rows.probability,
        "account_score": part.rows.score,
        "account_band": part.rows.band,
    }
    found.rows.optional["account_id"] = account
    for name, values in columns.items():
        found.rows.optional[name] = [None if row is None else _number(values[row]) for row in rows]


def _products_of_leads(found: ScoredRows, part: ScoredRows) -> None:
    by_lead: dict[str, list[dict[str, Any]]] = {}
    for entity_id, probability in zip(part.rows.lead_id, part.rows.probability, strict=True):
        lead, product = lead_and_product(entity_id)
        by_lead.setdefault(lead, []).append({"product": product, "probability": _number(probability)})
    for listed in by_lead.values():
        listed.sort(key=lambda each: (-(each["probability"] or 0.0), each["product"]))
    products = [by_lead.get(each) for each in found.rows.lead_id]
    found.rows.optional["products"] = products
    found.rows.optional["product"] = [None if each is None else each[0]["product"] for each in products]


def _buying_groups(part: ScoredRows, of_leads: ScoredRows | None) -> None:
    """People known and active, departments reached and missing, and the leads that carry the account."""
    assert part.tables.origin is not None
    of_people, as_of, sources = part.tables.origin, part.leads.as_of, part.bundle.sources
    events = clean_events(
        of_people.events, of_people.leads, sources.events, sources.target.outcome_events
    ).events
    known, recent = (
        np.unique(events.lead[(events.time < as_of) & (events.time >= first)])
        for first in (0, as_of - RECENT)
    )
    is_known = microseconds(of_people.leads["created_at"]) < as_of
    people = of_people.leads[of_people.leads["account_id"].notna() & is_known]
    is_active = people.index.isin(recent)
    ids, optional = part.rows.lead_id, part.rows.optional
    optional["account_id"] = list(ids)
    optional["people"] = _counts(people["account_id"], ids)
    optional["people_active"] = _counts(people.loc[is_active, "account_id"], ids)
    reached = _reached(people[people.index.isin(known)], part)
    if reached is not None:
        wanted = part.project.target.roles
        optional["roles_reached"] = [sorted(reached.get(each, set())) for each in ids]
        optional["roles_missing"] = [[r for r in wanted if r not in reached.get(each, set())] for each in ids]
    if of_leads is not None:
        optional["carried_by"] = _carrying(of_leads, ids)


def _reached(people: pd.DataFrame, part: ScoredRows) -> dict[str, set[str]] | None:
    """Departments of the people at each account who ever did something; None where no job title tells them."""
    kinds = part.project.attributes.kinds()
    titles = [name for name, kind in kinds.items() if kind == "job_title" and name in people.columns]
    if not titles:
        return None
    codes, unique = pd.factorize(people[titles[0]], use_na_sentinel=True)
    names = np.array([*(department(str(title)) for title in unique), None], dtype=object)[codes]
    found: dict[str, set[str]] = {}
    for account, name in zip(people["account_id"], names, strict=True):
        if name is not None:
            found.setdefault(str(account), set()).add(str(name))
    return found


def _carrying(of_leads: ScoredRows, ids: Iterable[str]) -> list[list[dict[str, Any]]]:
    """The likeliest open leads of each account, the strongest first."""
    account = _of_leads(of_leads.leads.data.leads, of_leads.rows.lead_id, "account_id")
    by_account: dict[str, list[tuple[float, str]]] = {}
    for owner, lead, p in zip(account, of_leads.rows.lead_id, of_leads.rows.probability, strict=True):
        if owner is not None:
            by_account.setdefault(owner, []).append((-p, lead))
    return [
        [
            {"lead_id": lead, "probability": _number(-p)}
            for p, lead in sorted(by_account.get(each, []))[:MOST_CARRYING]
        ]
        for each in ids
    ]


def _of_leads(leads: pd.DataFrame, lead_ids: list[str], column: str) -> list[str | None]:
    values = leads.set_index("lead_id")[column].reindex(lead_ids)
    return [None if pd.isna(each) else str(each) for each in values]


def _counts(owner: pd.Series, ids: Iterable[str]) -> list[int]:
    counts = owner.value_counts()
    return [int(counts.get(each, 0)) for each in ids]


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
