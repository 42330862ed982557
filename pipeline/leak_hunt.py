"""The leak hunt of a training: what knows the outcome is left out, said, and noted with the model."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from typing import Any

from features.contracts import Tables
from features.entities import entity_tables, target_of_leads
from features.errors import InputError
from features.points import resolve_rules
from pipeline.audit.frames import lead_history
from pipeline.audit.log_tests import suspect_event_types
from pipeline.audit.result import Suspect
from pipeline.audit.run import suspects_of
from pipeline.config import Project

__all__ = ["LeakHunt", "hunt_leaks", "own_name"]


@dataclass(frozen=True)
class LeakHunt:
    """Suspects among what the project would use, by what became of them.

    Attributes
    ----------
    left_out : graded `leak`; no feature of this training reads them.
    trusted : graded `leak`, used all the same: the project vouches for them.
    in_points : graded `leak`, but a rule of the project's own points table reads them.
    to_ask : graded `look`; used.
    """

    left_out: tuple[Suspect, ...] = ()
    trusted: tuple[Suspect, ...] = ()
    in_points: tuple[Suspect, ...] = ()
    to_ask: tuple[Suspect, ...] = ()

    def words(self) -> tuple[str, ...]:
        """A sentence for each that a person should know of, with its evidence and the cure."""
        said = [
            f"Left out by the leak hunt: {each.column} ({_evidence(each)}). "
            f'If it is known before the outcome, vouch for it: {_setting(each)} = ["{each.column}"].'
            for each in self.left_out
        ]
        said += [
            f"Used on your word, though it looks like a leak: {each.column} ({_evidence(each)})."
            for each in self.trusted
        ]
        said += [
            f"Your points table reads {each.column}, which looks like a leak ({_evidence(each)})."
            for each in self.in_points
        ]
        said += [f"Ask {_whom(each)} {each.column}, and when: {_evidence(each)}." for each in self.to_ask]
        return tuple(said)

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Plain values for the bundle's manifest."""
        return {name: [asdict(each) for each in getattr(self, name)] for name in self.__dataclass_fields__}


def hunt_leaks(project: Project, tables: Tables) -> tuple[Project, LeakHunt]:
    """The project without what knows the outcome, and what was found.

    Attributes that would be features and are graded `leak` are barred, event types are too; unless they
    stand in `attributes.trusted`, `attributes.waived` or `events.trusted`. Fields read from the log as of
    each moment are left alone: their last value may know the outcome, the one before it does not.

    Raises
    ------
    InputError
        If `events.trusted` names a type that neither the events nor the project know.
    """
    _refuse_stray_types(project, tables)
    used = [each for each in _suspects_of_leads(project, tables) if _is_feature(each, project)]
    rules = resolve_rules(project.points, project.attributes, project.events)
    ruled = {str(rule.attribute).partition(".")[0] for rule in rules} | {str(rule.event) for rule in rules}
    of_columns = {*project.attributes.trusted, *project.attributes.waived}
    found: dict[str, list[Suspect]] = {"left_out": [], "trusted": [], "in_points": [], "to_ask": []}
    for each in used:
        names = {each.column, _name(each, project)}
        trusted = project.events.trusted if each.table == "events" else of_columns
        if each.grade == "look":
            found["to_ask"].append(each)
        elif names.intersection(trusted):
            found["trusted"].append(each)
        else:
            found["in_points" if names & ruled else "left_out"].append(each)
    hunt = LeakHunt(**{name: tuple(each) for name, each in found.items()})
    return _without(project, hunt.left_out), hunt


def _suspects_of_leads(project: Project, tables: Tables) -> tuple[Suspect, ...]:
    """Suspects among the leads' own tables, whatever entity is scored: there the files' columns have their rows."""
    if project.target.entity == "lead" or tables.origin is None:
        return suspects_of(project, tables)
    asked = target_of_leads(project.target)
    of_leads = project.model_copy(update={"target": asked})
    found = suspects_of(of_leads, entity_tables(tables.origin, asked, project.attributes))
    if not project.target.entity.startswith("customer"):
        return found
    # what a customer does comes after the lead's win by nature: it is judged by the customer's own outcomes
    own = suspect_event_types(tables, lead_history(project, tables), project)
    return (*(each for each in found if each.table != "events"), *own)


def _refuse_stray_types(project: Project, tables: Tables) -> None:
    if not project.events.trusted:
        return
    there = sorted({*project.events.types, *(str(kind) for kind in tables.events["event_type"].unique())})
    stray = [name for name in project.events.trusted if name not in there]
    if stray:
        near = difflib.get_close_matches(stray[0], there, n=1, cutoff=0.5)
        cure = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(there) or 'none'}."
        raise InputError(
            f"{len(stray)} of {len(project.events.trusted)} names in events.trusted are no event type of this "
            f"project; the first is {stray[0]!r}. {cure}"
        )


def _is_feature(suspect: Suspect, project: Project) -> bool:
    if suspect.table == "events":
        return suspect.column not in project.events.barred
    name = _name(suspect, project)
    is_usable = suspect.use == "at_creation" or project.snapshots.mode == "static"
    return suspect.use != "barred" and (
        (is_usable and name in project.attributes.kinds()) or name in project.attributes.waived
    )


def own_name(table: str, column: str, project: Project) -> str:
    """The project's own name of a column of a file."""
    settings = getattr(project.data, table, None)
    columns: dict[str, str] = {} if settings is None else settings.columns
    return next((ours for ours, theirs in columns.items() if theirs == column), column)


def _name(suspect: Suspect, project: Project) -> str:
    return own_name(suspect.table, suspect.column, project)


def _without(project: Project, suspects: tuple[Suspect, ...]) -> Project:
    columns = [_name(each, project) for each in suspects if each.table != "events"]
    kinds = [each.column for each in suspects if each.table == "events"]
    attributes, events = project.attributes, project.events
    return project.model_copy(
        update={
            "attributes": attributes.model_copy(update={"barred": (*attributes.barred, *columns)}),
            "events": events.model_copy(update={"barred": (*events.barred, *kinds)}),
        }
    )


def _evidence(suspect: Suspect) -> str:
    return suspect.evidence.rstrip(".")


def _whom(suspect: Suspect) -> str:
    return "what writes the event" if suspect.table == "events" else "who fills in"


def _setting(suspect: Suspect) -> str:
    return "events.trusted" if suspect.table == "events" else "attributes.trusted"
