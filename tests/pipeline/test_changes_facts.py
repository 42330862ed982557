"""What happened between two moments: all that the model looks at, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from features.contracts import Tables
from features.prepare import prepare
from features.settings import FeatureSettings
from models.bundle import Bundle
from pipeline.changes_facts import Facts, facts_of, history_fields, tables_around
from tests.pipeline.small_crm import (
    SOURCES,
    crm_of,
    day,
    event,
    microsecond,
    model_bundle,
    stage,
    table_bundle,
)

HALF_SECOND = 0.5 / 86_400


def facts(tables: Tables, bundle: Bundle | None = None) -> Facts:
    """Of L1, from day 60 to day 74."""
    bundle = bundle or model_bundle(tables)
    near = tables_around(tables, "L1")
    return facts_of(near, prepare(near, bundle.sources), "L1", microsecond(60), microsecond(74), [bundle])


def without_families() -> Any:
    """Sources of a points table that looks at nothing else."""
    return SOURCES.__class__(**{**SOURCES.__dict__, "features": FeatureSettings(families=())})


def test_new_events_are_counted_by_type_the_most_frequent_first() -> None:
    tables = crm_of(
        [
            event("L1", 60),
            event("L1", 59.9),
            event("L1", 74),
            event("L1", 61, "demo"),
            event("L1", 62, "demo"),
            event("L5", 65),
        ]
    )

    found = facts(tables)

    assert list(found.activity.items()) == [("demo", 2), ("pricing_view", 1)]
    assert (found.late, found.colleagues, found.machines) == (0, 0, 0)


def test_of_a_points_table_only_what_its_rules_read_is_named() -> None:
    tables = crm_of([event("L1", 61, "demo"), event("L1", 62), event("L9", 63)])

    found = facts(tables, table_bundle(tables))

    assert found.activity == {"pricing_view": 1}
    assert found.colleagues == 0


@pytest.mark.parametrize(
    ("recorded", "late"), [(59, 0), (60, 1), (73, 1), (74, 0)], ids=["before", "then", "since", "now"]
)
def test_an_event_is_late_if_it_happened_before_and_was_recorded_between(recorded: float, late: int) -> None:
    tables = crm_of(
        [
            event("L1", 65),
            event("L1", 50, recorded_at=day(recorded), value=3.0),
            event("L9", 51, recorded_at=day(recorded)),
        ]
    )

    found = facts(tables)

    assert (found.late, found.colleagues_late) == (late, late)
    assert found.activity == {"pricing_view": 1 + late}
    assert found.colleagues == late


def test_what_is_new_at_the_account_is_counted() -> None:
    mates = [
        {"lead_id": "L2", "created_at": day(62), "account_id": "A"},
        {"lead_id": "L3", "created_at": day(80), "account_id": "A"},
        {"lead_id": "L4", "created_at": day(2), "account_id": "A"},
    ]
    outcomes = [
        {"lead_id": lead, "occurred_at": day(number), "outcome": name}
        for lead, number, name in (("L9", 66, "won"), ("L4", 67, "lost"), ("L5", 68, "won"))
    ]
    tables = crm_of([event("L2", 63), event("L9", 64), event("L9", 30)], outcomes=outcomes, mates=mates)

    found = facts(tables, model_bundle(tables, at=65))

    assert (found.colleagues, found.people, found.purchases, found.losses) == (2, 1, 1, 1)


def test_events_told_to_be_of_a_machine_no_longer_count() -> None:
    burst = [event("L1", 60 + k * HALF_SECOND) for k in (-1.5, -0.5, 0.5, 1.5)]

    found = facts(crm_of([event("L1", 40), event("L1", 65), *burst]))

    assert found.machines == 2
    assert found.activity == {"pricing_view": 1}


def test_a_field_that_returned_to_its_value_has_not_changed() -> None:
    there_and_back = [stage("L1", 20, "new"), stage("L1", 61, "hot"), stage("L1", 62, "new")]
    tables = crm_of([event("L1", 40)], there_and_back)

    assert facts(tables).fields == ()


def test_a_field_of_the_account_counts_too() -> None:
    of_account = {**stage("L1", 65, "hot"), "lead_id": None, "account_id": "A"}
    tables = crm_of([event("L1", 40)], [of_account])

    assert facts(tables).fields == (("stage", None, "hot"),)


def test_what_the_model_does_not_look_at_is_not_named() -> None:
    tables = crm_of(
        [event("L1", 61), event("L1", 61, "demo"), event("L9", 62)],
        [{**stage("L1", 63, "x"), "field": "mood"}, stage("L1", 63, "hot")],
    )
    bundle = table_bundle(tables, without_families())

    found = facts(tables, bundle)

    assert found.activity == {"pricing_view": 1}
    assert found.colleagues == 0
    assert history_fields(bundle) == ["stage"]
    assert found.fields == (("stage", None, "hot"),)


def test_all_of_the_account_and_nobody_else_is_around_a_lead() -> None:
    tables = crm_of([event("L1", 1), event("L9", 1), event("L5", 1)], [stage("L5", 20, "new")])

    around, alone = tables_around(tables, "L1"), tables_around(tables, "L5")

    assert around.leads["lead_id"].tolist() == ["L1", "L9"]
    assert around.events["lead_id"].tolist() == ["L1", "L9"]
    assert len(around.field_changes) == 0
    assert alone.leads["lead_id"].tolist() == alone.events["lead_id"].tolist() == ["L5"]
    assert len(alone.field_changes) == 1
