"""The oracle: equal to a textbook filter, calibrated on the simulated outcomes, blind where it must be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata

from features.errors import InputError
from pipeline.simulate import World, WorldSettings, p_history, p_state, simulate, write_world
from tests.pipeline.textbook_filter import HORIZON, Textbook, open_rows

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldSettings(n_leads=20_000, seed=11, drift=True, seasonality=True))


@pytest.fixture(scope="module")
def small() -> World:
    return simulate(WorldSettings(n_leads=400, seed=4, drift=True, seasonality=True))


def _has_mates(world: World, rows: pd.DataFrame) -> NDArray[np.bool_]:
    account = world.leads.set_index("lead_id")["account_id"]
    return (account.groupby(account).transform("size")[rows["lead_id"]] > 1).to_numpy()


def _auc(p: Floats, won: NDArray[np.bool_]) -> float:
    n_won = won.sum()
    return float((rankdata(p)[won].sum() - n_won * (n_won + 1) / 2) / n_won / (~won).sum())


def test_p_history_equals_the_textbook_filter(small: World) -> None:
    book = Textbook(small)
    rows = open_rows(small, "2025-03-03", 90)
    size = small.leads.groupby("account_id")["lead_id"].transform("size").fillna(1).to_numpy()
    rows["size"] = size[[int(lead[1:]) - 1 for lead in rows["lead_id"]]]
    chosen = pd.concat([rows[rows["size"] == n].iloc[:2] for n in (1, 2, 4)] + [rows.iloc[-2:]])

    found = p_history(small, chosen["lead_id"].tolist(), chosen["as_of"].to_numpy())

    expected = [book.p_history(*row) for row in zip(chosen["lead_id"], chosen["as_of"], strict=True)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert (chosen["size"] == 4).any()


def test_p_state_is_the_chance_from_the_true_state(small: World) -> None:
    book = Textbook(small)
    rows = open_rows(small, "2025-06-02", 200).iloc[::40]
    paths = small.truth["paths"].to_pandas()

    found = p_state(small, rows["lead_id"].tolist(), rows["as_of"].to_numpy(), f"{HORIZON}d")

    for lead, as_of, p in zip(rows["lead_id"], rows["as_of"], found, strict=True):
        stays = paths[(paths["lead"] == int(lead[1:]) - 1) & (paths["from_at"] < as_of)]
        market = int(book.truth.loc[lead, "in_market"])
        assert p == pytest.approx(book.win_chance(lead, market)[stays["state"].iloc[-1]], abs=1e-12)


def test_p_history_is_calibrated_and_below_p_state_in_discrimination(world: World) -> None:
    # cuts 30 days apart: label windows do not overlap, so the rows' errors are uncorrelated but for what
    # colleagues share; 32 standardised sums, each beyond 4.5 with chance 7e-6: 2e-4 in all
    rows = open_rows(world, "2024-09-03", HORIZON)
    won = rows["won"].to_numpy()

    p = p_history(world, rows["lead_id"].tolist(), rows["as_of"].to_numpy())
    ceiling = p_state(world, rows["lead_id"].tolist(), rows["as_of"].to_numpy())

    bins = np.searchsorted(np.quantile(p, np.linspace(0, 1, 16)[1:-1]), p)
    for part in [np.ones(len(p), dtype=bool), *(bins == k for k in range(15))]:
        for chance in (p, ceiling):
            error = (won[part] - chance[part]).sum() / np.sqrt((chance * (1 - chance))[part].sum())
            assert abs(error) < 4.5
    assert 0.80 < _auc(p, won) < 0.90
    assert _auc(ceiling, won) >= _auc(p, won)
    assert 0.04 < won.mean() < 0.09


def test_colleagues_events_move_the_probability_and_strangers_events_do_not(small: World) -> None:
    rows = open_rows(small, "2025-06-02", 200)
    account = small.leads.set_index("lead_id")["account_id"]
    rows = rows[
        ~account[rows["lead_id"]].duplicated().to_numpy() & account[rows["lead_id"]].notna().to_numpy()
    ]
    is_others = ~small.events["lead_id"].isin(rows["lead_id"])
    seen = small.events[is_others & (small.events["occurred_at"] < rows["as_of"].iloc[0])]
    has_active_mate = account[rows["lead_id"]].isin(account[seen["lead_id"]]).to_numpy()
    mine = small.tables["events"].filter(pa.array(~is_others))
    ask = (rows["lead_id"].tolist(), rows["as_of"].to_numpy())

    moved = np.abs(
        p_history(replace(small, tables={**small.tables, "events": mine}), *ask) - p_history(small, *ask)
    )

    assert moved[has_active_mate].max() > 0.01
    assert (moved[has_active_mate] > 0).all()
    is_alone = ~_has_mates(small, rows)
    assert is_alone.any()
    assert (moved[is_alone] == 0).all()


def test_events_at_or_after_as_of_change_nothing(small: World) -> None:
    rows = open_rows(small, "2025-06-02", 200)
    moment = rows["as_of"].iloc[0]
    rows = rows[rows["as_of"] == moment]
    tables = dict(small.tables)
    for name, column in (
        ("events", "occurred_at"),
        ("outcomes", "occurred_at"),
        ("field_changes", "changed_at"),
    ):
        keep = getattr(small, name)[column] < moment
        tables[name] = tables[name].filter(pa.array(keep.to_numpy()))

    whole = p_history(small, rows["lead_id"].tolist(), rows["as_of"].to_numpy())
    cut = p_history(replace(small, tables=tables), rows["lead_id"].tolist(), rows["as_of"].to_numpy())

    np.testing.assert_allclose(whole, cut, rtol=0, atol=1e-12)


def test_bots_and_duplicates_change_nothing(small: World) -> None:
    rows = open_rows(small, "2025-06-02", 200)
    kept = pa.array(Textbook(small).events.index)
    tables = {**small.tables, "events": small.tables["events"].take(kept)}
    assert tables["events"].num_rows < len(small.events)

    ask = (rows["lead_id"].tolist(), rows["as_of"].to_numpy())

    np.testing.assert_array_equal(p_history(small, *ask), p_history(replace(small, tables=tables), *ask))


def test_nothing_predicts_the_outcome_of_a_shuffled_world() -> None:
    world = simulate(WorldSettings(n_leads=2_000, seed=2, shuffle_labels=True))
    rows = open_rows(world, "2024-10-01", HORIZON)

    p = p_history(world, rows["lead_id"].tolist(), rows["as_of"].to_numpy())

    assert np.ptp(p) < 1e-12
    assert _auc(np.round(p, 9), rows["won"].to_numpy()) == 0.5
    z = (rows["won"].sum() - p.sum()) / np.sqrt((p * (1 - p)).sum())
    assert abs(z) < 4


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_the_folder_answers_as_the_world_does(small: World, tmp_path: Path, file_format: str) -> None:
    write_world(small, tmp_path, file_format)  # type: ignore[arg-type]
    rows = open_rows(small, "2025-03-03", 90)
    ask = (rows["lead_id"].tolist(), rows["as_of"].to_numpy())

    np.testing.assert_array_equal(p_history(tmp_path, *ask), p_history(small, *ask))
    np.testing.assert_array_equal(p_state(tmp_path, *ask), p_state(small, *ask))


def test_only_open_leads_have_a_probability(small: World) -> None:
    first = small.outcomes.iloc[0]
    born = small.leads.set_index("lead_id").loc[first["lead_id"], "created_at"]
    us = pd.Timedelta(microseconds=1)
    moments = [born, born + us, first["occurred_at"], first["occurred_at"] + us]

    for chance in (p_history, p_state):
        p = chance(small, [first["lead_id"]] * 4, np.array([each.value // 1000 for each in moments]))

        assert np.isnan(p).tolist() == [True, False, False, True]


def test_a_lead_asked_for_before_its_creation_has_no_probability(small: World) -> None:
    assert np.isnan(p_history(small, ["L0000001"], np.zeros(1, dtype=np.int64))).all()


def test_no_rows_give_no_probabilities(small: World) -> None:
    assert p_history(small, [], np.array([], dtype=np.int64)).shape == (0,)
    assert p_state(small, [], np.array([], dtype=np.int64)).shape == (0,)


def test_a_stray_lead_is_named(small: World) -> None:
    with pytest.raises(InputError, match=r"2 of 3 lead ids are not of this world; the first is 'X1'"):
        p_history(small, ["L0000001", "X1", "L0000401"], np.zeros(3, dtype=np.int64))


def test_each_lead_needs_a_moment(small: World) -> None:
    with pytest.raises(InputError, match="1 lead ids but 2 moments as_of"):
        p_state(small, ["L0000001"], np.zeros(2, dtype=np.int64))
