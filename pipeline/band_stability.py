"""How many open leads change band when a new model takes the place of the champion."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.contracts import Tables
from features.errors import InputError
from models.bands import band_lines
from models.bundle import Bundle
from models.gate import Check, Status
from pipeline.config import Project
from pipeline.open_leads import OpenLeads, feature_chunks, leads_to_score, tables_for

__all__ = ["BandStability", "band_check", "band_stability"]

Tell = Callable[[str], None]
LEAST_LEADS = 30


@dataclass(frozen=True)
class BandStability:
    """Bands of the same open leads by two models.

    Attributes
    ----------
    moves : leads by (band of the champion, band of the new model).
    up, down : leads that rise over a line, or fall below one. A band with another name and the same line
        is the same band.
    unknown : leads that one of the models gives no margin.
    """

    moves: dict[tuple[str, str], int]
    up: int
    down: int
    unknown: int = 0

    @property
    def n(self) -> int:
        """Leads compared, those of unknown band included."""
        return sum(self.moves.values()) + self.unknown

    @property
    def share(self) -> float:
        """Share of the leads that change band; NaN without leads, or where a band is unknown."""
        return (self.up + self.down) / self.n if self.n and not self.unknown else math.nan

    @property
    def words(self) -> str:
        """One sentence for a head of sales."""
        if self.n < LEAST_LEADS:
            return f"Only {self.n} leads are open: too few to tell how many would change band."
        if self.unknown:
            return f"{self.unknown:,} of {self.n:,} open leads have no band by one of the two models."
        return (
            f"Of {self.n:,} open leads {self.up + self.down:,} ({_percent(self.share)}) would change band: "
            f"{self.up:,} up, {self.down:,} down."
        )

    def to_json(self) -> dict[str, Any]:
        """Counts as plain values; `moves` is from -> to -> leads."""
        nested: dict[str, dict[str, int]] = {}
        for (before, after), leads in sorted(self.moves.items()):
            nested.setdefault(before, {})[after] = leads
        return {
            "n": self.n, "up": self.up, "down": self.down, "unknown": self.unknown, "share": self.share,
            "moves": nested, "words": self.words,
        }  # fmt: skip


def band_stability(
    project: Project, tables: Tables, champion: Bundle, new: Bundle, tell: Tell
) -> BandStability | None:
    """Bands by both models of the leads that the nightly job would score now; None if there are none.

    Of a flat export these are the leads without a label. No reasons are made. Where the champion reads the
    files otherwise than the project does now, they are read again for it; where they no longer hold what
    it reads, that is told and nothing is compared.

    Parameters
    ----------
    tables : as the training has read them.
    champion, new : bundles that answer the same question.
    """
    tell("comparing bands with the champion's")
    after = leads_to_score(tables, new, project, None)
    if len(after.rows) == 0:
        return None
    try:
        before = after
        if champion.sources != new.sources:
            before = leads_to_score(_tables_of(project, tables, champion), champion, project, None)
        old = _lines(before, champion, project.score.chunk_rows)
    except InputError as error:
        tell(f"bands are not compared, the champion can't score these tables: {error}")
        return None
    return _compared(old, _lines(after, new, project.score.chunk_rows))


def band_check(found: BandStability, most: float, *, is_re_anchored: bool = False) -> Check:
    """Whether the bands hold still enough for the model to become champion by itself.

    Failed above `most` (gate.band_changes_most) and where the share is unknown. Fewer than 30 leads show
    nothing, nor do lines that were set anew on purpose; neither blocks.
    """
    share, words = found.share, found.words
    if found.n < LEAST_LEADS:
        return Check("band_stability", "not_shown", share, math.nan, math.nan, (most,), words)
    if is_re_anchored:
        words += " The lines were set anew (bands.re_anchor), so that is no reason against it."
        return Check("band_stability", "not_shown", share, math.nan, math.nan, (most,), words)
    is_stable = share <= most
    if not is_stable:
        words += (
            f" At most {100 * most:g} % may (gate.band_changes_most), so it stays challenger; "
            "lead-scoring promote makes it champion on your word."
        )
    status: Status = "passed" if is_stable else "failed"
    return Check("band_stability", status, share, math.nan, math.nan, (most,), words)


def _tables_of(project: Project, tables: Tables, champion: Bundle) -> Tables:
    """The tables as the champion reads them: those at hand where that makes no difference."""
    its, ours = champion.sources, project
    is_alike = (
        its.attributes.kinds().items() <= ours.attributes.kinds().items()
        and its.attributes.ranges == ours.attributes.ranges
        and its.events.internal_column == ours.events.internal_column
    )
    return tables if is_alike else tables_for(project, champion)


def _lines(leads: OpenLeads, bundle: Bundle, chunk_rows: int) -> dict[str, tuple[float, str] | None]:
    """(cut point, name) of each lead's band; None where the model gives no margin."""
    scorer = bundle.scorer
    cuts = {name: cut for cut, name in band_lines(scorer.bands)} | {scorer.bands.below_name: -math.inf}
    found: dict[str, tuple[float, str] | None] = {}
    for ids, X in feature_chunks(leads, bundle, chunk_rows):
        margins = scorer.margin(X)
        is_known = np.isfinite(margins)
        names = iter(scorer.band(margins[is_known], X[is_known]).tolist())
        for lead, known in zip(ids, is_known.tolist(), strict=True):
            name = next(names) if known else None
            found[lead] = None if name is None else (cuts[name], name)
    return found


def _compared(
    old: dict[str, tuple[float, str] | None], new: dict[str, tuple[float, str] | None]
) -> BandStability:
    """Counts over the leads that both models meet."""
    moves: Counter[tuple[str, str]] = Counter()
    up = down = unknown = 0
    for lead, after in new.items():
        if lead not in old:
            continue
        before = old[lead]
        if before is None or after is None:
            unknown += 1
            continue
        moves[before[1], after[1]] += 1
        up += after[0] > before[0]
        down += after[0] < before[0]
    return BandStability(dict(moves), up, down, unknown)


def _percent(share: float) -> str:
    return "less than 1 %" if 0.0 < share < 0.005 else f"{100 * share:.0f} %"
