"""Shows an audit to people, in plain words."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.audit.result import Audit, Suspect

__all__ = ["render"]

_SECTIONS = {
    "tables": "Tables",
    "columns": "Columns",
    "time": "Clocks",
    "events": "Events",
    "outcomes": "Outcomes",
    "examples": "Examples",
}
_USE = {
    "barred": "barred already",
    "history": "read from the log",
    "undeclared": "not used",
    "key": "an id",
    "event": "an event type",
}


def render(audit: Audit, console: Console) -> None:
    """Print the audit: tables, findings by section, rates over time, then the suspects with evidence."""
    console.print(f"[bold]Check of {escape(audit.project)}[/bold] (mode {audit.mode})\n")
    _print_tables(audit, console)
    for section, title in _SECTIONS.items():
        found = [finding for finding in audit.findings if finding.section == section]
        if found:
            console.print(f"\n[bold]{title}[/bold]")
        for finding in found:
            mark = "[yellow]![/yellow]" if finding.level == "warning" else "-"
            console.print(f" {mark} {escape(finding.message)}", highlight=False)
    _print_rates(audit, console)
    _print_suspects(audit, console)


def _print_tables(audit: Audit, console: Console) -> None:
    table = Table("table", "records", "kept", "in quarantine", "columns", box=None, pad_edge=False)
    for shape in audit.tables:
        numbers = (shape.rows_in, shape.rows_kept, shape.quarantined, len(shape.columns))
        table.add_row(shape.table, *(f"{number:,}" for number in numbers))
    console.print(table)


def _print_rates(audit: Audit, console: Console) -> None:
    if audit.rates:
        shares = " ".join(f"{row['rate']:.3f}" for row in audit.rates)
        within = "" if audit.mode == "static" else " within the horizon after creation"
        console.print(f"\n[bold]Share won[/bold]{within}, by tenth of the leads, oldest first")
        console.print(f" {shares}", highlight=False)
    if audit.conversions:
        console.print("\n[bold]What training would see[/bold]")
        words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in audit.conversions.items())
        console.print(f" {escape(words)}", highlight=False)


def _print_suspects(audit: Audit, console: Console) -> None:
    groups = (
        ("leak", "red", "Leaks: bar these, unless you can show that they are known beforehand"),
        ("look", "yellow", "Look at these: ask someone who fills them in, and when"),
    )
    for grade, color, title in groups:
        found = [suspect for suspect in audit.suspects if suspect.grade == grade]
        if found:
            console.print(f"\n[bold {color}]{title}[/bold {color}]")
        for suspect in found:
            console.print(f" [bold]{escape(suspect.column)}[/bold] ({_used(suspect)})", highlight=False)
            console.print(f"   {escape(suspect.evidence)}", highlight=False)
    if not audit.suspects:
        console.print("\nNo column or event type is suspected of knowing the outcome.")
    todo = [suspect.column for suspect in audit.suspects if suspect.grade == "leak" and _is_open(suspect)]
    if todo:
        names = ", ".join(f'"{name}"' for name in todo)
        console.print(f"\nNot barred yet: add {escape(names)} to attributes.barred.", highlight=False)


def _is_open(suspect: Suspect) -> bool:
    """Whether training would use the column as it is declared."""
    return suspect.use in {"at_creation", "current"}


def _used(suspect: Suspect) -> str:
    where = "" if suspect.table == "leads" else f"{suspect.table}, "
    return where + _USE.get(suspect.use, f"declared {suspect.use}")
