"""Commands on what people say of leads: feedback import, feedback list, override."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.errors import ConfigError, InputError
from pipeline.cli_options import (
    DEFAULT_PROJECT,
    JsonOption,
    ProjectOption,
    TargetOption,
    print_json,
    project_of,
)
from pipeline.cli_registry import acting_name
from pipeline.console import floored, minute, open_table, plain_console, printable, show_table

if TYPE_CHECKING:
    from pipeline.config import Project

__all__ = ["feedback", "override", "register"]

feedback = typer.Typer(no_args_is_help=True, help="What sales answered to the scores: import, list.")
LEAD_HELP = "The lead; leave it out with --account, or to list what is in force."


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(feedback, name="feedback")
    app.command()(override)


@feedback.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV with lead_id, by, and verdict, code, note or worked_at.")],
    project: ProjectOption = DEFAULT_PROJECT, target: TargetOption = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Add the good rows though others are bad.")] = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Add a file of answers to the ledger; the same answer twice adds nothing."""
    from pipeline.feedback_file import import_feedback
    from pipeline.ledger.store import open_ledger

    loaded = project_of(project, None, target)
    found = import_feedback(open_ledger(loaded), loaded.name, file, is_skipping=skip_bad)
    if as_json:
        print_json(found.to_json())
    else:
        console = plain_console()
        console.print(
            f"{found.rows_in:,} rows in = {found.added:,} added + {found.already_there:,} already there + "
            f"{len(found.faults):,} refused"
        )
        for line, why in found.faults:
            console.print(f"- line {line}: {printable(why)}")
    raise typer.Exit(3 if found.faults else 0)


@feedback.command(name="list")
def list_(
    lead: Annotated[str | None, typer.Option("--lead", help="Of one lead only.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many, the newest first.")] = 50,
    project: ProjectOption = DEFAULT_PROJECT, target: TargetOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """List answers, the newest first, with the score and band at the time."""
    from pipeline.ledger.feedback import feedback_of, latest_feedback
    from pipeline.ledger.store import open_ledger

    loaded = project_of(project, None, target)
    with open_ledger(loaded).reading() as connection:
        if lead is None:
            found = latest_feedback(connection, loaded.name, limit)
        else:
            found = feedback_of(connection, loaded.name, lead, limit)
    if as_json:
        print_json({"feedback": [_plain(each) for each in found]})
        return
    table = open_table("lead", "answer", "reason", "worked", ">score", "band", "by", "recorded", "note")
    for each in found:
        table.add_row(
            printable(each["lead_id"]), each["verdict"] or "worked", each["code"] or "", minute(each["worked_at"]),
            "" if each["score"] is None else floored(each["score"]), printable(each["band"] or ""), each["by"],
            minute(each["recorded_at"]), " ".join((each["note"] or "").split("\n")),
        )  # fmt: skip
    show_table(table)


def override(
    lead_id: Annotated[str | None, typer.Argument(help=LEAD_HELP)] = None,
    account: Annotated[str | None, typer.Option("--account", help="All leads of an account instead.")] = None,
    is_raise: Annotated[bool, typer.Option("--raise", help="Work it first.")] = False,
    is_hold: Annotated[bool, typer.Option("--hold", help="Not before --until.")] = False,
    is_disqualify: Annotated[bool, typer.Option("--disqualify", help="Do not work it.")] = False,
    is_lift: Annotated[bool, typer.Option("--lift", help="End the decision in force.")] = False,
    why: Annotated[str, typer.Option("--why", help="The reason, shown beside the score.")] = "",
    owner: Annotated[str | None, typer.Option("--owner", help="Who answers for it; else who decides.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="The day from which it no longer counts; --raise, --hold need it.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who decides; else your login name.")] = None,
    project: ProjectOption = DEFAULT_PROJECT, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Record a decision on a lead or an account beside its score; without an action, list decisions."""
    from pipeline.ledger.decisions import active_decisions, add_decision, decisions_of
    from pipeline.ledger.store import open_ledger

    loaded = _of_leads(project_of(project))
    actions = {"raise": is_raise, "hold": is_hold, "disqualify": is_disqualify, "lift": is_lift}
    subject, action = _asked({"lead_id": lead_id, "account_id": account}, actions)
    if action is None and (why or any(each is not None for each in (owner, until, by))):
        raise InputError(
            "Say what is decided: --raise, --hold, --disqualify or --lift. Nothing was recorded."
        )
    ledger = open_ledger(loaded)
    if subject is None or action is None:
        with ledger.reading() as connection:
            if subject is None:
                found = active_decisions(connection, loaded.name, datetime.now(UTC))
            else:
                found = decisions_of(connection, loaded.name, *subject)
        _print_decisions(found, as_json)
        return
    who = acting_name(by)
    number = add_decision(
        ledger, loaded.name, kind=subject[0], subject=subject[1], action=action,
        owner=who if owner is None else owner, reason=why, until=_day(until), by=who,
    )  # fmt: skip
    with ledger.reading() as connection:
        made = next(
            each for each in decisions_of(connection, loaded.name, *subject) if each["number"] == number
        )
    if as_json:
        print_json(_plain(made))
        return
    last = "" if made["until"] is None else f", counts up to {made['until']}"
    plain_console().print(
        f"Recorded decision {number}: {action} {printable(subject[1])} ({made['owner']}: {made['reason']}){last}. The "
        "next scoring shows it beside the score, which it does not move."
    )


def _asked(
    subjects: dict[str, str | None], actions: dict[str, bool]
) -> tuple[tuple[str, str] | None, str | None]:
    """(kind and id, action) of the command line; None for what it leaves out."""
    given = [(kind, subject) for kind, subject in subjects.items() if subject is not None]
    chosen = [name for name, is_asked in actions.items() if is_asked]
    if len(given) > 1 or len(chosen) > 1 or (chosen and not given):
        raise InputError(
            "A decision is about a lead or --account ID, and one of --raise, --hold, --disqualify and --lift. A lead "
            "or account alone lists its decisions, nothing at all lists those in force."
        )
    return next(iter(given), None), next(iter(chosen), None)


def _of_leads(project: Project) -> Project:
    if project.target.entity != "lead":
        raise ConfigError(
            f"Overrides are decisions about leads; this project scores the entity '{project.target.entity}'."
        )
    return project


def _print_decisions(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"decisions": [_plain(each) for each in found]})
        return
    table = open_table("lead or account", "action", "owner", "reason", "until", "by", "recorded")
    for each in found:
        table.add_row(
            printable(each["subject"]), each["action"], each["owner"], each["reason"], str(each["until"] or ""),
            each["by"], minute(each["recorded_at"]),
        )  # fmt: skip
    show_table(table)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--until is {text!r}, expected a day such as 2026-03-31.") from None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row with days and moments as ISO 8601."""
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
