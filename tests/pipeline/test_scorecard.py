"""The scorecard of a project: from a sheet to fitted points and back, on the simulator's planted fit law."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from features.points_lines import lines_of, merged
from features.points_sheet import read_points_sheet
from pipeline.config import load_project
from pipeline.dataset import sources_of
from tests.pipeline.conftest import Run, run_command

SHEET = """\
Attribute,Value,Event,Points,Per,Most,Window
Role,C-level,,15,,,
,PM,,10,,,
,Director,,10,,,
,assistant,,0,,,
Department,IT,,15,,,
,finance,,10,,,
,marketing,,0,,,
Company size,1000+,,5,,,
,500-999,,15,,,
,100-499,,10,,,
,50-99,,5,,,
,under 50,,0,,,
Lead source,carrier pigeon,,9,,,
,,Form submit,10,,,
,,pricing view,7,each,3,30d
,,demo request,20,,,
,,unsubscribe,-10,,,
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated CRM whose points stand in a sheet."""
    folder = tmp_path_factory.mktemp("points") / "crm"
    run = run_command("simulate", "--leads", 4000, "--seed", 3, "-o", folder, "--format", "csv")
    assert run.code == 0, run.err
    path = folder / "lead-scoring.toml"
    text = path.read_text(encoding="utf-8").replace('every = "14d"', 'every = "28d"')
    head, _, tail = text.partition("# What a marketing team would give by hand")
    events = tail[tail.index("\n[events.types") :]
    more = '[points]\nfile = "points.csv"\nmql = 30\nsql = 45\n[model]\nbootstrap = 200\n'
    path.write_text(head + more + events, encoding="utf-8")
    (folder / "points.csv").write_text(SHEET, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def fitted(world: Path) -> dict[str, Any]:
    """What `scorecard --json` says; its sheet lies beside the project."""
    run = run_command("scorecard", "-p", world, "-o", world.parent / "fitted.csv", "--json")
    assert (run.code, run.err) == (0, "")
    return run.json


def line(fitted: dict[str, Any], words: str) -> dict[str, Any]:
    """One line of the card."""
    found: dict[str, Any] = next(each for each in fitted["lines"] if each["line"] == words)
    return found


def test_the_fitted_card_beats_the_users_table_out_of_time(fitted: dict[str, Any]) -> None:
    value, low, high = fitted["log_loss_against"]["table"]

    assert low < value < high < 0
    of_table, of_card = (fitted["out_of_time"][name] for name in ("table", "scorecard"))
    assert of_card["auc"][0] > of_table["auc"][0]
    assert of_card["log_loss"][0] - of_table["log_loss"][0] == pytest.approx(value)


def test_the_chance_of_the_totals_holds_out_of_time_and_on_all_rows(fitted: dict[str, Any]) -> None:
    _, low, high = fitted["out_of_time"]["scorecard"]["calibration_ratio"]
    inside = [
        each["observed"]["low"] <= each["probability"] <= each["observed"]["high"]
        for each in fitted["totals"]
    ]

    # the level of these worlds rises towards the test, for every model; the gate asks the interval to meet 0.8 to 1.25
    assert low <= 1.25
    assert high >= 0.8
    # the level comes from folds and is noise that all bins share; by chance alone 0.95 would be inside
    assert np.mean(inside) >= 0.7
    assert sum(each["rows"] for each in fitted["totals"]) == fitted["rows"]


def test_the_chance_of_a_total_can_be_worked_by_hand(fitted: dict[str, Any]) -> None:
    single = [each for each in fitted["totals"] if each["low"] == each["high"]]

    for each in single:
        by_hand = expit(fitted["base_log_odds"] + fitted["log_odds_per_point"] * each["low"])
        assert each["probability"] == pytest.approx(by_hand)
    assert single
    assert fitted["points_to_double_the_odds"] == pytest.approx(np.log(2) / fitted["log_odds_per_point"])


def test_company_size_may_fall_again_and_what_has_no_history_keeps_its_points(fitted: dict[str, Any]) -> None:
    large, largest = (line(fitted, f"employees: {size}") for size in ("500 to below 1000", "1000 and more"))
    pigeon = line(fitted, "lead_source: carrier pigeon")

    assert large["points"] > largest["points"]
    assert (pigeon["points"], pigeon["state"], pigeon["rows"], pigeon["low"]) == (9.0, "no history", 0, None)
    assert (
        line(fitted, "unsubscribe")["points"]
        < 0
        < line(fitted, "pricing_view within 30d, each up to 3")["low"]
    )


def test_the_written_sheet_is_read_as_the_fitted_table_and_can_be_edited(
    world: Path, fitted: dict[str, Any], tmp_path: Path
) -> None:
    text = (world.parent / "fitted.csv").read_text(encoding="utf-8")
    edited = tmp_path / "edited.csv"
    edited.write_text(text.replace("carrier pigeon", "Pigeon"), encoding="utf-8")

    as_read = read_points_sheet(text, "fitted.csv")
    project = world.parent / "again.toml"
    project.write_text(
        world.read_text(encoding="utf-8").replace('"points.csv"', f'"{edited}"'), encoding="utf-8"
    )

    assert [each.points for each in lines_of(as_read)] == [each["points"] for each in fitted["lines"]]
    rules = sources_of(load_project(project)).points
    assert merged(rules) == rules
    assert [each.words for each in lines_of(rules)] == [
        each["line"].replace("carrier pigeon", "Pigeon") for each in fitted["lines"]
    ]


@pytest.mark.slow
def test_the_card_as_toml_on_its_own_scale_prints_what_it_says_and_trains_as_the_rung_points(
    world: Path, tmp_path: Path
) -> None:
    scaled = world.parent / "scaled.toml"
    text = world.read_text(encoding="utf-8")
    scaled.write_text(text.replace("mql = 30", "mql = 30\npdo = 20"), encoding="utf-8")

    run = run_command("scorecard", "-p", scaled, "-o", tmp_path / "card.toml")

    assert (run.code, run.err) == (0, "")
    for said in (
        "Without history, so your points stay: lead_source: carrier pigeon",
        "points double the odds",
        "Log loss of the scorecard minus your table: -",
        "The totals that promise what your lines promise now: mql = ",
        "delete points.preset and points.rules",
    ):
        assert said in run.out
    assert len(tomllib.loads((tmp_path / "card.toml").read_text(encoding="utf-8"))["rules"]) == 8
    loop = world.parent / "loop.toml"
    small = '[model]\nrungs = ["points", "logistic"]\nlogistic_penalties = [100.0]\n'
    again = text.replace('"points.csv"', f'"{tmp_path / "card.toml"}"').replace("[model]\n", small)
    loop.write_text(again.replace('output = "out"', f'output = "{tmp_path}"'), encoding="utf-8")
    trained = run_command("train", "-p", loop, "--json")
    assert trained.code == 0, trained.err
    manifest = json.loads((Path(trained.json["bundle"]) / "manifest.json").read_text(encoding="utf-8"))
    assert len(manifest["sources"]["points"]) == 8
    against = run_command("scorecard", "-p", loop, "--json").json
    assert against["out_of_time"]["champion"]["auc"][0] > against["out_of_time"]["scorecard"]["auc"][0]


def refused(run: Run, said: str) -> bool:
    """Whether a command was refused in these words."""
    return run.code == 2 and said in run.err and run.out == ""


def test_a_sheet_is_not_replaced_unasked_and_other_endings_are_refused(world: Path) -> None:
    assert refused(run_command("scorecard", "-p", world, "-o", world.parent / "points.csv"), "exists already")
    assert refused(run_command("scorecard", "-p", world, "-o", "card.xlsx"), "must end in .csv or .toml")


def test_a_project_without_points_has_nothing_to_fit(world: Path) -> None:
    bare = world.parent / "bare.toml"
    text = world.read_text(encoding="utf-8").replace('file = "points.csv"\nmql = 30\nsql = 45\n', "")
    bare.write_text(text, encoding="utf-8")

    assert refused(run_command("scorecard", "-p", bare), "no points table to fit")


def test_too_few_conversions_are_told_with_the_counts(tmp_path: Path) -> None:
    rows = "".join(
        f"F{n:03},{'red' if n % 3 else 'blue'},{'yes' if n % 10 == 0 else 'no'}\n" for n in range(100)
    )
    (tmp_path / "leads.csv").write_text("lead_id,colour,bought\n" + rows, encoding="utf-8")
    path = tmp_path / "flat.toml"
    path.write_text(
        '[data.leads]\npath = "leads.csv"\n[snapshots]\nmode = "static"\n[static]\nlabel = "bought"\norder = "row"\n'
        '[attributes.at_creation]\ncategory = ["colour"]\n'
        '[[points.rules]]\nattribute = "colour"\nvalues = { red = 5 }\n',
        encoding="utf-8",
    )

    run = run_command("scorecard", "-p", path)

    assert (run.code, run.out) == (8, "")
    assert "Too little to fit points on: development has 8 conversions and 72 other rows" in run.err
