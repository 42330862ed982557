"""What the report says of tiers: each segment with and without its own calibration, and the score sheets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.explicit import normalised
from models.slices import SliceFigures, judge_parts
from pipeline.record import TrainingRecord
from pipeline.report_calibration import answer
from pipeline.report_figures import Row, Table, cell, formed, sized

__all__ = ["sheet_table", "tier_table"]

OTHERS = "all others"
HEAD = (
    "Segment", "Scored by", "Rows", "Leads", "Converted", "Came true", "Promised by the shared model", "Promised",
    "Answer",
)  # fmt: skip
SHEET_HEAD = ("Sheet, band", "From", "Rows", "Converted", "Promised", "Came true", "Answer")


def tier_table(record: TrainingRecord) -> Table | None:
    """Segments of the test: what the shared model promised, what is promised now, what came; None without tiers."""
    evaluation, tiers = record.evaluation, record.evaluation.selection.tiers
    if tiers is None or evaluation.shared_log_odds is None:
        return None
    values = record.dataset.data.leads[tiers.column].to_numpy(dtype=object)
    text = normalised(values[record.dataset.rows.lead[evaluation.test_rows]])
    segment = np.array([each if each in tiers.tiers else OTHERS for each in text], dtype=object)
    parts = {str(name): segment == name for name in sorted(set(segment.tolist()))}
    shared, tiered = (
        _figures(record, odds, parts) for odds in (evaluation.shared_log_odds, evaluation.static_log_odds)
    )
    rows = [
        Row((
            new.name, _kind(record, new.name), *sized(new.rows, new.leads, new.conversions), cell(new.came, "%"),
            formed(old.promised, "%"), formed(new.promised, "%"), answer(new),
        ))
        for old, new in zip(shared, tiered, strict=True)
    ]  # fmt: skip
    constant, slope = tiers.spread
    return Table(
        f"By {tiers.column}: with and without a calibration of its own", HEAD, tuple(rows),
        texts=("Scored by", "Answer"),
        note="Both fitted once, on development, without a shift of the level; below what came true: its 95 % interval. "
        f"Out of fold, segments lie {constant:g} apart in log-odds and {slope:g} in slope (standard deviations; 0: "
        "they do not differ).",
    )  # fmt: skip


def sheet_table(record: TrainingRecord) -> Table | None:
    """Bands of every score sheet; None where there is one sheet for all."""
    evaluation, bands = record.evaluation, record.project.bands
    if evaluation.sheets is None or evaluation.test_sheet is None or record.verdict == "refused":
        return None
    sheets, named = evaluation.sheets, evaluation.test_bands(bands)
    lines = (*sheets.anchors.values(), evaluation.anchors)
    places: dict[str, NDArray[np.bool_]] = {}
    starts: dict[str, str] = {}
    for code in np.unique(evaluation.test_sheet).tolist():
        for band, line in (
            (bands.sql_name, lines[code].p_sql),
            (bands.mql_name, lines[code].p_mql),
            (bands.below_name, 0.0),
        ):
            name = f"{sheets.names[code]}, {band}"
            places[name] = (evaluation.test_sheet == code) & (named == band)
            starts[name] = formed(line, "%")
    figures = _figures(
        record, evaluation.test_log_odds, {name: rows for name, rows in places.items() if rows.any()}
    )
    rows = [
        Row((
            each.name, starts[each.name], *sized(each.rows, each.conversions), formed(each.promised, "%"),
            cell(each.came, "%"), answer(each),
        ))
        for each in figures
    ]  # fmt: skip
    return Table(
        "The score sheets side by side", SHEET_HEAD, tuple(rows), texts=("Answer",), shown=40,
        note=f"A score of 50 is the {bands.mql_name} line of the lead's own sheet, 80 its {bands.sql_name} line; "
        "the list is ranked by probability, across sheets.",
    )  # fmt: skip


def _figures(
    record: TrainingRecord, log_odds: NDArray[np.float64], parts: dict[str, NDArray[np.bool_]]
) -> tuple[SliceFigures, ...]:
    test = record.evaluation.test_rows
    return judge_parts(
        "segment", parts, record.dataset.y[test], np.asarray(expit(log_odds)), record.dataset.lead_code[test],
        record.dataset.timeline.cluster[test],
    )  # fmt: skip


def _kind(record: TrainingRecord, segment: str) -> str:
    tiers = record.evaluation.selection.tiers
    tier = None if tiers is None else tiers.tiers.get(segment)
    if tier is None:
        return "the shared model"
    if tier.own is not None:
        return "its own model"
    if abs(tier.shared[0]) < 1e-9 and abs(tier.shared[1] - 1.0) < 1e-9:
        return "the shared model"
    return f"the shared model, {tier.shared[0]:+.2f} and slope {tier.shared[1]:.2f}"
