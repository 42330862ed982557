"""What a waterfall shows and where each part of it stands, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pipeline.text_fit import SIZE, fitted, text_width

__all__ = ["BAR", "GAP", "LINE", "MARGIN", "SMALL", "Bar", "Layout", "Name", "Step", "Waterfall", "signed"]

MARGIN, GAP, LINE, BAR = 14.0, 8.0, 13.0, 15.0
LEAST_ROOM = 34.0
SMALL = 0.9 * SIZE
MOST_LINES, LONGEST_NAME = 6, 90.0
WIDE, NARROW, LABELS = 612.0, 270.0, 232.0


@dataclass(frozen=True)
class Step:
    """One bar: what it stands for and its whole points; `is_limit` marks what closes the scale."""

    text: str
    points: int
    is_limit: bool = False


@dataclass(frozen=True)
class Waterfall:
    """What is drawn: start + the points of the steps = end.

    Attributes
    ----------
    lines : name and place of each line on the scale, such as ("MQL", 50.0).
    is_bounded : whether the scale runs from 0 to 100; a bare points table has no ends.
    beyond : what is said of the part of the axis outside a bounded scale.

    Raises
    ------
    ValueError
        If the points do not add up.
    """

    title: str
    start_text: str
    start: int
    steps: tuple[Step, ...]
    end_text: str
    end: int
    lines: tuple[tuple[str, float], ...] = ()
    is_bounded: bool = True
    beyond: str = ""

    def __post_init__(self) -> None:
        found = self.start + sum(step.points for step in self.steps)
        if found != self.end:
            raise ValueError(f"the bars add up to {found}, but the end is {self.end}")

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest number drawn: the whole scale, and all that is reached on the way."""
        reached = [0.0, *(place for _, place in self.lines), float(self.start)]
        for step in self.steps:
            reached.append(reached[-1] + step.points)
        low, high = min(reached), max(reached)
        return (low, max(high, 100.0)) if self.is_bounded else (low, max(high, low + 1.0))


@dataclass(frozen=True)
class Bar:
    """A bar from `left` to `right`, in points of the score, its label in lines and its number."""

    label: list[str]
    left: float
    right: float
    number: str
    step: Step | None = None


@dataclass(frozen=True)
class Name:
    """A name above the axis: its left edge and row, and the place on the scale that it flags."""

    text: str
    x: float
    place: float
    row: int
    is_line: bool


@dataclass(frozen=True)
class Layout:
    """Places of a waterfall's parts, in points of print (1/72 inch).

    Attributes
    ----------
    is_narrow : labels above the bars instead of beside them, for a phone.
    """

    waterfall: Waterfall
    is_narrow: bool = False

    @property
    def width(self) -> float:
        """Of the whole picture."""
        return NARROW if self.is_narrow else WIDE

    @property
    def label_width(self) -> float:
        """Of the labels beside the bars, 0 where they stand above them."""
        return 0.0 if self.is_narrow else LABELS

    @cached_property
    def bars(self) -> list[Bar]:
        """Start, one bar a step, end."""
        width = self.width - 2 * MARGIN if self.is_narrow else LABELS - GAP
        fall = self.waterfall
        found = [Bar(fitted(fall.start_text, width, MOST_LINES), 0.0, float(fall.start), str(fall.start))]
        reached = float(fall.start)
        for step in fall.steps:
            label, after = fitted(step.text, width, MOST_LINES), reached + step.points
            found.append(Bar(label, reached, after, signed(step.points), step))
            reached = after
        # the last label is bold, so wider
        return [
            *found, Bar(fitted(fall.end_text, width / 1.15, MOST_LINES), 0.0, float(fall.end), str(fall.end))
        ]  # fmt: skip

    def bar_height(self, bar: Bar) -> float:
        """Of a bar with its label and the gap below it."""
        text = LINE * len(bar.label)
        return text + BAR + GAP + 2 if self.is_narrow else max(text, BAR) + GAP

    @property
    def bars_height(self) -> float:
        """Of all bars."""
        return sum(self.bar_height(bar) for bar in self.bars)

    @property
    def names_height(self) -> float:
        """Of the rows of names above the axis."""
        return LINE * (1 + max((name.row for name in self.names), default=0))

    @cached_property
    def names(self) -> list[Name]:
        """Names above the axis, each a flag at its line; where they would touch, the one to the left is raised."""
        low, high = self.waterfall.range
        marks = [(f"{_short(name)} {place:g}", place, True) for name, place in self.waterfall.lines]
        if self.waterfall.is_bounded and self.waterfall.beyond:
            ends = ([low] if low < 0.0 else []) + ([100.0] if high > 100.0 else [])
            marks += [(self.waterfall.beyond, end, False) for end in ends]
        placed: list[Name] = []
        for text, place, is_line in sorted(marks, key=lambda mark: mark[1], reverse=True):
            width = text_width(text, SMALL)
            x = max(GAP, min(self.x(place) + 2, self.width - GAP - width))
            row = 0
            while any(name.row >= row and name.x < x + width + GAP for name in placed):
                row += 1
            placed.append(Name(text, x, place, row, is_line))
        return placed

    def x(self, value: float) -> float:
        """Where a number of the scale stands, from the left."""
        low, high = self.waterfall.range
        has_room = low < 0 or not self.is_narrow
        left = MARGIN + self.label_width + (self._number_room if has_room else 0.0)
        return left + (value - low) / (high - low) * (self.width - MARGIN - self._number_room - left)

    @cached_property
    def _number_room(self) -> float:
        """Room for the points beside the outermost bars; two of them are bold, so wider."""
        return max(LEAST_ROOM, 8 + max(1.15 * text_width(bar.number) for bar in self.bars))


def signed(points: int) -> str:
    """Points with their sign; 0 has none."""
    return f"{points:+d}" if points else "0"


def _short(name: str) -> str:
    return fitted(name, LONGEST_NAME, 1)[0]
