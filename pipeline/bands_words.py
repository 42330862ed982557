"""Bands by capacity in words and tables, for the terminal and the page."""

from __future__ import annotations

from scipy.special import expit

from features.durations import format_duration
from models.intervals import Interval
from pipeline.bands_what_if import WhatIf, WhatIfs

__all__ = ["HEAD", "cells", "headline", "notes", "sentences"]

HEAD = (
    "leads\na week", "chance\nat line", "score\ntoday", "stock\ntoday", "weeks\nof it", "entries\n(95 %)",
    "won\n(95 %)", "value\n(95 %)", "held out\n(95 %)", "came",
)  # fmt: skip


def headline(found: WhatIfs) -> str:
    """One line: which lines answer the capacities, or that none was given."""
    lines = [
        f"{name} {row.capacity:g} a week: {row.probability:.1%}"
        for name, row in (("MQL", found.mql), ("SQL", found.sql))
        if row is not None
    ]
    anchors = found.champion.scorer.anchors
    present = f"now: MQL {anchors.p_mql:.1%}, SQL {anchors.p_sql:.1%}"
    return f"{'; '.join(lines)} ({present})" if lines else f"Lines {present}"


def cells(row: WhatIf) -> tuple[str, ...]:
    """A row of the what-if table, under `HEAD`."""
    held, value = row.held_out, row.promise.value
    return (
        f"{row.capacity:g}", f"{row.probability:.1%}", f"{row.score:.0f}", f"{row.stock_now:,}",
        f"{row.weeks_of_stock:.1f}", _stacked(row.promise.entries), _stacked(row.promise.conversions),
        "-" if value is None else _stacked(value), _stacked(held.entries), f"{held.entered:,}",
    )  # fmt: skip


def _stacked(each: Interval) -> str:
    return f"{_short(each.value)}\n{_short(each.low)}-{_short(each.high)}"


def _short(value: float) -> str:
    """At most four signs before the unit.

    Examples
    --------
    >>> _short(940.4), _short(12_500.0), _short(1_300_000.0)
    ('940', '12k', '1.3M')
    """
    if value >= 999_500:
        return f"{value / 1e6:.1f}M"
    return f"{value / 1e3:.0f}k" if value >= 9_999.5 else f"{value:,.0f}"


def _ranged(each: Interval) -> str:
    return f"{each.value:,.0f} ({each.low:,.0f} to {each.high:,.0f})"


def sentences(found: WhatIfs) -> list[str]:
    """What was found of each line asked for: the line, its stock, its promise, and the promise held out."""
    said = []
    for name, row in (("MQL", found.mql), ("SQL", found.sql)):
        if row is None:
            continue
        promise = row.promise
        said.append(
            f"{name}: a line at {row.probability:.2%} lets in {row.capacity:g} leads a week (over the last "
            f"{len(row.by_week)} weeks: {min(row.by_week)} to {max(row.by_week)} a week). The next {promise.weeks} "
            f"weeks: {_ranged(promise.entries)} entries, {_ranged(promise.conversions)} conversions within the "
            "horizon of their entry."
        )
        said.append(
            f"{name} stock: {row.stock_now:,} open leads lie at or above this line today, {row.weeks_of_stock:.1f} "
            "weeks of the capacity on top of the entries."
        )
        said.append(_held(name, row))
    return said


def _held(name: str, row: WhatIf) -> str:
    held = row.held_out
    said = (
        f"{name} held out: found on the first {len(row.by_week) - held.weeks} weeks, the line promised "
        f"{_ranged(held.entries)} entries in the {held.weeks} weeks after; {held.entered:,} came: "
        f"{'kept' if held.is_kept else 'not kept'}."
    )
    if held.conversions is None:
        return said + " No outcome of these entries is complete yet."
    return said + (
        f" Of the first {held.known_weeks} of these weeks, whose outcomes are complete, {_ranged(held.conversions)} "
        f"conversions were promised; {held.converted:,} came: {'kept' if held.is_conversion_kept else 'not kept'}."
    )


def notes(found: WhatIfs) -> list[str]:
    """How it was counted, and what to know before the lines are believed."""
    own, past = found.settings, found.past
    assert own.every is not None
    assert own.cool_down is not None
    said = [
        f"An entry is a lead that reaches the line at one of the cuts, {format_duration(own.every)} apart. It leaves "
        f"{own.hysteresis:g} points below the line and can enter again {format_duration(own.cool_down)} later. Who was "
        "above the line when the weeks began is stock, not entries.",
        "The champion was fitted on these weeks too, so its recipe stands in for it, fitted on "
        f"{past.fitted_rows:,} rows ({past.fitted_conversions:,} conversions) that were known before them. Intervals "
        "are 95 %, for weeks like those replayed.",
        "A line found with the recipe is carried over to the champion where as many open leads lie above it in the "
        "weeks whose outcomes are not complete"
        + "".join(
            f"; {name}: {float(expit(row.replayed_line)):.1%} by the recipe is {row.probability:.1%} by the champion"
            for name, row in (("MQL", found.mql), ("SQL", found.sql))
            if row is not None
        )
        + ".",
    ]
    for row in found.rows:
        level = row.level
        if row in (found.sql, found.mql):
            said.append(
                f"At {row.capacity:g} a week the sum of the chances at entry was {level.promised:,.0f}, "
                f"{level.came:,} of these {level.entries:,} entries converted"
                + (
                    "; conversions are promised at that level."
                    if level.shift
                    else "; too few to learn a level from."
                )
            )
    if found.has_sheets:
        said.append(
            "The champion has segments with models or lines of their own. Entries were counted as if all leads "
            "were scored by the shared sheet, and only its lines can be set."
        )
    said += found.unreachable
    if found.queue is not None and found.queue_now is not None:
        queue = found.queue
        low, high = (f"{float(expit(each)):.1%}" for each in (queue.line.min(), queue.line.max()))
        said.append(
            f"Weekly top-N queue, N = {queue.size:,}: today it ends at a chance of {found.queue_now:.1%}; over the "
            f"weeks, by the recipe, between {low} and {high}, with {queue.new.mean():.1f} "
            "new names a week. It is another thing than a band: the same leads stand in it week after week until they "
            "close, and its end moves each week, while a band's line stays and counts each lead once."
        )
    return said
