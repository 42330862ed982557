"""Half-lives learned from a world that has them, told in words, and kept where they are not asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ways import memory_world
from features.durations import MICROSECONDS
from features.errors import InputError
from features.half_lives import group_of
from features.hindsight import known_before
from models.half_lives import GroupHalfLife
from models.split import slices_of
from pipeline.config import Project, load_project
from pipeline.half_lives import (
    half_life_table,
    half_life_words,
    half_lives_record,
    refuse_unknown_groups,
    with_half_lives,
)
from pipeline.simulate.memory import make_memory_law
from pipeline.simulate.settings import WorldSettings
from pipeline.tables.load import load_tables
from tests.pipeline.conftest import Crm

DAY = MICROSECONDS["d"]
FOUND = (
    GroupHalfLife("e-mail", ("click", "open"), 3 * DAY, DAY * 3 // 2, 4 * DAY, is_told=True),
    GroupHalfLife("fair", ("trade_fair",), 16 * DAY, DAY * 3 // 2, 96 * DAY, is_told=False),
)


@pytest.mark.slow
def test_the_true_half_lives_are_found_and_later_data_teach_nothing(tmp_path: Path) -> None:
    project, dataset = memory_world(tmp_path, 7_000, 1)
    truth = make_memory_law(WorldSettings(n_leads=1, on=("memory",))).groups
    development = slices_of(dataset.timeline, project.split).development

    found = with_half_lives(project, dataset, lambda _: None)

    by_group = {each.group: each for each in found.half_lives}
    for name, law in truth.items():
        each, days = by_group[name], law.half_life_days
        assert max(each.best, days * DAY) / min(each.best, days * DAY) <= 1.5, (
            name,
            each,
        )  # one step of the grid
        assert each.low <= days * DAY <= each.high, (name, each)
        assert found.sources.features.half_lives_by_group[name] == each.best

    # outcomes of the test, turned round, are not looked at
    later = np.setdiff1d(np.arange(len(dataset.y)), development)
    y = dataset.y.copy()
    y[later] = 1.0 - y[later]
    again = with_half_lives(project, replace(dataset, y=y), lambda _: None)
    assert again.half_lives == found.half_lives


def test_too_few_conversions_leave_the_usual_half_lives_and_say_so(tmp_path: Path) -> None:
    project, dataset = memory_world(tmp_path, 300, 1)
    said: list[str] = []

    found = with_half_lives(project, dataset, said.append)

    assert found is dataset
    assert "too few conversions to learn half-lives" in said[0]


def test_a_group_given_by_hand_stays_as_given_and_only_the_others_are_learned(tmp_path: Path) -> None:
    project, dataset = memory_world(tmp_path, 1_500, 1)
    given = {"web": 10 * DAY}
    features = project.features.model_copy(
        update={"half_lives_by_group": given, "half_life_grid": (8 * DAY, 12 * DAY, 16 * DAY)}
    )
    own = replace(dataset, sources=replace(dataset.sources, features=features))

    found = with_half_lives(project.model_copy(update={"features": features}), own, lambda _: None)

    assert found.sources.features.half_lives_by_group["web"] == 10 * DAY
    assert "web" not in {each.group for each in found.half_lives}
    assert {"email", "sales"} <= {each.group for each in found.half_lives}


def with_half_lives_of(project: Project, *groups: str) -> Project:
    """The project with half-lives of these groups."""
    features = project.features.model_copy(update={"half_lives_by_group": dict.fromkeys(groups, 3 * DAY)})
    return project.model_copy(update={"features": features})


def test_a_half_life_of_a_group_that_no_event_type_has_is_refused_with_those_there_are(crm: Crm) -> None:
    project = load_project(crm.whole / "lead-scoring.toml")
    tables = load_tables(project)
    there = {group_of(str(kind), project.events) for kind in tables.events["event_type"].unique()}
    given = {**dict.fromkeys(sorted(there), 3 * DAY), "campfire": 3 * DAY}
    features = project.features.model_copy(update={"half_lives_by_group": given})

    with pytest.raises(InputError, match=rf"1 of {len(given)} names .* the first is 'campfire'. There are: "):
        refuse_unknown_groups(project.model_copy(update={"features": features}), tables)

    with pytest.raises(
        InputError, match="no group of this project's event types; the first is 'person_joined'"
    ):
        refuse_unknown_groups(with_half_lives_of(project, "person_joined"), tables)
    target = project.target.model_copy(update={"entity": "account"})
    of_accounts = with_half_lives_of(project, "person_joined", "stage: opened", "won")
    refuse_unknown_groups(of_accounts.model_copy(update={"target": target}), tables)

    del given["campfire"]
    refuse_unknown_groups(project.model_copy(update={"features": features}), tables)


def test_nothing_is_learned_where_it_is_not_asked_for(tmp_path: Path) -> None:
    project, dataset = memory_world(tmp_path, 300, 1)
    plain = project.model_copy(
        update={"features": project.features.model_copy(update={"learn_half_lives": False})}
    )

    assert with_half_lives(plain, dataset, pytest.fail) is dataset


def test_the_words_name_each_half_life_with_its_interval_and_what_is_not_told() -> None:
    assert half_life_words(FOUND) == (
        "Half-lives learned from development: e-mail: half-life 3 days (1.5 to 4 days).",
        "The data tell no half-life of fair: the usual ones stay.",
    )
    assert half_life_words(()) == ()


def test_the_report_and_the_record_say_the_same() -> None:
    table = half_life_table(FOUND)

    assert table is not None
    assert [row.cells for row in table.rows] == [
        ("e-mail", "3 days", "1.5 to 4 days", "click, open"),
        ("fair", "not told", "1.5 to 96 days", "trade fair"),
    ]
    assert half_lives_record(FOUND)["half_lives"] == {
        "e-mail": {"half_life": "3d", "interval": ["36h", "4d"]},
        "fair": {"half_life": None, "interval": ["36h", "96d"]},
    }
    assert half_life_table(()) is None
    assert half_lives_record(()) == {}


def test_without_events_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    project, dataset = memory_world(tmp_path, 300, 1)
    silent = replace(dataset, y=np.ones_like(dataset.y), data=known_before(dataset.data, 0))

    found = with_half_lives(project, silent, lambda _: None)

    assert found.half_lives == ()
