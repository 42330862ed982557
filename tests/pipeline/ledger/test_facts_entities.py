"""Facts of rows that are no leads: accounts, and lead x product; from tables by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from features.entities import entity_tables, lead_and_product
from features.settings import AttributeGroup, AttributeSettings, TargetSettings
from pipeline.ledger.facts import RunFacts, facts_of, trend_of
from pipeline.ledger.run_before import RunBefore
from pipeline.open_leads import leads_to_score
from pipeline.output import ScoreRows, scores_table
from pipeline.score import ScoredRows
from tests.pipeline.small_crm import (
    SOURCES,
    crm_of,
    day,
    event,
    microsecond,
    project_of,
    stage,
    table_bundle,
)

SHOWN = {
    "leads": pd.DataFrame({"name": ["Ann", None, "Cher"]}, index=["L1", "L9", "L5"]),
    "accounts": pd.DataFrame({"company": ["Acme"]}, index=["A"]),
}


def found_of(target: TargetSettings, **settings: Any) -> ScoredRows:
    """The rows of the small CRM on day 74, scored by hand: the first in the alphabet gets most."""
    sources = replace(SOURCES, target=target, **settings)
    crm = replace(
        crm_of([event("L1", 40), event("L9", 72, "visit", product="erp")], [stage("L1", 50, "hot")]),
        shown=SHOWN,
    )
    tables = entity_tables(crm, target, sources.attributes)
    bundle, project = table_bundle(tables, sources), project_of(target=target)
    leads = leads_to_score(tables, bundle, project, day(74))
    rows, n = ScoreRows(), len(leads.rows)
    rows.lead_id = leads.lead_ids
    if target.entity == "product":
        pairs = [lead_and_product(each) for each in leads.lead_ids]
        rows.lead_id, rows.optional["product"] = (
            [lead for lead, _ in pairs],
            [product for _, product in pairs],
        )
    rows.score = [float(n - row) for row in range(n)]
    rows.probability = [(n - row) / 100 for row in range(n)]
    rows.band, rows.fit_grade, rows.engagement_grade = ["below"] * n, ["A"] * n, ["1"] * n
    rows.base_score, rows.silent_until = [0.0] * n, [None] * n
    rows.reasons, rows.warnings = [[] for _ in range(n)], [[] for _ in range(n)]
    return ScoredRows(project, bundle, tables, leads, rows, 0, [])


def facts(found: ScoredRows, before: RunBefore | None = None) -> tuple[RunFacts, dict[str, dict[str, Any]]]:
    """The facts, and their columns by row: `L1`, or `L1 erp` of a product."""
    table = scores_table(found.rows, np.datetime64(day(74).tz_localize(None), "us"), "m1")
    told = facts_of(found, table, before)
    columns = {name: list(values) for name, values in told.columns.items()}
    keys = zip(table.column("lead_id").to_pylist(), table.column("product").to_pylist(), strict=True)
    return told, {
        " ".join(filter(None, key)): {name: values[row] for name, values in columns.items()}
        for row, key in enumerate(keys)
    }


def test_an_account_has_its_company_and_what_its_people_did() -> None:
    told, rows = facts(found_of(TargetSettings(entity="account")))

    assert rows.keys() == {"A"}
    assert (rows["A"]["account_id"], rows["A"]["company"], rows["A"]["name"]) == ("A", "Acme", None)
    kinds = [kind for _, kind in json.loads(rows["A"]["events"])]
    assert {"pricing_view", "visit", "stage: hot"} & set(kinds) == {"pricing_view", "visit"}
    assert told.event_watermark == day(72)


def test_lead_x_product_is_told_apart_and_shows_its_person() -> None:
    found = found_of(TargetSettings(entity="product", products=("crm", "erp")))
    before = RunBefore(microsecond(70), {("L9", "erp"): (1.5, "below")}, (microsecond(70),))

    told, rows = facts(found, before)

    assert list(rows) == ["L1 crm", "L1 erp", "L5 crm", "L5 erp", "L9 crm", "L9 erp"]
    assert [(row["name"], row["account_id"], row["company"]) for row in rows.values()] == [
        *[("Ann", "A", "Acme")] * 2, *[("Cher", None, None)] * 2, *[(None, "A", "Acme")] * 2,
    ]  # fmt: skip
    names = told.attributes
    assert [json.loads(row["attributes"])[names.index("stage")] for row in rows.values()] == ["hot"] * 2 + [
        None
    ] * 4
    # the run before knew L9 with one product alone; both have the same visit
    assert [json.loads(row["events"] or "[]")[-1:] for key, row in rows.items() if key.startswith("L9")] == [
        [["2025-03-14T00:00:00+00:00", "visit"]]
    ] * 2
    assert trend_of(found, before) == [None, None, None, None, None, 1.0 - 1.5]
    assert dict(told.scores_before) == dict(before.scores)


def test_a_lead_keeps_the_domain_of_its_address_and_numbers_as_numbers() -> None:
    attributes = AttributeSettings(
        at_creation=AttributeGroup(email=("owner",), number=("size",)), min_category_rows=1, waived=()
    )
    crm = crm_of([event("L1", 40)])
    leads = crm.leads.assign(
        owner=np.array(["kim@acme.example", None, "no address"], dtype=object), size=[20.0, np.nan, 0.5]
    )
    tables, sources = (
        replace(crm, leads=leads),
        replace(SOURCES, attributes=attributes, points=SOURCES.points[:1]),
    )
    found = found_of(TargetSettings())
    bundle = table_bundle(tables, sources)
    own = leads_to_score(tables, bundle, found.project, day(74))

    told, rows = facts(replace(found, tables=tables, bundle=bundle, leads=own))

    assert set(told.attributes) == {"owner", "size"}
    values = {
        lead: dict(zip(told.attributes, json.loads(row["attributes"]), strict=True))
        for lead, row in rows.items()
    }
    assert values == {
        "L1": {"owner": "acme.example", "size": 20}, "L9": {"owner": None, "size": None},
        "L5": {"owner": None, "size": 0.5},
    }  # fmt: skip
