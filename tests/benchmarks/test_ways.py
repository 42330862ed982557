"""Accounts, lead x product, customers and half-lives against their exact truths, one world each."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ways import colleagues, half_lives, of_target, targets


@pytest.mark.slow
def test_every_target_comes_near_its_oracle(tmp_path: Path) -> None:
    found = targets(tmp_path, 12_000, 1)

    assert found["accounts: share of the oracle"] >= 0.9
    assert found["accounts: mean of 15 bins"] <= 0.02
    assert found["products: worst product"] <= 0.02
    assert found["products: share of the oracle"] >= 0.9
    assert found["upsell: share of the oracle"] >= 0.6
    assert 0.75 <= found["upsell: mean p / mean truth"] <= 1.33


@pytest.mark.slow
def test_true_half_lives_lie_in_their_intervals(tmp_path: Path) -> None:
    found = half_lives(tmp_path, 7_000, 1)

    assert all(found[key] for key in found if key.endswith((" held", " within a step")))


def test_a_product_nobody_asked_for_is_as_likely_as_the_one_asked_for_where_interest_tells_nothing(
    tmp_path: Path,
) -> None:
    from benchmarks.ways import TARGETS
    from pipeline.simulate import WorldSettings, simulate_to_folder

    simulate_to_folder(WorldSettings(n_leads=2_500, seed=4, off=("product",)), tmp_path)
    path = tmp_path / "lead-scoring.toml"
    text = path.read_text(encoding="utf-8").replace('every = "14d"', 'every = "42d"')
    path.write_text(text + TARGETS, encoding="utf-8")

    found = of_target(tmp_path, "products")

    assert found["worst product"] <= 0.02
    assert found["share of the oracle"] >= 0.7


@pytest.mark.slow
def test_account_features_pay_where_companies_buy_again_and_cost_nothing_where_they_do_not(
    tmp_path: Path,
) -> None:
    found = colleagues(tmp_path, 6_000, 1)

    assert found["on: cost"] >= 0.001
    assert found["on: AUC"] > found["on: AUC without"]
    assert abs(found["off: cost"]) <= 0.0005
