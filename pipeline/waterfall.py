"""The waterfall: from where a lead starts to its score, one bar a reason, as a picture that adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.plots import GRID, INK, MUTED, SERIES, SHEET, styled
from pipeline.text_fit import SIZE, fitted, text_width
from pipeline.waterfall_layout import (
    BAR,
    GAP,
    LINE,
    MARGIN,
    SMALL,
    Bar,
    Layout,
    Step,
    Waterfall,
    signed,
)

__all__ = ["Step", "Waterfall", "described", "waterfall_plot"]

UP, DOWN = SERIES[0], SERIES[1]
HEAD = 5.0
LARGE = 1.4
DASHES = (0, (4, 2.5))
COVER = {"facecolor": SHEET, "edgecolor": "none", "pad": 0.8}


def waterfall_plot(
    waterfalls: Sequence[Waterfall], *, is_narrow: bool = False, heading: Sequence[str] = (), note: str = ""
) -> Any:
    """The waterfalls, one below the other, as a figure of as many lines as their texts need.

    Up is blue and points right, down is orange and points left; the number says it too.

    Parameters
    ----------
    is_narrow : labels above the bars instead of beside them, for a phone.
    heading : lines above all, the first one large; with a heading each waterfall shows its title.
    note : a line below all.
    """
    with styled():
        layouts = [Layout(each, is_narrow) for each in waterfalls]
        room = layouts[0].width - 2 * MARGIN
        head = [fitted(line, room / (1.0 if n else LARGE), 3) for n, line in enumerate(heading)]
        foot = fitted(note, room, 3) if note else []
        titles = [fitted(each.title, room / 1.15, 2) if heading else [] for each in waterfalls]
        start = GAP if head else -GAP  # a page has its own heading, and its own room above
        height = (
            start + 2 * GAP + LINE * len(foot) + sum(_head_height(n, lines) for n, lines in enumerate(head))
        )
        height += sum(_panel_height(layout, title) for layout, title in zip(layouts, titles, strict=True))
        axes = _canvas(layouts[0].width, height)
        y = start
        for number, lines in enumerate(head):
            _words(axes, lines, y, SIZE if number else LARGE * SIZE, MUTED if number else INK)
            y += _head_height(number, lines)
        for layout, title in zip(layouts, titles, strict=True):
            _words(axes, title, y + GAP, SIZE, INK, weight="bold")
            top = y + 2 * GAP + LINE * len(title) + layout.names_height
            _Panel(axes, layout).draw(top)
            y += _panel_height(layout, title)
        _words(axes, foot, y + GAP, SMALL, MUTED)
        return axes.figure


def described(waterfall: Waterfall) -> str:
    """The waterfall in words, for who can't see it: start, each step with its points, end."""
    steps = "; ".join(f"{step.text}: {signed(step.points)}" for step in waterfall.steps)
    middle = f" {steps}." if steps else ""
    return f"{waterfall.start_text}: {waterfall.start}.{middle} {waterfall.end_text}: {waterfall.end}."


def _head_height(number: int, lines: list[str]) -> float:
    return len(lines) * LINE * (1.0 if number else LARGE) + 6


def _panel_height(layout: Layout, title: list[str]) -> float:
    return 2 * GAP + LINE * len(title) + layout.names_height + layout.bars_height + 2 * LINE


def _canvas(width: float, height: float) -> Any:
    """Axes over a whole new figure, in points of print from its top left corner."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def _words(axes: Any, lines: list[str], y: float, size: float, colour: str, weight: str = "normal") -> None:
    for number, line in enumerate(lines, start=1):
        place = y + number * LINE * max(1.0, size / SIZE)
        _text(axes, MARGIN, place, line, size=size, color=colour, va="baseline", weight=weight)


def _text(axes: Any, x: float, y: float, text: str, **style: Any) -> None:
    # what stands between two dollar signs is no formula here
    axes.text(x, y, text, parse_math=False, **{"va": "center_baseline", "size": SIZE, **style})


@dataclass(frozen=True)
class _Panel:
    """One waterfall on the axes."""

    axes: Any
    layout: Layout

    def draw(self, top: float) -> None:
        """Draw bars, scale and connectors from `top` downwards, names above it."""
        layout, tops = self.layout, [top]
        for bar in layout.bars:
            tops.append(tops[-1] + layout.bar_height(bar))
        bottom = tops[-1]
        placed = list(zip(layout.bars, tops[:-1], strict=True))
        middles = [self._middle(bar, y) for bar, y in placed]
        around = BAR / 2 + 3
        bands = [(y - around, y + around) for y in middles] if layout.is_narrow else [(top, bottom)]
        self._scale(bands)
        self._names(top, bands[0][0])
        for bar, middle, following in zip(layout.bars, middles, middles[1:], strict=False):
            self._upright(bar.right, (middle + BAR / 2, following - BAR / 2), MUTED, 0.9)
        for (bar, y), middle in zip(placed, middles, strict=True):
            self._label(bar, y)
            self._bar(bar, middle)
        for tick in _ticks(*layout.waterfall.range):
            x, text = layout.x(tick), f"{tick:g}"
            _text(self.axes, x, bottom + LINE, text, ha="center", color=MUTED, size=SMALL)

    def _middle(self, bar: Bar, y: float) -> float:
        height = self.layout.bar_height(bar)
        return y + height - GAP + 2 - BAR / 2 if self.layout.is_narrow else y + height / 2

    def _scale(self, bands: list[tuple[float, float]]) -> None:
        """Ticks, lines and what lies beyond the scale, behind the bars; texts above bars stay free of them."""
        low, high = self.layout.waterfall.range
        outside = ((low, 0.0), (100.0, high)) if self.layout.waterfall.is_bounded else ()
        for top, bottom in bands:
            for start, end in outside:
                if end > start:
                    left, right = self.layout.x(start), self.layout.x(end)
                    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
                    self._shape(corners, GRID, alpha=0.45, zorder=0)
            for tick in _ticks(low, high):
                self._upright(tick, (top, bottom), GRID, 0.8, zorder=0.5)
            for _, place in self.layout.waterfall.lines:
                self._upright(place, (top, bottom), MUTED, 1.1, DASHES, 0.6)

    def _names(self, top: float, first: float) -> None:
        for name in self.layout.names:
            y = top - GAP - LINE * name.row
            _text(self.axes, name.x, y, name.text, ha="left", color=MUTED, size=SMALL, bbox=COVER)
            if name.is_line:
                self._upright(name.place, (y - 4, first), MUTED, 1.1, DASHES, 0.6)

    def _label(self, bar: Bar, y: float) -> None:
        is_narrow = self.layout.is_narrow
        x = MARGIN if is_narrow else MARGIN + self.layout.label_width - GAP
        start = y if is_narrow else y + (self.layout.bar_height(bar) - LINE * len(bar.label)) / 2
        is_end = bar is self.layout.bars[-1]
        style = {"weight": "bold" if is_end else "normal", "ha": "left" if is_narrow else "right"}
        cover = COVER if is_narrow else None
        for number, line in enumerate(bar.label):
            _text(self.axes, x, start + LINE * (number + 0.5), line, color=INK, bbox=cover, **style)

    def _bar(self, bar: Bar, middle: float) -> None:
        start, end = self.layout.x(bar.left), self.layout.x(bar.right)
        above, below = middle - BAR / 2, middle + BAR / 2
        side = -1 if bar.right < bar.left else 1
        if start == end:
            self._upright(bar.right, (above, below), self._colour(bar), 2.0, zorder=3)
        else:
            neck = end - side * min(HEAD, abs(end - start)) if bar.step else end
            corners = [(start, above), (neck, above), (end, middle), (neck, below), (start, below)]
            self._shape(corners, self._colour(bar), zorder=3)
        x, width = end + side * 5, 1.2 * text_width(bar.number)
        places = [self.layout.x(place) for _, place in self.layout.waterfall.lines]
        cover = COVER if any(-2 < side * (place - x) < width for place in places) else None
        style = {"weight": "normal" if bar.step else "bold", "ha": "left" if side > 0 else "right"}
        _text(self.axes, x, middle, bar.number, color=INK, bbox=cover, zorder=4, **style)

    def _colour(self, bar: Bar) -> str:
        if bar.step is None:
            return INK if bar is self.layout.bars[-1] else MUTED
        if bar.step.is_limit or not bar.step.points:
            return MUTED
        return UP if bar.step.points > 0 else DOWN

    def _shape(self, corners: list[tuple[float, float]], colour: str, **style: Any) -> None:
        from matplotlib.patches import Polygon

        self.axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="none", linewidth=0, **style))

    def _upright(
        self, value: float, y: tuple[float, float], colour: str, width: float,
        dashes: Any = "solid", zorder: float = 2,
    ) -> None:  # fmt: skip
        x = self.layout.x(value)
        self.axes.plot((x, x), y, color=colour, linewidth=width, linestyle=dashes, zorder=zorder)


def _ticks(low: float, high: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high]
