"""Settings of the ideal customer profile: rules over attributes, each with a weight."""

from __future__ import annotations

import difflib
import math
from typing import Annotated

from pydantic import Field, model_validator

from features.settings import Settings
from features.titles import SENIORITIES

__all__ = ["FitSettings", "ProfileRule"]

Bound = float | str


class ProfileRule(Settings):
    """One point of the profile: an attribute has one of these values, or lies between these bounds.

    `attribute` may read a job title: `job_title.role`, `.department` or `.seniority`. Both bounds belong to
    the profile; those of a seniority are its names, such as "director".
    """

    attribute: str
    values: tuple[str, ...] = ()
    at_least: Bound | None = None
    at_most: Bound | None = None
    weight: Annotated[float, Field(gt=0, le=1_000)] = 1.0
    words: str | None = None

    @model_validator(mode="after")
    def _values_or_bounds(self) -> ProfileRule:
        bounds = [each for each in (self.at_least, self.at_most) if each is not None]
        if bool(self.values) == bool(bounds):
            raise ValueError(
                f"the profile's rule for '{self.attribute}' needs either values, or at_least and at_most"
            )
        for bound in bounds:
            self._refuse_stray(bound)
        low, high = self.low, self.high
        if low is not None and high is not None and low > high:
            raise ValueError(
                f"at_least must not lie above at_most; got {self.at_least} and {self.at_most} for '{self.attribute}'"
            )
        return self

    def _refuse_stray(self, bound: Bound) -> None:
        """Names are bounds of a seniority alone, and it takes no others."""
        is_seniority = self.attribute.endswith(".seniority")
        if is_seniority and bound not in SENIORITIES:
            near = difflib.get_close_matches(str(bound), SENIORITIES, n=1, cutoff=0.5)
            cure = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(SENIORITIES)}"
            raise ValueError(f"'{bound}' is no seniority; {cure}")
        if not is_seniority and isinstance(bound, str):
            raise ValueError(f"'{bound}' is no number; only the bounds of a .seniority are names")
        if not is_seniority and math.isnan(float(bound)):
            raise ValueError(f"a bound of the profile's rule for '{self.attribute}' is no number: nan")

    @property
    def low(self) -> float | None:
        """The lower bound as a number."""
        return _number(self.at_least)

    @property
    def high(self) -> float | None:
        """The upper bound as a number."""
        return _number(self.at_most)


class FitSettings(Settings):
    """The ideal customer profile; without rules there is none."""

    rules: Annotated[tuple[ProfileRule, ...], Field(max_length=50)] = ()


def _number(bound: Bound | None) -> float | None:
    return float(SENIORITIES.index(bound)) if isinstance(bound, str) else bound
