"""What a row is scored for: tables of leads turned into tables of accounts, lead x product, or customers.

The pipeline scores "leads": whoever stands in the leads table. For another entity the same pipeline runs on
tables in which that entity stands there, with the events, fields and outcomes that are its own; so that
features, labels, calibration, bands and reasons have one definition. Nothing is moved in time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from features.contracts import Tables
from features.errors import InputError
from features.settings import AttributeSettings, Entity, Kind, TargetSettings
from features.titles import department

__all__ = [
    "DERIVED",
    "NOUNS",
    "OF_ACCOUNTS",
    "PRODUCT_MARK",
    "entity_tables",
    "lead_and_product",
    "own_outcomes",
    "target_of_leads",
    "with_derived",
    "without_derived",
]

NOUNS: dict[Entity, str] = {
    "lead": "leads",
    "account": "accounts",
    "product": "pairs of lead and product",
    "customer": "customers",
    "customer account": "customers",
}
OF_ACCOUNTS: tuple[Entity, ...] = ("account", "customer account")  # their rows are companies
PRODUCT_MARK = " | "
OF_PRODUCTS = {"product_offered": "category", "asked_for_product": "boolean"}
OF_CUSTOMERS = {"first_product": "category", "first_amount": "number"}
DERIVED: dict[Entity, dict[str, str]] = {
    "lead": {},
    "account": {},
    "product": OF_PRODUCTS,
    "customer": OF_CUSTOMERS,
    "customer account": OF_CUSTOMERS,
}
ABOUT, OTHERWISE = "this product", "another product"
ANOTHER = "won another product"
GONE = "withdrawn"
PERSON, PERSON_WON, PERSON_LOST = "person_joined", "person_won", "person_lost"


def own_outcomes(outcomes: pd.DataFrame, target: TargetSettings) -> pd.DataFrame:
    """Outcomes that speak of this target: those of its name, of leads those without any.

    Raises
    ------
    InputError
        If every outcome belongs to a named target and none of them is asked for.
    """
    named = outcomes["target"].notna() & (outcomes["target"] != "")
    if not named.any():
        return outcomes
    if target.name is None:
        if named.all():
            there = ", ".join(sorted(outcomes["target"].unique())[:5])
            raise InputError(
                f"All {len(outcomes):,} outcomes belong to a target of their own ({there}). Say which one this model "
                "is for with target.name, or leave the column 'target' empty for those of leads."
            )
        return outcomes[~named].reset_index(drop=True)
    is_own = named & (outcomes["target"] == target.name)
    ends = outcomes["outcome"].isin(target.also_ends)
    return outcomes[is_own | ends].reset_index(drop=True)


def entity_tables(tables: Tables, target: TargetSettings, attributes: AttributeSettings) -> Tables:
    """Tables in which the target's entity stands where leads stood; `origin` keeps those of the leads.

    Parameters
    ----------
    tables : of the leads, as they were read.
    attributes : says which columns hold job titles, products and histories.

    Raises
    ------
    InputError
        If there is no such entity: no accounts, none of the products, no customer.
    """
    leads = tables if tables.origin is None else tables.origin
    if target.entity == "lead":
        own = own_outcomes(leads.outcomes, target)
        return leads if own is leads.outcomes else replace(leads, outcomes=own, origin=leads)
    if target.entity == "product":
        return _products(leads, target, attributes)
    if target.entity == "account":
        return _accounts(leads, own_outcomes(leads.outcomes, target), target, attributes)
    if target.entity == "customer account":
        found = _accounts(leads, leads.outcomes, target, attributes)
        return _customers(found, target)
    return _customers(leads, target)


def with_derived(attributes: AttributeSettings, tables: Tables, entity: Entity) -> AttributeSettings:
    """The attributes with those that the entity's tables bring along, fixed since its creation."""
    group = attributes.at_creation.model_dump()
    for name, kind in DERIVED[entity].items():
        if name in tables.leads.columns and tables.leads[name].notna().any() and name not in group[kind]:
            group[kind] = (*group[kind], name)
    return attributes.model_copy(update={"at_creation": type(attributes.at_creation)(**group)})


def without_derived(attributes: AttributeSettings, entity: Entity) -> AttributeSettings:
    """The attributes that stand in the files; other entities' names may be a file's own."""
    group = {
        kind: tuple(name for name in names if name not in DERIVED[entity])
        for kind, names in attributes.at_creation.model_dump().items()
    }
    return attributes.model_copy(update={"at_creation": type(attributes.at_creation)(**group)})


def lead_and_product(entity_id: str) -> tuple[str, str]:
    """Lead and product of a row of lead x product.

    Examples
    --------
    >>> lead_and_product("L1 | crm")
    ('L1', 'crm')
    """
    lead, _, product = entity_id.rpartition(PRODUCT_MARK)
    return lead, product


def _accounts(
    tables: Tables, outcomes: pd.DataFrame, target: TargetSettings, attributes: AttributeSettings
) -> Tables:
    people = tables.leads[tables.leads["account_id"].notna()]
    people_since = people.set_index("lead_id")["created_at"]
    if people.empty:
        raise InputError(
            f"None of the {len(tables.leads):,} leads has an account_id, so there are no accounts to score. Map the "
            'column under [data.leads] columns, or drop the target with entity = "account".'
        )
    made = people.groupby("account_id", sort=True)["created_at"].min().reset_index()
    leads = made.assign(lead_id=made["account_id"])[["lead_id", "created_at", "account_id"]]
    account_of = people.set_index("lead_id")["account_id"]
    # what somebody did before anybody knew that person was not known of the account, however old that is
    known = tables.events[tables.events["occurred_at"] >= tables.events["lead_id"].map(people_since)]
    events = pd.concat(
        [
            _by_account(known, account_of).assign(channel=_roles(known["lead_id"], people, attributes)),
            _people_events(people, _spells_ends(tables, target), target, attributes),
            _stage_events(tables.field_changes, account_of, attributes),
        ],
        ignore_index=True,
    )
    events = events[events["lead_id"].notna()].reset_index(drop=True)
    # the people's own changes are events; an account may bear the id of a lead
    changes = tables.field_changes
    changes = changes[changes["account_id"].notna() & changes["lead_id"].isna()].reset_index(drop=True)
    found = _by_account(outcomes, account_of)
    return _entity(
        tables,
        leads=leads,
        events=_typed(events, tables.events),
        outcomes=found[found["lead_id"].notna()].reset_index(drop=True),
        field_changes=changes,
    )


def _fixed(attributes: AttributeSettings) -> dict[str, Kind]:
    """Kinds of the attributes that hold since creation; today's value would tell what came after as_of."""
    since = attributes.availability()
    return {
        name: kind
        for name, kind in attributes.kinds().items()
        if since[name] == "at_creation" or (since[name] == "current" and name in attributes.waived)
    }


def _by_account(frame: pd.DataFrame, account_of: pd.Series) -> pd.DataFrame:
    return frame.assign(lead_id=frame["lead_id"].map(account_of).astype(frame["lead_id"].dtype))


def _roles(lead_id: pd.Series, people: pd.DataFrame, attributes: AttributeSettings) -> pd.Series:
    """Department of the person behind each lead id, where a job title tells it."""
    titles = [n for n, k in _fixed(attributes).items() if k == "job_title" and n in people.columns]
    if not titles:
        return pd.Series(np.nan, index=lead_id.index, dtype="str")
    codes, unique = pd.factorize(people[titles[0]], use_na_sentinel=True)
    names = np.array([*(department(str(title)) for title in unique), None], dtype=object)
    return lead_id.map(pd.Series(names[codes], index=people["lead_id"], dtype="str"))


def _people_events(
    people: pd.DataFrame, ends: pd.DataFrame, target: TargetSettings, attributes: AttributeSettings
) -> pd.DataFrame:
    """A person known, a person's win or loss: what happens at an account beside what its people do."""
    joined = pd.DataFrame(
        {"lead_id": people["account_id"], "occurred_at": people["created_at"], "event_type": PERSON,
         "channel": _roles(people["lead_id"], people, attributes)}
    )  # fmt: skip
    account_of = people.set_index("lead_id")["account_id"]
    is_won = ends["outcome"].isin(target.won)
    delay = pd.Timedelta(target.outcome_delay, unit="us").as_unit("us")
    ended = pd.DataFrame(
        {"lead_id": ends["lead_id"].map(account_of), "occurred_at": ends["occurred_at"] + delay,
         "event_type": np.where(is_won, PERSON_WON, PERSON_LOST), "channel": None}
    )  # fmt: skip
    return pd.concat([joined, ended], ignore_index=True)


def _spells_ends(tables: Tables, target: TargetSettings) -> pd.DataFrame:
    """First terminal outcome of each lead."""
    found = own_outcomes(tables.outcomes, target_of_leads(target))
    found = found[~found["outcome"].isin([*target.reopened, *target.not_terminal])]
    return found.sort_values(["occurred_at", "lead_id"]).drop_duplicates("lead_id")


def target_of_leads(target: TargetSettings) -> TargetSettings:
    """The target of the leads that stand behind the entity."""
    return target.model_copy(update={"name": None, "entity": "lead", "won": target.since or target.won})


def _stage_events(
    changes: pd.DataFrame, account_of: pd.Series, attributes: AttributeSettings
) -> pd.DataFrame:
    """Moves of the people's own fields as events of the account: "lifecycle_stage: sql"."""
    fields = [name for name, since in attributes.availability().items() if since == "history"]
    own = changes[changes["lead_id"].notna() & changes["field"].isin(fields)]
    # the first entry of a field is its value at creation: no move
    own = own[own["old_value"].notna() & own["new_value"].notna()]
    return pd.DataFrame(
        {"lead_id": own["lead_id"].map(account_of), "occurred_at": own["changed_at"],
         "event_type": own["field"] + ": " + own["new_value"], "channel": None}
    )  # fmt: skip


def _products(tables: Tables, target: TargetSettings, attributes: AttributeSettings) -> Tables:
    if not target.products:
        there = tables.outcomes.loc[tables.outcomes["outcome"].isin(target.won), "product"].dropna().unique()
        raise InputError(
            'entity = "product" needs the products on offer: products = '
            f"{sorted(str(each) for each in there)[:12]} in the target's section, as the wins name them."
        )
    own = own_outcomes(tables.outcomes, target)
    _refuse_other_spelling(own.loc[own["outcome"].isin(target.won), "product"], target)
    parts = [_of_product(tables, own, product, target, attributes) for product in target.products]
    frames = {
        name: pd.concat([part[name] for part in parts], ignore_index=True)
        for name in ("leads", "events", "outcomes", "field_changes")
    }
    changes = tables.field_changes
    of_accounts = changes[changes["lead_id"].isna() & changes["account_id"].notna()]
    frames["field_changes"] = pd.concat([frames["field_changes"], of_accounts], ignore_index=True)
    order = frames["leads"].sort_values(["lead_id"], kind="stable").index
    frames["leads"] = frames["leads"].loc[order].reset_index(drop=True)
    return _entity(tables, **frames)


def _refuse_other_spelling(won: pd.Series, target: TargetSettings) -> None:
    """A product that the wins write otherwise would never be won, in silence."""
    there = {str(each).strip().casefold(): str(each) for each in won.dropna().unique()}
    stray = [
        (each, there[plain])
        for each in target.products
        if (plain := each.strip().casefold()) in there and not (won == each).any()
    ]
    if stray:
        raise InputError(
            f"{len(stray)} of {len(target.products)} products are written otherwise in the wins; the first is "
            f"'{stray[0][0]}', which they call '{stray[0][1]}'. Write products as the outcomes do."
        )


def _of_product(
    tables: Tables, own: pd.DataFrame, product: str, target: TargetSettings, attributes: AttributeSettings
) -> dict[str, pd.DataFrame]:
    mark = PRODUCT_MARK + product
    leads = tables.leads.assign(lead_id=tables.leads["lead_id"] + mark, product_offered=product)
    # colleagues are people, not products; the account stays for its own fields and for the clusters
    # (with the mark, for a lead and an account may bear the same id)
    leads["account_id"] = leads["account_id"].fillna(tables.leads["lead_id"] + PRODUCT_MARK)
    leads["asked_for_product"] = _asked_for(tables.leads, product, target, attributes)
    since = target.on_offer_since.get(product)
    if since is not None:
        start = pd.Timestamp(since, tz="UTC").as_unit("us")
        leads["created_at"] = leads["created_at"].where(leads["created_at"] >= start, start)
    is_won = own["outcome"].isin(target.won)
    kinds = own["outcome"].mask(is_won & (own["product"] != product), ANOTHER)
    outcomes = own.assign(lead_id=own["lead_id"] + mark, outcome=kinds)
    until = target.on_offer_until.get(product)
    if until is not None:
        ended = pd.Timestamp(until, tz="UTC").as_unit("us")
        gone = pd.DataFrame({"lead_id": leads["lead_id"], "occurred_at": ended, "outcome": GONE})
        outcomes = _typed(pd.concat([outcomes, gone], ignore_index=True), own)
    about = tables.events["product"]
    is_own = (about == product).fillna(value=False)
    channel = pd.Series(np.where(is_own, ABOUT, OTHERWISE), dtype="str").where(about.notna().to_numpy())
    events = tables.events.assign(lead_id=tables.events["lead_id"] + mark, channel=channel.to_numpy())
    changes = tables.field_changes
    changes = changes[changes["lead_id"].notna()]
    return {
        "leads": leads,
        "events": events,
        "outcomes": outcomes,
        "field_changes": changes.assign(lead_id=changes["lead_id"] + mark),
    }


def _asked_for(
    leads: pd.DataFrame, product: str, target: TargetSettings, attributes: AttributeSettings
) -> pd.Series:
    """1 where a recorded interest names this product, 0 where it names another, NaN where it is silent."""
    plain = {each.strip().casefold() for each in target.products}
    for name, kind in _fixed(attributes).items():
        if kind != "category" or name not in leads.columns or name in OF_PRODUCTS:
            continue
        text = leads[name].astype("str").str.strip().str.casefold()
        # of the values told: a small export with few of them is read as the large one was
        if text.isin(plain).sum() > 0.5 * text.notna().sum():
            is_own = (text == product.strip().casefold()).astype(np.float64)
            return is_own.where(text.isin(plain), np.nan)
    return pd.Series(np.nan, index=leads.index)


def _customers(tables: Tables, target: TargetSettings) -> Tables:
    won = tables.outcomes[tables.outcomes["outcome"].isin(target.since) & _unnamed(tables.outcomes)]
    first = won.sort_values(["occurred_at", "lead_id"]).drop_duplicates("lead_id").set_index("lead_id")
    if first.empty:
        raise InputError(
            f"None of the {len(tables.leads):,} leads has won ({', '.join(target.since)}), so there are no customers "
            f"for the target '{target.name}'."
        )
    leads = tables.leads[tables.leads["lead_id"].isin(first.index)].reset_index(drop=True)
    mine = first.reindex(leads["lead_id"])
    delay = pd.Timedelta(target.outcome_delay, unit="us").as_unit("us")
    leads = leads.assign(
        created_at=(mine["occurred_at"] + delay).to_numpy(),
        first_amount=mine["amount"].to_numpy(dtype=np.float64),
        first_product=mine["product"].to_numpy(),
    )
    leads["created_at"] = pd.to_datetime(leads["created_at"], utc=True).astype(
        tables.leads["created_at"].dtype
    )
    outcomes = own_outcomes(tables.outcomes, target)
    is_own = (tables.outcomes["target"] == target.name) | tables.outcomes["outcome"].isin(target.also_ends)
    rest = tables.outcomes[~_unnamed(tables.outcomes) & ~is_own]
    history = pd.DataFrame(
        {"lead_id": rest["lead_id"], "occurred_at": rest["occurred_at"] + delay,
         "event_type": rest["outcome"], "product": rest["product"], "value": rest["amount"]}
    )  # fmt: skip
    events = pd.concat([tables.events, history], ignore_index=True)
    keep = set(leads["lead_id"])
    return _entity(
        tables,
        leads=leads,
        events=_typed(events[events["lead_id"].isin(keep)], tables.events),
        outcomes=outcomes[outcomes["lead_id"].isin(keep)].reset_index(drop=True),
    )


def _unnamed(outcomes: pd.DataFrame) -> pd.Series:
    return outcomes["target"].isna() | (outcomes["target"] == "")


def _typed(frame: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """A frame with the columns and dtypes of another, in its order."""
    return frame.reindex(columns=like.columns).astype(like.dtypes.to_dict()).reset_index(drop=True)


def _entity(tables: Tables, **frames: Any) -> Tables:
    held = int((tables.quarantine["table"] == "leads").sum())
    rows_in = {**tables.rows_in, "leads": len(frames["leads"]) + held}
    return replace(tables, **frames, rows_in=rows_in, origin=tables.origin or tables)
