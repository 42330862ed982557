"""The reasons of a scored row as lines that add up to its score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue, Feature
from models.scorer import Scored
from models.wording import Wording

__all__ = ["group_words", "reason_lines"]

Float64 = NDArray[np.float64]


def reason_lines(scored: Scored, row: int, x: Float64, wording: Wording) -> list[dict[str, Any]]:
    """Reasons of one row: the strongest, everything else, the limit of the scale; they close the sum."""
    lines: list[dict[str, Any]] = []
    for group, points in zip(
        scored.reasons.groups[row].tolist(), scored.reasons.points[row].tolist(), strict=True
    ):
        if group >= 0:
            lines.append({"text": wording.text(group, x), "points": points, "group": wording.names[group]})
    rest, limit = float(scored.reasons.rest[row]), float(scored.explained.limit[row])
    if rest != 0.0:
        others = int(np.count_nonzero(scored.explained.points[row])) - len(lines)
        text = wording.phrases.plural("reason.rest_of", others)
        lines.append({"text": text, "points": rest, "group": "rest"})
    if limit != 0.0:
        text = wording.phrases.text(_limit_phrase(float(scored.explained.lead_points[row])))
        lines.append({"text": text, "points": limit, "group": "limit"})
    return lines


def _limit_phrase(lead_points: float) -> str:
    """Why a score has a limit line: the lead, else the average lead, lies beyond an end of the scale."""
    if 0.0 <= lead_points <= 100.0:
        return "reason.limit_base"
    return "reason.limit_top" if lead_points > 100.0 else "reason.limit_bottom"


def group_words(catalogue: Catalogue, wording: Wording) -> dict[str, str]:
    """What each reason group is about, without any lead's figures; two groups alike take the catalogue's words."""
    first: dict[str, Feature] = {}
    for feature in catalogue.features:
        first.setdefault(feature.group, feature)
    found: dict[str, str] = {}
    for group, feature in first.items():
        words = wording.what(feature)
        found[group] = feature.words if words in found.values() and feature.words else words
    return found
