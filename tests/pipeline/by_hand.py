"""A points table over a few events made by hand: scores that can be told in one's head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.catalogue import Catalogue
from features.contracts import Tables
from features.points import describe_points
from features.prepare import FeatureSources
from features.settings import (
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
from models.classifier import PointsRung
from models.grades import fit_grades
from models.scorer import Scorer
from models.settings import BandSettings
from pipeline.config import Project
from tests.features.conftest import tables_of

AS_OF = pd.Timestamp("2026-03-02T12:00Z").as_unit("us")
PROJECT = Project.model_validate(
    {"data": {"leads": {"path": "leads.csv"}, "outcomes": {"path": "outcomes.csv"}}}
)


def points_bundle(rules: dict[str, tuple[float, int]], horizon: str = "30d") -> Bundle:
    """A bare points table: (points, window in days) of each event type, MQL at 10, SQL at 20."""
    sources = FeatureSources(
        attributes=AttributeSettings(),
        events=EventSettings(types={"visit": EventType(words="visits"), "stop": EventType(direction=-1)}),
        features=FeatureSettings(),
        target=TargetSettings.model_validate({"horizon": horizon}),
        is_static=False,
        points=tuple(
            PointsRule.model_validate({"event": name, "points": points, "window": f"{window}d"})
            for name, (points, window) in rules.items()
        ),
    )
    catalogue = Catalogue(tuple(describe_points(sources)))
    n = len(catalogue)
    places = catalogue.columns(["points"])
    scorer = Scorer(
        PointsRung(places, np.zeros(len(places)), 0.0, 1.0, n), "points", catalogue, IDENTITY, POINTS_TABLE_ANCHORS,
        BandSettings(), fit_grades([0.0], [0.0]), table_lines=(10.0, 20.0),
    )  # fmt: skip
    return Bundle(scorer, sources, {"model_version": "by hand"}, np.zeros((0, n)), Path())


def events_before(lead: str, **days: float) -> list[dict[str, Any]]:
    """One event of each named type, so many days before AS_OF."""
    return [
        {"lead_id": lead, "event_type": name, "occurred_at": AS_OF - pd.Timedelta(days=ago)}
        for name, ago in days.items()
    ]


def world(events: list[dict[str, Any]]) -> Tables:
    """The events, with a lead "L" and every lead they name, all open since long ago."""
    names = sorted({"L", *(each["lead_id"] for each in events)})
    created = AS_OF - pd.Timedelta(days=400)
    return tables_of([{"lead_id": name, "created_at": created} for name in names], events)
