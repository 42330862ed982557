"""Making another version champion by hand, and going back: the model is proved sound before anything moves."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from features.errors import BundleError, LeadScoringError
from models.bundle import Bundle, load_bundle
from pipeline.config import Project
from pipeline.ledger.acts import record_act
from pipeline.promotions import Promotion, champion_before, stated
from pipeline.tracking import fetch_bundle
from pipeline.tracking_registry import (
    RegisteredVersion,
    Registry,
    find_version,
    move_champion,
    read_registry,
)

__all__ = ["Appointment", "promote", "roll_back"]

Act = Literal["promote", "rollback"]
_BY_NAME = "lead-scoring promote VERSION, with the same -p and --target as here"


@dataclass(frozen=True)
class Appointment:
    """What came of a promotion or a rollback.

    Attributes
    ----------
    record : the act; None where the version was champion already and nothing was changed.
    champion : the version in office afterwards.
    notes : what to know about it, in sentences.
    """

    act: Act
    version: str
    model_version: str
    champion: str | None
    record: Promotion | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The act as plain values."""
        return {
            "act": self.act,
            "changed": self.record is not None,
            "version": self.version,
            "model_version": self.model_version,
            "champion": self.champion,
            "record": None if self.record is None else self.record.to_json(),
            "notes": list(self.notes),
        }


def promote(project: Project, chosen: str, why: str, by: str) -> Appointment:
    """Make a version champion.

    Parameters
    ----------
    chosen : a number, an alias, or the bundle's model_version.
    why, by : the reason and the person, kept in the store with the act.

    Raises
    ------
    BundleError
        If the version is not there, damaged, or was refused; nothing is changed.
    InputError
        If `why` or `by` is empty or too long; nothing is changed.
    """
    why, by = stated("why", why), stated("by", by)
    registry = read_registry(project)
    version = find_version(registry.versions, chosen)
    if version.number == registry.champion:
        notes = (f"Version {version.number} is the champion already; nothing was changed.",)
        return Appointment(
            "promote", version.number, version.model_version or "", version.number, None, notes
        )
    return _appoint(project, registry, version, "promote", why, by)


def roll_back(project: Project, why: str, by: str) -> Appointment:
    """Make the champion before the present one champion again; each further rollback goes one further back.

    Raises
    ------
    BundleError
        If there is no champion before, or it is damaged; nothing is changed.
    InputError
        If `why` or `by` is empty or too long; nothing is changed.
    """
    why, by = stated("why", why), stated("by", by)
    registry = read_registry(project)
    if registry.history.damaged:
        raise BundleError(
            f"{len(registry.history.damaged)} records of promotions can't be read, the first is the tag "
            f"{registry.history.damaged[0]!r} of the registered model, so the champion before is uncertain. Mend or "
            f"delete the tag, or name the version: {_BY_NAME}."
        )
    existing = {each.number for each in registry.versions}
    before = champion_before(registry.history.records, registry.champion, existing)
    if before is None:
        present = f"version {registry.champion}" if registry.champion else "the first one"
        raise BundleError(
            f"No champion before {present} is on record, so there is nothing to go back to. "
            f"Name the version instead: {_BY_NAME}."
        )
    return _appoint(project, registry, find_version(registry.versions, before), "rollback", why, by)


def _appoint(
    project: Project, registry: Registry, version: RegisteredVersion, act: Act, why: str, by: str
) -> Appointment:
    with tempfile.TemporaryDirectory() as scratch:
        bundle = load_bundle(fetch_bundle(project, version.number, Path(scratch)))
        if bundle.manifest.get("verdict") == "refused":
            raise BundleError(
                f"Version {version.number} was refused: it is no better than the base rate. Nothing was changed; "
                "train again."
            )
        notes = [*_standing(version, bundle), *_question(project, registry, bundle, Path(scratch))]
    move = move_champion(project, version, act, by, why, registry)
    lost = record_act(project, move, bundle)
    notes += [] if lost is None else [lost]
    if move.champion != version.number:
        notes.append(
            f"Another act at the same moment made version {move.champion} champion; both are on record."
        )
    return Appointment(act, version.number, bundle.model_version, move.champion, move.record, tuple(notes))


def _standing(version: RegisteredVersion, bundle: Bundle) -> list[str]:
    """What the gate had held against it."""
    if version.tags.get("calibrated") == "no":
        return [
            f"Version {version.number} ranks only, its probabilities were not shown to hold (not calibrated): "
            "use the order of its list."
        ]
    if bundle.manifest.get("verdict") == "challenger":
        return [f"The gate had kept version {version.number} as challenger; its report says why."]
    return []


def _question(project: Project, registry: Registry, bundle: Bundle, scratch: Path) -> list[str]:
    """Whether it answers what the present champion answers; a champion that can't be read must not bind."""
    if registry.champion is None:
        return []
    try:
        present = load_bundle(fetch_bundle(project, registry.champion, scratch))
    except LeadScoringError as error:
        return [f"The present champion can't be read, so the two were not compared: {error}"]
    if present.manifest.get("question") == bundle.manifest.get("question"):
        return []
    return [
        "It answers another question than the champion before it (target, horizon or snapshots): "
        "their probabilities and scores can't be compared."
    ]
