"""A lead's score over the runs as a picture: lines of the bands, events below, what silence would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from markupsafe import Markup

from pipeline.ledger.lead import Ending, LeadEvent, ScoreThen
from pipeline.review.shown import day, moment
from pipeline.review.shown import score as whole
from pipeline.review.svg import element, picture, text, title

__all__ = ["TimelinePlot"]

TOP, BOTTOM, EVENTS, TICKS, HEIGHT = 22.0, 190.0, 212.0, 238.0, 246
LEFT, RIGHT = 1.5, 96.5
NEAR_RIGHT, MIDDLE, LONGEST_OUTCOME = 90.0, 60.0, 24
MOST_DOTS, LEAST_SPAN = 45, timedelta(days=2)
SHORT = timedelta(days=14)


@dataclass(frozen=True)
class TimelinePlot:
    """What is drawn; moments on the way across, scores upwards.

    Attributes
    ----------
    scores : with a moment each, the earliest first; at least one.
    silent_until, falls_to : when the band is lost if nothing happens, and the line it falls below.
    """

    scores: Sequence[ScoreThen]
    events: Sequence[LeadEvent]
    endings: Sequence[Ending]
    lines: Sequence[tuple[float, str]]
    silent_until: datetime | None
    falls_to: float | None
    event_words: Callable[[str], str]

    @property
    def has_moments(self) -> bool:
        """Whether there is anything to draw over time; a flat export has no moments."""
        return bool(self.scores) and all(each.as_of is not None for each in self.scores)

    @property
    def has_silence(self) -> bool:
        """Whether the fall below the band is near enough to be drawn."""
        return (
            self.silent_until is not None
            and self.falls_to is not None
            and self.silent_until <= self.moments[1]
        )

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """Left and right end: all runs, the events and ends beside them, and the silence where it is not far."""
        first, last = self._moment(self.scores[0]), self._moment(self.scores[-1])
        known = [first, last, *(each.ended_at for each in self.endings if each.ended_at >= first)]
        early = [
            each.occurred_at for each in self.events if each.occurred_at >= first - max(SHORT, last - first)
        ]
        low, high = min([*known, *early]), max(known)
        if self.silent_until is not None and self.silent_until - last <= max(SHORT, last - low):
            high = max(high, self.silent_until)
        spare = max(LEAST_SPAN - (high - low), timedelta(0)) / 2
        return low - spare, high + spare

    @property
    def range(self) -> tuple[float, float]:
        """Least and largest score of the picture."""
        found = [each.score for each in self.scores]
        return min(0.0, *found), max(100.0, *found)

    def x(self, at: datetime) -> float:
        """Place across, per cent."""
        low, high = self.moments
        return LEFT + (RIGHT - LEFT) * ((at - low) / (high - low))

    def y(self, score: float) -> float:
        """Place down, pixels."""
        low, high = self.range
        return BOTTOM - (BOTTOM - TOP) * (score - low) / (high - low)

    def draw(self) -> Markup:
        """The picture, told in words to who can't see it."""
        first, last = self.scores[0], self.scores[-1]
        scores = [each.score for each in self.scores]
        described = (
            f"From {whole(first.score)} on {day(first.as_of)} to {whole(last.score)} on {day(last.as_of)}; lowest "
            f"{whole(min(scores))}, highest {whole(max(scores))}; {len(self.events)} events. The lists say the same."
        )
        parts = [
            *self._bands(),
            *self._axis(),
            *self._silence(),
            *self._line(),
            *self._dots(),
            *self._events(),
            *self._endings(),
        ]
        return picture(
            "timeline", "Score over time", described, *parts, class_="timeline-plot", height=HEIGHT
        )

    @staticmethod
    def _moment(score: ScoreThen) -> datetime:
        assert score.as_of is not None
        return score.as_of

    def _bands(self) -> list[Markup]:
        drawn = []
        for place, name in self.lines:
            y = self.y(place)
            drawn += [
                element("line", class_="band-line", x1="0", x2="100%", y1=y, y2=y),
                text(f"{name} {place:g}", class_="ax halo", x="0", y=y - 5),
            ]
        return drawn

    def _axis(self) -> list[Markup]:
        low, high = self.moments
        drawn = [element("line", class_="ax-line", x1="0", x2="100%", y1=BOTTOM, y2=BOTTOM)]
        # two days at most, so that they never touch on a phone
        ticks = [(low, "start"), (high, "end")]
        return drawn + [
            text(day(at), class_="ax", x=_across(self.x(at)), y=TICKS, text_anchor=anchor)
            for at, anchor in ticks
        ]

    def _line(self) -> list[Markup]:
        drawn = []
        for before, after in pairwise(self.scores):
            drawn.append(self._stroke("line", self._place(before), self._place(after)))
            if before.model_version != after.model_version:
                told = title(f"New model {after.model_version} on {day(after.as_of)}")
                x = _across(self._place(after)[0])
                drawn.append(element("line", told, class_="model-change", x1=x, x2=x, y1=TOP, y2=BOTTOM))
        return drawn

    def _dots(self) -> list[Markup]:
        """Each run, if they are few, and the last with its score."""
        drawn, last = [], self.scores[-1]
        for each in self.scores if len(self.scores) <= MOST_DOTS else [last]:
            x, y = self._place(each)
            told = title(f"{day(each.as_of)}: {whole(each.score)}, {each.band}")
            drawn.append(
                element("circle", told, class_="dot", cx=_across(x), cy=y, r=4 if each is last else 3)
            )
        x, y = self._place(last)
        anchor = "end" if x > NEAR_RIGHT else "middle"
        shown = whole(last.score)
        return [*drawn, text(shown, class_="label strong halo", x=_across(x), y=y - 9, text_anchor=anchor)]

    def _silence(self) -> list[Markup]:
        """A broken line from the present score to where it falls below its band."""
        if not self.has_silence or self.silent_until is None or self.falls_to is None:
            return []
        start, end = self._place(self.scores[-1]), (self.x(self.silent_until), self.y(self.falls_to))
        told = f"cold {self.silent_until.day} {self.silent_until:%b}"
        words = text(told, class_="label halo", x=_across(end[0]), y=end[1] + 17, text_anchor="end")
        return [self._stroke("line soft", start, end), words]

    def _events(self) -> list[Markup]:
        low, high = self.moments
        drawn = [element("line", class_="grid-line", x1="0", x2="100%", y1=EVENTS, y2=EVENTS)]
        for each in self.events:
            if low <= each.occurred_at <= high:
                told = title(f"{moment(each.occurred_at)}: {self.event_words(each.event_type)}")
                x = _across(self.x(each.occurred_at))
                drawn.append(element("circle", told, class_="event", cx=x, cy=EVENTS, r=4.5))
        return drawn

    def _endings(self) -> list[Markup]:
        drawn = []
        low, high = self.moments
        for each in self.endings:
            if low <= each.ended_at <= high:
                x = self.x(each.ended_at)
                anchor, dx = ("end", -5) if x > MIDDLE else ("start", 5)
                place: dict[str, str | float] = {
                    "x": _across(x),
                    "dx": dx,
                    "y": TOP - 8,
                    "text_anchor": anchor,
                }
                drawn += [
                    element("line", class_="ending", x1=_across(x), x2=_across(x), y1=TOP - 6, y2=EVENTS),
                    text(each.outcome[:LONGEST_OUTCOME], class_="label strong halo", **place),
                ]
        return drawn

    def _place(self, score: ScoreThen) -> tuple[float, float]:
        return self.x(self._moment(score)), self.y(score.score)

    @staticmethod
    def _stroke(kind: str, start: tuple[float, float], end: tuple[float, float]) -> Markup:
        (x1, y1), (x2, y2) = start, end
        return element("line", class_=kind, x1=_across(x1), y1=y1, x2=_across(x2), y2=y2)


def _across(x: float) -> str:
    return f"{x:.4g}%"
