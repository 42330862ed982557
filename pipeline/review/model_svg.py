"""Charts of the manager's page, made on the server: promised against kept, reliability, what a cutoff finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

__all__ = [
    "WIDTH",
    "Frame",
    "Interval",
    "curve_chart",
    "kept_chart",
    "line",
    "reliability_chart",
    "svg",
    "text",
]

WIDTH = 400
LEAST_JOINED = 20  # a share of fewer leads jumps from end to end and would lead the line astray
FULL = 1.0


@dataclass(frozen=True)
class Interval:
    """What was promised, and what came with its 95 % interval; shares."""

    name: str
    promised: float
    kept: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Frame:
    """A plotting area: values from `x` and `y` ranges to places on the picture."""

    left: float
    top: float
    right: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Place of a point; what lies outside the range is drawn on its edge."""
        across = min(max((x - self.x[0]) / (self.x[1] - self.x[0]), 0.0), 1.0)
        up = min(max((y - self.y[0]) / (self.y[1] - self.y[0]), 0.0), 1.0)
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)

    def axes(self, x_ticks: Iterable[tuple[float, str]], y_ticks: Iterable[tuple[float, str]]) -> list[str]:
        """Grid lines with their words."""
        parts = []
        for value, words in y_ticks:
            _, y = self.at(self.x[0], value)
            parts.append(line(self.left, y, self.right, y, "grid-line"))
            parts.append(text(self.left - 6, y + 4, words, "end", "ax"))
        for value, words in x_ticks:
            x, _ = self.at(value, self.y[0])
            parts.append(line(x, self.bottom, x, self.bottom + 4, "ax-line"))
            parts.append(text(x, self.bottom + 17, words, "middle", "ax"))
        return [*parts, line(self.left, self.bottom, self.right, self.bottom, "ax-line")]

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> str:
        """A line through points."""
        placed = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*each) for each in points))
        return f'<polyline points="{placed}" class="{kind}"/>'


def kept_chart(rows: Sequence[Interval]) -> Markup:
    """A line a band: what was promised as a ring, what came as a dot with its interval."""
    top, step = 26, 44
    height = top + step * len(rows) + 26
    most = ceiling(max((max(each.high, each.promised) for each in rows), default=FULL))
    frame = Frame(98, top, WIDTH - 16, height - 26, (0.0, most), (0.0, 1.0))
    ticks = [(most * k / 4, percent(most * k / 4)) for k in range(5)]
    parts = frame.axes(ticks, [])
    for place, each in enumerate(rows):
        y = top + step * (place + 0.5)
        at = [frame.at(value, 0.0)[0] for value in (each.low, each.high, each.kept, each.promised)]
        parts += [
            line(frame.left, y, frame.right, y, "grid-line"),
            text(frame.left - 10, y + 4, shortened(each.name), "end", "label strong"),
            *whisker_across(at[0], at[1], y),
            f'<circle cx="{at[2]:.1f}" cy="{y:.1f}" r="6" class="dot"/>',
            f'<circle cx="{at[3]:.1f}" cy="{y:.1f}" r="7" class="ring"/>',
        ]
    parts += [
        f'<circle cx="{frame.left + 7:.0f}" cy="11" r="7" class="ring"/>',
        text(frame.left + 20, 15, "promised", "start", "ax"),
        f'<circle cx="{frame.left + 113:.0f}" cy="11" r="6" class="dot"/>',
        text(frame.left + 126, 15, "came, with 95 % interval", "start", "ax"),
    ]
    said = "; ".join(
        f"{each.name}: promised {percent(each.promised)}, came {percent(each.kept)} of {each.n:,}"
        for each in rows
    )
    return svg(height, "Promised and kept by band", said, parts)


def reliability_chart(rows: Sequence[Interval]) -> Markup:
    """Mean chance promised across, share that converted up, with intervals; on the diagonal both agree.

    Points of fewer than `LEAST_JOINED` stand beside the line that joins the others.
    """
    side, left, top = 322, 46, 30
    frame = Frame(left, top, left + side, top + side, (0.0, 1.0), (0.0, 1.0))
    ticks = [(k / 5, percent(k / 5)) for k in range(6)]
    parts = [*frame.axes(ticks, ticks), frame.path([(0, 0), (1, 1)], "line soft")]
    joined = [(each.promised, each.kept) for each in rows if each.n >= LEAST_JOINED]
    if len(joined) > 1:
        parts.append(frame.path(joined, "line thin"))
    for each in rows:
        x, y = frame.at(each.promised, each.kept)
        parts += whisker_up(x, frame.at(0, each.low)[1], frame.at(0, each.high)[1])
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" class="dot"/>')
    parts.append(text(left + side / 2, top + side + 36, "chance promised", "middle", "ax"))
    parts.append(text(left, 14, "share that converted", "start", "ax"))
    said = "; ".join(
        f"promised {percent(each.promised)}, came {percent(each.kept)} of {each.n:,}" for each in rows
    )
    return svg(top + side + 44, "Chance promised against share converted", said, parts)


def curve_chart(found: Sequence[float], called: Sequence[float], cutoff: int) -> Markup:
    """Share of expected conversions found and share of leads called, by lowest score called (0 to 100)."""
    frame = Frame(46, 14, WIDTH - 14, 252, (0.0, 100.0), (0.0, 1.0))
    ticks = [(k / 4, percent(k / 4)) for k in range(5)]
    parts = frame.axes([(k, str(k)) for k in (0, 20, 50, 80, 100)], ticks)
    x, _ = frame.at(cutoff, 0)
    parts += [
        frame.path(list(enumerate(called)), "line soft"),
        frame.path(list(enumerate(found)), "line"),
        f'<line id="cutoff-line" x1="{x:.1f}" y1="{frame.top}" x2="{x:.1f}" y2="{frame.bottom}" class="mark" '
        f'data-left="{frame.left}" data-width="{frame.right - frame.left}"/>',
        text((frame.left + frame.right) / 2, 288, "lowest score called", "middle", "ax"),
    ]
    shares = (percent(found[cutoff]), percent(called[cutoff]))
    said = f"From score {cutoff} on: {shares[0]} of the conversions in {shares[1]} of the leads."
    return svg(296, "What a cutoff on the score finds", said, parts)


def ceiling(value: float) -> float:
    """A round share at or above the value, for the end of an axis."""
    for step in (0.01, 0.02, 0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 0.8):
        if value <= step:
            return step
    return FULL


def percent(value: float) -> str:
    """A share on an axis."""
    return f"{100 * value:.3g} %"


def shortened(name: str, most: int = 10) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def text(x: float, y: float, words: str, anchor: str, kind: str) -> str:
    """Words at a place, escaped."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def whisker_across(low: float, high: float, y: float) -> list[str]:
    """An interval from left to right."""
    return [
        line(low, y, high, y, "whisker"), line(low, y - 5, low, y + 5, "whisker"),
        line(high, y - 5, high, y + 5, "whisker"),
    ]  # fmt: skip


def whisker_up(x: float, low: float, high: float) -> list[str]:
    """An interval from below up."""
    return [
        line(x, low, x, high, "whisker"), line(x - 5, low, x + 5, low, "whisker"),
        line(x - 5, high, x + 5, high, "whisker"),
    ]  # fmt: skip


def svg(height: float, title: str, said: str, parts: Iterable[str]) -> Markup:
    """The picture with a name and what it says, for those who hear the page; every text is escaped."""
    return Markup(  # noqa: S704 - numbers and escaped words only
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(said)}</desc>{''.join(parts)}</svg>"
    )
