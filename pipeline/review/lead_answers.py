"""The three answers that sales looks for first: why this one, why now, what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.ledger.lead import Ending, LeadEvent, LeadInRun
from pipeline.review.lead_change import Change
from pipeline.review.lead_waterfall import Line, Waterfall
from pipeline.review.lead_words import days_words, event_words, signed
from pipeline.review.shown import day
from pipeline.review.shown import points as one_decimal

__all__ = ["Answer", "answers", "cold_words"]

MOST_REASONS = 3
LATELY_DAYS = 14


@dataclass(frozen=True)
class Answer:
    """A question with its answer: one line, short ones below it, and those that speak against."""

    question: str
    line: str
    details: tuple[str, ...]
    against: tuple[str, ...] = ()


def answers(
    lead: LeadInRun, waterfall: Waterfall, change: Change | None, events: Sequence[LeadEvent],
    words: Mapping[str, str], band_name: Callable[[str], str], ended: Ending | None = None,
) -> list[Answer]:  # fmt: skip
    """Why this one, why now, what changed."""
    why_now = _why_now(lead, change, events, words, band_name, ended)
    return [_why_this(waterfall), why_now, _what_changed(change)]


def cold_words(lead: LeadInRun, ended: Ending | None = None) -> str | None:
    """What happens to the band if nothing happens; None where time does not count or the lead has ended."""
    if lead.as_of is None or ended is not None:
        return None
    if lead.silent_until is None:
        return None
    return (
        f"Cold on {day(lead.silent_until)} ({days_words(lead.as_of, lead.silent_until)}) if nothing happens"
    )


def _why_this(waterfall: Waterfall) -> Answer:
    in_favour, against = (
        [_told(line) for line in waterfall.reasons(is_for=is_for)[:MOST_REASONS]] for is_for in (True, False)
    )
    first = in_favour[0] if in_favour else "No reason lifts it above an average lead"
    return Answer("Why this one?", first, tuple(in_favour[1:]), tuple(against))


def _why_now(
    lead: LeadInRun, change: Change | None, events: Sequence[LeadEvent], words: Mapping[str, str],
    band_name: Callable[[str], str], ended: Ending | None,
) -> Answer:  # fmt: skip
    found: list[str] = []
    if change is not None and change.crossed is not None and change.points > 0:
        found.append(f"It rose from {band_name(change.crossed[0])} to {band_name(change.crossed[1])}")
    if lead.is_awake:
        found.append("Awake again after a long silence")
    if events and lead.as_of is not None:
        latest = events[0]
        found.append(
            f"Latest: {event_words(latest.event_type, words)}, {days_words(lead.as_of, latest.occurred_at)}"
        )
    cold = cold_words(lead, ended)
    found += [cold] if cold else []
    if not found:
        return Answer("Why now?", "Nothing presses: no activity is known", ())
    is_quiet = (
        bool(events) and lead.as_of is not None and (lead.as_of - events[0].occurred_at).days > LATELY_DAYS
    )
    if is_quiet and len(found) == 1:
        return Answer("Why now?", "Nothing presses: nothing happened lately", tuple(found))
    return Answer("Why now?", found[0], tuple(found[1:]))


def _what_changed(change: Change | None) -> Answer:
    question = "What changed?"
    if change is None:
        return Answer(question, "New: no earlier run has scored it", ())
    since = f"run {change.run_before}" if change.since is None else day(change.since)
    n = len(change.events)
    new = [f"{n:,} new {'activity' if n == 1 else 'activities'}"] if n else []
    fields = [f"{what}: {old} → {now}" for what, old, now in change.fields[:2]]
    if not change.has_moved:
        return Answer(question, f"The score stands as on {since}", (*new, *fields))
    moves = [_told(line) for line in change.moves[:2]]
    then, now = change.shown
    line = f"{then} → {now}" if then != now else f"{one_decimal(change.points)} points"
    return Answer(question, f"{line} since {since}", (*moves, *fields, *new))


def _told(line: Line) -> str:
    text = line.text[:1].upper() + line.text[1:]
    return f"{text} ({signed(line.points)})" if line.points else text
