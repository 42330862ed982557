"""An explained lead in the project's words: what the terminal, the page and the picture all say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.phrases import Phrases
from models.settings import BandSettings
from pipeline.explain import ExplainedLead
from pipeline.waterfall_layout import Step, Waterfall

__all__ = ["ExplainWords"]

UNNAMED = BandSettings().below_name


@dataclass(frozen=True)
class ExplainWords:
    """Sentences, and the score and its change as rows that add up, of one lead."""

    found: ExplainedLead
    phrases: Phrases

    def headline(self) -> str:
        """The lead, its score, band, grade and, where there is one, the chance to convert."""
        found, chance = self.found.explanation, self.chance()
        return self.phrases.text(
            "explain.headline_chance" if chance else "explain.headline",
            lead=found.lead_id,
            score=found.shown_score,
            band=self.band(found.band),
            grade=found.grade,
            chance=chance or "",
        )

    def band(self, name: str) -> str:
        """A band's name; the lowest, where the project gave it none, after the line above it."""
        if name != UNNAMED or not self.found.lines:
            return name
        return self.phrases.text("explain.below", line=self.found.lines[0][0])

    def chance(self) -> str | None:
        """Percent to one decimal; never 0 or 100, which no model knows; None for a bare points table."""
        p = self.found.explanation.probability
        if p is None:
            return None
        percent = 100 * p
        return self.phrases.number(percent if percent < 0.1 else min(round(percent, 1), 99.9))

    def moment(self) -> str:
        """When it was scored, and by which model."""
        found = self.found.explanation
        if found.as_of is None:
            return self.phrases.text("explain.model", version=found.model_version)
        day, time = _day_and_time(found.as_of, self.phrases)
        return self.phrases.text("explain.as_of", moment=f"{day} {time}", version=found.model_version)

    def override(self) -> str | None:
        """What people decided about the lead; None where nobody did."""
        found = self.found.override
        if found is None:
            return None
        text = self.phrases.text(f"override.{found.action}", owner=found.owner, reason=found.reason)
        if found.until is None:
            return text
        day = int(np.datetime64(found.until, "us").astype(np.int64))
        return self.phrases.text("override.until", override=text, date=self.phrases.date(day))

    def since(self) -> str:
        """What the change is counted from."""
        assert self.found.since is not None
        return self.phrases.text("explain.since", moment=self._short(self.found.since.since))

    def moved(self) -> str:
        """Score and band at both moments."""
        change = self.found.since
        assert change is not None
        return self.phrases.text(
            "explain.moved",
            before=change.shown_before, band_before=self.band(change.band_before),
            after=change.shown_after, band_after=self.band(change.band_after),
        )  # fmt: skip

    def score(self) -> Waterfall:
        """From an average lead to the score."""
        found = self.found.explanation
        steps = [
            Step(line["text"], points, line["group"] == "limit")
            for line, points in zip(found.reasons, found.shown_points, strict=True)
        ]
        start = "explain.start" if self.found.is_bounded else "explain.start_table"
        return self._waterfall(
            self.phrases.text("explain.makeup"),
            (self.phrases.text(start), found.shown_base),
            steps,
            (self.phrases.text("explain.score"), found.shown_score),
        )

    def change(self) -> Waterfall | None:
        """From the earlier score to the present one; None if nobody asked."""
        change = self.found.since
        if change is None:
            return None
        steps = [
            Step(line["text"], points, line["kind"] == "limit")
            for line, points in zip(change.lines, change.shown_points, strict=True)
        ]
        return self._waterfall(
            self.since(),
            (self._score_at(change.since), change.shown_before),
            steps,
            (self._score_at(change.as_of), change.shown_after),
        )

    def _waterfall(
        self, title: str, start: tuple[str, int], steps: list[Step], end: tuple[str, int]
    ) -> Waterfall:
        return Waterfall(
            title, *start, tuple(steps), *end, lines=self.found.lines, is_bounded=self.found.is_bounded,
            beyond=self.phrases.text("explain.beyond"),
        )  # fmt: skip

    def _score_at(self, moment: str) -> str:
        return self.phrases.text("explain.score_at", moment=self._short(moment))

    def _short(self, moment: str) -> str:
        return self.phrases.moment(int(np.datetime64(moment, "us").astype(np.int64)))


def _day_and_time(moment: str, phrases: Phrases) -> tuple[str, str]:
    stamp = np.datetime64(moment, "us")
    return phrases.date(int(stamp.astype(np.int64))), str(stamp.astype("datetime64[m]")).partition("T")[2]
