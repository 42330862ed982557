"""Tables by hand and a points table as their model: every score can be told without a computer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.asof import open_examples
from features.builder import learn_catalogue
from features.contracts import Tables
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
from models.bands import POINTS_TABLE_ANCHORS
from models.bundle import Bundle
from models.calibration import IDENTITY
from models.classifier import LogisticRung, PointsRung
from models.encoding import Encoding
from models.grades import Grades
from models.scorer import Scorer
from models.settings import BandSettings
from pipeline.config import DataSettings, Project, TableSettings
from tests.features.conftest import tables_of

START = pd.Timestamp("2025-01-01", tz="UTC").as_unit("us")
SOURCES = FeatureSources(
    attributes=AttributeSettings(
        history=AttributeGroup(category=("stage",)),
        current=AttributeGroup(category=("owner",)),
        waived=("owner", "is_priority"),
        min_category_rows=1,
    ),
    events=EventSettings(types={"pricing_view": EventType(words="pricing page views")}, bot_events=4),
    features=FeatureSettings(words={"stage": "deal stage", "owner": "lead owner"}),
    target=TargetSettings(),
    is_static=False,
    points=(
        PointsRule.model_validate(
            {"event": "pricing_view", "points": 5, "per": "each", "most": 2, "window": "30d"}
        ),
        PointsRule(attribute="stage", values={"hot": 10}),
    ),
)


def day(number: float) -> pd.Timestamp:
    """A moment so many days after the start of 2025."""
    return START + pd.Timedelta(days=number).as_unit("us")


def microsecond(number: float) -> int:
    """The same in microseconds since 1970."""
    return int(day(number).value // 1000)


def event(lead: str, number: float, kind: str = "pricing_view", **more: Any) -> dict[str, Any]:
    """An event on a day."""
    return {"lead_id": lead, "occurred_at": day(number), "event_type": kind, **more}


def stage(lead: str, number: float, value: str) -> dict[str, Any]:
    """A change of the field stage on a day."""
    return {"lead_id": lead, "changed_at": day(number), "field": "stage", "new_value": value}


def crm_of(
    events: list[dict[str, Any]] | None = None,
    changes: list[dict[str, Any]] | None = None,
    outcomes: list[dict[str, Any]] | None = None,
    mates: list[dict[str, Any]] | None = None,
) -> Tables:
    """Lead L1 of account A, created on day 10; L9, a colleague, on day 1; L5 of nobody, on day 1."""
    leads = [
        {"lead_id": "L1", "created_at": day(10), "account_id": "A", "owner": "Kim"},
        {"lead_id": "L9", "created_at": day(1), "account_id": "A", "owner": "Kim"},
        {"lead_id": "L5", "created_at": day(1), "owner": "Kim"},
        *(mates or []),
    ]
    accounts = [{"account_id": "A", "is_priority": 1.0}]
    return tables_of(leads, events or [], outcomes or [], accounts, changes or [])


def table_bundle(
    tables: Tables, sources: FeatureSources = SOURCES, version: str = "table", at: float = 74
) -> Bundle:
    """The points table as a model: MQL at 20 points, all features of the leads open on a day beside it."""
    data = prepare(tables, sources)
    assert data.spells is not None
    catalogue = learn_catalogue(data, open_examples(data.spells, microsecond(at)), sources)
    rules = catalogue.columns(["points"])
    rung = PointsRung(rules, np.zeros(len(rules)), 0.0, 1.0, len(catalogue))
    cuts = (0.0, 0.0, 0.0)
    scorer = Scorer(
        rung, "points", catalogue, IDENTITY, POINTS_TABLE_ANCHORS, BandSettings(), Grades(cuts, cuts),
        table_lines=(20.0, None),
    )  # fmt: skip
    return Bundle(scorer, sources, {"model_version": version}, np.zeros((0, len(catalogue))), Path())


def model_bundle(
    tables: Tables, sources: FeatureSources = SOURCES, version: str = "model", at: float = 74
) -> Bundle:
    """A model that reads every feature and gives none of them any weight."""
    table = table_bundle(tables, sources, version, at)
    nothing = np.zeros(0, dtype=np.int64)
    weights = np.zeros(0)
    rung = LogisticRung(
        Encoding(nothing, nothing, (), weights, weights), weights, 0.0, len(table.scorer.catalogue)
    )
    return replace(table, scorer=replace(table.scorer, rung=rung, table_lines=None))


def project_of(**settings: Any) -> Project:
    """A project whose tables are given, not read."""
    tables = DataSettings(leads=TableSettings(path="leads.csv"), outcomes=TableSettings(path="outcomes.csv"))
    return Project(data=tables, **settings)
