"""The money of wins: each spell has its own, and a longer window adds up all of a lead or an account."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.asof import open_examples
from features.contracts import Tables
from features.prepare import prepare
from features.settings import TargetSettings
from pipeline.amounts import amount_at_end, amount_within, first_amount
from tests.pipeline.small_crm import SOURCES, crm_of, day, microsecond

DAY = 86_400_000_000
TARGET = TargetSettings()


def outcome(lead: str, number: float, kind: str, amount: float | None = None, **more: Any) -> dict[str, Any]:
    return {"lead_id": lead, "occurred_at": day(number), "outcome": kind, "amount": amount, **more}


def at_end(tables: Tables, lead: str, number: float, target: TargetSettings = TARGET) -> float:
    data = prepare(tables, SOURCES)
    assert data.spells is not None
    rows = open_examples(data.spells, microsecond(number))
    rows = rows.take(data.leads["lead_id"].to_numpy()[rows.lead] == lead)
    return float(amount_at_end(data, tables.outcomes, rows, target)[0])


def within(tables: Tables, number: float, days: int, *, of_account: bool) -> dict[str, float]:
    data = prepare(tables, SOURCES)
    assert data.spells is not None
    rows = open_examples(data.spells, microsecond(number))
    found = amount_within(data, tables.outcomes, rows, days * DAY, TARGET, of_account=of_account)
    return dict(zip(data.leads["lead_id"].to_numpy()[rows.lead], found.tolist(), strict=True))


REOPENED = crm_of(outcomes=[
    outcome("L1", 20, "won", 100.0), outcome("L1", 30, "reopened"), outcome("L1", 40, "won", 700.0),
    outcome("L9", 25, "lost"),
])  # fmt: skip


def test_a_lead_won_twice_has_the_amount_of_the_spell_that_is_scored() -> None:
    assert at_end(REOPENED, "L1", 15) == 100.0
    assert at_end(REOPENED, "L1", 35) == 700.0
    assert np.isnan(at_end(REOPENED, "L9", 15))
    assert np.isnan(at_end(REOPENED, "L5", 15))


def test_a_flat_export_takes_the_first_win_that_has_an_amount() -> None:
    data = prepare(REOPENED, SOURCES)

    found = pd.Series(first_amount(data, REOPENED.outcomes, TARGET), data.leads["lead_id"])

    assert found["L1"] == 100.0
    assert np.isnan(found["L9"])


def test_the_lines_of_one_order_add_up_and_a_win_without_an_amount_has_none() -> None:
    tables = crm_of(outcomes=[
        outcome("L1", 20, "won", 100.0, product="a"), outcome("L1", 20, "won", 50.0, product="b"),
        outcome("L9", 25, "won"),
    ])  # fmt: skip

    assert at_end(tables, "L1", 15) == 150.0
    assert at_end(tables, "L1", 15, TargetSettings(product="b")) == 50.0
    assert np.isnan(at_end(tables, "L9", 15))


def test_a_longer_window_adds_up_every_win_from_as_of_on_and_none_at_its_end() -> None:
    assert within(REOPENED, 15, 25, of_account=False) == {"L1": 100.0, "L9": 0.0, "L5": 0.0}
    assert within(REOPENED, 15, 26, of_account=False)["L1"] == 800.0
    assert within(REOPENED, 20, 1, of_account=False)["L1"] == 100.0


def test_an_account_s_wins_count_for_each_of_its_leads_and_for_no_other() -> None:
    assert within(REOPENED, 15, 60, of_account=True) == {"L1": 800.0, "L9": 800.0, "L5": 0.0}
