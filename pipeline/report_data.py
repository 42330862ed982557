"""What became of the data: rows read and left out, what the leak hunt found, whether the rate moved."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.audit.result import Suspect
from pipeline.leak_hunt import LeakHunt
from pipeline.record import TrainingRecord
from pipeline.report_content import slice_rows
from pipeline.report_figures import Cell, Mark, Ranged, Row, Table, rows_of, sized
from pipeline.report_words import REASONS

__all__ = ["SuspectRow", "audit_tables", "hunt_rows", "hunt_words", "slice_table"]


@dataclass(frozen=True)
class SuspectRow:
    """What may know the outcome, what was done about it, and the setting that vouches for it, if one may."""

    suspect: Suspect
    done: Mark
    line: str = ""


def audit_tables(record: TrainingRecord) -> list[Table]:
    """What was read, by kind: its total, then what became of it."""
    dataset = record.dataset
    leads = {"used": len(dataset.data.leads)}
    leads |= {f"quarantined: {code.replace('_', ' ')}": n for code, n in sorted(record.quarantined.items())}
    events = {"used": len(dataset.data.events.events), **_named(record.cleaned)}
    examples = {"used": len(dataset.y), **_named(dataset.left_out)}
    parts = {"Leads": leads, "Events": events, "Rows (a lead at a moment)": examples}
    return [
        Table(name, (name, *sized(sum(counts.values()))), tuple(Row((what, *sized(n))) for what, n in counts.items()))
        for name, counts in parts.items()
    ]  # fmt: skip


def _named(counts: dict[str, int]) -> dict[str, int]:
    return {REASONS.get(name, name.replace("_", " ")): count for name, count in counts.items() if count}


def slice_table(record: TrainingRecord) -> Table:
    """Development, gap and test: period, size and the share that converts."""
    rows: list[tuple[Cell, ...]] = [
        (
            each.name.capitalize(), each.period or "-", *sized(each.rows, each.leads, each.conversions),
            Ranged(each.rate, each.interval),
        )
        for each in slice_rows(record)
    ]  # fmt: skip
    return Table(
        "The parts of the data",
        ("Part", "Moments scored", "Rows", "Leads", "Converted", "Share, 95 % interval"),
        rows_of(rows),
        texts=("Moments scored",),
        note="Rows of the gap have outcome windows that reach into the test; they serve neither.",
    )


def hunt_words(hunt: LeakHunt) -> str:
    """What the leak hunt did, in a sentence."""
    counts = {
        "left out": len(hunt.left_out),
        "used on your word": len(hunt.trusted),
        "read by your points table": len(hunt.in_points),
        "to ask about": len(hunt.to_ask),
    }
    if not any(counts.values()):
        return "Every attribute and event type in use was tested for knowing the outcome. Nothing was found."
    listed = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"Every attribute and event type in use was tested for knowing the outcome. Suspects: {listed}."


def hunt_rows(hunt: LeakHunt) -> list[SuspectRow]:
    """Each suspect with what was done, its evidence and the line that vouches for it."""
    left_out, trusted = Mark("bad", "left out"), Mark("open", "used on your word")
    ruled, asked = Mark("open", "read by your points table"), Mark("open", "used; ask who writes it")
    return [
        *(SuspectRow(each, left_out, _line(each)) for each in hunt.left_out),
        *(SuspectRow(each, trusted) for each in hunt.trusted),
        *(SuspectRow(each, ruled, _line(each)) for each in hunt.in_points),
        *(SuspectRow(each, asked) for each in hunt.to_ask),
    ]


def _line(suspect: Suspect) -> str:
    setting = "events.trusted" if suspect.table == "events" else "attributes.trusted"
    return f'{setting} = ["{suspect.column}"]'
