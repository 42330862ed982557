"""Setting the lines anew as an act: a new version of the champion with other anchors, with who, why and from what."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from features.contracts import Tables
from features.errors import ConfigError, InputError, LockedError
from models.bands import Anchors, anchors_from
from models.bundle import Bundle, write_bundle
from models.settings import BandSettings
from pipeline.band_stability import BandStability, band_stability
from pipeline.bands_what_if import WhatIfs
from pipeline.config import Project
from pipeline.ledger.acts import record_act
from pipeline.promotions import stated
from pipeline.tracking import log_re_anchored
from pipeline.tracking_registry import Move, RegisteredVersion, find_version, move_champion, read_registry

__all__ = ["ReAnchored", "anchors_of", "re_anchor", "with_anchors"]

METHOD = "entries a week"


@dataclass(frozen=True)
class ReAnchored:
    """A champion with new lines, registered and in office.

    Attributes
    ----------
    version, model_version : of the new champion; former : the version it was made from.
    before, after : the anchors.
    stability : open leads that change band; None where none are open.
    warning : why the ledger does not show the act, if so.
    """

    version: str
    model_version: str
    former: str
    before: Anchors
    after: Anchors
    move: Move
    stability: BandStability | None
    warning: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The act as plain values."""
        return {
            "version": self.version, "model_version": self.model_version, "former": self.former,
            "before": self.before.to_json(), "after": self.after.to_json(), "champion": self.move.champion,
            "record": self.move.record.to_json(),
            "band_changes": None if self.stability is None else self.stability.to_json(),
            "warning": self.warning,
        }  # fmt: skip

    @property
    def words(self) -> tuple[str, ...]:
        """The act in sentences."""
        before, after, record = self.before, self.after, self.move.record
        said = [
            f"Lines set anew: MQL from {before.p_mql:.1%} to {after.p_mql:.1%}, SQL from {before.p_sql:.1%} to "
            f"{after.p_sql:.1%}. 50 is still the MQL line and 80 the SQL line.",
            f"Champion: version {self.version} (model {self.model_version}), before it version {self.former}. "
            f"Recorded: {record.kind} by {record.by}, {record.why}",
        ]
        if after.moved:
            said.append(
                "The SQL line was raised, for the lines must lie at least 0.5 apart in log-odds: fewer leads than "
                "asked for will reach it."
            )
        if self.stability is not None:
            said.append(self.stability.words)
        if self.move.champion != self.version:
            said.append(f"Another act at the same moment made version {self.move.champion} champion.")
        said += [] if self.warning is None else [self.warning]
        return tuple(said)


def anchors_of(found: WhatIfs) -> Anchors:
    """The anchors that the capacities ask for; a line without a capacity stays where it is.

    Raises
    ------
    InputError
        If no capacity is given, or the MQL line would not lie below the SQL line.
    """
    present = found.champion.scorer.anchors
    if found.sql is None and found.mql is None:
        raise InputError(
            "--apply sets lines by capacity; give --sql-a-week, --mql-a-week or both, here or under [capacity]."
        )
    p_mql = present.p_mql if found.mql is None else found.mql.probability
    p_sql = present.p_sql if found.sql is None else found.sql.probability
    try:
        given = BandSettings(method="given", mql=p_mql, sql=p_sql)
        return replace(anchors_from([], [], given), method=METHOD)
    except (ValueError, ConfigError) as error:
        missing = "--mql-a-week" if found.mql is None else "--sql-a-week"
        raise InputError(
            f"The MQL line at {p_mql:.2%} would not lie below the SQL line at {p_sql:.2%}. Give {missing} as well, so "
            "that both lines are set."
        ) from error


def with_anchors(champion: Bundle, anchors: Anchors, note: dict[str, Any], folder: Path) -> Bundle:
    """The champion's bundle with other anchors, and what is recorded of them in its manifest.

    Model, calibration, features, grades and parts are the same bytes; scores, bands and the model_version are not.
    """
    left = {"sources", "files", "model_version"}
    kept = {name: value for name, value in champion.manifest.items() if name not in left}
    note = {**note, "from": champion.scorer.anchors.to_json(), "from_model_version": champion.model_version}
    return write_bundle(
        folder, replace(champion.scorer, anchors=anchors), champion.sources, champion.golden,
        {**kept, "re_anchored": note}, parts=champion.parts,
    )  # fmt: skip


def re_anchor(
    project: Project, tables: Tables, found: WhatIfs, by: str, why: str, tell: Callable[[str], None]
) -> ReAnchored:
    """Register the champion with the lines found, and make it champion.

    Raises
    ------
    InputError
        If `why` or `by` is empty or too long, the lines can't be set, or segments have sheets of their own;
        nothing is changed.
    LockedError
        If another champion is in office than the one replayed; nothing is changed.
    """
    by, why = stated("by", by), stated("why", why)
    anchors = anchors_of(found)
    champion = found.champion
    if champion.scorer.sheets is not None:
        raise InputError(
            "The champion has a score sheet for each segment, whose lines come from its training. Nothing was changed. "
            "To set them anew, train with bands.re_anchor = true (and bands.method = 'capacity')."
        )
    registry = read_registry(project, with_figures=True)
    former = find_version(registry.versions, registry.champion or "champion")
    if former.model_version != champion.model_version:
        raise LockedError(
            f"Meanwhile version {former.number} is champion, not the model {champion.model_version} that was replayed. "
            "Nothing was changed; run the command again."
        )
    own = found.settings
    # who decided is in the registry's record; a bundle travels and names no staff
    note = {
        "why": why, "sql_a_week": own.sql_a_week, "mql_a_week": own.mql_a_week, "weeks": own.weeks,
        "preset": own.preset,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        bundle = with_anchors(champion, anchors, note, Path(scratch) / "bundle")
        stability = band_stability(project, tables, champion, bundle, tell)
        tell("registering the new version")
        number = log_re_anchored(project, bundle, former.tags, former.metrics)
        version = RegisteredVersion(number, (), {"model_version": bundle.model_version})
        move = move_champion(project, version, "re-anchor", by, why, registry)
        return ReAnchored(
            number, bundle.model_version, former.number, champion.scorer.anchors, anchors, move, stability,
            record_act(project, move, bundle),
        )  # fmt: skip
