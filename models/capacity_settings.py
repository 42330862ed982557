"""Settings of bands by capacity: what sales can take a week, and the working cycle of two kinds of business."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from features.durations import MICROSECONDS, Duration
from features.settings import Settings
from models.capacity import BandRules

__all__ = ["PRESETS", "CapacitySettings"]

WEEK = MICROSECONDS["w"]
_DAY = MICROSECONDS["d"]

# b2b: a list a week, a lead sent back rests a month, a quarter is planned. b2c: a list a day, a week's rest, a month.
PRESETS: dict[str, dict[str, float]] = {
    "b2b": {"weeks": 26, "every": WEEK, "cool_down": 30 * _DAY, "hysteresis": 5.0, "ahead": 13},
    "b2c": {"weeks": 8, "every": _DAY, "cool_down": 7 * _DAY, "hysteresis": 3.0, "ahead": 4},
}


class CapacitySettings(Settings):
    """How many leads a week sales can take, and how entries into a band are counted.

    What is left out comes from the preset. `every`: time between cuts, a part of a week. `hysteresis`: points below
    the line at which a lead leaves the band. `cool_down`: rest after leaving, before a lead can enter again. `weeks`:
    past weeks replayed. `ahead`: weeks that are promised.
    """

    preset: Literal["b2b", "b2c"] = "b2b"
    sql_a_week: Annotated[float | None, Field(gt=0)] = None
    mql_a_week: Annotated[float | None, Field(gt=0)] = None
    weeks: Annotated[int | None, Field(ge=8, le=520)] = None
    ahead: Annotated[int | None, Field(ge=1, le=104)] = None
    every: Annotated[Duration | None, Field(gt=0, le=WEEK)] = None
    hysteresis: Annotated[float | None, Field(ge=0, le=50)] = None
    cool_down: Annotated[Duration | None, Field(ge=0)] = None

    @model_validator(mode="after")
    def _agree(self) -> CapacitySettings:
        if self.every is not None and WEEK % self.every:
            raise ValueError("every must part a week into equal pieces, such as 7d, 1d or 12h")
        if self.sql_a_week is not None and self.mql_a_week is not None and self.sql_a_week >= self.mql_a_week:
            raise ValueError(
                "whoever is SQL is MQL as well, so sql_a_week must be less than mql_a_week; got "
                f"sql_a_week = {self.sql_a_week:g}, mql_a_week = {self.mql_a_week:g}"
            )
        return self

    def resolved(self) -> CapacitySettings:
        """The settings with the preset's values where none is given."""
        open_ones = {k: v for k, v in PRESETS[self.preset].items() if getattr(self, k) is None}
        return self.model_copy(update=open_ones)

    def rules(self, points_per_logit: float) -> BandRules:
        """When a lead counts as entering, the hysteresis turned into log-odds by a scale's points."""
        own = self.resolved()
        assert own.every is not None
        assert own.cool_down is not None
        assert own.hysteresis is not None
        warm_up = -(-own.cool_down // own.every)
        return BandRules(own.hysteresis / points_per_logit, own.cool_down, WEEK // own.every, warm_up)

    def n_cuts(self, rules: BandRules) -> int:
        """Cuts of a replay: the warm-up, the one at which counting begins, and those of its weeks."""
        own = self.resolved()
        assert own.weeks is not None
        return rules.warm_up + 1 + own.weeks * rules.cuts_a_week
