"""The simulated CRM: its tables obey the contract, its bytes the seed, its numbers the brief."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from pipeline.config import load_project
from pipeline.simulate import World, WorldSettings, project_toml, simulate, simulate_to_folder, write_world
from pipeline.simulate.parameters import Parameters, make_parameters
from pipeline.simulate.settings import BLOCK_LEADS
from pipeline.simulate.vocabulary import EVENT_TYPES, SOURCES
from pipeline.simulate.world import TABLES, plain, simulate_block


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldSettings(n_leads=4_000, seed=3))


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _with_end(world: World) -> pd.DataFrame:
    ends = world.outcomes.set_index("lead_id")["occurred_at"]
    leads = world.leads.set_index("lead_id")[["created_at"]]
    data_end = pd.Timestamp(world.settings.end, tz="UTC")
    return leads.assign(end=ends.reindex(leads.index).fillna(data_end))


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, file_format: str) -> None:
    settings = WorldSettings(n_leads=300, seed=5, drift=True, seasonality=True)

    simulate_to_folder(settings, tmp_path / "a", file_format)  # type: ignore[arg-type]
    simulate_to_folder(settings, tmp_path / "b", file_format)  # type: ignore[arg-type]
    simulate_to_folder(WorldSettings(n_leads=300, seed=6), tmp_path / "c", file_format)  # type: ignore[arg-type]

    first, again, other = (_hashes(tmp_path / name) for name in "abc")
    assert first == again
    assert {f"{name}.{file_format}" for name in TABLES} | {"lead-scoring.toml"} <= set(first)
    assert all(first[f"{name}.{file_format}"] != other[f"{name}.{file_format}"] for name in TABLES)


def test_a_block_does_not_depend_on_the_blocks_before_it() -> None:
    settings = WorldSettings(n_leads=BLOCK_LEADS + 60, seed=2)

    world = simulate(settings)
    alone = simulate_block(settings, make_parameters(settings), 1)

    for name in TABLES:
        table = plain(alone.tables[name])
        assert world.tables[name].slice(world.tables[name].num_rows - table.num_rows).equals(table)


def test_writing_block_by_block_holds_the_same_rows_as_the_world_in_memory(tmp_path: Path) -> None:
    settings = WorldSettings(n_leads=200, seed=8)
    done: list[tuple[int, int]] = []

    simulate_to_folder(settings, tmp_path / "a", progress=lambda *counts: done.append(counts))
    write_world(simulate(settings), tmp_path / "b")

    for name in TABLES:
        assert pq.read_table(tmp_path / "a" / f"{name}.parquet").equals(
            pq.read_table(tmp_path / "b" / f"{name}.parquet")
        )
    assert done == [(200, 200)]
    assert (
        Parameters.read(tmp_path / "a/truth/parameters.json").hazards.tolist()
        == make_parameters(settings).hazards.tolist()
    )


def test_ids_are_unique_and_every_reference_is_known(world: World) -> None:
    leads = set(world.leads["lead_id"])

    assert len(leads) == world.settings.n_leads
    assert world.accounts["account_id"].is_unique
    assert set(world.leads["account_id"].dropna()) <= set(world.accounts["account_id"])
    for table in (world.events, world.outcomes, world.field_changes):
        assert set(table["lead_id"]) <= leads
    assert world.outcomes["lead_id"].is_unique


def test_events_lie_between_creation_and_the_outcome_or_the_end_of_the_data(world: World) -> None:
    ends = _with_end(world).reindex(world.events["lead_id"])

    assert (world.events["occurred_at"].to_numpy() >= ends["created_at"].to_numpy()).all()
    assert (world.events["occurred_at"].to_numpy() < ends["end"].to_numpy()).all()
    assert world.leads["created_at"].max() < pd.Timestamp("2026-01-01", tz="UTC")
    assert world.leads["created_at"].min() >= pd.Timestamp("2024-07-01", tz="UTC")


def test_a_lead_has_about_fifty_events_and_the_base_rate_is_some_percent(world: World) -> None:
    # 4,000 leads with a standard deviation of about 65 events: 50 +- 1 for the mean, 8 allows for tuning
    life = _with_end(world)
    cut = pd.Timestamp("2025-06-01", tz="UTC")
    open_ids = life.index[(life["created_at"] < cut) & (life["end"] >= cut)]
    won = world.outcomes[world.outcomes["outcome"] == "won"].set_index("lead_id")["occurred_at"]

    n_won = (won.reindex(open_ids) < cut + pd.Timedelta(days=30)).sum()

    assert abs(len(world.events) / len(world.leads) - 50) < 8
    assert set(world.events["event_type"]) == set(EVENT_TYPES)
    assert 0.04 < n_won / len(open_ids) < 0.11


def test_bot_bursts_are_ten_clicks_within_two_seconds(world: World) -> None:
    bots = world.truth["bots"].to_pandas().sort_values(["lead", "occurred_at"])
    starts = bots.groupby("lead")["occurred_at"].diff().dt.total_seconds().fillna(9.0) > 2
    burst = starts.cumsum()

    sizes = bots.groupby(burst)["occurred_at"].agg(["size", "min", "max"])

    assert len(sizes) > 10
    assert (sizes["size"] >= 10).all()
    assert ((sizes["max"] - sizes["min"]).dt.total_seconds() < 2).all()


def test_lifecycle_changes_form_a_chain_that_ends_in_todays_value(world: World) -> None:
    changes = world.field_changes
    before = changes.groupby("lead_id")["new_value"].shift()
    last = changes.groupby("lead_id")["new_value"].last()

    assert (changes["old_value"].fillna("") == before.fillna("")).all()
    assert (changes["old_value"].fillna("") != changes["new_value"]).all()
    assert last.reindex(world.leads["lead_id"]).tolist() == world.leads["lifecycle_stage"].tolist()


def test_desk_status_is_written_after_the_outcome(world: World) -> None:
    outcome = world.outcomes.set_index("lead_id")["outcome"].reindex(world.leads["lead_id"]).fillna("open")

    pairs = set(zip(outcome, world.leads["lead_status"], strict=True))

    assert {status for kind, status in pairs if kind == "won"} == {"Customer"}
    assert {status for kind, status in pairs if kind == "open"} == {"New", "Working", "Nurture"}


def test_dirty_spellings_normalise_to_the_vocabulary(world: World) -> None:
    raw = world.leads["lead_source"].dropna()

    clean = raw.str.strip().str.lower()

    assert set(clean) == {name.lower() for name in SOURCES} | {"select", "unknown"}
    assert raw.nunique() > len(SOURCES) + 2
    assert world.leads["lead_source"].isna().any()


def test_a_clean_world_has_no_gaps_no_duplicates_and_no_bots() -> None:
    world = simulate(WorldSettings(n_leads=500, seed=1, dirt=False))

    assert not world.leads[["email", "job_title", "lead_source", "country"]].isna().any().any()
    assert not world.events.duplicated().any()
    assert world.truth["bots"].num_rows == 0


def test_seasonality_moves_creation_to_working_days_and_to_the_first_half_of_the_year() -> None:
    world = simulate(WorldSettings(n_leads=4_000, seed=1, months=24, seasonality=True))

    created = world.leads["created_at"]

    # weekend density is a quarter: 0.5 of 5.5; 4,000 draws give a standard error below 0.005
    assert abs((created.dt.day_of_week >= 5).mean() - 0.5 / 5.5) < 0.02
    assert (created.dt.month <= 6).mean() > 0.55


def test_drift_changes_the_mix_of_sources_and_lowers_the_win_multiplier() -> None:
    settings = WorldSettings(n_leads=4_000, seed=1, drift=True, dirt=False)

    world = simulate(settings)
    late = settings.cohort_of(world.leads["created_at"].dt.as_unit("us").astype("int64").to_numpy())
    is_paid = world.leads["lead_source"] == "Paid Ads"

    assert is_paid[late >= settings.drift_cohort].mean() > 1.5 * is_paid[late < settings.drift_cohort].mean()
    assert world.law.by_cohort[-1] == pytest.approx(0.6)
    assert world.law.by_cohort[0] == 1.0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_world_may_hold_one_segment_only(share: float) -> None:
    world = simulate(WorldSettings(n_leads=40, b2b_share=share))

    assert world.leads["account_id"].notna().mean() == share
    assert (len(world.accounts) > 0) == (share > 0)


def test_broken_rows_stand_at_the_end_of_the_leads_file(tmp_path: Path) -> None:
    simulate_to_folder(WorldSettings(n_leads=30, broken_rows=4), tmp_path, "csv")

    frame = pd.read_csv(tmp_path / "leads.csv")

    assert len(frame) == 34
    assert frame["lead_id"].tail(4).fillna("").tolist() == ["L0000001", "", "X0000002", "L0000001"]
    assert frame["created_at"].iloc[-2] == "not a date"


def test_broken_rows_need_csv(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Parquet cannot hold a bad date; write the world as csv"):
        simulate_to_folder(WorldSettings(n_leads=30, broken_rows=4), tmp_path)


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file format is 'xlsx', expected 'parquet' or 'csv'"):
        simulate_to_folder(WorldSettings(n_leads=30), tmp_path, "xlsx")  # type: ignore[arg-type]


def test_all_faulty_settings_are_in_one_message() -> None:
    with pytest.raises(
        InputError, match=r"n_leads is 0, expected 1 to 9999999; months is 2, .*; end is 'soon'"
    ):
        WorldSettings(n_leads=0, months=2, end="soon")


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_the_project_file_is_valid_and_names_the_tables(tmp_path: Path, file_format: str) -> None:
    settings = WorldSettings(n_leads=20, seed=4)
    path = tmp_path / "lead-scoring.toml"
    path.write_text(project_toml(settings, file_format), encoding="utf-8")

    project = load_project(path)
    world = simulate(settings)
    columns = {*world.leads.columns, *world.accounts.columns}

    assert project.data.leads.path == f"leads.{file_format}"
    assert set(project.events.types) == set(EVENT_TYPES)
    assert set(project.attributes.kinds()) <= columns
    keys = {"lead_id", "account_id", "account_name", "created_at", "is_priority"}
    assert columns - set(project.attributes.kinds()) == keys
    assert np.isclose(project.target.horizon, 30 * 86_400e6)
    assert project.ledger.url == "sqlite:///ledger.db"
    assert set(project.ledger.shown.columns().values()) <= columns
