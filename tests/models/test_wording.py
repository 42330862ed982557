"""Reasons in words that a sales person reads: true, without jargon, singular and plural right."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.asof import microseconds, open_examples
from features.builder import build_features, learn_catalogue
from features.catalogue import Catalogue
from features.contracts import TableName, Tables, empty_frame, empty_quarantine
from features.prepare import FeatureSources, prepare
from features.settings import (
    AttributeGroup,
    AttributeSettings,
    EventSettings,
    EventType,
    FeatureSettings,
    PointsRule,
    TargetSettings,
)
from models.wording import Wording

JARGON = re.compile(
    r"__|\bnan\b|\binf\b|type:|stage:|channel:|\||\(unknown\)|None|account_|is_priority|days_since|\d\.\d{4}|e\+\d"
)
WRONG_NUMBER = re.compile(
    r"\b1 (\w+ )?(days|hours|minutes|points|kinds|products|departments|people|purchases|leads)\b"
    r"|\b(?!1\b)[\d,]+ (\w+ )?(day|hour|minute|point|kind|product|department|person|purchase|lead)\b"
)


def frame(table: TableName, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows in the dtypes of the contract."""
    empty, made = empty_frame(table), pd.DataFrame(rows)
    for name in empty:
        made[name] = made[name].astype(empty[name].dtype) if name in made else empty[name].reindex(made.index)
    return made


@pytest.fixture(scope="module")
def crm() -> tuple[Catalogue, np.ndarray]:
    """Every family and kind of feature, and the rows of 40 leads."""
    rng = np.random.default_rng(1)
    start, day = pd.Timestamp("2025-01-01", tz="UTC"), pd.Timedelta(days=1)

    def one_of(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    leads = [
        {
            "lead_id": f"L{i:03d}", "created_at": start + day * float(rng.uniform(0, 60)),
            "account_id": one_of("A1", "A2", None), "lead_source": one_of("Web", "ads", None),
            "budget": one_of(np.nan, 100.0, 0.001, 1.5e6), "has_trial": one_of(0.0, 1.0, np.nan),
            "job_title": one_of("CEO", "IT Director", "Buyer", None), "email": one_of("x@gmail.com", "x@acme.io", None),
            "employees": one_of("50-99", "1,000+", None),
        }
        for i in range(40)
    ]  # fmt: skip
    events = [
        {
            "lead_id": f"L{rng.integers(40):03d}", "occurred_at": start + day * float(rng.uniform(30, 100)),
            "event_type": one_of("page_view", "unsubscribe", "demo_request", "Email|Opened"),
            "value": one_of(np.nan, 1.5), "channel": one_of("web", "e_mail"), "product": one_of("x", None),
        }
        for _ in range(300)
    ]  # fmt: skip
    outcomes = [
        {"lead_id": f"L{i:03d}", "occurred_at": start + day * 70, "outcome": one_of("won", "lost")}
        for i in range(0, 40, 4)
    ]
    accounts = [{"account_id": "A1", "is_priority": 1.0}, {"account_id": "A2", "is_priority": 0.0}]
    tables = Tables(
        frame("leads", leads), frame("events", events), frame("outcomes", outcomes), frame("accounts", accounts),
        empty_frame("field_changes"), empty_quarantine(), (), {"leads": 40}, start + day * 100, {},
    )  # fmt: skip
    group = AttributeGroup(
        category=("lead_source",), number=("budget",), boolean=("has_trial",), job_title=("job_title",),
        email=("email",), company_size=("employees",),
    )  # fmt: skip
    types = {
        "page_view": EventType(stage="awareness"), "unsubscribe": EventType(direction=-1),
        "demo_request": EventType(stage="decision", words="demo requests"),
    }  # fmt: skip
    rules = (
        PointsRule(event="demo_request", points=1),
        PointsRule(attribute="job_title.role", values={"c-level": 15}),
    )
    sources = FeatureSources(
        AttributeSettings(at_creation=group, min_category_rows=1, waived=("is_priority",)), EventSettings(types=types),
        FeatureSettings(), TargetSettings(), False, rules,
    )  # fmt: skip
    data = prepare(tables, sources)
    assert data.spells is not None
    rows = open_examples(data.spells, int(microseconds(start + day * 90)[0]))
    catalogue = learn_catalogue(data, rows, sources)
    return catalogue, build_features(data, rows, catalogue, sources)


def check_words(text: str) -> None:
    assert text == text.strip()
    assert text[:1] == text[:1].upper()
    assert 5 <= len(text) <= 120
    assert not JARGON.search(text), text
    assert not WRONG_NUMBER.search(text), text


def test_every_reason_of_every_lead_reads_without_jargon(crm: tuple[Catalogue, np.ndarray]) -> None:
    catalogue, X = crm
    words = Wording(catalogue)
    families = {feature.family for feature in catalogue.features}

    texts = {words.text(group, x) for x in X for group in range(len(words.names))}

    assert families == {"explicit", "implicit", "recency", "account", "points"}
    assert len(texts) > 150
    for text in texts:
        check_words(text)


@given(st.data())
def test_any_values_and_missing_ones_have_words(
    crm: tuple[Catalogue, np.ndarray], data: st.DataObject
) -> None:
    catalogue, _ = crm
    words = Wording(catalogue)
    value = st.sampled_from([0.0, 1.0, 2.0, 5.0, 0.3, 1.7, 1234.5, np.nan])
    x = np.array(data.draw(st.lists(value, min_size=len(catalogue), max_size=len(catalogue))))
    for i, feature in enumerate(catalogue.features):
        if feature.unit in {"count", "level", "flag", "category"}:
            x[i] = np.floor(x[i]) if np.isnan(x[i]) or x[i] < 8 else 1.0

    for group in range(len(words.names)):
        check_words(words.text(group, x))


def test_a_lead_reads_like_this(crm: tuple[Catalogue, np.ndarray]) -> None:
    catalogue, _ = crm
    words = Wording(catalogue)
    x = np.zeros(len(catalogue))
    wanted = {
        "explicit__lead_source__category": 2.0, "explicit__budget__value": 12_500.0,
        "explicit__job_title__seniority": 7.0, "explicit__job_title__department": 0.0,
        "explicit__email__email_kind": 2.0, "explicit__has_trial__value": 1.0, "explicit__employees__size": 50.0,
        "implicit__type:demo_request__count__7d": 0.0, "implicit__type:demo_request__count__30d": 2.0,
        "implicit__type:demo_request__count__90d": 3.0, "recency__type:demo_request__days_since": 12.4,
        "recency__type:page_view__days_since": 120.0, "recency__type:unsubscribe__days_since": np.nan,
        "implicit__any__breadth__90d": 1.0, "recency__any__silence": 0.5, "recency__lead__age": 45.9,
        "recency__any__last_type": 1.0, "account__people__known": 1.0, "account__won__count": 2.0,
        "account__is_priority__value": 1.0, "points__type:demo_request__rule0": 1.0,
    }  # fmt: skip
    for name, value in wanted.items():
        x[catalogue.names.index(name)] = value

    said = {name.removeprefix("attribute:"): words.text(group, x) for group, name in enumerate(words.names)}

    expected = {
        "lead_source": "Lead source: Web",
        "budget": "Budget: 12,500",
        "job_title:seniority": "Seniority: C-level",
        "job_title:department": "Department: IT",
        "email:email_kind": "E-mail address: free provider",
        "has_trial": "Has trial: yes",
        "type:demo_request": "Demo requests: 2 in the last 30 days, the latest 12 days ago",
        "type:page_view": "Page view: the latest 120 days ago",
        "type:unsubscribe": "Unsubscribe: none so far",
        "negative": "Warning signs: none in the last 90 days",
        "any": "Activity: none in the last 90 days",
        "breadth": "1 kind of activity in the last 90 days",
        "silence": "Active today",
        "age": "Open for 45 days",
        "last_type": "Latest activity: demo requests",
        "people": "1 other person known at the company",
        "account_won": "2 earlier purchases by the company",
        "priority": "On the priority list",
        "points:type:demo_request": "Demo requests: 1 point by the table",
    }
    assert {name: said[name] for name in expected} == expected
