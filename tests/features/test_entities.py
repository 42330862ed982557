"""Accounts, lead x product and customers as the pipeline's leads: by hand, and nothing moved in time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.asof import Examples, microseconds, open_examples, snapshot_examples
from features.builder import build_features, learn_catalogue
from features.contracts import Tables
from features.entities import entity_tables, lead_and_product, own_outcomes, with_derived, without_derived
from features.errors import InputError
from features.labels import label_examples
from features.prepare import FeatureSources, Prepared, prepare
from features.settings import (
    AttributeGroup,
    AttributeSettings,
    EventSettings,
    FeatureSettings,
    SnapshotSettings,
    TargetSettings,
)

START = pd.Timestamp("2025-01-01", tz="UTC")
MakeTables = Callable[..., Tables]
ATTRIBUTES = AttributeSettings(
    at_creation=AttributeGroup(category=("interest", "industry"), job_title=("job_title",)),
    history=AttributeGroup(category=("stage",)),
    min_category_rows=1,
)
ACCOUNT = TargetSettings(entity="account", roles=("it", "finance"))
PRODUCTS = TargetSettings(entity="product", products=("crm", "bi"))
UPSELL = TargetSettings(entity="customer", name="upsell", won=("upsell",))


def at(day: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=day)


def of(day: float) -> int:
    return int(microseconds(at(day))[0])


def lead(lead_id: str, day: float, account: str | None = None, **more: Any) -> dict[str, Any]:
    return {"lead_id": lead_id, "created_at": at(day), "account_id": account, **more}


def outcome(lead_id: str, day: float, kind: str, **more: Any) -> dict[str, Any]:
    return {"lead_id": lead_id, "occurred_at": at(day), "outcome": kind, **more}


def event(lead_id: str, day: float, kind: str = "visit", **more: Any) -> dict[str, Any]:
    return {"lead_id": lead_id, "occurred_at": at(day), "event_type": kind, **more}


def with_text(tables: Tables, **columns: list[Any]) -> Tables:
    for name, values in columns.items():
        tables.leads[name] = pd.Series(values, dtype="str")
    return tables


def sources_for(target: TargetSettings, attributes: AttributeSettings = ATTRIBUTES) -> FeatureSources:
    return FeatureSources(attributes, EventSettings(), FeatureSettings(), target, is_static=False)


@pytest.fixture
def two_accounts(make_tables: MakeTables) -> Tables:
    """A: two people, the first lost on day 20, the second won on day 40; B: one person; C2 without a company."""
    return with_text(
        make_tables(
            [lead("A1", 0, "A"), lead("A2", 10, "A"), lead("B1", 5, "B"), lead("C2", 0)],
            [event("A1", 1), event("A2", 11), event("B1", 6), event("C2", 1)],
            [outcome("A1", 20, "lost"), outcome("A2", 40, "won", amount=9.0), outcome("C2", 3, "won")],
            [{"account_id": "A"}, {"account_id": "B"}],
            [
                {"lead_id": "A1", "changed_at": at(0), "field": "stage", "new_value": "new"},
                {
                    "lead_id": "A1",
                    "changed_at": at(8),
                    "field": "stage",
                    "old_value": "new",
                    "new_value": "mql",
                },
            ],
        ),
        job_title=["IT Manager", "CFO", "Buyer", None],
        interest=["crm", "bi", None, "crm"],
    )


def labels(data: Prepared, target: TargetSettings, day: float) -> dict[str, float]:
    assert data.spells is not None
    found = label_examples(open_examples(data.spells, of(day)), of(500), target)
    ids = data.leads["lead_id"].to_numpy(dtype=object)[found.examples.lead]
    return dict(zip(ids.tolist(), found.y.tolist(), strict=True))


def test_an_account_wins_with_the_first_win_of_a_person_open_at_the_moment(two_accounts: Tables) -> None:
    tables = entity_tables(two_accounts, ACCOUNT, ATTRIBUTES)
    data = prepare(tables, sources_for(ACCOUNT))

    assert tables.leads["lead_id"].tolist() == ["A", "B"]
    assert labels(data, ACCOUNT, 5.5) == {"A": 0.0, "B": 0.0}  # A2 is not known yet, and A1 will be lost
    assert labels(data, ACCOUNT, 15) == {"A": 1.0, "B": 0.0}
    assert labels(data, ACCOUNT, 41) == {"B": 0.0}  # nobody at A is open any more


def test_an_account_is_one_example_a_moment_however_many_people_are_open(two_accounts: Tables) -> None:
    data = prepare(entity_tables(two_accounts, ACCOUNT, ATTRIBUTES), sources_for(ACCOUNT))
    assert data.spells is not None

    rows = snapshot_examples(data.spells, SnapshotSettings(), of(60))

    pairs = list(zip(rows.lead.tolist(), rows.as_of.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert rows.as_of.tolist() == sorted(rows.as_of.tolist())


def test_what_people_do_and_become_are_events_of_their_account(two_accounts: Tables) -> None:
    events = entity_tables(two_accounts, ACCOUNT, ATTRIBUTES).events

    of_a = events[events["lead_id"] == "A"].sort_values("occurred_at")
    told = list(zip(of_a["event_type"], (of_a["occurred_at"] - START).dt.days, strict=True))
    assert sorted(told) == [
        ("person_joined", 0), ("person_joined", 10), ("person_lost", 20), ("person_won", 40),
        ("stage: mql", 8), ("visit", 1), ("visit", 11),
    ]  # fmt: skip
    assert of_a[of_a["event_type"] == "visit"]["channel"].tolist() == ["it", "finance"]
    assert "C2" not in set(events["lead_id"])


def test_outcomes_recorded_late_reach_the_account_as_late(two_accounts: Tables) -> None:
    late = ACCOUNT.model_copy(update={"outcome_delay": 5 * 86_400_000_000})

    events = entity_tables(two_accounts, late, ATTRIBUTES).events

    lost = events[events["event_type"] == "person_lost"]
    assert lost["occurred_at"].tolist() == [at(25)]


def test_an_accounts_features_know_nothing_at_or_after_their_moment(two_accounts: Tables) -> None:
    full = prepare(entity_tables(two_accounts, ACCOUNT, ATTRIBUTES), sources_for(ACCOUNT))
    cut = at(15)
    early = Tables(**{
        **two_accounts.__dict__,
        "events": two_accounts.events[two_accounts.events["occurred_at"] < cut].reset_index(drop=True),
        "outcomes": two_accounts.outcomes[two_accounts.outcomes["occurred_at"] < cut].reset_index(drop=True),
    })  # fmt: skip
    known = prepare(entity_tables(early, ACCOUNT, ATTRIBUTES), sources_for(ACCOUNT))
    assert full.spells is not None
    rows = open_examples(full.spells, of(15))
    catalogue = learn_catalogue(full, rows, sources_for(ACCOUNT))

    np.testing.assert_array_equal(
        build_features(full, rows, catalogue, sources_for(ACCOUNT)),
        build_features(known, _same(rows), catalogue, sources_for(ACCOUNT)),
    )


def _same(rows: Examples) -> Examples:
    return rows.take(np.arange(len(rows)))


def test_without_any_account_the_message_says_what_to_map(make_tables: MakeTables) -> None:
    with pytest.raises(InputError, match="None of the 1 leads has an account_id"):
        entity_tables(make_tables([lead("L", 0)]), ACCOUNT, ATTRIBUTES)


def test_each_product_on_offer_is_an_entity_with_a_win_of_its_own(two_accounts: Tables) -> None:
    two_accounts.outcomes["product"] = pd.Series([None, "bi", "crm"], dtype="str")
    data = prepare(entity_tables(two_accounts, PRODUCTS, ATTRIBUTES), sources_for(PRODUCTS))

    assert labels(data, PRODUCTS, 15) == {
        "A1 | bi": 0.0, "A1 | crm": 0.0, "A2 | bi": 1.0, "A2 | crm": 0.0, "B1 | bi": 0.0, "B1 | crm": 0.0,
    }  # fmt: skip
    assert "A2 | crm" not in labels(data, PRODUCTS, 41)  # a win of another product closes the lead


def test_a_product_has_the_events_of_its_lead_and_knows_which_are_about_it(two_accounts: Tables) -> None:
    two_accounts.events["product"] = pd.Series(["crm", None, "bi", "bi"], dtype="str")

    tables = entity_tables(two_accounts, PRODUCTS, ATTRIBUTES)

    channel = tables.events.set_index("lead_id")["channel"]
    assert channel["A1 | crm"] == "this product"
    assert channel["A1 | bi"] == "another product"
    assert pd.isna(channel["A2 | bi"])
    leads = tables.leads.set_index("lead_id")
    assert leads.loc["A1 | crm", "product_offered"] == "crm"
    assert leads["asked_for_product"].to_dict() == pytest.approx(
        {"A1 | crm": 1, "A1 | bi": 0, "A2 | crm": 0, "A2 | bi": 1, "B1 | crm": np.nan, "B1 | bi": np.nan,
         "C2 | crm": 1, "C2 | bi": 0}, nan_ok=True,
    )  # fmt: skip


def test_a_product_is_scored_only_while_it_is_on_offer(two_accounts: Tables) -> None:
    window = PRODUCTS.model_copy(
        update={"on_offer_since": {"bi": at(12).date()}, "on_offer_until": {"crm": at(12).date()}}
    )
    data = prepare(entity_tables(two_accounts, window, ATTRIBUTES), sources_for(window))

    assert set(labels(data, window, 11)) == {"A1 | crm", "A2 | crm", "B1 | crm"}
    assert set(labels(data, window, 13)) == {"A1 | bi", "A2 | bi", "B1 | bi"}


def test_products_must_be_named_and_the_message_lists_those_that_were_won(two_accounts: Tables) -> None:
    two_accounts.outcomes["product"] = pd.Series([None, "bi", "crm"], dtype="str")

    with pytest.raises(InputError, match=r"products = \['bi', 'crm'\]"):
        entity_tables(two_accounts, TargetSettings(entity="product"), ATTRIBUTES)


@pytest.fixture
def customers(make_tables: MakeTables) -> Tables:
    """L1 won on day 10, upsold on day 30; L2 won on day 12, churned on day 50; L3 never won."""
    return make_tables(
        [lead("L1", 0, "A"), lead("L2", 0, "A"), lead("L3", 0, "B")],
        [event("L1", 5), event("L1", 20, "use")],
        [
            outcome("L1", 10, "won", amount=7.0, product="crm"),
            outcome("L2", 12, "won"),
            outcome("L3", 9, "lost"),
            outcome("L1", 30, "upsell", target="upsell"),
            outcome("L2", 50, "churned", target="renewal"),
            outcome("L2", 20, "renewed", target="renewal"),
        ],
    )


def test_a_customer_begins_with_the_first_win_and_answers_its_own_target(customers: Tables) -> None:
    data = prepare(entity_tables(customers, UPSELL, ATTRIBUTES), sources_for(UPSELL))

    assert data.leads["lead_id"].tolist() == ["L1", "L2"]
    assert data.leads["first_amount"].tolist() == pytest.approx([7.0, np.nan], nan_ok=True)
    assert labels(data, UPSELL, 10) == {}  # known strictly after the win
    assert labels(data, UPSELL, 15) == {"L1": 1.0, "L2": 0.0}
    assert labels(data, UPSELL, 31) == {"L2": 0.0}
    assert labels(data, UPSELL, 51) == {}  # who has left is no customer


def test_a_customer_shows_what_it_did_since_and_what_it_bought(customers: Tables) -> None:
    events = entity_tables(customers, UPSELL, ATTRIBUTES).events

    assert set(zip(events["lead_id"], events["event_type"], strict=True)) == {
        ("L1", "visit"), ("L1", "use"), ("L2", "renewed"),
    }  # fmt: skip


def test_a_company_may_be_the_customer(customers: Tables) -> None:
    target = TargetSettings(entity="customer account", name="upsell", won=("upsell",))

    data = prepare(entity_tables(customers, target, ATTRIBUTES), sources_for(target))

    assert data.leads["lead_id"].tolist() == ["A"]
    assert labels(data, target, 15) == {"A": 1.0}


def test_the_model_of_leads_reads_no_outcome_of_another_target(customers: Tables) -> None:
    kept = entity_tables(customers, TargetSettings(), ATTRIBUTES)

    assert kept.outcomes["outcome"].tolist() == ["won", "won", "lost"]
    assert kept.origin is customers


def test_outcomes_that_all_belong_to_targets_need_a_name(make_tables: MakeTables) -> None:
    tables = make_tables([lead("L", 0)], [], [outcome("L", 1, "won", target="trial")])

    with pytest.raises(InputError, match=r"All 1 outcomes belong to a target of their own \(trial\)"):
        own_outcomes(tables.outcomes, TargetSettings())


def test_derived_attributes_come_with_the_tables_and_go_before_reading(customers: Tables) -> None:
    found = with_derived(ATTRIBUTES, entity_tables(customers, UPSELL, ATTRIBUTES), "customer")

    assert found.kinds()["first_amount"] == "number"
    assert "product_offered" not in found.kinds()
    assert without_derived(found, "customer") == ATTRIBUTES


def test_an_id_with_the_mark_in_it_keeps_its_lead() -> None:
    assert lead_and_product("a | b | crm") == ("a | b", "crm")


def test_what_a_person_did_before_anybody_knew_them_is_not_known_of_the_account(
    make_tables: MakeTables,
) -> None:
    tables = make_tables(
        [lead("A1", 0, "A"), lead("A2", 10, "A")], [event("A1", 1), event("A2", 5), event("A2", 11)]
    )

    events = entity_tables(tables, ACCOUNT, ATTRIBUTES).events

    visits = events[events["event_type"] == "visit"]
    assert visits["occurred_at"].tolist() == [at(1), at(11)]


@pytest.mark.parametrize("since", ["history", "current"])
def test_fields_that_change_tell_neither_departments_nor_what_was_asked_for(
    two_accounts: Tables, since: str
) -> None:
    fields = AttributeGroup(category=("interest",), job_title=("job_title",))
    attributes = AttributeSettings.model_validate({since: fields.model_dump()})

    of_accounts = entity_tables(two_accounts, ACCOUNT, attributes).events
    of_products = entity_tables(two_accounts, PRODUCTS, attributes).leads

    assert of_accounts["channel"].isna().all()
    assert of_products["asked_for_product"].isna().all()


def test_a_small_export_reads_what_was_asked_for_as_the_large_one_does(two_accounts: Tables) -> None:
    few = two_accounts.leads.iloc[1:3].reset_index(drop=True)  # one names a product, one is silent
    small = Tables(**{**two_accounts.__dict__, "leads": few})

    large_leads = entity_tables(two_accounts, PRODUCTS, ATTRIBUTES).leads.set_index("lead_id")
    small_leads = entity_tables(small, PRODUCTS, ATTRIBUTES).leads.set_index("lead_id")

    whole = large_leads.loc[small_leads.index, "asked_for_product"]
    pd.testing.assert_series_equal(small_leads["asked_for_product"], whole)


def test_a_lead_without_an_account_is_not_of_an_account_that_bears_its_id(make_tables: MakeTables) -> None:
    tables = make_tables([lead("17", 0), lead("18", 0, "17")], accounts=[{"account_id": "17"}])

    account = entity_tables(tables, PRODUCTS, ATTRIBUTES).leads.set_index("lead_id")["account_id"]

    assert account["18 | crm"] == "17"
    assert account["17 | crm"] != "17"
    assert account["17 | crm"] == account["17 | bi"]  # one cluster


def test_the_history_of_an_account_reaches_its_products(make_tables: MakeTables) -> None:
    changed = {"account_id": "A", "changed_at": at(1), "field": "stage", "new_value": "gold"}
    tables = make_tables([lead("L", 0, "A")], accounts=[{"account_id": "A"}], changes=[changed])

    data = prepare(entity_tables(tables, PRODUCTS, ATTRIBUTES), sources_for(PRODUCTS))

    assert data.account_changes["stage"].value.tolist() == ["gold"]


def test_a_product_that_the_wins_write_otherwise_is_refused_with_their_word(two_accounts: Tables) -> None:
    two_accounts.outcomes["product"] = pd.Series([None, "BI", "crm"], dtype="str")

    with pytest.raises(
        InputError, match=r"1 of 2 products are written otherwise .* 'bi', which they call 'BI'"
    ):
        entity_tables(two_accounts, PRODUCTS, ATTRIBUTES)


def test_an_attribute_that_only_bears_a_derived_name_stays_the_files_own() -> None:
    own = AttributeSettings(at_creation=AttributeGroup(category=("first_product",)))

    assert without_derived(own, "lead") == own
    assert without_derived(own, "account") == own
    assert without_derived(own, "customer").kinds() == {}


def test_a_customer_is_known_once_the_win_is_recorded(customers: Tables) -> None:
    late = UPSELL.model_copy(update={"outcome_delay": 5 * 86_400_000_000})

    data = prepare(entity_tables(customers, late, ATTRIBUTES), sources_for(late))

    assert data.created.tolist() == [of(15), of(17)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"products": ["a | b"]}, "without ' | '"),
        ({"roles": ["Finnance"]}, "did you mean 'finance'"),
        (
            {"products": ["a"], "on_offer_since": {"a": "2025-06-01"}, "on_offer_until": {"a": "2025-01-01"}},
            "must go",
        ),
    ],
)
def test_a_target_that_can_never_be_meant_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        TargetSettings.model_validate(wrong)
