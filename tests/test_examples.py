"""The project files of the examples can be read, and the German one reads German throughout."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.config import Project, load_project
from tests.conftest import real_data

EXAMPLES = Path(__file__).parents[1] / "examples"
PROJECTS = sorted(path.name for path in EXAMPLES.glob("*.toml") if not path.name.startswith("wording."))


@pytest.fixture(scope="module")
def german() -> Project:
    return load_project(EXAMPLES / "bpic2012_de.toml")


@pytest.mark.parametrize("name", PROJECTS)
def test_every_example_is_a_valid_project_named_like_its_file(name: str) -> None:
    assert load_project(EXAMPLES / name).name == Path(name).stem


def test_the_german_example_differs_in_wording_only(german: Project) -> None:
    english = load_project(EXAMPLES / "bpic2012.toml")
    said = {"name", "wording", "features"}

    assert german.model_dump(exclude=said) == english.model_dump(exclude=said)
    assert german.features.model_dump(exclude={"words"}) == english.features.model_dump(exclude={"words"})


def test_what_stands_in_the_german_example_wins_over_the_file_it_names(german: Project) -> None:
    assert german.phrases.language == "de"
    assert german.phrases.text("reason.rest") == "Alle übrigen Angaben"
    assert german.phrases.text("reason.limit") == "Grenze der Skala (0 bis 100)"


def test_every_attribute_and_event_of_the_german_example_has_german_words(german: Project) -> None:
    folder = real_data("bpic2012")
    types = pd.read_csv(folder / "events.csv.gz", usecols=["event_type"])["event_type"].unique()
    used = set(types) - set(german.target.outcome_events)

    nameless = (used | set(german.attributes.kinds())) - set(german.words)

    assert nameless == set()
