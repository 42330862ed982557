"""Personas: rules that are met, clusters that are found again, names that stay."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from features.catalogue import Catalogue, Feature
from features.profile import SHARE_MET
from features.settings import AttributeGroup, AttributeSettings
from models.persona_rules import PersonaCondition, PersonaRule, PersonaSettings, refuse_stray_personas
from models.personas import Personas, learn_personas, matched_names

SOURCES, JOBS = ("ads", "event", "partner"), ("finance", "it", "sales")
CATALOGUE = Catalogue((
    Feature("explicit", "lead_source", "category", unit="category", group="s", words="lead source", levels=SOURCES),
    Feature("explicit", "job", "category", unit="category", group="j", words="department", levels=JOBS,
            spelling=("Finance", "IT", "Sales")),
    Feature("explicit", "noise", "value", unit="number", group="n", words="noise"),
    Feature("implicit", "type:trial", "count", 90, "count", 0, "type:trial", "trials started"),
))  # fmt: skip


def planted(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three kinds of leads, seen in source, department and trials, four in five times each."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    source, job = (
        np.where(rng.random(n) < 0.8, kind, rng.integers(0, 3, n)).astype(np.float64) for _ in range(2)
    )
    source[rng.random(n) < 0.1] = np.nan
    trials = rng.poisson(np.array([0.2, 3.0, 0.2])[kind]).astype(np.float64)
    return np.column_stack([source, job, rng.lognormal(3, 2, n), trials]), kind


def learned(X: np.ndarray, sizes: tuple[int, ...] = (3,), **more: Any) -> Personas:
    found = learn_personas(X, CATALOGUE, sizes, **more)
    assert found is not None
    return found


def test_planted_kinds_are_found_on_rows_that_were_not_learned_from() -> None:
    from sklearn.metrics import adjusted_rand_score

    X, _ = planted(2000, seed=1)
    there, kind = planted(2000, seed=2)

    code = learned(X, attributes=("lead_source", "job")).assigned(there, CATALOGUE)

    # knowing source, job and trials perfectly gives about .7; chance gives 0 with a deviation of .001
    assert adjusted_rand_score(kind, code) > 0.5


def test_names_say_what_sets_a_persona_apart() -> None:
    names = learned(planted(2000, seed=1)[0], attributes=("lead_source", "job")).names

    assert len(set(names)) == 3
    assert any("department IT" in name and "many trials started" in name for name in names)


def test_a_feature_that_hardly_differs_is_no_part_of_a_name() -> None:
    rng = np.random.default_rng(6)
    job, source = rng.integers(0, 2, 2000).astype(np.float64), rng.integers(0, 3, 2000).astype(np.float64)
    X = np.column_stack([source, job, np.full(2000, np.nan), np.full(2000, np.nan)])
    columns = [
        c for c in learned(X, (2,), attributes=("lead_source", "job")).columns if c.feature.count("job")
    ]
    about = {words for column in columns for words in column.about}

    names = learned(X, (2,), attributes=("lead_source", "job")).names

    assert set(names) <= about


def test_of_the_ideal_profile_only_the_share_met_is_an_axis_and_activity_is_much_or_little() -> None:
    X, _ = planted(1000, seed=1)
    profile = (replace(SHARE_MET, op=op) for op in ("share_met", "rules_met", "rules_unknown"))
    rule = replace(SHARE_MET, source="job", op="profile0", unit="flag", words="department")
    phone = Feature("implicit", "channel:phone", "count", 90, "count", 0, "channel:phone", "phone activity")
    catalogue = Catalogue((*profile, rule, phone))
    share = X[:, 1] / 2.0

    found = learn_personas(np.column_stack([share, share, 2.0 - X[:, 1], share, X[:, 3]]), catalogue, (3,))

    assert found is not None
    assert [each.about for each in found.columns] == [
        ("high ideal customer profile", "low ideal customer profile"),
        ("much phone activity", "little phone activity"),
    ]


def test_the_clearest_size_of_a_range_is_taken() -> None:
    rng = np.random.default_rng(3)
    kind = rng.integers(0, 3, 600)
    X = np.full((600, 4), np.nan)
    X[:, 2], X[:, 3] = (
        np.expm1(np.array([1.0, 5.0, 9.0])[kind] + rng.normal(0, 0.2, 600)),
        np.array([0, 40, 0])[kind],
    )

    assert len(learned(X, (2, 3, 4, 5)).names) == 3


def test_a_second_run_and_another_order_of_reading_give_the_same_file() -> None:
    X, _ = planted(1000, seed=4)

    first = learned(X)

    assert first.to_text() == learned(X).to_text()
    again = Personas.from_json(json.loads(first.to_text()))
    assert again.to_text() == first.to_text()
    assert (again.assigned(X, CATALOGUE) == first.assigned(X, CATALOGUE)).all()


def test_one_row_is_the_persona_it_is_among_a_thousand() -> None:
    X, _ = planted(1000, seed=4)
    found = learned(X)

    alone = [int(found.assigned(X[row : row + 1], CATALOGUE)[0]) for row in range(30)]

    assert alone == found.assigned(X, CATALOGUE)[:30].tolist()


def test_personas_keep_their_names_when_learned_again_on_other_leads() -> None:
    former = learned(planted(2000, seed=1)[0], attributes=("lead_source", "job"))
    former = replace(former, names=("one", "two", "three"))

    again = learned(planted(2000, seed=9)[0], attributes=("lead_source", "job"), former=former)

    assert set(again.names) == {"one", "two", "three"}
    X, _ = planted(500, seed=5)
    before = np.array(former.names)[former.assigned(X, CATALOGUE)]
    after = np.array(again.names)[again.assigned(X, CATALOGUE)]
    assert (before == after).mean() > 0.9


def test_a_persona_that_moved_far_gets_a_name_of_its_own() -> None:
    found = learned(planted(2000, seed=1)[0], attributes=("lead_source", "job"))
    moved = found.centres.copy()
    moved[0] += 50.0 * np.array([c.scale for c in found.columns])

    names = matched_names(found, replace(found, centres=moved, names=("gone", "two", "three")))

    assert names[0] == found.names[0]
    assert names[1:] == ("two", "three")


def test_rows_that_do_not_differ_have_no_personas() -> None:
    assert learn_personas(np.ones((100, 4)), CATALOGUE, (3,)) is None


def test_the_axes_of_a_bundle_with_other_levels_still_mean_the_same() -> None:
    X, _ = planted(1000, seed=4)
    found = learned(X)
    turned = Catalogue(
        (replace(CATALOGUE.features[0], levels=("ads", "chat", "event", "partner")), *CATALOGUE.features[1:])
    )
    other = X.copy()
    other[:, 0] = np.where(X[:, 0] >= 1, X[:, 0] + 1, X[:, 0])

    assert (found.assigned(other, turned) == found.assigned(X, CATALOGUE)).all()


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"attribute": "a", "event": "b"}, "either an attribute or an event"),
        ({"attribute": "a"}, "needs either values, or at_least or at_most"),
        ({"attribute": "a", "values": ["x"], "window": "7d"}, "only events have one"),
        ({"event": "a", "values": ["x"]}, "use at_least or at_most"),
    ],
)
def test_a_condition_that_says_two_things_is_refused(condition: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PersonaCondition.model_validate(condition)


def test_a_range_that_falls_and_a_single_persona_are_refused() -> None:
    with pytest.raises(ValidationError, match="must rise"):
        PersonaSettings.model_validate({"learn": [5, 2]})
    with pytest.raises(ValidationError, match="every lead into one persona"):
        PersonaSettings.model_validate({"learn": 1})


def test_rules_on_attributes_that_nobody_declared_are_refused_with_the_nearest() -> None:
    rule = PersonaRule(name="x", when=(PersonaCondition(attribute="sorce", values=("a",)),))
    attributes = AttributeSettings(at_creation=AttributeGroup(category=("source",)))

    with pytest.raises(ValueError, match="'sorce' is no declared attribute; did you mean 'source'"):
        refuse_stray_personas(PersonaSettings(rules=(rule,)), attributes, is_static=False)


def test_a_flat_export_has_no_events_to_ask_for() -> None:
    rule = PersonaRule(name="x", when=(PersonaCondition(event="trial"),))

    with pytest.raises(ValueError, match="a flat export has no events"):
        refuse_stray_personas(PersonaSettings(rules=(rule,)), AttributeSettings(), is_static=True)
