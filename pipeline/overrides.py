"""Overrides at scoring: the ledger's decisions, the project's file and rules, matched with the leads and counted."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.asof import NEVER, Examples, microseconds
from features.contracts import Tables
from features.errors import InputError
from features.hindsight import known_before
from features.prepare import FeatureSources, Prepared
from features.settings import PRIORITY
from features.view import RowView
from models.overrides import ACTIONS, Override, OverrideSettings, matching_rows, strongest
from pipeline.config import Project

__all__ = ["LeadOverrides", "Listed", "overrides_file", "overrides_of", "recorded_overrides"]

COLUMNS = ("action", "owner", "reason", "until")
OWNERS = ("lead_id", "account_id")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OF_THE_LIST = Override("raise", "priority list", "the account is on the priority list")
Candidate = tuple[list[int], Override]
Listed = tuple[str, str, Override]  # lead_id or account_id, its value, what was decided


@dataclass(frozen=True)
class LeadOverrides:
    """What stands beside the scores.

    Attributes
    ----------
    by_row : the override that counts for each row, None for none.
    expired : rules and rows of the file that no longer count.
    recorded : how many rows have theirs from the ledger, and how many of its decisions are on leads or accounts that
        the tables no longer hold; None if it has none.
    """

    by_row: list[Override | None]
    expired: int
    recorded: tuple[int, int] | None = None

    def column(self) -> list[dict[str, str | None] | None]:
        """The output's column `override`."""
        return [None if each is None else each.to_json() for each in self.by_row]

    def record(self, lead_ids: list[str]) -> dict[str, Any]:
        """For the manifest: leads by action, expired decisions ignored, and the ids raised, sorted."""
        counts = Counter(each.action for each in self.by_row if each is not None)
        raised = [
            lead
            for lead, each in zip(lead_ids, self.by_row, strict=True)
            if each is not None and each.action == "raise"
        ]
        found: dict[str, int] = {action: counts[action] for action in ACTIONS}
        found["ignored_expired"] = self.expired
        if self.recorded is not None:
            found |= dict(zip(("of_ledger", "ignored_gone"), self.recorded, strict=True))
        return {"overrides": found, "raised": sorted(raised)}


def overrides_file(project: Project) -> Path | None:
    """Where the file of decisions lies, against the folder of the project file."""
    return None if project.overrides.file is None else project.root / project.overrides.file


def recorded_overrides(project: Project, as_of: int, *, is_present: bool) -> list[Listed]:
    """The decisions in the project's ledger that a run at as_of takes; empty without a ledger, and but for leads.

    Parameters
    ----------
    as_of : in microseconds, or `NEVER`.
    is_present : whether nobody asked for an as_of; see `pipeline.ledger.decisions.decisions_for_run`.

    Raises
    ------
    OutputError
        If the ledger can't be read.
    """
    if project.ledger.url is None or project.target.entity != "lead":
        return []
    from pipeline.ledger.decisions import decisions_for_run
    from pipeline.ledger.store import find_ledger

    ledger = find_ledger(project)
    if ledger is None:
        return []
    moment = None if as_of == NEVER else EPOCH + timedelta(microseconds=as_of)
    with ledger.reading() as connection:
        found = decisions_for_run(connection, project.name, moment, is_present=is_present)
    return [
        (
            each["kind"],
            each["subject"],
            Override(each["action"], each["owner"], each["reason"], each["until"]),
        )
        for each in found
    ]


def overrides_of(
    project: Project, sources: FeatureSources, tables: Tables, data: Prepared, rows: Examples, as_of: int,
    recorded: Sequence[Listed] = (),
) -> LeadOverrides:  # fmt: skip
    """The override of each row: the ledger's count before those of the file, then come the rules, then the list.

    Parameters
    ----------
    sources : of the bundle, so that attributes and events are read as the model reads them.
    as_of : the moment of scoring in microseconds; `NEVER` for a flat export, whose end of the data stands in.
    recorded : decisions of the ledger that have not expired.

    Raises
    ------
    InputError
        If the file can't be read or holds rows that can't be used, if there is no moment to compare an
        expiry with, or no account has a priority though the list should raise.
    ConfigError
        If a rule names an attribute or an event that the model does not know.
    """
    settings = project.overrides
    listed = _listed(project, tables)
    given = [*(override for _, _, override in listed), *(rule.override for rule in settings.rules)]
    moment = _moment(given, as_of, tables)
    candidates = [
        *_of_list(listed, data, rows),
        *_of_rules(settings, sources, data, rows, as_of),
        *_of_priority(settings, data, rows),
    ]
    counting = [(places, each) for places, each in candidates if not each.has_expired(moment)]
    expired = sum(each.has_expired(moment) for each in given)
    if not recorded:
        return LeadOverrides(strongest(len(rows), counting), expired)
    by_row = strongest(len(rows), [*_of_list(recorded, data, rows), *counting])
    known, own = _known(tables), {override for _, _, override in recorded}
    gone = sum(name not in known[kind] for kind, name, _ in recorded)
    return LeadOverrides(by_row, expired, (sum(each in own for each in by_row), gone))


def _moment(given: list[Override], as_of: int, tables: Tables) -> int:
    """The moment that expiries are compared with."""
    if as_of != NEVER:
        return as_of
    if not pd.isna(tables.data_end):
        return int(microseconds(tables.data_end)[0])
    dated = [each for each in given if each.until is not None]
    if dated:
        raise InputError(
            f"{len(dated)} of {len(given)} overrides have an expiry, the first is {dated[0].owner}'s until "
            f"{dated[0].until}, but this flat export has no moment to compare it with. Set data.data_end."
        )
    return 0


def _of_list(listed: Sequence[Listed], data: Prepared, rows: Examples) -> Iterator[Candidate]:
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    if listed:
        chosen = data.leads.iloc[rows.lead]
        for kind in OWNERS:
            for place, name in enumerate(chosen[kind].tolist()):
                if not pd.isna(name):  # a lead without an account is not of the account called "nan"
                    places[kind, str(name)].append(place)
    for kind, name, override in listed:
        yield places.get((kind, name), []), override


def _of_rules(
    settings: OverrideSettings, sources: FeatureSources, data: Prepared, rows: Examples, as_of: int
) -> Iterator[Candidate]:
    if not settings.rules:
        return
    # bursts that could not be told at as_of are people's activity, whatever came later
    known = data if as_of == NEVER else known_before(data, as_of)
    view = RowView(known, rows, known.events.events, sources.events, ())
    for rule in settings.rules:
        yield matching_rows(view, rule.when, sources).tolist(), rule.override


def _of_priority(settings: OverrideSettings, data: Prepared, rows: Examples) -> Iterator[Candidate]:
    if not settings.priority:
        return
    if PRIORITY not in data.leads:
        raise InputError(
            "overrides.priority is on, but no account has a value in is_priority. Map the column under "
            "[data.accounts] columns, or switch overrides.priority off."
        )
    is_listed = data.leads[PRIORITY].to_numpy(dtype=np.float64)[rows.lead] == 1.0
    yield np.flatnonzero(is_listed).tolist(), OF_THE_LIST


def _known(tables: Tables) -> dict[str, set[str]]:
    """The ids of leads and accounts that the tables hold, those in quarantine among them."""
    leads = (tables if tables.origin is None else tables.origin).leads
    held = tables.quarantine[tables.quarantine["table"] == "leads"]["lead_id"]
    return {
        "lead_id": {*leads["lead_id"].astype(str), *held.dropna().astype(str)},
        "account_id": set(leads["account_id"].dropna().astype(str)) | set(tables.accounts["account_id"].astype(str)),
    }  # fmt: skip


def _listed(project: Project, tables: Tables) -> list[Listed]:
    """The decision in each row of the file."""
    path = overrides_file(project)
    if path is None:
        return []
    known = _known(tables)
    found: list[Listed] = []
    faults: list[str] = []
    n = 0
    for line, cells in _cells(path):
        n += 1
        try:
            found.append(_decision(cells, known))
        except ValueError as error:
            faults.append(f"line {line}: {error}")
    if faults:
        raise InputError(
            f"{len(faults)} of {n} overrides in {path} can't be used; the first stands in {faults[0]}. "
            "Nothing was applied. Mend these rows, or take them out."
        )
    return found


def _cells(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column) of each row that is not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The file of overrides {path} can't be read: {error}. overrides.file is a path against the folder of "
            "the project file; write the file as CSV in UTF-8."
        ) from error
    reader = csv.DictReader(
        io.StringIO(text, newline=""), restkey="(beyond the header)", restval="", strict=True
    )
    try:
        names, rows = reader.fieldnames or [], [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InputError(
            f"The file of overrides {path} can't be read beyond line {reader.line_num}: {error}. Nothing was applied. "
            "Look for a quote that is not closed."
        ) from error
    lost = [name for name in COLUMNS if name not in names]
    if lost or not set(OWNERS) & set(names):
        wanted = f"{', '.join(COLUMNS)} and lead_id or account_id"
        raise InputError(
            f"The file of overrides {path} needs the columns {wanted}, separated by commas; its first line is "
            f"{','.join(names)!r}."
        )
    for line, row in rows:
        yield line, {name: str(value).strip() for name, value in row.items()}


def _decision(cells: dict[str, str], known: dict[str, set[str]]) -> Listed:
    """The decision in a row; ValueError with what is wrong and how to mend it."""
    if "(beyond the header)" in cells:
        raise ValueError("it has more cells than the header; put texts with a comma in quotes")
    given = [kind for kind in OWNERS if cells.get(kind)]
    if len(given) != 1:
        raise ValueError("it needs either a lead_id or an account_id")
    kind, name = given[0], cells[given[0]]
    if name not in known[kind]:
        raise ValueError(f"there is no {kind.removesuffix('_id')} '{name}' in the tables")
    action = next((each for each in ACTIONS if each == cells["action"]), None)
    if action is None:
        raise ValueError(f"the action {cells['action']!r} is none of {', '.join(ACTIONS)}")
    for column in ("owner", "reason"):
        if not cells[column]:
            raise ValueError(f"the decision on {name!r} has no {column}")
    return kind, name, Override(action, cells["owner"], cells["reason"], _until(cells["until"], action))


def _until(text: str, action: str) -> date | None:
    if not text:
        if action != "disqualify":
            raise ValueError(f"the action '{action}' needs `until`, the day up to which it counts")
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"until is {text!r}, expected a day such as 2026-03-31") from None
