"""Switches of the simulated CRM: each changes what it names, and nothing else."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from features.errors import InputError
from pipeline.config import load_project
from pipeline.simulate import World, WorldSettings, p_history, simulate, simulate_to_folder
from pipeline.simulate.parameters import make_parameters
from pipeline.simulate.personas import PERSONAS
from pipeline.simulate.switches import OFF, ON
from pipeline.simulate.vocabulary import COMPETITOR_DOMAINS, COMPETITORS, STATES
from tests.pipeline.conftest import run_command
from tests.pipeline.textbook_filter import HORIZON, open_rows

SMALL = WorldSettings(n_leads=600, seed=3)
# |z| beyond 4.5 has chance 7e-6
LIMIT = 4.5

LAW = {
    "fit": {"by_fit"},
    "entry": {"start"},
    "activity": {"activity", "mix"},
    "lifecycle": {"move_rate", "move_weight"},
    "amount": set(),
    "product": set(),
    "account": {"in_market"},
    "negative": {"mix"},
    "segments": {"activity", "mix", "hazards", "up", "down"},
    "personas": set(),
    "competitor": {"by_cohort"},
    "buying": {"by_class", "in_market", "up", "down", "start", "activity"},
}


def _switched(name: str, settings: WorldSettings = SMALL) -> WorldSettings:
    return replace(settings, on=(name,)) if name in ON else replace(settings, off=(name,))


@pytest.fixture(scope="module")
def plain() -> World:
    return simulate(SMALL)


@pytest.fixture(scope="module")
def personas() -> World:
    return simulate(WorldSettings(n_leads=8_000, seed=12, on=("personas",)))


def _changed_columns(table: pd.DataFrame, other: pd.DataFrame) -> set[str]:
    assert len(table) == len(other)
    return {str(name) for name in table.columns if not table[name].equals(other[name])}


def _states_of_events(world: World) -> pd.DataFrame:
    """Events but link scanners' clicks, with the true state of the lead at each."""
    rows = pd.Series(np.arange(len(world.leads)), index=world.leads["lead_id"])
    events = world.events.assign(lead=rows[world.events["lead_id"]].to_numpy(dtype=np.int32))
    bots = world.truth["bots"].to_pandas()
    is_bot = pd.MultiIndex.from_frame(events[["lead", "occurred_at"]]).isin(pd.MultiIndex.from_frame(bots))
    paths = world.truth["paths"].to_pandas().sort_values("from_at")
    states = pd.merge_asof(
        events[~is_bot].sort_values("occurred_at"),
        paths,
        left_on="occurred_at",
        right_on="from_at",
        by="lead",
    )
    return states.assign(state=np.array(STATES)[states["state"].to_numpy(dtype=np.int64)])


def _shares_differ(events: pd.DataFrame, is_marked: NDArray[np.bool_]) -> float:
    """Largest |z| of a state's share of marked events against the share of all."""
    share = is_marked.mean()
    by_state = pd.Series(is_marked).groupby(events["state"].to_numpy()).agg(["mean", "size"])
    return float((np.abs(by_state["mean"] - share) / np.sqrt(share * (1 - share) / by_state["size"])).max())


@pytest.mark.parametrize("name", LAW)
def test_a_switch_changes_its_part_of_the_law_alone(name: str) -> None:
    law, other = make_parameters(SMALL), make_parameters(_switched(name))

    changed = {
        field.name
        for field in fields(law)
        if not np.array_equal(getattr(law, field.name), getattr(other, field.name))
    }

    assert changed == LAW[name]
    assert set(LAW) | {"growth", "memory"} == {*ON, *OFF}


@pytest.mark.parametrize("name", OFF)
def test_removing_a_mechanism_leaves_the_leads_and_their_fields(plain: World, name: str) -> None:
    world = simulate(_switched(name))

    for table in ("leads", "traits"):
        changed = _changed_columns(plain.truth[table].to_pandas(), world.truth[table].to_pandas())
        assert changed == ({"in_market"} if (name, table) == ("account", "leads") else set())
    if name in {"activity", "lifecycle", "negative", "amount", "product"}:
        assert world.truth["paths"].equals(plain.truth["paths"])


def test_removing_amount_and_product_changes_deals_alone(plain: World) -> None:
    amount, product = simulate(_switched("amount")), simulate(_switched("product"))

    for name in ("leads", "events", "accounts", "field_changes"):
        assert amount.tables[name].equals(plain.tables[name])
        assert product.tables[name].equals(plain.tables[name])
    assert _changed_columns(plain.outcomes, amount.outcomes) == {"amount"}
    assert _changed_columns(plain.outcomes, product.outcomes) == {"amount", "product"}


def test_removing_negative_signals_changes_types_of_events_and_no_moments(plain: World) -> None:
    world = simulate(_switched("negative"))

    changed = _changed_columns(plain.events, world.events)

    assert "event_type" in changed
    assert not {"lead_id", "occurred_at", "product"} & changed
    assert world.tables["field_changes"].equals(plain.tables["field_changes"])


def test_negative_signals_say_who_never_buys_and_without_them_nothing() -> None:
    settings = WorldSettings(n_leads=4_000, seed=5)

    with_signals, without = (
        _states_of_events(simulate(s)) for s in (settings, _switched("negative", settings))
    )

    assert _shares_differ(with_signals, (with_signals["event_type"] == "careers_view").to_numpy()) > 50
    for name in ("careers_view", "unsubscribe"):
        assert _shares_differ(without, (without["event_type"] == name).to_numpy()) < LIMIT
    assert _shares_differ(without, (without["event_type"] == "pricing_view").to_numpy()) > 50


def test_without_activity_neither_rate_nor_type_of_events_tells_the_state() -> None:
    world = simulate(WorldSettings(n_leads=4_000, seed=5, off=("activity",)))
    events = _states_of_events(world)
    paths = world.truth["paths"].to_pandas()
    end = pd.Timestamp(world.settings.end, tz="UTC")
    over = world.outcomes.set_index("lead_id")["occurred_at"].reindex(world.leads["lead_id"]).fillna(end)
    until = paths.groupby("lead")["from_at"].shift(-1).fillna(pd.Series(over.to_numpy()[paths["lead"]]))
    segment = world.truth["leads"]["segment"].to_numpy()[paths["lead"]]
    days = (until - paths["from_at"]).dt.total_seconds() / 86_400 * world.law.activity[segment, 0, 0]

    expected = days.groupby(np.array(STATES)[paths["state"]]).sum()
    found = events.drop_duplicates(["lead_id", "occurred_at", "event_type"]).groupby("state").size()

    assert (np.abs(found - expected) < LIMIT * np.sqrt(expected)).all()
    for name in ("email_open", "pricing_view", "careers_view"):
        assert _shares_differ(events, (events["event_type"] == name).to_numpy()) < LIMIT


def test_without_fit_and_entry_the_fields_say_nothing() -> None:
    settings = WorldSettings(n_leads=2_000, seed=5, off=("fit", "entry", "account"), b2b_share=1.0)
    world = simulate(settings)
    asked = open_rows(world, "2025-06-02", 1000)["lead_id"]
    silent = replace(world, tables={name: table.slice(0, 0) for name, table in world.tables.items()})
    created = world.leads.set_index("lead_id")["created_at"][asked]
    at_the_same_age = (created + pd.Timedelta(days=20)).dt.tz_localize(None).to_numpy("datetime64[us]")

    p = p_history(silent, asked.tolist(), at_the_same_age)

    assert np.ptp(p) < 1e-12


def test_segments_of_their_own_are_not_served_by_one_law() -> None:
    world = simulate(WorldSettings(n_leads=6_000, seed=9, on=("segments",)))
    asked = open_rows(world, "2024-10-03", HORIZON)
    is_b2c = (world.leads.set_index("lead_id")["segment"][asked["lead_id"]] == "B2C").to_numpy()
    won = asked["won"].to_numpy()[is_b2c]
    shared = replace(
        world.law,
        **{
            name: np.repeat(getattr(world.law, name)[:1], 2, axis=0)
            for name in ("activity", "mix", "up", "down")
        },
        hazards=np.repeat(world.law.hazards[:, :1], 2, axis=1),
    )
    ask = (asked["lead_id"][is_b2c].tolist(), asked["as_of"][is_b2c].to_numpy())

    own, borrowed = p_history(world, *ask), p_history(replace(world, law=shared), *ask)

    for p, fits in ((own, True), (borrowed, False)):
        z = (won - p).sum() / np.sqrt((p * (1 - p)).sum())
        assert (abs(z) < LIMIT) == fits
    assert np.corrcoef(own, won)[0, 1] > 1.5 * np.corrcoef(borrowed, won)[0, 1]


def test_in_b2c_of_its_own_prices_draw_those_who_never_buy() -> None:
    world = simulate(WorldSettings(n_leads=3_000, seed=9, on=("segments",)))
    events = _states_of_events(world)
    events["segment"] = world.leads["segment"].to_numpy()[events["lead"]]

    share = (events["event_type"] == "pricing_view").groupby([events["segment"], events["state"]]).mean()

    assert share["B2B", "deciding"] > 5 * share["B2B", "never"]
    assert share["B2C", "never"] > 5 * share["B2C", "deciding"]


def test_the_truth_names_each_leads_persona_and_the_tables_do_not(personas: World) -> None:
    truth = personas.truth["traits"].to_pandas()["persona"]

    assert set(truth) == set(PERSONAS)
    assert (truth.value_counts(normalize=True) > 0.2).all()
    assert not any("persona" in name for table in personas.tables.values() for name in table.column_names)
    assert personas.leads["job_title"].isna().any()


def test_personas_show_in_titles_sources_and_channels(personas: World) -> None:
    leads = personas.leads.assign(persona=personas.truth["traits"].to_pandas()["persona"])
    title, source = leads["job_title"].str.strip().str.lower(), leads["lead_source"].str.strip().str.lower()
    events = personas.events.merge(leads[["lead_id", "persona"]], on="lead_id")

    channel = pd.crosstab(events["persona"], events["channel"], normalize="index")

    # prior 0.45, 0.25, 0.30
    assert (leads["persona"][title == "system administrator"] == "evaluator").mean() > 0.8
    assert (leads["persona"][title == "procurement manager"] == "buyer").mean() > 0.55
    assert (leads["persona"][source == "purchased list"] == "researcher").mean() > 0.7
    assert channel["partner"]["buyer"] > 0.4 > 10 * channel["partner"]["evaluator"]
    assert channel["web"].idxmax() == "evaluator"
    assert events.groupby("persona")["value"].median().idxmax() == "evaluator"


def test_the_marks_of_a_persona_say_nothing_of_intent(personas: World) -> None:
    events = _states_of_events(personas)
    persona = personas.truth["traits"].to_pandas()["persona"].to_numpy()[events["lead"]]
    of_buyer = events[(persona == "buyer") & (events["event_type"] == "email_open")]

    assert len(of_buyer) > 5_000
    assert _shares_differ(of_buyer, (of_buyer["channel"] == "partner").to_numpy()) < LIMIT


def test_personas_win_at_different_rates(personas: World) -> None:
    asked = open_rows(personas, "2024-10-03", HORIZON)
    persona = personas.truth["traits"].to_pandas().set_index("lead_id")["persona"][asked["lead_id"]]

    rate = asked["won"].groupby(persona.to_numpy()).mean()

    assert rate["buyer"] > 1.2 * rate["evaluator"]
    assert rate["evaluator"] > 1.2 * rate["researcher"]


def test_personas_and_competitors_leave_accounts_and_moments_of_creation(plain: World) -> None:
    for name, moved in (("personas", {"fit", "entry"}), ("competitor", {"cohort"})):
        world = simulate(_switched(name))

        changed = _changed_columns(plain.truth["leads"].to_pandas(), world.truth["leads"].to_pandas())

        assert changed == moved


def test_leads_of_competitors_never_win_and_a_rule_can_name_them() -> None:
    world = simulate(WorldSettings(n_leads=6_000, seed=2, on=("competitor",)))
    truth = world.truth["traits"].to_pandas()["is_competitor"].to_numpy()
    company = world.leads["account_id"].map(world.accounts.set_index("account_id")["account_name"])
    domain = world.leads["email"].str.lower().str.split("@").str[1]
    won = set(world.outcomes.loc[world.outcomes["outcome"] == "won", "lead_id"])
    asked = open_rows(world, "2025-06-02", 1000)

    p = p_history(world, asked["lead_id"].tolist(), asked["as_of"].to_numpy())

    assert 50 < truth.sum() < 400
    np.testing.assert_array_equal(company.isin(COMPETITORS).to_numpy(), truth)
    assert domain[truth].dropna().isin(COMPETITOR_DOMAINS).all()
    assert not domain[~truth].isin(COMPETITOR_DOMAINS).any()
    assert not won & set(world.leads["lead_id"][truth])
    theirs = truth[[int(lead[1:]) - 1 for lead in asked["lead_id"]]]
    assert (p[theirs] == 0).all()
    assert (p[~theirs] > 0).all()


def test_switched_worlds_repeat_byte_for_byte_and_their_project_file_is_valid(tmp_path: Path) -> None:
    settings = replace(SMALL, on=("segments", "personas", "competitor"), off=("negative", "amount"))

    for name in ("a", "b"):
        simulate_to_folder(settings, tmp_path / name)

    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
    assert load_project(tmp_path / "a" / "lead-scoring.toml").name == "sample-crm"


def test_unknown_mechanisms_are_refused_with_the_nearest_name() -> None:
    message = (
        "on holds 'persona', expected 'personas'; off holds 'amuont', expected 'amount'; off holds 'x', "
    )

    with pytest.raises(InputError, match=f"{message}expected {', '.join(OFF)}"):
        WorldSettings(n_leads=5, on=("persona",), off=("amuont", "x"))


def test_a_world_where_nothing_predicts_has_no_competitors() -> None:
    with pytest.raises(InputError, match="shuffle_labels and the mechanism 'competitor' contradict"):
        WorldSettings(n_leads=5, on=("competitor",), shuffle_labels=True)


def test_settings_without_switches_are_written_as_ever() -> None:
    assert not {"on", "off"} & set(SMALL.to_dict())
    assert _switched("fit").to_dict()["off"] == ("fit",)


def test_the_command_takes_switches_again_and_again(tmp_path: Path) -> None:
    switches = ("--on", "personas", "--on", "competitor", "--off", "fit")

    run = run_command("simulate", "--leads", 20, "-o", tmp_path, *switches, "--json")
    wrong = run_command("simulate", "--leads", 20, "-o", tmp_path, "--off", "fitt")

    assert run.code == 0
    written = json.loads((tmp_path / "truth" / "settings.json").read_text(encoding="utf-8"))
    assert (written["on"], written["off"]) == (["personas", "competitor"], ["fit"])
    assert wrong.code == 2
    assert "off holds 'fitt', expected 'fit'" in wrong.err
