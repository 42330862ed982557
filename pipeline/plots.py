"""Pictures of a model, drawn once: as PNG for the run, as SVG that follows the page's colours."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CurveMark",
    "GainPoint",
    "PeriodPoint",
    "ReliabilityPoint",
    "curve_plot",
    "gain_plot",
    "importance_plot",
    "money_plot",
    "period_plot",
    "png",
    "reliability_plot",
    "score_plot",
    "styled",
    "svg",
]

Float64 = NDArray[np.float64]
Line = tuple[Float64, Float64]

INK, MUTED, GRID, SHEET = "#1b1f24", "#5b6570", "#d9dee3", "#fffffe"
SERIES = ("#0b62a8", "#c2410c", "#0f7b5f", "#8a4f9e")
DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    SHEET: "var(--sheet)",
} | {colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, start=1)}
ROOT_TICKS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
STYLE: dict[str, Any] = {
    "font.family": "sans-serif", "font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "lead-scoring",
    "axes.edgecolor": GRID, "axes.labelcolor": MUTED, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": GRID, "grid.linewidth": 0.8, "text.color": INK,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.major.size": 0, "ytick.major.size": 0,
    "legend.frameon": False, "figure.constrained_layout.use": True,
}  # fmt: skip


class ReliabilityPoint(NamedTuple):
    """One bin: mean predicted, observed share with its interval, rows."""

    predicted: float
    observed: float
    low: float
    high: float
    n_rows: int


class GainPoint(NamedTuple):
    """Share of the rows worked, share of the buyers found, and its interval."""

    worked: float
    found: float
    low: float
    high: float


class PeriodPoint(NamedTuple):
    """A month of the test: mean probability, share that converted and its interval."""

    name: str
    promised: float
    came: float
    low: float
    high: float


class CurveMark(NamedTuple):
    """One point of a learning curve: conversions learned from, AUC on the test and its interval."""

    conversions: int
    auc: float
    low: float
    high: float


def reliability_plot(points: Sequence[ReliabilityPoint]) -> Any:
    """Promised against observed share, a bar for the interval of each bin; on the line is right."""
    predicted, observed, low, high, rows = (np.array(column) for column in zip(*points, strict=True))
    with _axes("What was promised", "What came true") as (figure, axes):
        top = min(1.03, 1.08 * float(max(np.nanmax(high), predicted.max())))
        diagonal = np.linspace(0, 1, 101)
        axes.plot(
            diagonal, diagonal, color=MUTED, linewidth=1, linestyle=DASHES[1], label="exactly as promised"
        )
        spread = np.abs(np.stack([observed - low, high - observed]))
        axes.errorbar(
            predicted, observed, yerr=spread, fmt="none", ecolor=SERIES[0], elinewidth=1.4, alpha=0.6
        )
        sizes = 16 + 60 * rows / rows.max()
        axes.scatter(
            predicted, observed, s=sizes, color=SERIES[0], zorder=3, label="a group of leads, 95 % interval"
        )
        for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
            scale("function", functions=(_root, np.square))
            _percent(axis, top)
            axis.set_ticks([tick for tick in ROOT_TICKS if tick <= top])
        axes.set(xlim=(0, top), ylim=(0, top))
        axes.legend(loc="upper left")
        return figure


def gain_plot(
    curves: Mapping[str, Line], *points: Sequence[GainPoint], worked: str = "Share of leads worked"
) -> Any:
    """Share of the buyers found by share of the leads worked, best first; the diagonal is no model at all.

    `points` shade the interval of the first curves, in their order.
    """
    with _axes(worked, "Share of buyers found") as (figure, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHES[1], label="in any order")
        for number, (name, (share, found)) in enumerate(curves.items()):
            colour, dashes = SERIES[number % len(SERIES)], DASHES[number % len(DASHES)]
            axes.plot(*_thinned(share, found), color=colour, linestyle=dashes, linewidth=2, label=name)
        for number, each in enumerate(points):
            places, _, low, high = (np.array(column) for column in zip(*each, strict=True))
            label = "95 % interval" if number == 0 else None
            axes.fill_between(places, low, high, color=SERIES[number], alpha=0.18, linewidth=0, label=label)
        axes.set(xlim=(0, 1), ylim=(0, 1.01))
        _percent(axes.xaxis, 1.0)
        _percent(axes.yaxis, 1.0)
        axes.legend(loc="lower right")
        return figure


def money_plot(curves: Mapping[str, Line]) -> Any:
    """Share of the money found by share of the leads worked, best first; the diagonal is any order."""
    with _axes("Share of leads worked", "Share of the money found") as (figure, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHES[1], label="in any order")
        for number, (name, (share, found)) in enumerate(curves.items()):
            axes.plot(
                *_thinned(share, found),
                color=SERIES[number],
                linestyle=DASHES[number],
                linewidth=2,
                label=name,
            )
        axes.set(xlim=(0, 1), ylim=(0, 1.01))
        _percent(axes.xaxis, 1.0)
        _percent(axes.yaxis, 1.0)
        axes.legend(loc="lower right")
        return figure


def score_plot(scores: Float64, y: Float64, lines: Mapping[str, float]) -> Any:
    """Scores of those who bought and of those who did not, each adding up to 100 %, with the bands' lines."""
    edges = np.linspace(0, 100, 26)
    with _axes("Score", "Share of the group") as (figure, axes):
        for number, (label, value) in enumerate((("did not buy", 0.0), ("bought", 1.0))):
            part = scores[y == value]
            heights = np.histogram(part, edges)[0] / max(1, len(part))
            colour = (MUTED, SERIES[0])[number]
            axes.stairs(heights, edges, color=colour, fill=True, alpha=0.25, linewidth=0)
            name = f"{label} ({len(part):,} rows)"
            axes.stairs(heights, edges, color=colour, linewidth=2, linestyle=DASHES[1 - number], label=name)
        top = axes.get_ylim()[1]
        for name, place in lines.items():
            axes.axvline(place, color=SERIES[1], linewidth=1.2)
            axes.text(place + 0.8, top * 0.985, name, color=SERIES[1], va="top")
        axes.set(xlim=(0, 100), ylim=(0, top))
        _percent(axes.yaxis, top)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
        return figure


def period_plot(points: Sequence[PeriodPoint]) -> Any:
    """What each month was promised, as a line, and what came, with a bar for its interval."""
    names, promised, came, low, high = (np.array(column) for column in zip(*points, strict=True))
    places = np.arange(len(names))
    with _axes("", "Share that converts", height=3.2) as (figure, axes):
        axes.errorbar(
            places, came, yerr=np.abs(np.stack([came - low, high - came])), fmt="o", color=SERIES[0],
            elinewidth=1.4, label="came true, 95 % interval",
        )  # fmt: skip
        axes.plot(
            places, promised, color=SERIES[1], linestyle=DASHES[1], marker="D", markersize=4, label="promised"
        )
        top = 1.12 * float(max(np.nanmax(high), promised.max()))
        axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(0, top))
        step = max(1, -(-len(names) // 8))
        axes.set_xticks(places[::step], names[::step])
        _percent(axes.yaxis, top)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
        return figure


def curve_plot(points: Sequence[CurveMark]) -> Any:
    """AUC on the test by conversions learned from, each with its interval; every step to the right doubles."""
    conversions, auc, low, high = (np.array(column) for column in zip(*points, strict=True))
    with _axes("Conversions learned from", "AUC on the test", height=3.2) as (figure, axes):
        axes.errorbar(
            conversions, auc, yerr=np.abs(np.stack([auc - low, high - auc])), fmt="o-", color=SERIES[0],
            elinewidth=1.4, linewidth=1.6, label="95 % interval",
        )  # fmt: skip
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(conversions, [f"{each:,}" for each in conversions])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
        return figure


def importance_plot(shares: Mapping[str, float], label: str) -> Any:
    """Shares of the groups of features, the largest on top."""
    names, values = list(shares)[::-1], np.array(list(shares.values())[::-1])
    with _axes(label, "", height=0.9 + 0.27 * max(4, len(names))) as (figure, axes):
        axes.barh(np.arange(len(names)), values, color=SERIES[0], height=0.66)
        axes.set_yticks(np.arange(len(names)), [_short(name) for name in names])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.grid(visible=False, axis="y")
        axes.margins(y=0.01)
        _percent(axes.xaxis, float(values.max()) if len(values) else 1.0)
        return figure


def png(figure: Any) -> bytes:
    """The picture as PNG on white; the same bytes for the same picture."""
    out = io.BytesIO()
    with styled():
        figure.savefig(out, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def svg(figure: Any, name: str, title: str) -> str:
    """The picture as an SVG element for a page: its colours are CSS variables, it loads nothing.

    Parameters
    ----------
    name : made part of every id, so that pictures on one page do not share any.
    title : what a screen reader says.
    """
    out = io.StringIO()
    with styled({"svg.hashsalt": name}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", lambda found: _for_a_page(found[0], name), text)  # words between tags stay
    return re.sub(r'<svg[^>]*viewBox="([^"]*)"[^>]*>', _opening(title), text, count=1)


def _for_a_page(tag: str, name: str) -> str:
    tag = re.sub(r' xmlns(:\w+)?="[^"]*"', "", tag)
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r'href="#', f'href="#{name}-', tag)
    tag = re.sub(r"url\(#", f"url(#{name}-", tag)
    tag = re.sub(r"font: (?:(\d+) )?([\d.]+)px [^;\"]*", _font, tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    for colour, variable in VARIABLES.items():
        tag = tag.replace(colour, variable)
    return tag


def _font(found: re.Match[str]) -> str:
    """The page's own font, in the weight and size of the picture's."""
    return f"font-size: {found[2]}px" + (f"; font-weight: {found[1]}" if found[1] else "")


def _opening(title: str) -> str:
    plain = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("\\", "")
    return rf'<svg viewBox="\1" role="img" aria-label="{plain}">'


@contextmanager
def styled(more: Mapping[str, Any] | None = None) -> Iterator[None]:
    """The style of all pictures, for as long as the block runs; matplotlib's own settings come back.

    A sign that the font lacks is drawn as a box, without a word about it.
    """
    import matplotlib as mpl

    settings: Any = {**STYLE, **(more or {})}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        yield


@contextmanager
def _axes(x: str, y: str, height: float = 3.9) -> Iterator[tuple[Any, Any]]:
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(6.0, height))
        axes = figure.add_subplot()
        axes.set(xlabel=x, ylabel=y)
        yield figure, axes


def _root(values: Float64) -> Float64:
    return np.asarray(np.sqrt(np.clip(values, 0.0, None)))


def _percent(axis: Any, top: float) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    steps = [1, 2, 2.5, 5, 10] if top > 0.5 else [1, 2, 5, 10]  # a tick at 2.5 % would print as 2 %
    axis.set_major_locator(MaxNLocator(5, steps=steps))
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0 if top > 0.1 else 1, symbol=" %"))


def _short(name: str, most: int = 46) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _thinned(x: Float64, y: Float64, most: int = 400) -> Line:
    """At most `most` points of a long curve, both ends among them."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), most)).astype(np.intp))
    return x[keep], y[keep]
