"""Reasons in words: what a reason group says of one lead, with the lead's own values."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue, Feature
from features.durations import MICROSECONDS
from features.funnel import FUNNEL
from features.implicit import STAGES
from features.profile import PROFILE
from features.recency import BACK_WINDOW
from features.titles import SENIORITIES
from models.english import ENGLISH
from models.phrases import Phrases

__all__ = ["Wording"]

Float64 = NDArray[np.float64]
Values = dict[tuple[str, int], float]
_UNITS = (("d", "day"), ("h", "hour"), ("m", "minute"), ("s", "second"))
_PACE_REACH = 35.0  # days that the pace of activity looks back: the last week and the four before it
# what a reason is about where that is no column and no event type of the project's own
_OF_READERS = {
    "email_kind": "word.email", "seniority": "word.seniority", "decision_maker": "word.seniority",
    "department": "word.department", "role": "word.role",
    "share_met": "word.profile", "rules_met": "word.profile", "rules_unknown": "word.profile",
}  # fmt: skip
_OF_SOURCES = {
    "any": "word.activity", "negative": "word.warning_signs", "others": "word.colleagues",
    "departments": "word.departments", "won": "word.purchases", "lost": "word.losses",
    "funnel": "word.funnel",
}  # fmt: skip
# sections of the phrase table for reasons that count something, by source and op
_COUNTED = {
    ("people", "known"): "people.known", ("people", "active"): "people.active",
    ("departments", "active"): "departments", ("won", "count"): "purchases", ("lost", "count"): "losses",
    ("any", "breadth"): "kinds", ("any", "products"): "products",
}  # fmt: skip


class Wording:
    """Words for the reason groups of a catalogue.

    Parameters
    ----------
    catalogue : of the bundle; holds the words that training knew.
    phrases : the language; English if not given.
    words : what sales calls things today, by the source of a feature (a column, `type:` and an event
        type, `channel:` and a channel, `points:` and the source of a rule) or by the bare name, and of
        values, as `column=value` in lower case; they win over the catalogue's, so that reasons can be
        renamed or translated without training again.
    """

    def __init__(
        self, catalogue: Catalogue, phrases: Phrases | None = None, words: Mapping[str, str] | None = None
    ) -> None:
        self.phrases = phrases or Phrases()
        self.names, group = catalogue.groups()
        self._members = [
            [(int(i), catalogue.features[i]) for i in np.flatnonzero(group == number)]
            for number in range(len(self.names))
        ]
        self._words = dict(words or {})
        self._type_words = {f.source: self.what(f) for f in catalogue.features if f.family == "implicit"}
        self._places = {f.op: i for i, f in enumerate(catalogue.features) if f.family == "recency"}

    def text(self, group: int, x: Float64) -> str:
        """One line about a lead with the feature values `x`: says what is, never why."""
        members = self._members[group]
        first = members[0][1]
        values = {(f.op, f.span): float(x[i]) for i, f in members}
        if first.family == "points":
            points = sum(values.values())
            line = self.phrases.plural("reason.points", points, what=self.what(first))
        elif first.group == PROFILE:
            line = self._of_profile(members, x)
        elif first.family == "explicit":
            line = self._of_attribute(members, x)
        elif first.family == "account":
            line = self._of_account(first, values, x)
        elif first.source == FUNNEL:
            line = self._of_funnel(first, values)
        elif first.op == "re_engaged":
            line = self._back(values[first.op, first.span])
        elif first.op == "last_type":
            line = self._latest(first, values[first.op, first.span])
        elif first.op == "velocity":
            line = self._rate(values[first.op, first.span])
        elif first.op == "momentum":
            line = self.phrases.text(self._pace(values, x))
        else:
            line = self._of_activity(first, values, x)
        return _capital(line)

    def rare_value(self, feature: Feature) -> str:
        """A warning that the lead's value of a category is rare or new to the model."""
        return _capital(self.phrases.text("warning.rare_value", what=self.what(feature)))

    def what(self, feature: Feature) -> str:
        """What a feature is about, as sales calls it; lower case where the language has it so."""
        source, (kind, _, name) = feature.source, feature.source.partition(":")
        if feature.family == "points":
            return self._of_rule(feature)
        if feature.family == "explicit":
            fixed, own = _OF_READERS.get(feature.op), self._words.get(source)
        else:
            fixed = f"word.stage.{name}" if kind == "stage" else _OF_SOURCES.get(source)
            own = self._words.get(source, self._words.get(name))
        if feature.op == "re_engaged":
            fixed = "word.back"
        if source == "people" and feature.family == "account":
            fixed = "word.people" if feature.op == "known" else "word.people_active"
        if kind == "channel" and feature.family != "explicit":
            return self.phrases.text("word.channel", channel=own or name.replace("_", " "))
        return self.phrases.text(fixed) if fixed else own or feature.words

    def _of_rule(self, feature: Feature) -> str:
        """What a rule of the points table is about: its own words, or those of its column or event type."""
        source, reader = feature.source, feature.source.partition(".")[2]
        names = (f"points:{source}", source, source.removeprefix("type:"))
        own = next((self._words[name] for name in names if name in self._words), None)
        is_unnamed = feature.words == source.replace(".", " ").replace("_", " ")
        if own is None and is_unnamed and reader in _OF_READERS:
            return self.phrases.text(_OF_READERS[reader])
        return own or feature.words

    def _of_attribute(self, members: list[tuple[int, Feature]], x: Float64) -> str:
        place, feature = next(((i, f) for i, f in members if f.op != "missing"), members[0])
        value, what = float(x[place]), self.what(feature)
        if feature.op == "missing":
            return self.phrases.text("reason.unknown" if value else "reason.known", what=what)
        if math.isnan(value):
            return self.phrases.text("reason.unknown", what=what)
        if feature.is_category or feature.op == "seniority":
            levels = feature.levels if feature.is_category else SENIORITIES
            level = levels[int(value)] if int(value) < len(levels) else self.phrases.text("level.other")
            if level == "(unknown)":
                return self.phrases.text("reason.unknown", what=what)
            key = f"level.{feature.op}.{level}"
            written = feature.spelling[int(value)] if int(value) < len(feature.spelling) else level
            own = self._words.get(f"{feature.source}={level}", written)
            shown = self.phrases.text(key) if key in ENGLISH else own
            return self.phrases.text("reason.value", what=what, value=shown)
        if feature.unit == "flag":
            return self.phrases.text("reason.yes" if value else "reason.no", what=what)
        return self.phrases.text("reason.value", what=what, value=value)

    def _of_profile(self, members: list[tuple[int, Feature]], x: Float64) -> str:
        """How many points of the ideal customer profile are met, and how many are unknown."""
        flags = [float(x[i]) for i, feature in members if feature.unit == "flag"]
        unknown = sum(math.isnan(flag) for flag in flags)
        if unknown == len(flags):
            return self.phrases.text("profile.unknown")
        counts = {"count": sum(flag == 1.0 for flag in flags), "total": len(flags)}
        if unknown:
            return self.phrases.text("profile.met_unknown", **counts, unknown=unknown)
        return self.phrases.text("profile.met", **counts)

    def _of_funnel(self, feature: Feature, values: Values) -> str:
        depth = int(values["depth", feature.span])
        since, change = next((span, v) for (op, span), v in values.items() if op != "depth")
        stage = self.phrases.text(f"level.funnel.{STAGES[depth - 1]}") if depth else ""
        if math.isnan(change):
            span = self._span(since)
            if not depth:
                return self.phrases.text("funnel.new_none", span=span)
            return self.phrases.text("funnel.new", span=span, stage=stage)
        if not depth:
            return self.phrases.text("funnel.none", span=self._span(feature.span))
        return self.phrases.text(
            f"funnel.{'up' if change > 0 else 'down' if change < 0 else 'same'}", stage=stage
        )

    def _back(self, count: float) -> str:
        """Whether the lead was active in the last 7 days after a long silence."""
        if count < 1:
            return self.phrases.text("back.no")
        return self.phrases.plural("back.yes", int(count), span=self._span(BACK_WINDOW))

    def _of_account(self, feature: Feature, values: Values, x: Float64) -> str:
        value = values[feature.op, feature.span]
        if feature.source == "is_priority":
            return self.phrases.text(
                f"priority.{'unknown' if math.isnan(value) else 'yes' if value == 1 else 'no'}"
            )
        if math.isnan(value):
            return self.phrases.text("reason.no_company", what=self.what(feature))
        if (feature.source, feature.op) in _COUNTED:
            return self._counted(feature, value)
        return self._windows(feature, values, x)

    def _of_activity(self, feature: Feature, values: Values, x: Float64) -> str:
        value, say = values[feature.op, feature.span], self.phrases.text
        section = {"age": "open", "silence": "silence", "value_sum": "worth"}.get(feature.op)
        if section and math.isnan(value):
            return say(f"{section}.unknown")
        if feature.op == "age":
            return self.phrases.lapse("open", value)
        if feature.op == "silence":
            if self._was_never_active(x):
                return self.phrases.lapse("quiet", value)
            return say("silence.today") if value < 1 else self.phrases.lapse("silence", value)
        if feature.op == "value_sum":
            return say("worth.known", span=self._span(feature.span), value=value)
        is_counted = (feature.source, feature.op) in _COUNTED
        return self._counted(feature, value) if is_counted else self._windows(feature, values, x)

    def _was_never_active(self, x: Float64) -> bool:
        """Whether silence is only the lead's age: nothing has happened since it came in, or ever."""
        known = [float(x[self._places[op]]) for op in ("velocity", "silence", "age") if op in self._places]
        return len(known) == 3 and known[0] == 0 and known[1] >= known[2]

    def _counted(self, feature: Feature, value: float) -> str:
        section, span = _COUNTED[feature.source, feature.op], self._span(feature.span)
        if math.isnan(value):
            return self.phrases.text(f"{section}.unknown")
        if int(value) == 0:
            return self.phrases.text(f"{section}.none", span=span)
        return self.phrases.plural(f"{section}.some", int(value), span=span)

    def _latest(self, feature: Feature, place: float) -> str:
        if math.isnan(place):
            return self.phrases.text("latest.none")
        if int(place) >= len(feature.levels):
            return self.phrases.text("latest.other")
        name = feature.levels[int(place)]
        what = self._type_words.get(f"type:{name}", name.replace("_", " "))
        return self.phrases.text("latest.known", what=what)

    def _pace(self, values: Values, x: Float64) -> str:
        """The phrase of how fast activity is going; of activity long past there is no pace."""
        pace = next((v for (op, _), v in values.items() if op == "momentum"), math.nan)
        silence = float(x[self._places["silence"]]) if "silence" in self._places else math.nan
        if silence >= _PACE_REACH or self._was_never_active(x):
            return "pace.none"
        if math.isnan(pace):
            return "pace.unknown"
        return "pace.faster" if pace > 0.1 else "pace.slower" if pace < -0.1 else "pace.steady"

    def _rate(self, a_day: float) -> str:
        """Activities a day, or how many days to one."""
        if math.isnan(a_day):
            return self.phrases.text("rate.unknown")
        if a_day == 0:
            return self.phrases.text("rate.none")
        if a_day >= 1.05:
            return self.phrases.plural("rate.a_day", round(a_day, 1) if a_day < 10 else round(a_day))
        return self.phrases.plural("rate.one_in", max(1, round(1 / a_day)))

    def _windows(self, feature: Feature, values: Values, x: Float64) -> str:
        """The narrowest window that holds anything, else how long ago, else that there was none.

        "None so far" needs a figure that looks back all the way; windows alone say only how far they reach.
        """
        what, say = self.what(feature), self.phrases.text
        counts = sorted((span, value) for (op, span), value in values.items() if op == "count" and span)
        since = next((v for (op, _), v in values.items() if op == "days_since" and not math.isnan(v)), None)
        found = next(((span, int(count)) for span, count in counts if count >= 1), None)
        if since is None:
            if found:
                return say("activity.some", what=what, count=found[1], span=self._span(found[0]))
            looks_back = any(op in {"days_since", "ever"} for op, _ in values) or not counts
            looks_back |= feature.source == "any" and self._was_never_active(x)
            return say("activity.none", what=what, span=self._span(0 if looks_back else counts[-1][0]))
        ago = say("ago.today") if since < 1 else self.phrases.lapse("ago", since)
        if found:
            return say("activity.some_ago", what=what, count=found[1], span=self._span(found[0]), ago=ago)
        return say("activity.not_lately", what=what, ago=ago)

    def _span(self, span: int) -> str:
        """A window in its largest whole unit."""
        if not span:
            return self.phrases.text("span.ever")
        unit, name = next((u, n) for u, n in _UNITS if span % MICROSECONDS[u] == 0 or u == "s")
        return self.phrases.plural(f"span.{name}", span // MICROSECONDS[unit])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
