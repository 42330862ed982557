"""Money from tables to scores: totals inside their intervals, true amounts found, the same bits through a bundle."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.builder import build_features
from features.errors import ConfigError, InputError
from models.bundle import load_bundle, write_bundle
from models.settings import ValueSettings
from models.value import AmountModel
from pipeline.config import Project, load_project
from pipeline.open_leads import leads_to_score, tables_for
from pipeline.record import TrainingRecord
from pipeline.score import score_project
from pipeline.simulate import WorldSettings, amount_if_won, simulate_to_folder
from pipeline.tables import load_tables
from pipeline.train import train_project
from pipeline.value import VALUE, with_amounts
from pipeline.value_parts import read_parts, value_bands, written_parts
from tests.pipeline.report_record import page_of

MONEY = """
[value]
enabled = true
customer_horizon = "{customer}"

[rolling]
blocks = 1

[model]
rungs = ["logistic"]
bootstrap = 100

[model.lightgbm]
max_rounds = 80
learning_rate = 0.1
early_stopping_rounds = 10

[features]
families = ["explicit", "recency"]
"""
COLUMNS = ["expected_value", "amount_if_won", "value_band", "customer_value"]


@cache
def trained(
    n_leads: int = 2500, off: tuple[str, ...] = (), customer: str = "90d"
) -> tuple[Path, TrainingRecord]:
    """A simulated folder, and the record of a training that was asked for money."""
    folder = Path(mkdtemp(prefix="value-"))
    simulate_to_folder(WorldSettings(n_leads=n_leads, seed=6, off=off), folder)
    path = folder / "lead-scoring.toml"
    text = path.read_text(encoding="utf-8").replace('every = "14d"', 'every = "28d"')
    path.write_text(text + MONEY.format(customer=customer), encoding="utf-8")
    return folder, train_project(load_project(path), lambda _: None).record


def scored(project: Project, bundle: Any, to: Path) -> pd.DataFrame:
    score_project(project, bundle, to, None, lambda _: None)
    return pd.read_parquet(to)


def changed(project: Project, section: str, **values: Any) -> Project:
    return project.model_copy(update={section: getattr(project, section).model_copy(update=values)})


def test_what_was_promised_on_the_test_came_within_the_interval() -> None:
    # one world in 20 misses by chance: that of seed 5 does, at 1.006 to 2.32 with 77 wins
    worth = trained()[1].worth
    assert worth is not None

    assert worth.total.ratio.low <= 1.0 <= worth.total.ratio.high
    assert worth.total.rows == len(worth.came)
    assert sum(each.promised for each in worth.deciles) == pytest.approx(worth.total.promised)
    assert sum(each.came.value for each in worth.months) == pytest.approx(worth.total.came.value)
    assert worth.total.came.value == pytest.approx(float(worth.came.sum()))


def test_expected_amounts_go_with_the_true_ones(tmp_path: Path) -> None:
    folder, record = trained()

    found = scored(record.project, record.bundle, tmp_path / "scores.parquet")

    truth = amount_if_won(folder, found["lead_id"].tolist())
    assert np.corrcoef(np.log(found["amount_if_won"]), np.log(truth))[0, 1] > 0.85
    assert found["amount_if_won"].mean() / truth.mean() == pytest.approx(1.0, abs=0.25)


def test_a_bundle_on_disk_scores_money_to_the_same_bits_in_any_chunks(tmp_path: Path) -> None:
    _, record = trained()
    project, bundle = record.project, record.bundle
    assert bundle is not None
    write_bundle(tmp_path / "b", bundle.scorer, bundle.sources, bundle.golden, {}, parts=bundle.parts)
    from_disk = load_bundle(tmp_path / "b")
    parts = read_parts(from_disk.parts)
    leads = leads_to_score(tables_for(project, bundle), bundle, project, None)
    X = build_features(leads.data, leads.rows, bundle.scorer.catalogue, bundle.sources)
    assert parts is not None

    found = scored(
        changed(project, "score", chunk_rows=97, silent_until=False), from_disk, tmp_path / "scores.parquet"
    )

    found = found.sort_values("lead_id")
    assert found["amount_if_won"].tolist() == parts.amount.predict(X).tolist()
    assert found["expected_value"].tolist() == (found["probability"] * found["amount_if_won"]).tolist()
    assert isinstance(parts.customers, AmountModel)
    learned, expected = parts.customers.predict(X), found["expected_value"].to_numpy()
    assert (learned < expected).any()
    assert found["customer_value"].tolist() == np.maximum(learned, expected).tolist()
    assert (found["customer_value"] > 0).all()
    assert set(found["value_band"]) <= {"A", "B", "C", "D"}
    assert found.groupby("value_band")["expected_value"].min().is_monotonic_decreasing


def test_customer_value_without_a_model_of_its_own_is_a_multiple_of_the_expected_value(
    tmp_path: Path,
) -> None:
    _, record = trained()
    project, bundle = changed(record.project, "score", silent_until=False), record.bundle
    assert bundle is not None
    learned = read_parts(bundle.parts)
    assert learned is not None
    of_multiple = {factor: written_parts(replace(learned, customers=factor)) for factor in (2.5, 0.5)}

    found, low = (
        scored(project, replace(bundle, parts=parts), tmp_path / f"{factor}.parquet")
        for factor, parts in of_multiple.items()
    )

    assert "customer_value.txt" not in of_multiple[2.5]
    assert found["customer_value"].tolist() == (2.5 * found["expected_value"]).tolist()
    assert low["customer_value"].tolist() == low["expected_value"].tolist()  # more time can't bring less


def test_ranking_by_value_puts_the_highest_expected_value_first_and_the_manifest_tells_their_sum(
    tmp_path: Path,
) -> None:
    _, record = trained()
    project = changed(record.project, "score", rank_by="value", silent_until=False)

    found = scored(project, record.bundle, tmp_path / "scores.parquet")

    total = json.loads((tmp_path / "scores.manifest.json").read_text(encoding="utf-8"))["open_total"]
    worth = record.worth
    assert worth is not None
    assert worth.open_total is not None
    assert found["expected_value"].is_monotonic_decreasing
    assert total["expected"] == pytest.approx(found["expected_value"].sum())
    assert total["low"] < total["expected"] < total["high"]
    assert worth.open_total.value == pytest.approx(total["expected"])
    assert worth.n_open == len(found)


def test_a_bundle_without_the_part_leaves_the_columns_empty_and_says_so(tmp_path: Path) -> None:
    _, record = trained()
    bundle = record.bundle
    assert bundle is not None
    old = write_bundle(tmp_path / "old", bundle.scorer, bundle.sources, bundle.golden, {})
    project = changed(record.project, "score", rank_by="value", silent_until=False)

    found = scored(project, old, tmp_path / "scores.parquet")

    warnings = json.loads((tmp_path / "scores.manifest.json").read_text(encoding="utf-8"))["warnings"]
    assert found[COLUMNS].isna().all(axis=None)
    assert found["probability"].is_monotonic_decreasing
    assert any("trained without it" in each for each in warnings)


def test_switched_off_at_scoring_the_columns_are_empty(tmp_path: Path) -> None:
    _, record = trained()
    project = changed(changed(record.project, "value", enabled=False), "score", silent_until=False)

    assert scored(project, record.bundle, tmp_path / "scores.parquet")[COLUMNS].isna().all(axis=None)


def test_lines_in_money_part_the_bands_of_value() -> None:
    settings = ValueSettings(bands={"A": 1000, "B": 300}, below_name="C")

    found = value_bands(np.array([1000.0, 999.0, 300.0, 1.0, np.nan]), settings, {"Q": 5.0})

    assert found == ["A", "B", "B", "C", None]
    assert value_bands(np.array([9.0, 4.0, 1.0]), ValueSettings(), {"A": 8.0, "D": 3.0}) == ["A", "D", "D"]


def test_the_report_says_what_they_are_worth(tmp_path: Path) -> None:
    _, record = trained()

    page = page_of(record, tmp_path / "on")
    without = page_of(replace(record, worth=None), tmp_path / "off")

    assert "What they are worth" in page
    assert "Share of the money that the top of the list finds" in page
    assert (tmp_path / "on" / "money.png").exists()
    assert "What they are worth" not in without


def test_money_without_amounts_is_refused() -> None:
    folder, record = trained()
    tables = load_tables(record.project)
    tables = replace(tables, outcomes=tables.outcomes.assign(amount=np.nan))

    with pytest.raises(InputError, match=r"none of the .* examples that were won has an amount above 0"):
        train_project(load_project(folder / "lead-scoring.toml"), lambda _: None, tables)


def test_a_target_whose_wins_have_no_amounts_does_without_money() -> None:
    _, record = trained()
    silent = replace(record.dataset, amount=np.full(len(record.dataset.y), np.nan))
    of_renewals = record.project.model_copy(
        update={"target": record.project.target.model_copy(update={"entity": "customer"})}
    )
    said: list[str] = []

    assert not with_amounts(of_renewals, silent, said.append).value.enabled
    assert said == ["no win has an amount, so no values are learned"]
    assert with_amounts(of_renewals, record.dataset, said.append) is of_renewals


def test_a_ranking_by_value_without_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lead-scoring.toml"
    path.write_text(
        '[data.leads]\npath = "a.csv"\n[data.outcomes]\npath = "o.csv"\n[score]\nrank_by = "value"\n',
        encoding="utf-8",
    )

    with pytest.raises(ConfigError, match=r"set value.enabled = true"):
        load_project(path)


@pytest.mark.slow
def test_a_horizon_longer_than_the_history_leaves_customer_value_empty_and_says_so(tmp_path: Path) -> None:
    _, record = trained(1500, customer="900d")

    found = scored(
        changed(record.project, "score", silent_until=False), record.bundle, tmp_path / "scores.parquet"
    )

    assert found["customer_value"].isna().all()
    assert found["amount_if_won"].notna().all()
    assert any("customer_value is empty: no row is mature" in each for each in record.words)


@pytest.mark.slow
def test_value_finds_more_money_where_amounts_differ_and_none_where_they_do_not() -> None:
    on, off = (trained(12_000, each)[1].worth for each in ((), ("amount",)))
    assert on is not None
    assert off is not None

    assert on.found[f"{VALUE} gain", 0.1].low > 0.0
    assert on.total.ratio.low <= 1.0 <= on.total.ratio.high
    assert off.amounts.rounds == 0
    assert abs(off.found[f"{VALUE} gain", 0.1].value) < 1e-9
