"""A score from its base to now: lines in words with whole points that add up, and a bar beside each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from models.phrases import Phrases
from models.rounding import whole_points
from pipeline.ledger.lead import Known
from pipeline.review.svg import element, text

__all__ = ["Line", "Part", "Scale", "Waterfall", "stacked", "waterfall_of"]

NOISE = 1e-4  # the ledger keeps six decimals of each group
HALF = 9  # of a bar's height
TOO_NEAR = 16.0  # per cent across; nearer names stand in two rows
EDGES = (12.0, 88.0)


@dataclass(frozen=True)
class Line:
    """One line: `points` is what is shown, from `start` to `end` on the scale; `exact` is unrounded.

    `kind` is base, reason, rest, limit or score.
    """

    kind: str
    text: str
    points: int
    exact: float
    start: int
    end: int

    @property
    def way(self) -> str:
        """`up`, `down` or `flat`."""
        return "up" if self.points > 0 else "down" if self.points < 0 else "flat"


@dataclass(frozen=True)
class Part:
    """What lies between the ends, before rounding; `kind` is reason, rest (one at most) or limit."""

    kind: str
    text: str
    exact: float


@dataclass(frozen=True)
class Scale:
    """What the bars are drawn against.

    Attributes
    ----------
    lines : (place, name) of each band's lower line.
    """

    low: float
    high: float
    lines: tuple[tuple[float, str], ...]
    is_bounded: bool

    def x(self, value: float) -> float:
        """Place across, per cent."""
        return 100.0 * (value - self.low) / (self.high - self.low)

    def heading(self) -> Markup:
        """Names of the lines and the ends of the scale, above the bars."""
        named = [(place, f"{name} {place:g}") for place, name in self.lines]
        ends = (
            [(0.0, "0"), (100.0, "100")]
            if self.is_bounded
            else [(self.low, f"{self.low:g}"), (self.high, f"{self.high:g}")]
        )
        placed: list[tuple[float, int]] = []
        drawn = []
        for place, name in sorted([*named, *ends]):
            x = self.x(place)
            row = 0 if not placed or x - placed[-1][0] >= TOO_NEAR or placed[-1][1] == 1 else 1
            placed.append((x, row))
            anchor = "start" if x < EDGES[0] else "end" if x > EDGES[1] else "middle"
            drawn.append(text(name, class_="ax", x=f"{x:.4g}%", y=28 - 14 * row, text_anchor=anchor))
        return element("svg", *drawn, class_="scale", aria_hidden="true")

    def bar(self, line: Line, is_last: bool) -> Markup:
        """The bar of a line, with the lines of the scale behind it and a step down to the next one."""
        parts = [_upright("band-line", self.x(place)) for place, _ in self.lines]
        if self.is_bounded:
            parts += [_upright("grid-line", self.x(end)) for end in (0.0, 100.0)]
        left, right = sorted((self.x(line.start), self.x(line.end)))
        if line.kind != "base":
            parts.append(_upright("step", self.x(line.end if is_last else line.start), "0", "50%"))
        if not is_last:
            parts.append(_upright("step", self.x(line.end), "50%", "100%"))
        parts.append(element("svg", *self._body(line, left, right), y="50%", overflow="visible"))
        return element("svg", *parts, class_="fall", aria_hidden="true")

    def _body(self, line: Line, left: float, right: float) -> list[Markup]:
        kind = {"base": "bar-base", "score": "bar-now", "limit": "bar-base"}.get(line.kind, f"bar-{line.way}")
        if left == right:
            return [
                element("line", class_="nothing", x1=f"{left:.4g}%", x2=f"{left:.4g}%", y1=-HALF, y2=HALF)
            ]
        box = element(
            "rect", class_=kind, x=f"{left:.4g}%", width=f"{right - left:.4g}%", y=-HALF, height=2 * HALF, rx=2
        )  # fmt: skip
        if line.kind in {"base", "score"}:
            return [box]
        tip, side = self.x(line.end), -1 if line.end < line.start else 1
        # which way it goes must not be told by the colour alone
        head = element("path", class_="head", d=f"M{-7 * side} -5L{-3 * side} 0L{-7 * side} 5")
        return [box, element("svg", head, x=f"{tip:.4g}%", overflow="visible")]


@dataclass(frozen=True)
class Waterfall:
    """The lines, the first the base and the last the score; the points of all but the last add up to its."""

    lines: tuple[Line, ...]
    scale: Scale

    @property
    def rows(self) -> list[tuple[Line, Markup]]:
        """Each line with its bar."""
        last = len(self.lines) - 1
        return [(line, self.scale.bar(line, n == last)) for n, line in enumerate(self.lines)]

    def reasons(self, *, is_for: bool) -> list[Line]:
        """Reasons that go with a higher, or a lower, score, the strongest first."""
        chosen = [each for each in self.lines if each.kind == "reason" and (each.exact > 0) == is_for]
        return sorted(chosen, key=lambda each: -abs(each.exact))


def waterfall_of(
    score: float, known: Known, phrases: Phrases, lines: Sequence[tuple[float, str]], *, is_bounded: bool
) -> Waterfall:
    """The waterfall of a score.

    Parameters
    ----------
    lines : (place, name) of the bands' lower lines; left out for a points table, whose scale has no ends.
    """
    start = phrases.text("explain.start" if is_bounded else "explain.start_table")
    ends = (start, known.base_score), (phrases.text("explain.score"), score)
    return stacked(*ends, _parts(score, known, phrases), lines, is_bounded=is_bounded)


def stacked(
    start: tuple[str, float], end: tuple[str, float], parts: Sequence[Part], lines: Sequence[tuple[float, str]],
    *, is_bounded: bool,
) -> Waterfall:  # fmt: skip
    """Text and number of both ends and the parts between, which add up, as lines of whole points that add up, too."""
    whole = whole_points(
        start[1], [[part.exact for part in parts if part.kind != "rest"]],
        sum(part.exact for part in parts if part.kind == "rest"), end[1],
    )  # fmt: skip
    left, first, last = iter(whole.reasons[0].tolist()), int(whole.base[0]), int(whole.score[0])
    found = [Line("base", start[0], first, start[1], 0, first)]
    for part in parts:
        reached = found[-1].end
        points = int(whole.rest[0]) if part.kind == "rest" else int(next(left))
        found.append(Line(part.kind, part.text, points, part.exact, reached, reached + points))
    found.append(Line("score", end[0], last, end[1], 0, last))
    shown = [line for line in found if line.kind != "rest" or line.points or abs(line.exact) >= NOISE]
    return Waterfall(tuple(shown), _scale(shown, lines, is_bounded=is_bounded))


def _parts(score: float, known: Known, phrases: Phrases) -> list[Part]:
    """Reasons, everything else, and where it bites the limit of the scale; with the base they add up to the score."""
    told = {each["group"]: each for each in known.reasons}
    own = [
        Part("reason", each["text"], each["points"])
        for each in known.reasons
        if each["group"] not in {"rest", "limit"}
    ]
    limit = score - known.base_score - sum(known.contributions.values())
    others = sum(1 for name, points in known.contributions.items() if points and name not in told)
    words = phrases.plural("reason.rest_of", others) if others else phrases.text("reason.rest")
    at_end = [Part("limit", told.get("limit", {}).get("text", phrases.text("reason.limit")), limit)]
    at_end = at_end if abs(limit) >= NOISE else []
    # what rounding in the ledger leaves over goes in here, so that the sum is exact
    rest = score - known.base_score - sum(part.exact for part in [*own, *at_end])
    return [*own, Part("rest", told.get("rest", {}).get("text", words), rest), *at_end]


def _scale(found: Sequence[Line], lines: Sequence[tuple[float, str]], *, is_bounded: bool) -> Scale:
    """The scale that the lines need: 0 to 100 and all that is reached on the way."""
    reached = np.array([[each.start, each.end] for each in found])
    low, high = min(0.0, float(reached.min())), float(reached.max())
    high = max(high, 100.0) if is_bounded else max(high, low + 1.0)
    return Scale(low, high, tuple(lines) if is_bounded else (), is_bounded)


def _upright(kind: str, x: float, top: str = "0", bottom: str = "100%") -> Markup:
    return element("line", class_=kind, x1=f"{x:.4g}%", x2=f"{x:.4g}%", y1=top, y2=bottom)
