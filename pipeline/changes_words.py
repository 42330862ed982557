"""How sales reads what changed between two scores of a lead."""

from __future__ import annotations

from collections.abc import Sequence

from features.durations import MICROSECONDS
from features.prepare import FeatureSources
from features.settings import PRIORITY
from models.bundle import Bundle
from pipeline.changes_facts import Facts
from pipeline.config import Project

__all__ = ["ChangeWords"]

DAY = MICROSECONDS["d"]
MOST_TYPES = 5  # more would not be read


class ChangeWords:
    """Texts of the lines of a change: what is, in the words of the project, else of the models.

    Parameters
    ----------
    bundles : the models compared, the later one first.
    """

    def __init__(self, project: Project, bundles: Sequence[Bundle]) -> None:
        self._phrases = project.phrases
        self._bundles = bundles
        self._unwanted = {
            name
            for bundle in bundles
            for name, each in bundle.sources.events.types.items()
            if each.direction < 0
        }
        self._words = [project.words, *(_trained_words(bundle.sources) for bundle in bundles)]

    def time(self, facts: Facts) -> str:
        """What passed between the moments."""
        return self._phrases.text("change.time", span=self._phrases.days((facts.as_of - facts.since) / DAY))

    def events(self, facts: Facts) -> str | None:
        """New activity of the lead, what is new at its company, and what no longer counts; None if nothing."""
        found: list[str] = []
        if facts.activity:
            text = self._phrases.text("change.activity", list=self._listed(facts.activity))
            found.append(self._with_late(text, sum(facts.activity.values()), facts.late, facts.since))
        at_company = [
            ("change.people", facts.people),
            ("change.purchases", facts.purchases),
            ("change.losses", facts.losses),
            ("change.colleagues", facts.colleagues),  # last, as what was recorded late is said of it alone
        ]
        listed = [self._phrases.plural(key, count) for key, count in at_company if count]
        if facts.colleagues:
            late = facts.colleagues_late
            listed[-1] = self._with_late(listed[-1], facts.colleagues, late, facts.since)
        if listed:
            found.append(self._phrases.text("change.company", list=", ".join(listed)))
        if facts.machines:
            found.append(self._phrases.plural("change.machines", facts.machines))
        return ". ".join(found) or None

    def fields(self, facts: Facts) -> str | None:
        """Fields with another value, each with the old and the new one; None if there is none."""
        listed = ", ".join(
            self._phrases.text(
                "change.field",
                what=self._attribute(name),
                old=self._value(name, old),
                new=self._value(name, new),
            )
            for name, old, new in facts.fields
        )
        return self._phrases.text("change.fields", list=listed) if listed else None

    def model(self) -> str:
        """That another version scored."""
        return self._phrases.text("change.model")

    def known(self) -> str:
        """Points of something without a name of its own."""
        return self._phrases.text("change.known")

    def limit(self) -> str:
        """What the ends of the scale cut off."""
        return self._phrases.text("reason.limit")

    def not_attributable(self) -> list[str]:
        """One sentence for each value that is known only as it is today, and used for both moments."""
        found: list[str] = []
        for bundle in self._bundles:
            availability = bundle.sources.attributes.availability()
            for feature in bundle.scorer.used_features:
                name = feature.source.partition(".")[0]
                if feature.family == "account" and name == PRIORITY:
                    found.append(self._phrases.text("change.today_list"))
                elif feature.family in {"explicit", "points"} and availability.get(name) == "current":
                    found.append(self._phrases.text("change.today", what=self._attribute(name)))
        return list(dict.fromkeys(found))

    def _with_late(self, text: str, count: int, late: int, since: int) -> str:
        if not late:
            return text
        key = "change.late" if late < count else "change.late_only"
        return self._phrases.plural(key, late, what=text, date=self._phrases.moment(since))

    def _listed(self, activity: dict[str, int]) -> str:
        """Warning signs first, then the most frequent types by name, all others together."""
        ranked = sorted(activity.items(), key=lambda each: each[0] not in self._unwanted)
        named = ranked[: max(MOST_TYPES, len(self._unwanted & activity.keys()))]
        found = [(self._event(name), count) for name, count in named]
        others = sum(activity.values()) - sum(count for _, count in named)
        if others:
            found.append((self._phrases.text("change.other"), others))
        return ", ".join(self._phrases.text("change.count", what=what, count=count) for what, count in found)

    def _event(self, event_type: str) -> str:
        plain = event_type.replace("_", " ").replace("|", " ")
        return self._named(f"type:{event_type}", event_type) or plain

    def _attribute(self, name: str) -> str:
        return self._named(name) or name.replace("_", " ")

    def _value(self, name: str, value: str | None) -> str:
        if value is None:
            return self._phrases.text("change.no_value")
        return self._named(f"{name}={' '.join(value.split()).casefold()}") or value

    def _named(self, *names: str) -> str | None:
        """The project's words, else those that training knew."""
        return next((words[name] for words in self._words for name in names if name in words), None)


def _trained_words(sources: FeatureSources) -> dict[str, str]:
    of_events = {f"type:{name}": each.words for name, each in sources.events.types.items() if each.words}
    return {**sources.features.words, **of_events}
