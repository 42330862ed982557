"""What a test of a column says: its kind, its weight, and what was measured, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Sign", "Weight"]

Weight = Literal["conclusive", "strong", "telling", "some", "calendar"]


@dataclass(frozen=True)
class Sign:
    """One test that spoke.

    Attributes
    ----------
    weight : `conclusive` alone makes a leak; `strong` makes one together with others, alone a column to look at;
        `telling` alone a column to look at; `some` nothing alone; `calendar` a column to look at.
    """

    kind: str
    weight: Weight
    words: str
