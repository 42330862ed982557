"""What the report says of declarations: the customer profile point by point, the funnel stages, the half-lives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.builder import build_features
from features.catalogue import Catalogue
from features.funnel import NO_STAGE, funnel_readings, has_stages
from features.implicit import STAGES
from features.profile import describe_profile
from models.intervals import Interval
from models.slices import share_interval
from pipeline.half_lives import half_life_table
from pipeline.record import TrainingRecord
from pipeline.report_figures import Row, Table, cell

__all__ = ["declared_tables"]

Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
_NOTE = "All mature rows. Below each share: its 95 % interval, clustered by account, else lead."


def declared_tables(record: TrainingRecord) -> list[Table]:
    """One table for each declaration that the project file switches on."""
    found = (_profile_table(record), _funnel_table(record), half_life_table(record.dataset.half_lives))
    return [each for each in found if each is not None]


def _profile_table(record: TrainingRecord) -> Table | None:
    """Each point of the profile: how many rows meet it, and what share of those, and of others, converted."""
    dataset = record.dataset
    if not dataset.sources.profile:
        return None
    flags = [each for each in describe_profile(dataset.sources) if each.unit == "flag"]
    X = build_features(dataset.data, dataset.rows, Catalogue(tuple(flags)), dataset.sources)
    rows = [
        Row((
            feature.words,
            *(f"{int(each.sum()):,}" for each in _three(X[:, number])),
            *(cell(_came(record, each), "%") for each in _three(X[:, number])[:2]),
        ))
        for number, feature in enumerate(flags)
    ]  # fmt: skip
    head = ("Point", "Rows that meet it", "that do not", "unknown", "Converted if met", "if not")
    return Table("The ideal customer profile, point by point", head, tuple(rows), note=_NOTE)


def _three(flag: Float64) -> tuple[Bools, Bools, Bools]:
    return flag == 1, flag == 0, np.isnan(flag)


def _funnel_table(record: TrainingRecord) -> Table | None:
    """Rows by the deepest stage with activity in the window, where the funnel is switched on."""
    dataset = record.dataset
    sources = dataset.sources
    if not sources.features.funnel or not has_stages(sources) or sources.is_static:
        return None
    depth = funnel_readings(sources)[0]
    level = build_features(dataset.data, dataset.rows, Catalogue((depth,)), sources)[:, 0]
    rows = [
        Row((name, f"{int((level == place).sum()):,}", cell(_came(record, level == place), "%")))
        for place, name in enumerate((NO_STAGE, *STAGES))
        if (level == place).any()
    ]
    return Table("By funnel stage", ("Deepest stage", "Rows", "Converted"), tuple(rows), note=_NOTE)


def _came(record: TrainingRecord, chosen: Bools) -> Interval:
    return share_interval(record.dataset.y[chosen], record.dataset.timeline.cluster[chosen])
