"""The picture of an account's scores over the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipeline.review.model_svg import WIDTH, Frame, line, svg, text
from pipeline.review.shown import day

__all__ = ["account_chart"]

HEIGHT = 210
LINES = (50.0, 80.0)


def account_chart(history: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Best and mean score of the account's people, run by run; None with fewer than two runs to draw."""
    if len(history) < 2:
        return None
    frame = Frame(48, 12, WIDTH - 48, HEIGHT - 30, (0.0, len(history) - 1.0), (0.0, 100.0))
    ends = [(0.0, _when(history[0])), (len(history) - 1.0, _when(history[-1]))]
    parts = frame.axes(ends, [(value, f"{value:.0f}") for value in (0, *LINES, 100)])
    for name, kind in (("mean", "line soft"), ("best", "line")):
        parts.append(frame.path([(k, run[name]) for k, run in enumerate(history)], kind))
    best, mean = (frame.at(len(history) - 1, history[-1][name])[1] for name in ("best", "mean"))
    mean = max(mean, best + 15)  # the words must not lie on each other
    parts += [
        text(frame.right + 8, best + 4, "best", "start", "label strong"),
        text(frame.right + 8, mean + 4, "mean", "start", "ax"),
        line(frame.left, frame.bottom, frame.right, frame.bottom, "ax-line"),
    ]
    first, last = history[0], history[-1]
    said = (
        f"Best from {first['best']:.0f} to {last['best']:.0f}, mean from {first['mean']:.0f} to {last['mean']:.0f} in "
        f"{len(history)} runs."
    )
    return svg(HEIGHT, "Scores of the people at this account over the runs", said, parts)


def _when(run: Mapping[str, Any]) -> str:
    return f"run {run['number']}" if run["as_of"] is None else day(run["as_of"])
