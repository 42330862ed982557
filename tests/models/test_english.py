"""The table of phrases is whole, and so is its German counterpart in the examples."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from features.implicit import STAGES
from features.titles import DEPARTMENTS, EMAIL_KINDS, SENIORITIES
from models.english import ENGLISH
from models.language import phrase_faults, placeholders
from models.settings import WordingSettings

GERMAN = Path(__file__).parents[2] / "examples" / "wording.de.toml"


@pytest.fixture(scope="module")
def german() -> WordingSettings:
    return WordingSettings.model_validate(tomllib.loads(GERMAN.read_text(encoding="utf-8")))


def forms(phrase: str | tuple[str, ...]) -> tuple[str, ...]:
    return phrase if isinstance(phrase, tuple) else (phrase,)


def test_the_english_phrases_keep_their_own_rules() -> None:
    assert phrase_faults(ENGLISH, 2) == []


def test_no_key_is_the_beginning_of_another_so_that_tables_can_be_nested() -> None:
    clashes = [key for key in ENGLISH for other in ENGLISH if other.startswith(f"{key}.")]

    assert clashes == []


def test_every_level_and_stage_has_words() -> None:
    levels = {"seniority": SENIORITIES, "department": DEPARTMENTS, "email_kind": EMAIL_KINDS}
    wanted = {f"level.{kind}.{level}" for kind, names in levels.items() for level in names}

    assert wanted | {f"word.stage.{stage}" for stage in STAGES} <= set(ENGLISH)


def test_the_german_file_covers_every_phrase(german: WordingSettings) -> None:
    assert sorted(set(ENGLISH) - set(german.phrases)) == []


def test_the_german_phrases_say_all_that_the_english_ones_say(german: WordingSettings) -> None:
    lost = [
        key
        for key, phrase in german.phrases.items()
        if placeholders(forms(phrase)[-1]) != placeholders(forms(ENGLISH[key])[-1])
    ]

    assert lost == []
