"""Life after the first win: after the win alone, drawn as the law says, and its chances exact."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.linalg import expm

from features.errors import InputError
from pipeline.config import load_project
from pipeline.simulate import (
    World,
    WorldSettings,
    p_health,
    p_history,
    p_history_growth,
    project_toml,
    simulate,
    write_world,
)
from pipeline.simulate.growth import GROWTH_EVENTS, TARGETS, make_growth_law
from pipeline.simulate.world import plain

Floats = NDArray[np.float64]

DAY = pd.Timedelta(days=1)
WON = {"upsell": "upsell", "cross_sell": "cross_sell", "renewal": "renewed"}


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldSettings(n_leads=12_500, seed=7, on=("growth",)))


@pytest.fixture(scope="module")
def small() -> World:
    return simulate(WorldSettings(n_leads=600, seed=2, on=("growth",)))


def _customers(world: World) -> pd.DataFrame:
    """Customers by lead_id, with the moment of each outcome, NaT where there is none."""
    found: pd.DataFrame = world.truth["customers"].to_pandas()
    found = found.assign(lead_id=world.leads["lead_id"].to_numpy()[found["lead"]]).set_index("lead_id")
    for name in (*WON.values(), "churned"):
        rows = world.outcomes[(world.outcomes["outcome"] == name) & world.outcomes["target"].notna()]
        found[name] = rows.set_index("lead_id")["occurred_at"].reindex(found.index)
    return found


def _open(customers: pd.DataFrame, target: str, cut: pd.Timestamp) -> pd.DataFrame:
    gone = (customers[WON[target]] < cut) | (customers["churned"] < cut)
    return customers[(customers["won_at"] < cut) & ~gone]


class _Textbook:
    """One customer at a time: every observation in turn, and a generator over all states of the targets."""

    def __init__(self, world: World) -> None:
        self.law = make_growth_law(world.settings)
        self.customers = _customers(world)
        growth = world.events[world.events["event_type"].isin(GROWTH_EVENTS)]
        self.events = dict(list(growth.groupby("lead_id")))

    def rates(self, lead: str, health: int, phase: int) -> Floats:
        row = self.customers.loc[lead]
        factor = [self.law.by_size[row["size"]], self.law.by_product[row["product"]], 1.0, 1.0]
        return np.asarray(self.law.hazards[phase, health] * factor)

    def posterior(self, lead: str, as_of: pd.Timestamp) -> Floats:
        row = self.customers.loc[lead]
        won, settled = row["won_at"], row["won_at"] + self.law.onboarding_days * DAY
        events = self.events[lead]
        seen = list(zip(events["occurred_at"], events["event_type"], strict=True))
        seen += [(row[name], name) for name in WON.values() if pd.notna(row[name])]
        seen = sorted((each for each in seen if each[0] < as_of), key=lambda each: each[0])
        log_post = np.log(self.law.health[row["segment"]])
        for health in range(3):
            is_open = np.ones(4)
            stops = sorted([won, *(at for at, _ in seen), *([settled] if settled < as_of else []), as_of])
            for start, stop in pairwise(stops):
                phase = int(start >= settled)
                hazards = self.rates(lead, health, phase) * is_open
                leaving = self.law.events[phase, health].sum() + hazards.sum()
                log_post[health] -= leaving * ((stop - start) / DAY)
                kinds = [kind for at, kind in seen if at == stop and stop < as_of]
                phase = int(stop >= settled)
                for kind in kinds:
                    if kind in GROWTH_EVENTS:
                        rate = self.law.events[phase, health, GROWTH_EVENTS.index(kind)]
                    else:
                        number = list(WON.values()).index(kind)
                        rate = self.rates(lead, health, phase)[number]
                        is_open[number] = 0.0
                        if kind == "renewed":
                            is_open[3] = 0.0
                    log_post[health] += np.log(rate)
        post = np.exp(log_post - log_post.max())
        return np.asarray(post / post.sum())

    def chance(self, lead: str, target: int, health: int, as_of: pd.Timestamp, days: float) -> float:
        """States: which of the three targets have happened; then churned, and the target hit in time."""
        row: Any = self.customers.loc[lead]
        states = list(product((0, 1), repeat=3))
        hit, churned = len(states), len(states) + 1
        law = np.zeros(len(states) + 2)
        upsell, cross_sell, renewed = (int(row[name] < as_of) for name in WON.values())
        law[states.index((upsell, cross_sell, renewed))] = 1.0
        tenure = (as_of - row["won_at"]) / DAY
        early = min(max(self.law.onboarding_days - tenure, 0.0), days)
        for phase, length in ((0, early), (1, days - early)):
            generator = np.zeros((len(law), len(law)))
            rates = self.rates(lead, health, phase)
            for here, state in enumerate(states):
                for number in range(3):
                    after = states.index((*state[:number], 1, *state[number + 1 :]))
                    if not state[number]:
                        generator[here, hit if number == target else after] += rates[number]
                if not state[2]:
                    generator[here, churned] += rates[3]
                generator[here, here] = -generator[here].sum()
            law = law @ expm(generator * length)
        return float(law[hit])


def test_the_chance_is_that_of_the_textbook(small: World) -> None:
    book = _Textbook(small)
    cut = pd.Timestamp("2025-08-11", tz="UTC")

    for number, target in enumerate(TARGETS):
        rows = _open(book.customers, target, cut)
        # the youngest are still in onboarding, the oldest have a past of more than a year
        order = rows.sort_values("won_at").index
        leads = [*order[:4], *order[len(order) // 2 :][:4], *order[-4:]]

        p = p_history_growth(small, leads, target, np.array([cut.value // 1000] * len(leads)))
        post = p_health(small, leads, np.array([cut.value // 1000] * len(leads)))

        for row, lead in enumerate(leads):
            expected = book.posterior(lead, cut)
            by_class = [book.chance(lead, number, health, cut, 90.0) for health in range(3)]
            np.testing.assert_allclose(post[row], expected, atol=1e-8)
            assert p[row] == pytest.approx(expected @ by_class, abs=1e-8)


@pytest.mark.parametrize("target", TARGETS)
def test_the_chance_is_calibrated_on_the_outcomes(world: World, target: str) -> None:
    # a customer may stand at both cuts, but the windows of 90 days do not overlap: labels are independent
    # given the history; 15 checks of |z| < 4 fail by chance once in 1,000
    customers, parts = _customers(world), []
    for cut in pd.to_datetime(["2025-02-01", "2025-06-01", "2025-10-01"], utc=True):
        rows = _open(customers, target, cut)
        p = p_history_growth(world, rows.index.tolist(), target, np.array([cut.value // 1000] * len(rows)))
        parts.append(pd.DataFrame({"p": p, "y": rows[WON[target]] < cut + 90 * DAY}))
    found = pd.concat(parts)

    bins = found.groupby(pd.qcut(found["p"], 5, labels=False))
    spread = np.sqrt(bins["p"].apply(lambda p: (p * (1 - p)).sum()))
    z = (bins["y"].sum() - bins["p"].sum()) / spread

    assert len(found) > 2_400
    assert found["p"].quantile(0.95) > 1.5 * found["p"].quantile(0.05)
    assert (z.abs() < 4).all()


def test_the_posterior_finds_the_health_class(world: World) -> None:
    customers = _customers(world)
    cut = pd.Timestamp("2025-10-01", tz="UTC")
    rows = _open(customers, "renewal", cut)
    old = rows[rows["won_at"] < cut - 120 * DAY]

    post = p_health(world, old.index.tolist(), np.array([cut.value // 1000] * len(old)))

    # calibrated: what is said of a class adds up to its members, within four standard deviations
    spread = np.sqrt((post * (1 - post)).sum(axis=0))
    counts = np.bincount(old["health"], minlength=3)
    assert (np.abs(counts - post.sum(axis=0)) < 4 * spread).all()
    assert (post.argmax(axis=1) == old["health"]).mean() > 0.75


def test_growth_lies_strictly_after_the_win_and_ends_with_the_churn(world: World) -> None:
    customers = _customers(world)
    events = world.events[world.events["event_type"].isin(GROWTH_EVENTS)]
    outcomes = world.outcomes[world.outcomes["target"].notna()]
    data_end = pd.Timestamp(world.settings.end, tz="UTC")

    for rows in (events, outcomes):
        span = rows.groupby("lead_id")["occurred_at"].agg(["min", "max"])
        of = customers.loc[span.index]
        assert (span["min"] > of["won_at"]).all()
        assert (span["max"] <= of["churned"].fillna(data_end)).all()
    assert set(events["event_type"]) == set(GROWTH_EVENTS)
    assert (events["value"].notna() == (events["event_type"] == "invoice_paid")).all()


def test_each_target_ends_at_most_once_and_a_third_of_the_customers_upsells(world: World) -> None:
    outcomes = world.outcomes[world.outcomes["target"].notna()]
    kinds = outcomes.groupby("target")["outcome"].agg(lambda kinds: sorted(set(kinds))).to_dict()

    assert not outcomes.duplicated(["lead_id", "target"]).any()
    assert kinds == {"upsell": ["upsell"], "cross_sell": ["cross_sell"], "renewal": ["churned", "renewed"]}
    assert (outcomes["amount"].isna() == (outcomes["outcome"] == "churned")).all()
    assert 0.25 < (outcomes["outcome"] == "upsell").sum() / len(_customers(world)) < 0.35


def test_a_cross_sell_is_of_another_product_than_the_first(world: World) -> None:
    first = world.outcomes[world.outcomes["outcome"] == "won"].set_index("lead_id")["product"]
    sold = world.outcomes[world.outcomes["outcome"] == "cross_sell"]

    assert (sold["product"].to_numpy() != first.loc[sold["lead_id"]].to_numpy()).all()


def test_the_leads_own_rows_are_those_of_a_world_without_growth(small: World) -> None:
    usual = simulate(WorldSettings(n_leads=600, seed=2))
    own_events = small.events[~small.events["event_type"].isin(GROWTH_EVENTS)]
    own_outcomes = small.outcomes[small.outcomes["target"].isna()]

    for name in ("leads", "accounts", "field_changes"):
        assert small.tables[name].equals(usual.tables[name])
    assert "target" not in usual.outcomes
    assert "customers" not in usual.truth
    pd.testing.assert_frame_equal(own_events.reset_index(drop=True), usual.events)
    pd.testing.assert_frame_equal(own_outcomes.drop(columns="target").reset_index(drop=True), usual.outcomes)


def test_rows_stand_by_lead_and_time(small: World) -> None:
    for table in (small.events, small.outcomes):
        ordered = table.sort_values(["lead_id", "occurred_at"], kind="stable")
        assert (ordered.index == table.index).all()


def test_growth_tells_nothing_of_open_leads(small: World) -> None:
    usual = simulate(WorldSettings(n_leads=600, seed=2))
    ids = usual.leads["lead_id"].tolist()
    moments = np.full(len(ids), pd.Timestamp("2025-06-02", tz="UTC").value // 1000)

    np.testing.assert_array_equal(p_history(small, ids, moments), p_history(usual, ids, moments))


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_the_folder_answers_as_the_world_does(small: World, tmp_path: Path, file_format: str) -> None:
    write_world(small, tmp_path, file_format)  # type: ignore[arg-type]
    ids = small.leads["lead_id"].tolist()
    moments = np.full(len(ids), pd.Timestamp("2025-06-02", tz="UTC").value // 1000)

    found = p_history_growth(tmp_path, ids, "renewal", moments, "60d")

    np.testing.assert_array_equal(found, p_history_growth(small, ids, "renewal", moments, "60d"))
    assert np.isfinite(found).sum() > 20


def test_only_customers_whose_target_is_open_have_a_chance(small: World) -> None:
    customers = _customers(small)
    upsold = customers[customers["upsell"].notna()].iloc[0]
    churned = customers[customers["churned"].notna() & customers["upsell"].isna()].iloc[0]
    us = pd.Timedelta(microseconds=1)

    for row, end in ((upsold, "upsell"), (churned, "churned")):
        moments = [row["won_at"], row["won_at"] + us, row[end], row[end] + us]
        p = p_history_growth(
            small, [str(row.name)] * 4, "upsell", np.array([each.value // 1000 for each in moments])
        )
        assert np.isnan(p).tolist() == [True, False, False, True]


def test_a_world_in_which_nobody_wins_has_no_customers() -> None:
    world = simulate(WorldSettings(n_leads=3, seed=1, on=("growth",)))
    assert (world.outcomes["outcome"] != "won").all()

    p = p_history_growth(world, ["L0000001"], "upsell", np.array([world.settings.end_us]))

    assert np.isnan(p).all()
    assert p_history_growth(world, [], "upsell", np.zeros(0, dtype=np.int64)).shape == (0,)


def test_with_shuffled_labels_no_history_tells_one_customer_from_another() -> None:
    world = simulate(WorldSettings(n_leads=600, seed=2, shuffle_labels=True, on=("growth",)))
    customers = _customers(world)
    cut = pd.Timestamp("2025-10-01", tz="UTC")
    rows = _open(customers, "cross_sell", cut)
    rows = rows[(rows["won_at"] < cut - 50 * DAY) & rows["renewed"].isna()]

    p = p_history_growth(world, rows.index.tolist(), "cross_sell", np.array([cut.value // 1000] * len(rows)))

    assert len(p) > 10
    assert np.ptp(p) < 1e-12


def test_the_project_file_asks_the_targets_of_customers_only_where_there_is_growth(tmp_path: Path) -> None:
    path = tmp_path / "lead-scoring.toml"
    path.write_text(project_toml(WorldSettings(n_leads=20, on=("growth",))), encoding="utf-8")

    project = load_project(path)
    usual = project_toml(WorldSettings(n_leads=20))

    assert {name: (each.entity, each.won) for name, each in project.targets.items()} == {
        name: ("customer", (won,)) for name, won in WON.items()
    }
    assert set(GROWTH_EVENTS) <= set(project.events.types)
    assert "[targets." not in usual
    assert not any(name in usual for name in GROWTH_EVENTS)


def test_the_truth_names_every_winner_with_its_win(small: World) -> None:
    truth = plain(small.truth["customers"]).to_pandas()
    won = small.outcomes[small.outcomes["outcome"] == "won"]

    assert small.leads["lead_id"].to_numpy()[truth["lead"]].tolist() == won["lead_id"].tolist()
    assert truth["won_at"].tolist() == won["occurred_at"].tolist()


def test_faulty_questions_are_named(small: World) -> None:
    moments = np.zeros(1, dtype=np.int64)

    with pytest.raises(InputError, match="target is 'resell', expected one of upsell, cross_sell, renewal"):
        p_history_growth(small, ["L0000001"], "resell", moments)
    with pytest.raises(InputError, match=r"no customers; simulate it with 'growth' in WorldSettings\.on"):
        p_health(simulate(WorldSettings(n_leads=3)), ["L0000001"], moments)
