"""The what-if table as one offline page or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from features.errors import OutputError
from models.intervals import Interval
from pipeline import plots
from pipeline.bands_what_if import WhatIfs
from pipeline.bands_words import HEAD, cells, headline, notes, sentences
from pipeline.plots import DASHES, MUTED, SERIES, styled

__all__ = ["BandsForm", "bands_page", "bands_plot", "write_bands"]

BandsForm = Literal["html", "png"]


def bands_plot(found: WhatIfs) -> Any:
    """Conversions ahead by capacity with their intervals, above the chance at which the line lies."""
    from matplotlib.figure import Figure

    capacity = np.array([row.capacity for row in found.rows])
    ahead = found.rows[0].promise.weeks
    with styled():
        figure = Figure(figsize=(6.0, 5.0))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _bars(upper, capacity, [row.promise.conversions for row in found.rows])
        upper.set_ylabel(f"Conversions in {ahead} weeks")
        upper.set_ylim(bottom=0)
        upper.legend(loc="upper left")
        lower.plot(
            capacity,
            [100 * row.probability for row in found.rows],
            "D-",
            color=SERIES[1],
            markersize=4,
            linewidth=1.6,
        )
        anchors = found.champion.scorer.anchors
        for name, line in (("MQL now", anchors.p_mql), ("SQL now", anchors.p_sql)):
            lower.axhline(100 * line, color=MUTED, linewidth=1, linestyle=DASHES[1])
            lower.text(capacity[-1], 100 * line, name, color=MUTED, ha="right", va="bottom")
        lower.set(xscale="log", ylabel="Line: chance, %", xlabel="Leads a week that enter the band")
        lower.minorticks_off()
        lower.set_xticks(capacity, [f"{each:g}" for each in capacity])
        lower.set_ylim(bottom=0)
        return figure


def _bars(axes: Any, capacity: Any, intervals: list[Interval]) -> None:
    value, low, high = (
        np.array([getattr(each, name) for each in intervals]) for name in ("value", "low", "high")
    )
    axes.errorbar(
        capacity, value, yerr=np.abs(np.stack([value - low, high - value])), fmt="o-", color=SERIES[0],
        elinewidth=1.4, linewidth=1.6, label="expected, 95 % predictive interval",
    )  # fmt: skip


def bands_page(found: WhatIfs, project_name: str) -> str:
    """The page: it loads nothing, runs nothing, and follows light and dark."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pipeline"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    said = f"Expected conversions by capacity: {', '.join(f'{row.capacity:g}' for row in found.rows)} leads a week"
    return environment.get_template("bands.html").render(
        project=project_name,
        model_version=found.champion.model_version,
        headline=headline(found),
        sentences=sentences(found),
        notes=notes(found),
        head=HEAD,
        rows=[cells(row) for row in found.rows],
        plot=plots.svg(bands_plot(found), "bands", said),
    )


def write_bands(found: WhatIfs, path: Path, form: BandsForm, project_name: str) -> None:
    """Write the page or the picture.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    content = bands_page(found, project_name).encode() if form == "html" else plots.png(bands_plot(found))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error}.") from error
