"""The ideal customer profile: points met, not met and unknown, told apart at every moment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.builder import build_features
from features.catalogue import Catalogue
from features.contracts import Tables
from features.errors import ConfigError
from features.fit_settings import FitSettings, ProfileRule
from features.prepare import FeatureSources, prepare
from features.profile import describe_profile, resolve_profile
from features.settings import (
    AttributeGroup,
    AttributeSettings,
    EventSettings,
    FeatureSettings,
    TargetSettings,
)

START = pd.Timestamp("2025-01-01", tz="UTC")
ATTRIBUTES = AttributeSettings(
    at_creation=AttributeGroup(category=("industry",), company_size=("employees",), job_title=("job_title",)),
    history=AttributeGroup(category=("plan",)),
    current=AttributeGroup(boolean=("is_partner",)),
)
RULES = (
    ProfileRule(attribute="industry", values=("Software", "manufacturing"), weight=2),
    ProfileRule(attribute="employees", at_least=50, at_most=1000),
    ProfileRule(attribute="job_title.seniority", at_least="director"),
)
SOURCES = FeatureSources(
    ATTRIBUTES, EventSettings(), FeatureSettings(), TargetSettings(), is_static=False, profile=RULES
)


def profile_of(
    tables: Tables, open_at: Any, rules: tuple[ProfileRule, ...] = RULES, day: float = 10.0
) -> dict[str, list[float]]:
    sources = replace(SOURCES, profile=rules)
    catalogue = Catalogue(tuple(describe_profile(sources)))
    X = build_features(prepare(tables, sources), open_at(tables, day), catalogue, sources)
    return {name.removeprefix("explicit__"): X[:, k].tolist() for k, name in enumerate(catalogue.names)}


def one(make: Any, **attributes: Any) -> Tables:
    plain = {"industry": None, "employees": None, "job_title": None}
    found: Tables = make([{"lead_id": "L", "created_at": START, **plain, **attributes}])
    return found


def test_a_lead_that_meets_two_of_three_points_has_their_share_of_the_weight(
    make_tables: Any, open_at: Any
) -> None:
    tables = one(make_tables, industry=" software ", employees="50-99", job_title="Buyer")

    found = profile_of(tables, open_at)

    assert found["profile__share_met"] == [0.75]
    assert found["profile__rules_met"] == [2.0]
    assert found["profile__rules_unknown"] == [0.0]
    assert found["industry__profile0"] == [1.0]
    assert found["job_title.seniority__profile2"] == [0.0]


def test_a_missing_value_is_unknown_and_not_unmet(make_tables: Any, open_at: Any) -> None:
    found = profile_of(one(make_tables, industry="retail"), open_at)

    assert found["industry__profile0"] == [0.0]
    assert np.isnan(found["employees__profile1"]).all()
    assert found["profile__rules_unknown"] == [2.0]
    assert found["profile__share_met"] == [0.0]


def test_a_lead_of_which_nothing_is_known_has_no_share(make_tables: Any, open_at: Any) -> None:
    found = profile_of(one(make_tables, employees="many"), open_at)

    assert np.isnan(found["profile__share_met"]).all()
    assert found["profile__rules_met"] == [0.0]


@pytest.mark.parametrize(
    ("employees", "is_met"), [("49", 0.0), ("50", 1.0), ("1,000+", 1.0), ("1001", 0.0), ("under 50", 0.0)]
)
def test_both_bounds_belong_to_the_profile(
    make_tables: Any, open_at: Any, employees: str, is_met: float
) -> None:
    assert profile_of(one(make_tables, employees=employees), open_at)["employees__profile1"] == [is_met]


@pytest.mark.parametrize(("day", "is_met"), [(5.0, 0.0), (5.001, 1.0), (9.0, 1.0)])
def test_a_field_with_history_is_read_as_it_was_strictly_before_as_of(
    make_tables: Any, open_at: Any, day: float, is_met: float
) -> None:
    lead = {"lead_id": "L", "created_at": START, "industry": None, "employees": None, "job_title": None}
    changes = [
        {"lead_id": "L", "changed_at": START + pd.Timedelta(days=k), "field": "plan", "new_value": value}
        for k, value in ((1, "free"), (5, "team"))
    ]
    rules = (ProfileRule(attribute="plan", values=("team",)),)

    found = profile_of(make_tables([lead], changes=changes), open_at, rules, day)

    assert found["plan__profile0"] == [is_met]


def test_one_lead_alone_has_the_bits_of_the_batch(random_tables: Any, sources: Any, open_at: Any) -> None:
    tables = random_tables(5)
    weights = (0.1, 0.7, 3.3, 0.2, 0.3, 1.1, 0.6, 0.9, 2.7)
    rules = (
        *(ProfileRule(attribute="source", values=("web",), weight=weight) for weight in weights),
        ProfileRule(attribute="job_title.role", values=("c-level",), weight=0.1),
    )
    many = replace(sources, profile=rules)
    data, rows, catalogue = (
        prepare(tables, many),
        open_at(tables, 90.0),
        Catalogue(tuple(describe_profile(many))),
    )

    together = build_features(data, rows, catalogue, many)
    alone = [build_features(data, rows.take(np.array([k])), catalogue, many) for k in range(len(rows))]

    assert together.tobytes() == np.vstack(alone).tobytes()


def test_a_profile_without_rules_makes_no_feature() -> None:
    assert describe_profile(replace(SOURCES, profile=())) == []
    assert resolve_profile(FitSettings(), ATTRIBUTES) == resolve_profile(None, ATTRIBUTES) == ()


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("industri", r"1 of 1 rules of .fit. name attributes .* 'industri'. Did you mean 'industry'"),
        ("planet_of_birth", "Declare it, or leave the rule out"),
        ("job_title.senority", "'job_title.senority': after the dot .* did you mean 'seniority'"),
        (
            "employees.seniority",
            "1 of 1 rules of .fit. can't be read.*'employees' is declared as company_size",
        ),
    ],
)
def test_an_unknown_attribute_or_reader_is_refused_with_the_nearest_name(attribute: str, said: str) -> None:
    settings = FitSettings(rules=(ProfileRule(attribute=attribute, values=("x",)),))

    with pytest.raises(ConfigError, match=said):
        resolve_profile(settings, ATTRIBUTES)


def test_a_rule_on_a_barred_column_is_refused() -> None:
    barred = ATTRIBUTES.model_copy(update={"barred": ("industry",)})

    with pytest.raises(ConfigError, match="It is barred"):
        resolve_profile(FitSettings(rules=RULES), barred)


def test_a_rule_on_todays_value_is_refused_where_the_past_is_rebuilt() -> None:
    rules = (ProfileRule(attribute="is_partner", values=("yes",)),)

    with pytest.raises(ConfigError, match=r"1 rules of .fit. would read today's value .* 'is_partner'"):
        describe_profile(replace(SOURCES, profile=rules))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "needs either values, or at_least and at_most"),
        ({"values": ["x"], "at_least": 3}, "needs either values, or at_least and at_most"),
        ({"at_least": 9, "at_most": 3}, "at_least must not lie above at_most; got 9.0 and 3.0"),
        ({"at_least": "fifty"}, "'fifty' is no number"),
        ({"values": ["x"], "weight": 0}, "greater than 0"),
    ],
)
def test_a_rule_that_says_nothing_clear_is_refused(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ProfileRule.model_validate({"attribute": "employees", **rule})


@pytest.mark.parametrize(("bound", "said"), [("directer", "did you mean 'director'"), (5, "no seniority")])
def test_the_bounds_of_a_seniority_are_its_names(bound: str | int, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ProfileRule.model_validate({"attribute": "job_title.seniority", "at_most": bound})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('[fit]\nrules = [{ attribute = "industri", values = ["x"] }]\n', "Did you mean 'industry'"),
        ('[fit]\nrules = [{ atribute = "industry", values = ["x"] }]\n', "Did you mean 'attribute'"),
        ('[features]\nhalf_lives_by_group = { decisoin = "3d" }\n', "did you mean 'decision'"),
    ],
)
def test_a_slip_in_the_project_file_is_named_before_any_work(tmp_path: Any, section: str, said: str) -> None:
    from pipeline.config import load_project

    path = tmp_path / "lead-scoring.toml"
    path.write_text(
        'data.leads.path = "l.csv"\ndata.outcomes.path = "o.csv"\n'
        'attributes.at_creation.category = ["industry"]\nevents.types.demo.stage = "decision"\n' + section
    )

    with pytest.raises(ConfigError, match=said):
        load_project(path)
