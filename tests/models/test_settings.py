"""Settings of the models: what can't work is refused before any work."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.settings import BandSettings, ModelSettings, Plan, SplitSettings, WordingSettings


def test_the_defaults_make_a_plan() -> None:
    plan = Plan()

    assert plan.split.test_share == 0.2
    assert (plan.bands.mql, plan.bands.sql) == (0.70, 0.90)
    assert plan.model.rungs == ("points", "logistic", "lightgbm", "blend")


@pytest.mark.parametrize("part", ["logistic", "lightgbm"])
def test_a_blend_without_one_of_its_parts_is_refused(part: str) -> None:
    with pytest.raises(ValidationError, match="'blend' needs 'logistic' and 'lightgbm'"):
        ModelSettings(rungs=(part, "blend"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"rungs": ()},
        {"rungs": ("forest",)},
        {"logistic_penalties": ()},
        {"logistic_penalties": (0.0,)},
        {"threads": 0},
        {"lightgbm": {"num_leaves": 1}},
        {"nonsense": 1},
    ],
)
def test_model_settings_that_can_not_work_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelSettings(**values)


@pytest.mark.parametrize("values", [{"test_share": 0.0}, {"test_share": 1.0}, {"folds": 0}])
def test_a_split_that_can_not_work_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SplitSettings(**values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mql": 0.9, "sql": 0.7}, "0 < mql < sql < 1"),
        ({"mql": 0.7, "sql": 0.7}, "0 < mql < sql < 1"),
        ({"method": "given", "mql": 0.2, "sql": 1.5}, "0 < mql < sql < 1"),
        ({"method": "capacity", "mql": 50, "sql": 200}, "sql .the few. must be less than mql"),
    ],
)
def test_lines_out_of_order_are_refused_with_what_was_got(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        BandSettings(**values)


def test_capacity_counts_leads_so_mql_is_the_larger_number() -> None:
    assert BandSettings(method="capacity", mql=200, sql=50).mql == 200


def test_settings_do_not_change_and_survive_json() -> None:
    plan = Plan(bands=BandSettings(further={"hot": 95.0}))

    again = Plan.model_validate(plan.model_dump(mode="json"))

    assert again == plan
    with pytest.raises(ValidationError, match="frozen"):
        plan.bands = BandSettings()


def test_phrases_are_written_with_dotted_keys_or_as_nested_tables() -> None:
    nested = {
        "reason": {"rest": "Übriges"},
        "people": {"known": {"none": "Niemand"}},
        "unit.day": ["Tag", "Tage"],
    }

    settings = WordingSettings(phrases=nested)  # type: ignore[arg-type]

    assert settings.phrases == {
        "reason.rest": "Übriges", "people.known.none": "Niemand", "unit.day": ("Tag", "Tage"),
    }  # fmt: skip
    assert WordingSettings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"plural": "n is 1"}, "'n is 1' is no plural expression"),
        ({"decimal": ","}, "decimal and thousands must differ; both are ','"),
        ({"decimal": "5"}, "decimal"),
        ({"language": "German"}, "language"),
        ({"phrases": {"reason": {"rest": 5}}}, "reason.rest: a text, or a list of texts, expected; got 5"),
        ({"phrases": {"unit.day": ["Tag", 5]}}, "unit.day: a text, or a list of texts, expected"),
        ({"phrases": ["x"]}, "valid dictionary"),
        (
            {"phrases": {"reason.rst": "x", "reason.limit": "", "reason.rest": "y"}},
            r"2 of 3 phrases can't be used:\n    reason.rst: .*\n    reason.limit: is empty",
        ),
        ({"plural": "n==1?0:n==2?1:2", "phrases": {"unit.day": ("a", "b")}}, "chooses from 3 forms; got 2"),
    ],
)
def test_wording_that_can_not_be_used_is_refused_with_all_its_faults(
    values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        WordingSettings(**values)
