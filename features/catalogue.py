"""The feature catalogue: one entry a feature, enough to rebuild its column and to word its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from features.durations import format_duration
from features.settings import Family

__all__ = ["Catalogue", "Feature", "Unit"]

Unit = Literal[
    "category", "flag", "level", "number", "count", "days", "per day", "intensity", "log ratio", "points"
]


@dataclass(frozen=True)
class Feature:
    """One column of the feature matrix.

    Attributes
    ----------
    family : explicit, implicit, recency, account or points.
    source : attribute, event type, stage or channel it is made of; "any" for all events.
    op : what is computed; the builder of the family knows it.
    span : window or half-life in microseconds, 0 where there is none.
    unit : what the number means; "category" columns hold the index into `levels`.
    monotone : +1 or -1 where the business knows the direction, else 0.
    group : reason group; all windows of one activity share it.
    words : what sales calls the source.
    levels : vocabulary of a category, in order; the index after the last stands for every other value.
    spelling : how each level is mostly written in the export; empty where levels are read, not given.
    """

    family: Family | Literal["points"]
    source: str
    op: str
    span: int = 0
    unit: Unit = "number"
    monotone: int = 0
    group: str = ""
    words: str = ""
    levels: tuple[str, ...] = field(default=())
    spelling: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """Says how to rebuild the column: `implicit__pricing_view__count__30d`."""
        parts = [self.family, self.source, self.op]
        return "__".join([*parts, format_duration(self.span)] if self.span else parts)

    @property
    def is_category(self) -> bool:
        """Whether the column holds indices into `levels`."""
        return self.unit == "category"


@dataclass(frozen=True)
class Catalogue:
    """The features of a model, in the order of the columns."""

    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"features listed twice: {', '.join(twice)}")

    def __len__(self) -> int:
        return len(self.features)

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [feature.name for feature in self.features]

    def columns(self, families: Iterable[str]) -> NDArray[np.int64]:
        """Positions of the features of the named families."""
        wanted = set(families)
        return np.array([i for i, each in enumerate(self.features) if each.family in wanted], dtype=np.int64)

    def groups(self) -> tuple[list[str], NDArray[np.int64]]:
        """Reason groups in order of first appearance, and each feature's position among them."""
        names: list[str] = []
        place: dict[str, int] = {}
        for feature in self.features:
            if feature.group not in place:
                place[feature.group] = len(names)
                names.append(feature.group)
        return names, np.array([place[feature.group] for feature in self.features], dtype=np.int64)

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values for catalogue.json, names included for the reader."""
        return [{"name": feature.name, **asdict(feature)} for feature in self.features]

    @classmethod
    def from_json(cls, entries: Sequence[dict[str, Any]]) -> Catalogue:
        """The catalogue that `to_json` wrote."""
        return cls(
            tuple(
                Feature(
                    **{k: v for k, v in each.items() if k not in {"name", "levels", "spelling"}},
                    levels=tuple(each["levels"]),
                    spelling=tuple(each.get("spelling", ())),  # bundles from before it was kept have none
                )
                for each in entries
            )
        )
