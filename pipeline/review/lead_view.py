"""What the page of one lead shows, put together from the ledger: each question by key, none over a whole run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from features.entities import OF_ACCOUNTS
from features.settings import Kind
from models.bands import band_lines
from pipeline.config import Project
from pipeline.ledger.account import account_people, account_score
from pipeline.ledger.attribution import what_changed
from pipeline.ledger.decisions import active_decisions, decisions_of
from pipeline.ledger.feedback import answers_on, feedback_of
from pipeline.ledger.figures import present_run
from pipeline.ledger.lead import (
    Ending,
    LeadEvent,
    LeadInRun,
    ProductScore,
    ScoreThen,
    endings_of,
    events_of,
    lead_in_run,
    products_of,
    scores_over_runs,
)
from pipeline.ledger.similar import SimilarLeads, similar_leads
from pipeline.review.lead_answers import Answer, answers, cold_words
from pipeline.review.lead_change import Change, change_of
from pipeline.review.lead_timeline import TimelinePlot
from pipeline.review.lead_waterfall import Waterfall, waterfall_of
from pipeline.review.lead_words import (
    attribute_words,
    band_words,
    chance_words,
    event_words,
    grade_words,
    group_words,
    value_words,
)
from pipeline.review.overrides import project_override

if TYPE_CHECKING:
    from pipeline.ledger.store import Connection

__all__ = ["LeadView", "lead_view"]

MOST_EVENTS, MOST_MARKS, MOST_PEOPLE, MOST_ANSWERS = 50, 300, 20, 30
WHOLE = re.compile(r"-?\d{1,15}(\.0+)?")
LEAST_SHOWN = 0.05  # fewer points would read as 0.0
FACTS = {
    "funnel_stage": "Stage", "funnel_change": "Moved in the funnel", "persona": "Persona", "value_band": "Value band",
    "amount_if_won": "Amount if won", "customer_value": "Value as a customer", "profile_fit": "Profile fit",
    "fit_score": "Fit alone", "activity_score": "Activity alone",
}  # fmt: skip


@dataclass(frozen=True)
class LeadView:
    """All that the page shows.

    Attributes
    ----------
    present : the project's present run; the lead may stand in an older one alone, or an older one be asked for.
    decisions : in force on the lead, then on its account; `decided` are all, also ended ones, the newest first.
    at_scoring : the override by the project's file, rules or priority list that the run found, if it still counts.
    roles_missing : roles of the buying group that nobody at the account fills; None where no run tells.
    smaller : what the rest of the waterfall is made of, words and exact points, the largest first.
    """

    lead: LeadInRun
    present: Mapping[str, Any]
    is_present: bool
    is_latest: bool
    waterfall: Waterfall
    change: Change | None
    answers: Sequence[Answer]
    scores: Sequence[ScoreThen]
    timeline: TimelinePlot | None
    events: Sequence[LeadEvent]
    endings: Sequence[Ending]
    products: Sequence[ProductScore]
    people: Sequence[Mapping[str, Any]]
    similar: SimilarLeads
    decisions: Sequence[Mapping[str, Any]]
    decided: Sequence[Mapping[str, Any]]
    at_scoring: Mapping[str, Any] | None
    feedback: Sequence[Mapping[str, Any]]
    facts: Sequence[tuple[str, str]]
    latest_answer: Mapping[str, Any] | None
    roles_missing: Sequence[str] | None
    smaller: Sequence[tuple[str, float]]
    band_name: Callable[[str], str]
    words: Mapping[str, str]

    @property
    def ended(self) -> Ending | None:
        """How the lead ended after the score shown; None while it is open."""
        return _end_after(self.lead, self.endings)

    @property
    def chance(self) -> str | None:
        """The probability in words."""
        return chance_words(self.lead.probability, self.lead.horizon_days)

    @property
    def grades(self) -> str | None:
        """The grades in words."""
        return grade_words(self.lead.fit_grade, self.lead.engagement_grade)

    @property
    def cold(self) -> str | None:
        """What silence would do."""
        return cold_words(self.lead, self.ended)

    @property
    def is_account(self) -> bool:
        """Whether the row is an account, which has no others beside it there."""
        return self.lead.entity in OF_ACCOUNTS

    def event(self, event_type: str) -> str:
        """An event type in words."""
        return event_words(event_type, self.words)

    def to_json(self) -> dict[str, Any]:
        """The same as plain values, for programs."""
        change = self.change
        return {
            **asdict(self.lead), "is_present": self.is_present, "present_run": self.present["number"],
            "chance": self.chance, "cold": self.cold, "grades": self.grades,
            "answers": [asdict(each) for each in self.answers],
            "waterfall": [asdict(line) for line in self.waterfall.lines],
            "smaller": [{"words": words, "points": points} for words, points in self.smaller],
            "changed": None if change is None else change.to_json(),
            "scores": [asdict(each) for each in self.scores],
            "events": [{**asdict(each), "words": self.event(each.event_type)} for each in self.events[:MOST_EVENTS]],
            "outcomes": [asdict(each) for each in self.endings],
            "products": [asdict(each) for each in self.products],
            "people": [dict(each) for each in self.people], "roles_missing": self.roles_missing,
            "similar": {
                "looked_at": self.similar.looked_at, "won": self.similar.won, "won_of_all": self.similar.won_of_all,
                "leads": [{**asdict(each), "days_until": each.days_until} for each in self.similar.leads],
            },
            "decisions": [dict(each) for each in self.decisions], "decided": [dict(each) for each in self.decided],
            "override_at_scoring": self.at_scoring, "feedback": [dict(each) for each in self.feedback],
        }  # fmt: skip


def lead_view(
    connection: Connection, project: Project, lead_id: str, run: int | None = None, product: str | None = None
) -> LeadView | None:
    """The page's content; None if no run, or not the one asked for, has scored the lead."""
    name, words, lines = project.name, project.words, band_lines(project.bands)
    lead, present = lead_in_run(connection, name, lead_id, run, product), present_run(connection, name)
    if lead is None or present is None:
        return None
    latest = lead if run is None else lead_in_run(connection, name, lead_id, None, lead.product)
    band_name = partial(band_words, below_name=project.bands.below_name, lowest_line=lines[0][1])
    is_bounded = lead.probability is not None
    waterfall = waterfall_of(lead.score, lead.known, project.phrases, lines, is_bounded=is_bounded)
    change = _change(connection, project, lead)
    events = events_of(connection, name, lead, MOST_MARKS)
    scores, endings = scores_over_runs(connection, name, lead), endings_of(connection, name, lead_id)
    ended = _end_after(lead, endings)
    silent_until = lead.silent_until if ended is None else None
    plot = TimelinePlot(
        scores, events, endings, lines if is_bounded else (), silent_until, _falls_to(lead, lines),
        lambda kind: event_words(kind, words),
    )  # fmt: skip
    return LeadView(
        lead=lead, present=present, is_present=present["number"] == lead.run,
        is_latest=latest is None or latest.run == lead.run, waterfall=waterfall, change=change,
        answers=answers(lead, waterfall, change, events, words, band_name, ended), scores=scores,
        timeline=plot if plot.has_moments else None, events=events, endings=endings,
        products=products_of(connection, lead), people=_people(connection, lead),
        similar=similar_leads(connection, name, lead),
        **_decisions(connection, name, lead), feedback=feedback_of(connection, name, lead_id, MOST_ANSWERS),
        latest_answer=answers_on(connection, name, {lead_id}).get(lead_id),
        facts=_facts(lead, words, project.attributes.kinds()), roles_missing=_roles_missing(connection, project, lead),
        smaller=_smaller(lead, words), band_name=band_name, words=words,
    )  # fmt: skip


def _end_after(lead: LeadInRun, endings: Sequence[Ending]) -> Ending | None:
    later = [each for each in endings if lead.as_of is None or each.ended_at >= lead.as_of]
    return later[-1] if later else None


def _change(connection: Connection, project: Project, lead: LeadInRun) -> Change | None:
    found = what_changed(connection, project.name, lead.lead_id, lead.run, lead.product)
    if found is None:
        return None
    return change_of(
        found, lead.known, project.phrases, project.words, band_lines(project.bands),
        is_bounded=lead.probability is not None,
    )  # fmt: skip


def _decisions(connection: Connection, project: str, lead: LeadInRun) -> dict[str, Any]:
    of_account = [] if lead.account_id is None else [("account_id", lead.account_id)]
    subjects = [("lead_id", lead.lead_id), *of_account]
    decided = [each for subject in subjects for each in decisions_of(connection, project, *subject)]
    in_force = active_decisions(connection, project, datetime.now(UTC), subjects)
    return {
        "decisions": sorted(in_force, key=lambda each: each["kind"] != "lead_id"),
        "decided": sorted(decided, key=lambda each: -each["number"])[:MOST_ANSWERS],
        "at_scoring": project_override(lead.known.further.get("override"), decided, datetime.now(UTC).date()),
    }


def _people(connection: Connection, lead: LeadInRun) -> list[dict[str, Any]]:
    """The others at the account in the lead's run, each by its best product."""
    if lead.account_id is None or lead.entity in OF_ACCOUNTS:
        return []
    is_once = lead.entity == "product"
    found = account_people(connection, lead.run, lead.account_id, MOST_PEOPLE + 1, is_once=is_once)
    return [each for each in found if each["lead_id"] != lead.lead_id][:MOST_PEOPLE]


def _roles_missing(connection: Connection, project: Project, lead: LeadInRun) -> list[str] | None:
    """As the account's own score tells them, else the lead's row; None where neither does."""
    found = lead.known.further.get("roles_missing")
    if found is None and lead.account_id is not None:
        projects = [project.name, *(project.for_target(each).name for each in project.targets)]
        own = account_score(connection, projects, lead.account_id)
        found = None if own is None else own["further"].get("roles_missing")
    return None if found is None else list(found)


def _smaller(lead: LeadInRun, words: Mapping[str, str]) -> list[tuple[str, float]]:
    """Groups that have no line of their own and would not read as 0.0."""
    told = {each["group"] for each in lead.known.reasons}
    own = [(name, points) for name, points in lead.known.contributions.items() if name not in told]
    ranked = sorted(own, key=lambda each: (-abs(each[1]), each[0]))
    said = lead.known.group_words
    return [
        (_capital(said.get(name) or group_words(name, words)), points)
        for name, points in ranked
        if abs(points) >= LEAST_SHOWN
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _falls_to(lead: LeadInRun, lines: Sequence[tuple[float, str]]) -> float | None:
    """The line that the lead's band starts at; None in the lowest band."""
    return next((place for place, name in lines if name == lead.band), None)


def _facts(lead: LeadInRun, words: Mapping[str, str], kinds: Mapping[str, Kind]) -> list[tuple[str, str]]:
    """What is known of the lead, in words: attributes, then what the project declares."""
    own = [_fact(name, value, words, kinds.get(name)) for name, value in lead.known.attributes.items()]
    further = [
        (title, value_words(name, lead.known.further[name], words).replace("_", " "))
        for name, title in FACTS.items()
        if lead.known.further.get(name) is not None
    ]
    return [(_capital(what), value) for what, value in [*own, *further]]


def _fact(name: str, value: str | None, words: Mapping[str, str], kind: Kind | None) -> tuple[str, str]:
    """What an attribute is called, and its value; of an address the ledger has the domain alone."""
    what, said = attribute_words(name, words), value_words(name, value, words)
    if value is not None and kind in {"number", "company_size"} and WHOLE.fullmatch(value):
        return what, f"{int(float(value)):,}"
    return (f"{what} domain", said.lower()) if value is not None and kind == "email" else (what, said)
