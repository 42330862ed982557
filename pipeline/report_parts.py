"""The test by month and by segment: where the probabilities hold and where they do not."""

from __future__ import annotations

from pipeline.plots import PeriodPoint
from pipeline.record import TrainingRecord
from pipeline.report_calibration import answer
from pipeline.report_figures import Row, Table, cell, formed, sized

__all__ = ["PARTS_NOTE", "part_tables", "parts_words", "period_points"]

PERIODS = {"month": "By month", "period": "By part of the test, in order"}
HEAD = (
    "Rows", "Leads", "Converted", "Promised", "Came true", "Promised / came", "AUC", "Answer",
)  # fmt: skip
PARTS_NOTE = (
    "Below each figure: its 95 % interval. An answer of ✕ holds after allowing for the number of rows of the table "
    "(Holm, 5 %); fewer than 30 conversions are too few to tell."
)


def part_tables(record: TrainingRecord) -> list[Table]:
    """One table for the months or parts of the test, then one for each segment column."""
    kinds = dict.fromkeys(each.kind for each in record.slices if each.kind != "band")
    return [_table(record, kind) for kind in kinds]


def _table(record: TrainingRecord, kind: str) -> Table:
    rows = [
        Row((
            each.name,
            *sized(each.rows, each.leads, each.conversions),
            formed(each.promised, "%"),
            cell(each.came, "%"),
            cell(each.ratio, "2"),
            cell(each.auc, "3"),
            answer(each),
        ))
        for each in record.slices
        if each.kind == kind
    ]  # fmt: skip
    name = kind.capitalize() if kind in PERIODS else kind
    return Table(PERIODS.get(kind, f"By {kind}"), (name, *HEAD), tuple(rows), texts=("Answer",))


def parts_words(record: TrainingRecord) -> str:
    """How many months and segments were looked at, and which are off."""
    looked = [each for each in record.slices if each.kind != "band"]
    if not looked:
        return "Nothing parts this test into months or segments."
    weak = [
        each.name if each.kind in PERIODS else f"{each.kind} {each.name}" for each in looked if each.is_weak
    ]
    parts = "months and segments" if looked[0].kind == "month" else "parts and segments"
    open_ones = sum(each.check.status == "not_shown" for each in looked)
    few = f" {open_ones} have too few conversions to tell." if open_ones else ""
    if not weak:
        return f"None of the {len(looked)} {parts} is shown to be off.{few}"
    named = ", ".join(weak[:6]) + (f" and {len(weak) - 6} more" if len(weak) > 6 else "")
    return f"Off in {len(weak)} of {len(looked)} {parts}: {named}.{few}"


def period_points(record: TrainingRecord) -> list[PeriodPoint]:
    """The months, or the parts of an undated test, for the picture."""
    return [
        PeriodPoint(
            each.name.partition(" of ")[0], each.promised, each.came.value, each.came.low, each.came.high
        )
        for each in record.slices
        if each.kind in PERIODS
    ]
