"""The truths beside `p_history`: equal to an enumeration, calibrated, and blind where a switch is off."""

from __future__ import annotations

from dataclasses import replace
from itertools import product as every
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from features.errors import InputError
from pipeline.simulate import (
    World,
    WorldSettings,
    amount_if_won,
    p_history,
    p_history_account,
    p_history_product,
    simulate,
    write_world,
)
from pipeline.simulate.vocabulary import PRODUCTS
from tests.pipeline.textbook_filter import HORIZON, Textbook, open_rows

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# |z| beyond 4.5 has chance 7e-6; no test below looks at more than 40
LIMIT = 4.5


@pytest.fixture(scope="module")
def small() -> World:
    return simulate(WorldSettings(n_leads=400, seed=4, drift=True, seasonality=True))


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldSettings(n_leads=12_000, seed=21))


@pytest.fixture(scope="module")
def rows(world: World) -> pd.DataFrame:
    # cuts a horizon apart: the label windows do not overlap
    found = open_rows(world, "2024-10-03", HORIZON)
    ended = world.outcomes.set_index("lead_id")["product"]
    interest = world.truth["traits"].to_pandas().set_index("lead_id")["product"]
    account = world.leads.set_index("lead_id")["account_id"]
    return found.assign(
        product=ended.reindex(found["lead_id"]).to_numpy(),
        interest=interest[found["lead_id"]].to_numpy(),
        account_id=account[found["lead_id"]].to_numpy(),
    )


def _worst_error(p: Floats, happened: Bools, n_bins: int = 12) -> float:
    """Largest standardised sum of errors, over all rows and in bins of p."""
    bins = np.searchsorted(np.quantile(p, np.linspace(0, 1, n_bins + 1)[1:-1]), p)
    parts = [np.ones(len(p), dtype=bool), *(bins == k for k in range(n_bins))]
    sums = [((happened - p)[part].sum(), (p * (1 - p))[part].sum()) for part in parts if part.any()]
    return float(max(abs(error) / np.sqrt(variance) for error, variance in sums))


def _open_accounts(world: World, as_of: pd.Timestamp) -> pd.Series:
    """Ids of the leads open at as_of, by account."""
    found = open_rows(world, str(as_of.date()), 1000)
    account = world.leads.set_index("lead_id")["account_id"][found["lead_id"]]
    named = account.dropna()
    return pd.Series(named.index, index=named.to_numpy()).groupby(level=0).agg(list)


def _enumerated(book: Textbook, account_leads: list[str], as_of: pd.Timestamp) -> float:
    """P(some open lead wins): all outcomes of the open leads, summed one by one over both classes."""
    fact = book.truth.loc[account_leads[0]]
    mates = book.truth[(book.truth["account"] == fact["account"]) & (book.truth["created_at"] < as_of)].index
    prior = book.law.in_market[int(fact["is_priority"])]
    weight, some = np.empty(2), np.zeros(2)
    for market in (0, 1):
        weight[market] = np.log((1 - prior, prior)[market])
        weight[market] += sum(book.forward(mate, market, as_of)[0] for mate in mates)
        chance = [
            float(book.forward(lead, market, as_of)[1] @ book.win_chance(lead, market))
            for lead in account_leads
        ]
        for wins in every((False, True), repeat=len(chance)):
            if any(wins):
                some[market] += np.prod([p if won else 1 - p for p, won in zip(chance, wins, strict=True)])
    share = np.exp(weight - weight.max())
    return float(share @ some / share.sum())


def test_the_chance_of_an_account_equals_the_enumeration_of_its_leads_outcomes(small: World) -> None:
    as_of = pd.Timestamp("2025-02-03", tz="UTC")
    book, open_leads = Textbook(small), _open_accounts(small, as_of)
    chosen = pd.concat([open_leads[open_leads.str.len() == n].iloc[:1] for n in (1, 2, 3)])

    found = p_history_account(small, list(chosen.index), np.array([as_of] * len(chosen)))

    expected = [_enumerated(book, leads, as_of) for leads in chosen]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert chosen.str.len().max() == 3


def test_the_chance_of_an_account_is_calibrated(world: World, rows: pd.DataFrame) -> None:
    accounts = rows.dropna(subset="account_id").groupby(["account_id", "as_of"])["won"].any().reset_index()

    p = p_history_account(world, accounts["account_id"].tolist(), accounts["as_of"].to_numpy())

    assert _worst_error(p, accounts["won"].to_numpy()) < LIMIT


def test_an_account_is_dearer_than_its_best_lead_and_cheaper_than_strangers_together(small: World) -> None:
    as_of = pd.Timestamp("2025-06-02", tz="UTC")
    open_leads = _open_accounts(small, as_of)
    ids = [lead for leads in open_leads for lead in leads]
    alone = pd.Series(p_history(small, ids, np.array([as_of] * len(ids))), index=ids)

    found = p_history_account(small, list(open_leads.index), np.array([as_of] * len(open_leads)))

    less = []
    for p, leads in zip(found, open_leads, strict=True):
        own = alone[leads].to_numpy()
        assert own.max() - 1e-9 <= p <= own.sum() + 1e-9
        less.append(1 - np.prod(1 - own) - p)
    # what speaks for one may speak against another: as a rule, not always
    assert np.mean(less) > 0


def test_without_the_account_mechanism_colleagues_are_strangers() -> None:
    world = simulate(WorldSettings(n_leads=400, seed=4, off=("account",)))
    as_of = pd.Timestamp("2025-06-02", tz="UTC")
    open_leads = _open_accounts(world, as_of)
    first = [leads[0] for leads in open_leads]
    ids = [lead for leads in open_leads for lead in leads]
    tables = {
        name: world.tables[name].filter(pa.array(getattr(world, name)["lead_id"].isin(first).to_numpy()))
        for name in ("events", "field_changes", "outcomes")
    }
    lonely = replace(world, tables={**world.tables, **tables})

    p = pd.Series(p_history(world, ids, np.array([as_of] * len(ids))), index=ids)
    of_accounts = p_history_account(world, list(open_leads.index), np.array([as_of] * len(open_leads)))

    np.testing.assert_array_equal(p[first], p_history(lonely, first, np.array([as_of] * len(first))))
    together = [1 - np.prod(1 - p[leads].to_numpy()) for leads in open_leads]
    np.testing.assert_allclose(of_accounts, together, rtol=0, atol=1e-12)
    assert open_leads.str.len().max() > 1


def test_where_accounts_buy_again_a_colleagues_win_raises_the_chance_of_the_others() -> None:
    world = simulate(WorldSettings(n_leads=3_000, seed=4, b2b_share=1.0, on=("buying",)))
    as_of = pd.Timestamp("2025-09-01", tz="UTC")
    open_leads = _open_accounts(world, as_of)
    ids = [lead for leads in open_leads for lead in leads]
    won = world.outcomes[(world.outcomes["outcome"] == "won") & (world.outcomes["occurred_at"] < as_of)]
    account = world.leads.set_index("lead_id")["account_id"]
    has_bought = account[ids].isin(account[won["lead_id"]]).to_numpy()

    p = p_history(world, ids, np.array([as_of] * len(ids)))

    assert has_bought.sum() > 30
    assert p[has_bought].mean() > 2 * p[~has_bought].mean()


def test_an_account_without_an_open_lead_has_no_probability(small: World) -> None:
    account = small.leads["account_id"].dropna().iloc[0]
    born = small.leads.loc[small.leads["account_id"] == account, "created_at"].min()
    late = pd.Timestamp("2100-01-01", tz="UTC")
    is_over = small.leads["lead_id"].isin(small.outcomes["lead_id"])
    all_over = is_over.groupby(small.leads["account_id"]).all()

    p = p_history_account(small, [account, str(all_over.idxmax())], np.array([born, late]))

    assert all_over.any()
    assert np.isnan(p).all()
    assert p_history_account(small, [], np.array([], dtype=np.int64)).shape == (0,)


def test_the_products_chances_add_up_to_the_chance_of_a_win(small: World) -> None:
    asked = open_rows(small, "2025-06-02", 1000).iloc[::5]
    ids, as_of = asked["lead_id"].tolist(), asked["as_of"].to_numpy()

    by_product = [p_history_product(small, ids, [name] * len(ids), as_of) for name in PRODUCTS]

    np.testing.assert_allclose(np.sum(by_product, axis=0), p_history(small, ids, as_of), rtol=0, atol=1e-15)


def test_a_recorded_interest_is_bought_by_seventeen_in_twenty(world: World, rows: pd.DataFrame) -> None:
    some = rows.iloc[::50]
    ids, as_of = some["lead_id"].tolist(), some["as_of"].to_numpy()

    share = p_history_product(world, ids, ["Platform"] * len(ids), as_of) / p_history(world, ids, as_of)

    # four fifths keep to it, the rest draw evenly from four: 0.8 + 0.2 / 4, others 0.2 / 4
    interest = some["interest"].to_numpy()
    expected = np.where(interest == PRODUCTS.index("Platform"), 0.85, np.where(interest < 0, 0.25, 0.05))
    np.testing.assert_allclose(share, expected, rtol=1e-12)
    assert set(interest) == {-1, 0, 1, 2, 3}


def test_the_chance_of_each_product_is_calibrated(world: World, rows: pd.DataFrame) -> None:
    ids, as_of = np.tile(rows["lead_id"], len(PRODUCTS)), np.tile(rows["as_of"], len(PRODUCTS))
    names = np.repeat(PRODUCTS, len(rows))
    bought = np.tile(rows["won"], len(PRODUCTS)) & (np.tile(rows["product"], len(PRODUCTS)) == names)

    p = p_history_product(world, ids.tolist(), names.tolist(), as_of)

    for name in PRODUCTS:
        assert _worst_error(p[names == name], bought[names == name], n_bins=8) < LIMIT


def test_without_the_product_mechanism_each_product_is_as_likely() -> None:
    world = simulate(WorldSettings(n_leads=4_000, seed=5, off=("product",)))
    won = world.outcomes[world.outcomes["outcome"] == "won"]
    asked = open_rows(world, "2025-06-02", 1000)
    ids, as_of = asked["lead_id"].tolist(), asked["as_of"].to_numpy()

    p = p_history_product(world, ids, ["Analytics"] * len(ids), as_of)

    np.testing.assert_allclose(p, p_history(world, ids, as_of) / 4, rtol=1e-12)
    interest = world.truth["traits"].to_pandas().set_index("lead_id")["product"][won["lead_id"]].to_numpy()
    is_kept = (
        np.array([PRODUCTS.index(name) for name in won["product"]])[interest >= 0] == interest[interest >= 0]
    )
    assert abs(is_kept.sum() - len(is_kept) / 4) < LIMIT * np.sqrt(len(is_kept) * 3 / 16)


def test_the_mean_amount_is_the_lognormal_mean_mixed_over_products(world: World) -> None:
    traits = world.truth["traits"].to_pandas().assign(segment=world.leads["segment"])
    big = traits[(traits["size"] == 4) & (traits["product"] == 3)].iloc[0]["lead_id"]
    consumer = traits[(traits["segment"] == "B2C") & (traits["product"] < 0)].iloc[0]["lead_id"]

    found = amount_if_won(world, [big, consumer])

    one = np.exp(np.array([0.0, 0.3, 0.6, 0.9]) + 0.125)
    assert found[0] == pytest.approx(np.exp(10) * (0.85 * one[3] + 0.05 * one[:3].sum()))
    assert found[1] == pytest.approx(np.exp(6.2) * one.mean())


def test_the_mean_amount_holds_in_every_group_and_what_was_done_adds_nothing(world: World) -> None:
    won = world.outcomes[world.outcomes["outcome"] == "won"]
    mean = amount_if_won(world, won["lead_id"].tolist())
    traits = world.truth["traits"].to_pandas().set_index("lead_id").loc[won["lead_id"]]
    n_events = world.events.groupby("lead_id").size().reindex(won["lead_id"]).fillna(0).to_numpy()

    error = won["amount"].to_numpy() / mean - 1

    groups = [traits["size"] == size for size in range(-1, 5)]
    groups += [traits["product"] == code for code in range(-1, len(PRODUCTS))]
    for group in groups:
        part = error[group.to_numpy()]
        assert abs(part.mean()) < LIMIT * part.std() / np.sqrt(len(part))
    assert abs(np.corrcoef(error, n_events)[0, 1]) < LIMIT / np.sqrt(len(won))


def test_without_the_amount_mechanism_every_deal_has_the_same_mean() -> None:
    world = simulate(WorldSettings(n_leads=3_000, seed=6, off=("amount",)))
    won = world.outcomes[world.outcomes["outcome"] == "won"]

    mean = amount_if_won(world, won["lead_id"].tolist())

    assert np.ptp(mean) < 1e-9
    assert abs(won["amount"].mean() - mean[0]) < LIMIT * won["amount"].std() / np.sqrt(len(won))


@pytest.mark.parametrize(
    ("on", "off"),
    [
        (("segments",), ("negative",)),
        (("personas", "competitor"), ()),
        (("personas", "segments"), ("entry", "account")),
        ((), ("activity", "lifecycle", "fit")),
    ],
)
def test_p_history_is_calibrated_whatever_the_switches(on: tuple[str, ...], off: tuple[str, ...]) -> None:
    world = simulate(WorldSettings(n_leads=4_000, seed=8, on=on, off=off))
    asked = open_rows(world, "2024-10-03", HORIZON)
    persona = world.truth["traits"].to_pandas().set_index("lead_id")["persona"][asked["lead_id"]].fillna("")
    segment = world.leads.set_index("lead_id")["segment"][asked["lead_id"]]

    p = p_history(world, asked["lead_id"].tolist(), asked["as_of"].to_numpy())

    for group in (persona, segment):
        for name in group.unique():
            part = (group == name).to_numpy() & (p > 0)
            assert _worst_error(p[part], asked["won"].to_numpy()[part], n_bins=6) < LIMIT


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_the_folder_answers_as_the_world_does(tmp_path: Path, file_format: str) -> None:
    on, off = ("segments", "personas", "competitor"), ("fit", "product")
    world = simulate(WorldSettings(n_leads=300, seed=7, on=on, off=off))
    write_world(world, tmp_path, file_format)  # type: ignore[arg-type]
    asked = open_rows(world, "2025-06-02", 1000)
    ids, as_of = asked["lead_id"].tolist(), asked["as_of"].to_numpy()
    accounts = world.leads.set_index("lead_id")["account_id"][ids].dropna().tolist()
    names = list(np.resize(PRODUCTS, len(ids)))

    def answers(source: World | Path) -> list[Floats]:
        return [
            p_history(source, ids, as_of),
            p_history_account(source, accounts, as_of[: len(accounts)]),
            p_history_product(source, ids, names, as_of),
            amount_if_won(source, ids),
        ]

    for of_folder, of_world in zip(answers(tmp_path), answers(world), strict=True):
        np.testing.assert_array_equal(of_folder, of_world)


def test_a_stray_account_is_named(small: World) -> None:
    known = small.leads["account_id"].dropna().iloc[0]
    message = r"3 of 4 account ids are not of this world; the first is 'A00099999'; expected one of the \d+"

    with pytest.raises(InputError, match=message):
        p_history_account(small, [known, "A00099999", "L0000001", "A1"], np.zeros(4, dtype=np.int64))


def test_a_lead_on_its_own_is_no_account(small: World) -> None:
    n_accounts = len(small.accounts)

    with pytest.raises(InputError, match="1 of 1 account ids"):
        p_history_account(small, [f"A000{n_accounts:05d}"], np.zeros(1, dtype=np.int64))


def test_each_account_needs_a_moment_and_each_lead_a_product(small: World) -> None:
    with pytest.raises(InputError, match="1 account ids but 2 moments as_of"):
        p_history_account(small, ["A00000000"], np.zeros(2, dtype=np.int64))
    with pytest.raises(InputError, match="1 lead ids but 0 products"):
        p_history_product(small, ["L0000001"], [], np.zeros(1, dtype=np.int64))


def test_a_stray_product_is_named_with_the_nearest(small: World) -> None:
    with pytest.raises(InputError, match=r"1 of 2 products .* 'Analytic'; expected 'Analytics'"):
        p_history_product(small, ["L0000001"] * 2, ["Platform", "Analytic"], np.zeros(2, dtype=np.int64))
