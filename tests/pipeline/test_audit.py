"""The audit names planted leaks, keeps quiet on clean data, and counts what is wrong with the clocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from pipeline.audit import audit_project, render
from pipeline.config import load_project
from tests.pipeline.audit_world import DAY, N, World, gappy

Plant = Callable[[World], None]


def _status(world: World) -> None:
    closed = np.where(world.won, "Customer", "Closed Lost")
    world.leads["plan"] = np.where(world.is_closed, closed, "Working")


def _noisy_copy(world: World) -> None:
    flip = world.rng.random(N) < 0.04
    known = world.is_closed & world.won
    world.leads["plan"] = np.where(known ^ flip, "a", "b")


def _filled_when_closed(world: World) -> None:
    world.leads["plan"] = gappy(world.is_closed, world.rng.choice(["x", "y"], N))


def _filled_for_won(world: World) -> None:
    chance = np.where(world.is_closed & world.won, 0.9, 0.3)
    world.leads["plan"] = gappy(world.rng.random(N) < chance, world.rng.choice(["x", "y"], N))


def _closing_date(world: World) -> None:
    world.leads["plan"] = gappy(world.is_closed, world.ended.astype("datetime64[D]").astype(str))


def _last_modified(world: World) -> None:
    touched = world.ended + 20 * DAY
    world.leads["plan"] = np.where(world.is_closed, touched.astype(str), world.created.astype(str))


def _talk_minutes(world: World) -> None:
    won = world.is_closed & world.won
    minutes = world.rng.exponential(np.where(won, 20.0, 2.0))
    world.leads["call duration"] = minutes.round(2)


def _desk_words(world: World) -> None:
    words = np.where(world.won & world.is_closed, "Will revert after call", "Ringing")
    random = world.rng.choice(["Ringing", "Busy", "Will revert after call"], N)
    world.leads["plan"] = np.where(world.rng.random(N) < 0.45, words, random)


def _fill_later(world: World) -> None:
    old = world.created < np.datetime64("2024-11-20")
    world.leads["plan"] = gappy(old, world.rng.choice(["x", "y"], N))


def _batch_scores(world: World) -> None:
    tenth = np.arange(N) * 10 // N
    is_filled = (tenth > 2) & (tenth < 7)
    score = world.rng.normal(np.where(world.won & world.is_closed, 1.2, 0.0), 1.0).round(2)
    world.leads["plan score"] = np.where(is_filled, score, np.nan)
    world.leads["plan index"] = gappy(is_filled, world.rng.choice(["high", "low"], N))


def _account_after(world: World) -> None:
    world.leads["amount"] = np.where(world.is_closed & world.won, world.rng.exponential(900, N).round(), 0)


def _changed_at_outcome(world: World) -> None:
    rows = world.is_closed
    more = pd.DataFrame({"lead_id": world.leads["lead_id"][rows], "changed_at": world.ended[rows]})
    world.changes = pd.concat([world.changes, more.assign(field="city", new_value="Bonn")])


@pytest.mark.parametrize(
    ("plant", "column", "kinds"),
    [
        (_status, "plan", {"label_copy", "tells_closed"}),
        (_noisy_copy, "plan", {"power", "label_copy"}),
        (_filled_when_closed, "plan", {"filled_when_closed"}),
        (_closing_date, "plan", {"filled_when_closed", "dated_at_outcome"}),
        (_last_modified, "plan", {"dated_after_outcome"}),
        (_talk_minutes, "call duration", {"power"}),
        (_desk_words, "plan", {"power"}),
        (_batch_scores, "plan score", {"batch_filled", "power"}),
        (_batch_scores, "plan index", {"batch_filled", "comes_with_power"}),
        (_account_after, "amount", {"label_copy", "sure_values"}),
        (_changed_at_outcome, "city", {"changed_after_outcome"}),
    ],
)
def test_a_planted_leak_is_named_a_leak(tmp_path: Path, plant: Plant, column: str, kinds: set[str]) -> None:
    world = World()
    plant(world)

    suspects = {suspect.column: suspect for suspect in world.audit(tmp_path).suspects}

    assert suspects[column].grade == "leak"
    assert kinds & set(suspects[column].kinds)
    assert set(suspects) <= {column, "plan score", "plan index"}


@pytest.mark.parametrize(("plant", "kind"), [(_filled_for_won, "missingness"), (_fill_later, "filled_later")])
def test_doubtful_filling_is_something_to_look_at(tmp_path: Path, plant: Plant, kind: str) -> None:
    world = World()
    plant(world)

    (suspect,) = world.audit(tmp_path).suspects

    assert (suspect.column, suspect.grade) == ("plan", "look")
    assert kind in suspect.kinds


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_clean_world_has_no_suspect(tmp_path: Path, seed: int) -> None:
    audit = World(seed).audit(tmp_path)

    assert audit.suspects == ()


def test_a_desk_like_name_alone_names_nothing(tmp_path: Path) -> None:
    world = World()
    for name in ("lead status", "close date", "Last Activity", "tags", "lead score"):
        world.leads[name] = world.rng.choice(["Ringing", "Busy", "Closed by phone"], N)

    assert world.audit(tmp_path).suspects == ()


def test_event_types_at_and_after_the_outcome_are_named(tmp_path: Path) -> None:
    world = World()
    world.happen(world.won, -3_000, "contract_signed")
    world.happen(~world.won, 60_000_000, "survey_sent")

    suspects = {suspect.column: suspect for suspect in world.audit(tmp_path).suspects}

    assert suspects["contract_signed"].kind == "event_at_outcome"
    assert suspects["contract_signed"].grade == "leak"
    assert suspects["survey_sent"].kind == "event_after_outcome"
    assert set(suspects) == {"contract_signed", "survey_sent"}


def test_a_declared_outcome_event_is_no_suspect(tmp_path: Path) -> None:
    world = World()
    world.happen(world.won, 0, "contract_signed")

    audit = world.audit(tmp_path, '[target]\noutcome_events = ["contract_signed"]')

    assert audit.suspects == ()


def test_barred_columns_are_reported_as_barred(tmp_path: Path) -> None:
    world = World()
    _status(world)

    audit = world.audit(tmp_path, '[attributes]\nbarred = ["plan"]')

    assert [(suspect.column, suspect.is_barred) for suspect in audit.suspects] == [("plan", True)]


def test_a_field_declared_fixed_that_the_log_shows_changing_is_looked_at(tmp_path: Path) -> None:
    world = World()
    later = world.changes.assign(changed_at=world.created + 2 * DAY).head(600)
    world.changes = pd.concat([world.changes, later[world.length[:600] > 3]])

    (suspect,) = world.audit(tmp_path, '[attributes.at_creation]\ncategory = ["city"]').suspects

    assert (suspect.column, suspect.grade, suspect.kind) == ("city", "look", "changes_over_time")


def test_what_tells_the_period_is_a_calendar_proxy(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    period = np.arange(N) * 30 // N
    level = rng.uniform(0.05, 0.6, 30)[period]
    frame = pd.DataFrame({"won": (rng.random(N) < level).astype(int), "rate": level.round(4)})
    frame["weekday"] = np.arange(N) // 20 % 5
    frame.to_csv(tmp_path / "leads.csv", index=False)
    (tmp_path / "p.toml").write_text(
        '[data.leads]\npath = "leads.csv"\ncolumns = { lead_id = "row" }\n[snapshots]\nmode = "static"\n'
        '[static]\nlabel = "won"\norder = "row"\n',
        encoding="utf-8",
    )

    audit = audit_project(load_project(tmp_path / "p.toml"))

    assert [(s.column, s.grade, s.kind) for s in audit.suspects] == [("rate", "look", "calendar_proxy")]
    assert any(finding.code == "rate_moves" for finding in audit.findings)


@pytest.mark.parametrize(("strength", "is_named"), [(0.954, True), (0.545, False)])
def test_a_score_as_strong_as_no_honest_column_is_something_to_ask_about(
    tmp_path: Path, strength: float, is_named: bool
) -> None:
    """AUC .75 and .65: the weaker is no stronger than honest columns, and nothing else tells them apart."""
    world = World()

    suspect = world.extra(
        (world.rng.normal(size=N) + strength * (world.won & world.is_closed)).round(3), tmp_path
    )

    assert (suspect is not None) == is_named
    assert suspect is None or (suspect.grade, suspect.kinds) == ("look", ("power",))


@pytest.mark.parametrize("form", ["month", "number"])
def test_what_gives_the_order_in_time_is_named_though_the_rate_has_not_moved(
    tmp_path: Path, form: str
) -> None:
    world = World()
    month = pd.Series(world.created).dt.strftime("%Y-%m")

    suspect = world.extra(month if form == "month" else 500 + 7 * np.arange(N), tmp_path)

    assert suspect is not None
    assert (suspect.grade, suspect.kinds[0]) in {("look", "tells_period"), ("look", "calendar_proxy")}
    assert "it tells the period, not the lead" in suspect.evidence


def test_clock_problems_are_found(tmp_path: Path) -> None:
    world = World()
    burst = np.datetime64("2024-06-01T09:00:00", "us") + np.arange(900) * np.timedelta64(1, "s")
    world.leads.loc[:899, "created_at"] = burst
    world.events["occurred_at"] = world.events["occurred_at"].to_numpy().astype("datetime64[D]")
    world.outcomes.iloc[-30:, 1] = np.datetime64("2025-02-01T10:00:00", "us")

    codes = {finding.code for finding in world.audit(tmp_path).findings}

    assert {"one_burst", "at_midnight", "after_data_end", "outcome_before_creation"} <= codes
    assert "removed_before_lead" in codes


def test_events_are_cleaned_and_counted(tmp_path: Path) -> None:
    world = World()
    world.events = pd.concat([world.events, world.events.head(40)])
    world.events = pd.concat([world.events, *[world.events.tail(1)] * 12])
    last = world.events["occurred_at"].iloc[-1]
    world.events.iloc[-12:, 1] = [last + pd.Timedelta(milliseconds=50 * k) for k in range(1, 13)]

    found = {finding.code: finding.count for finding in world.audit(tmp_path).findings}

    assert found["removed_duplicate"] == 40
    assert found["removed_bot"] >= 12


def test_the_audit_goes_into_json_and_onto_the_screen(tmp_path: Path) -> None:
    world = World()
    _status(world)
    world.leads["one"] = "same"
    audit = world.audit(tmp_path, '[attributes.current]\ncategory = ["plan"]')
    console = Console(record=True, width=120, file=(tmp_path / "screen").open("w", encoding="utf-8"))

    render(audit, console)

    shown = console.export_text()
    assert "Leaks: bar these" in shown
    assert 'add "plan" to attributes.barred' in shown
    assert "with one value only: one" in shown
    assert "Share won within the horizon after creation, by tenth of the leads" in shown
    first = json.loads(json.dumps(audit.to_json()))["suspects"][0]
    assert {"column", "grade", "kind", "evidence", "is_barred"} <= set(first)
    assert audit.conversions["conversions"] > 100


def test_the_same_data_give_the_same_audit(tmp_path: Path) -> None:
    world = World()
    _talk_minutes(world)

    assert world.audit(tmp_path).to_json() == world.audit(tmp_path).to_json()
