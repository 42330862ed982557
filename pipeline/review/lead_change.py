"""What changed since the run before, in words and whole points that add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from models.phrases import Phrases
from pipeline.ledger.attribution import LIMIT, Changed, ChangedValue
from pipeline.ledger.attribution import Part as ChangedPart
from pipeline.ledger.lead import Known
from pipeline.review.lead_waterfall import Line, Part, Waterfall, stacked
from pipeline.review.lead_words import attribute_words, event_words, group_words, plural, value_words
from pipeline.review.shown import day

__all__ = ["Change", "change_of"]

MOST_PARTS, LEAST_NAMED = 5, 0.5  # a smaller move would read as 0
STEADY_POINTS = 0.05  # less is shown as no change


@dataclass(frozen=True)
class Change:
    """What a sales person reads of a change.

    Attributes
    ----------
    since, points : the run before that scored the lead, exact points since then.
    waterfall : from the score then to the score now, the largest moves first.
    crossed : band before and band after; None if it is the same.
    fields : what, old and new value in words. events : moment and words, the latest first.
    notes : what else moved the score: another model, other lines.
    """

    since: datetime | None
    run_before: int
    points: float
    waterfall: Waterfall
    crossed: tuple[str, str] | None
    fields: tuple[tuple[str, str, str], ...]
    events: tuple[tuple[datetime, str], ...]
    notes: tuple[str, ...]

    @property
    def has_moved(self) -> bool:
        """Whether the change would be seen: in the score as shown, or in the band."""
        then, now = self.shown
        return abs(self.points) >= STEADY_POINTS or then != now or self.crossed is not None

    @property
    def shown(self) -> tuple[int, int]:
        """Score then and now, as shown."""
        return self.waterfall.lines[0].points, self.waterfall.lines[-1].points

    @property
    def moves(self) -> list[Line]:
        """The reasons that moved it, the largest first."""
        return [line for line in self.waterfall.lines if line.kind == "reason" and line.points]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "waterfall": [asdict(line) for line in self.waterfall.lines]}


def change_of(
    found: Changed, known: Known, phrases: Phrases, words: Mapping[str, str],
    lines: Sequence[tuple[float, str]], *, is_bounded: bool,
) -> Change:  # fmt: skip
    """The change in words; a reason that the present score has keeps its text of today."""
    own = [part for part in found.parts if part.name != LIMIT]
    named = [part for part in own[:MOST_PARTS] if abs(part.points) >= LEAST_NAMED]
    told = {each["group"]: str(each["text"]) for each in known.reasons}
    limit = [
        Part("limit", phrases.text("reason.limit"), each.points) for each in found.parts if each.name == LIMIT
    ]
    ends = _score_on(found.as_of_before, found.run_before), _score_on(found.as_of, found.run)
    if ends[0] == ends[1]:  # two runs of one day
        ends = f"Score in run {found.run_before}", f"Score in run {found.run}"
    while True:
        parts = [
            Part("reason", _capital(told.get(each.name) or _words_of(each, words)), each.points)
            for each in named
        ]
        rest = found.change - sum(part.exact for part in [*parts, *limit])
        parts.append(Part("rest", plural(len(own) - len(named), "smaller move"), rest))
        waterfall = stacked(
            (ends[0], found.score_before), (ends[1], found.score), [*parts, *limit], lines, is_bounded=is_bounded,
        )  # fmt: skip
        if all(line.points for line in waterfall.lines if line.kind == "reason"):
            break
        named.pop()  # rounded so that all adds up, the smallest would read as 0
    return Change(
        found.as_of_before, found.run_before, found.change, waterfall,
        (found.band_before, found.band) if found.band_crossed else None,
        tuple(_field(each, words) for each in found.attributes),
        tuple((at, event_words(kind, words)) for at, kind in reversed(found.events)),
        tuple(_notes(found)),
    )  # fmt: skip


def _words_of(part: ChangedPart, words: Mapping[str, str]) -> str:
    """What the run called the group; a ledger filled by others may have told nothing."""
    return part.words if part.words not in {"", part.name} else group_words(part.name, words)


def _field(changed: ChangedValue, words: Mapping[str, str]) -> tuple[str, str, str]:
    old, new = (value_words(changed.name, value, words) for value in (changed.old, changed.new))
    return _capital(attribute_words(changed.name, words)), old, new


def _notes(found: Changed) -> list[str]:
    notes = []
    if found.is_new_model:
        notes.append(
            f"Another model scored this time ({found.model_version}, before {found.model_before}); part of the change "
            "is the model's."
        )
    if found.is_new_scale:
        notes.append("The MQL and SQL lines lie at other chances than before, which moves every score.")
    return notes


def _score_on(moment: datetime | None, run: int) -> str:
    return f"Score in run {run}" if moment is None else f"Score on {day(moment)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
