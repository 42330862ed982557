"""The leak hunt of a training: what knows the outcome is left out, unless the project vouches for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from pipeline.config import load_project
from pipeline.leak_hunt import LeakHunt, hunt_leaks
from pipeline.tables import load_tables
from tests.pipeline.conftest import Crm, run_command

PROJECT = """
[data.leads]
path = "leads.csv"
columns = { tag = "Tag of the desk" }
[snapshots]
mode = "static"
[static]
label = "bought"
positive = ["yes"]
negative = ["no"]
order = "row"
[attributes]
trusted = TRUSTED
[attributes.at_creation]
category = ["colour", "tag"]
number = ["size"]
[model]
rungs = ["logistic"]
bootstrap = 100
logistic_penalties = [100.0]
"""
RULE = '\n[points]\n[[points.rules]]\nattribute = "tag"\nvalues = { hot = 5 }\n'


def flat(folder: Path, trusted: tuple[str, ...] = (), more: str = "", told: float = 0.97) -> Path:
    """A flat export whose column "Tag of the desk" says the outcome in a share of the rows; 900 leads."""
    rng = np.random.default_rng(3)
    size, colour = rng.normal(size=900), rng.choice(["red", "blue"], 900)
    is_won = rng.random(900) < 1 / (1 + np.exp(1.0 - size))
    is_told = rng.random(900) < told
    tag = np.where(np.where(is_told, is_won, rng.random(900) < 0.5), "hot", "cold")
    bought = np.where(is_won, "yes", "no")
    table = {"lead_id": [f"F{n:03d}" for n in range(900)], "size": size.round(3), "colour": colour}
    pd.DataFrame({**table, "Tag of the desk": tag, "bought": bought}).to_csv(
        folder / "leads.csv", index=False
    )
    path = folder / "lead-scoring.toml"
    path.write_text(PROJECT.replace("TRUSTED", json.dumps(list(trusted))) + more, encoding="utf-8")
    return path


def hunted(project: Path) -> tuple[Any, LeakHunt]:
    loaded = load_project(project)
    return hunt_leaks(loaded, load_tables(loaded))


def test_a_column_that_tells_the_outcome_is_left_out_under_the_projects_own_name(tmp_path: Path) -> None:
    project, hunt = hunted(flat(tmp_path))

    assert [each.column for each in hunt.left_out] == ["Tag of the desk"]
    assert project.attributes.barred == ("tag",)
    (said,) = hunt.words()
    assert said.startswith("Left out by the leak hunt: Tag of the desk (")
    assert said.endswith('vouch for it: attributes.trusted = ["Tag of the desk"].')


@pytest.mark.parametrize("name", ["tag", "Tag of the desk"])
def test_what_the_project_vouches_for_is_used_and_said(name: str, tmp_path: Path) -> None:
    project, hunt = hunted(flat(tmp_path, (name,)))

    assert [each.column for each in hunt.trusted] == ["Tag of the desk"]
    assert project.attributes.barred == ()
    assert hunt.words()[0].startswith("Used on your word, though it looks like a leak: Tag of the desk (")


def test_a_waiver_is_the_projects_word_too(crm: Crm, tmp_path: Path) -> None:
    path = crm.written(tmp_path / "lead-scoring.toml", whole=True)
    loaded = load_project(path)
    waived = loaded.attributes.model_copy(update={"waived": ("lead_status",)})

    _, hunt = hunt_leaks(loaded.model_copy(update={"attributes": waived}), load_tables(loaded))

    assert [each.column for each in hunt.trusted] == ["lead_status"]
    assert hunt.left_out == ()


def test_a_column_is_not_vouched_for_by_an_event_of_its_name(tmp_path: Path) -> None:
    project = flat(tmp_path, more='\n[events]\ntrusted = ["tag"]\n[events.types.tag]\nstage = "decision"\n')

    _, hunt = hunted(project)

    assert [each.column for each in hunt.left_out] == ["Tag of the desk"]
    assert hunt.trusted == ()


@pytest.mark.parametrize(
    ("name", "cure"), [("demo_requst", "Did you mean 'demo_request'"), ("xyz", "There are: ")]
)
def test_a_trusted_event_type_that_is_not_there_is_refused(crm: Crm, name: str, cure: str) -> None:
    loaded = load_project(crm.whole / "lead-scoring.toml")
    events = loaded.events.model_copy(update={"trusted": ("demo_request", name)})

    with pytest.raises(
        InputError, match=rf"1 of 2 names in events\.trusted .* the first is '{name}'\. {cure}"
    ):
        hunt_leaks(loaded.model_copy(update={"events": events}), load_tables(loaded))


def test_a_column_of_the_projects_own_points_table_is_named_and_kept(tmp_path: Path) -> None:
    project, hunt = hunted(flat(tmp_path, more=RULE))

    assert [each.column for each in hunt.in_points] == ["Tag of the desk"]
    assert project.attributes.barred == ()
    assert hunt.words()[0].startswith("Your points table reads Tag of the desk, which looks like a leak (")


def test_a_column_that_tells_nothing_is_left_alone(tmp_path: Path) -> None:
    project, hunt = hunted(flat(tmp_path, told=0.0))

    assert hunt == LeakHunt()
    assert project.attributes.barred == ()


def test_training_uses_no_leak_says_so_and_notes_it_in_the_bundle(tmp_path: Path) -> None:
    run = run_command("train", "-p", flat(tmp_path), "--json")

    bundle = Path(run.json["bundle"])
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    sources = {each["source"] for each in json.loads((bundle / "catalogue.json").read_text(encoding="utf-8"))}
    assert run.code == 0
    assert run.json["auc"] < 0.85
    assert any(words.startswith("Left out by the leak hunt: Tag of the desk") for words in run.json["words"])
    assert [each["column"] for each in manifest["leak_hunt"]["left_out"]] == ["Tag of the desk"]
    assert manifest["sources"]["attributes"]["barred"] == ["tag"]
    assert sources == {"size", "colour"}


def test_an_event_type_that_is_the_outcome_is_left_out(crm: Crm, tmp_path: Path) -> None:
    outcomes = pd.read_csv(crm.whole / "outcomes.csv", dtype=str)
    events = pd.read_csv(crm.whole / "events.csv", dtype=str)
    closing = outcomes[["lead_id", "occurred_at"]].assign(event_type="contract_sent")
    project = crm.written(tmp_path / "lead-scoring.toml", whole=True)
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("leads", "outcomes", "accounts", "field_changes"):
        (folder / f"{name}.csv").symlink_to(crm.whole / f"{name}.csv")
    pd.concat([events, closing]).to_csv(folder / "events.csv", index=False)
    loaded = load_project(project, folder)

    found, hunt = hunt_leaks(loaded, load_tables(loaded))

    assert [each.column for each in hunt.left_out] == ["contract_sent"]
    assert found.events.barred == ("contract_sent",)
    assert 'events.trusted = ["contract_sent"]' in hunt.words()[0]
    named = replace(hunt.left_out[0], grade="look", evidence="it is.")
    assert LeakHunt(to_ask=(named,)).words() == ("Ask what writes the event contract_sent, and when: it is.",)


def test_fields_read_from_the_log_as_of_each_moment_are_left_alone(crm: Crm) -> None:
    loaded = load_project(crm.whole / "lead-scoring.toml")

    _, hunt = hunt_leaks(loaded, load_tables(loaded))

    assert hunt.left_out == ()
