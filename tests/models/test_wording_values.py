"""Each kind of reason for each kind of value: missing, none, one, many, and in the project's own words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.catalogue import Catalogue, Feature
from features.durations import parse_duration
from models.phrases import Phrases
from models.settings import WordingSettings
from models.wording import Wording

DAY = 86_400_000_000


def one(feature: Feature, value: float) -> str:
    return Wording(Catalogue((replace(feature, group="g"),))).text(0, np.array([value]))


COUNT = Feature("implicit", "negative", "count", 0, "count", words="warning signs")


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ("15m", "in the last 15 minutes"), ("1h", "in the last hour"), ("36h", "in the last 36 hours"),
        ("1d", "in the last day"), ("24h", "in the last day"), ("8w", "in the last 56 days"),
    ],
)  # fmt: skip
def test_a_window_is_said_as_it_was_set(span: str, words: str) -> None:
    feature = replace(COUNT, span=parse_duration(span))

    assert one(feature, 3.0) == f"Warning signs: 3 {words}"
    assert one(feature, 0.0) == f"Warning signs: none {words}"


def test_breadth_names_its_own_window() -> None:
    feature = Feature("implicit", "any", "breadth", 30 * DAY, "count", words="kinds of activity")

    assert one(feature, 2.0) == "2 kinds of activity in the last 30 days"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.02, "less than an hour"), (0.05, "1 hour"), (0.9, "21 hours"), (1.0, "1 day"), (1.99, "1 day"),
        (2.0, "2 days"), (1500.0, "1,500 days"),
    ],
)  # fmt: skip
def test_age_counts_what_has_fully_passed(value: float, words: str) -> None:
    assert one(Feature("recency", "lead", "age", 0, "days"), value) == f"Open for {words}"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"), (1.0, "1"), (-3.0, "-3"), (0.125, "0.12"), (0.001, "0.001"), (-0.0004, "-0.0004"),
        (2.5, "2.5"), (1234.56, "1,235"), (3e9, "3,000,000,000"),
    ],
)  # fmt: skip
def test_numbers_are_short_but_never_wrong(value: float, words: str) -> None:
    assert one(Feature("explicit", "x", "value", unit="number", words="budget"), value) == f"Budget: {words}"


def test_a_value_that_training_never_saw_is_called_another_value() -> None:
    feature = Feature(
        "explicit", "s", "category", unit="category", words="lead source", levels=("(unknown)", "web")
    )

    assert one(feature, 2.0) == "Lead source: another value"
    assert one(feature, 0.0) == "Lead source unknown"
    assert one(feature, 1.0) == "Lead source: web"
    assert one(replace(feature, spelling=("(unknown)", "Web")), 1.0) == "Lead source: Web"
    assert one(feature, np.nan) == "Lead source unknown"


def test_a_missing_flag_alone_says_whether_the_value_is_known() -> None:
    feature = Feature("explicit", "budget", "missing", unit="flag", words="budget")

    assert (one(feature, 1.0), one(feature, 0.0)) == ("Budget unknown", "Budget known")


@pytest.mark.parametrize(
    ("op", "group", "value", "words"),
    [
        ("known", "people", 0.0, "No other people known at the company"),
        ("known", "people", 2.0, "2 other people known at the company"),
        ("known", "people", 12_345.0, "12,345 other people known at the company"),
        ("known", "people", np.nan, "Other people known at the company: no company on record"),
        ("active", "people", 1.0, "1 other person active at the company in the last 30 days"),
        ("active", "departments", 0.0, "No departments at the company active in the last 30 days"),
        ("active", "departments", 1.0, "1 department at the company active in the last 30 days"),
        ("count", "won", 1.0, "1 earlier purchase by the company"),
        ("count", "lost", 0.0, "No earlier leads of the company closed without a purchase"),
        ("count", "lost", np.nan, "Earlier leads of the company without a purchase: no company on record"),
        ("value", "is_priority", 0.0, "Not on the priority list"),
        ("value", "is_priority", np.nan, "Priority list: no company on record"),
        ("count", "others", 3.0, "Activity of colleagues: 3 in the last 30 days"),
    ],
)
def test_the_company_is_said_in_the_right_number(op: str, group: str, value: float, words: str) -> None:
    assert one(Feature("account", group, op, 30 * DAY, words="x"), value) == words


@pytest.mark.parametrize(
    ("op", "value", "words"),
    [
        ("breadth", 0.0, "No activity in the last 30 days"),
        ("breadth", 1.0, "1 kind of activity in the last 30 days"), ("breadth", np.nan, "Kinds of activity unknown"),
        ("products", 0.0, "No products looked at in the last 30 days"),
        ("products", 1.0, "1 product looked at in the last 30 days"),
        ("products", np.nan, "Products looked at unknown"),
        ("value_sum", -1234.5, "Total value of activity in the last 30 days: -1,234"),
        ("value_sum", np.nan, "Total value of activity unknown"),
        ("age", np.nan, "Time since the lead came in unknown"),
        ("silence", 0.9, "Active today"), ("silence", 1.2, "Last active 1 day ago"),
        ("silence", np.nan, "Time since the latest activity unknown"),
        ("momentum", 0.2, "Activity is speeding up"), ("momentum", -0.2, "Activity is slowing down"),
        ("momentum", 0.0, "Activity is steady"), ("momentum", np.nan, "Pace of activity unknown"),
        ("last_type", np.nan, "Latest activity: none so far"), ("last_type", 2.0, "Latest activity: of another kind"),
        ("last_type", 0.0, "Latest activity: page view"),
    ],
)  # fmt: skip
def test_what_happened_is_said_for_every_value(op: str, value: float, words: str) -> None:
    feature = Feature("recency", "any", op, 30 * DAY, words="x", levels=("page_view", "demo"))

    assert one(feature, value) == words


@pytest.mark.parametrize(
    ("days_since", "recent", "words"),
    [
        (0.5, 1.0, "Demos: 1 in the last 7 days, the latest today"),
        (1.5, 2.0, "Demos: 2 in the last 7 days, the latest 1 day ago"),
        (400.0, 0.0, "Demos: the latest 400 days ago"),
        (np.nan, 0.0, "Demos: none so far"),
    ],
)
def test_events_are_dated_from_the_moment_of_scoring(days_since: float, recent: float, words: str) -> None:
    shape = {"group": "g", "words": "demos"}
    features = (
        Feature("implicit", "type:demo", "count", 7 * DAY, "count", **shape),  # type: ignore[arg-type]
        Feature("recency", "type:demo", "days_since", 0, "days", **shape),  # type: ignore[arg-type]
    )

    assert Wording(Catalogue(features)).text(0, np.array([recent, days_since])) == words


PACE = Catalogue(
    (
        Feature("recency", "any", "momentum", 7 * DAY, group="momentum"),
        Feature("recency", "any", "velocity", group="momentum"),
        Feature("recency", "any", "silence", group="silence"),
        Feature("recency", "lead", "age", group="age"),
        Feature("implicit", "any", "count", 7 * DAY, "count", group="any"),
    )
)


@pytest.mark.parametrize(
    ("velocity", "silence", "wanted"),
    [
        (0.0, 0.5, ["No recent activity", "Came in 12 hours ago, quiet since", "Activity: none so far"]),
        (0.1, 60.0, ["No recent activity", "Last active 60 days ago", "Activity: none in the last 7 days"]),
        (0.1, 20.0, ["Activity is steady", "Last active 20 days ago", "Activity: none in the last 7 days"]),
    ],
)
def test_a_silent_lead_is_called_neither_steady_nor_active(
    velocity: float, silence: float, wanted: list[str]
) -> None:
    age = silence if velocity == 0 else 90.0
    words = Wording(PACE)

    said = [words.text(group, np.array([0.0, velocity, silence, age, 0.0])) for group in (0, 1, 3)]

    assert said == wanted


@pytest.mark.parametrize(
    ("a_day", "words"),
    [
        (0.0, "No activity since the lead came in"),
        (0.02, "About one activity in 50 days since the lead came in"),
        (0.9, "About one activity a day since the lead came in"),
        (1.0, "About one activity a day since the lead came in"),
        (2.44, "2.4 activities a day since the lead came in"),
        (31.7, "32 activities a day since the lead came in"),
        (np.nan, "Activities a day unknown"),
    ],
)
def test_the_rate_of_activity_reads_like_this(a_day: float, words: str) -> None:
    assert one(Feature("recency", "any", "velocity", 0, "per day", 0, "velocity"), a_day) == words


@pytest.mark.parametrize(
    ("points", "words"), [(0.0, "0 points"), (1.0, "1 point"), (-1.0, "-1 point"), (2.5, "2.5 points")]
)
def test_points_of_a_table_take_singular_and_plural(points: float, words: str) -> None:
    assert (
        one(Feature("points", "industry", "rule0", words="trade"), points) == f"Trade: {words} by the table"
    )


JOB = Feature("explicit", "job", "category", unit="category", words="job", levels=("admin",))


@pytest.mark.parametrize(
    ("feature", "value", "words"),
    [
        (JOB, 0.0, "Beruf: Verwaltung"),
        (JOB, np.nan, "Beruf unbekannt"),
        (Feature("explicit", "title", "seniority", unit="level", words="seniority"), 6.0, "Stufe: Leitung"),
        (Feature("implicit", "type:demo", "count", 7 * DAY, words="demos"), 1.0, "Demo-Termine: 1 binnen 7 Tagen"),
        (Feature("implicit", "channel:e_mail", "count", 7 * DAY, words="x"), 2.0, "Post: 2 binnen 7 Tagen"),
        (Feature("points", "type:demo", "rule0", words="demos"), 1.0, "Termine laut Tabelle: 1"),
        (Feature("points", "job", "rule0", words="job"), 1234.0, "Beruf: 1.234"),
    ],
)  # fmt: skip
def test_the_projects_words_and_phrases_win_over_those_of_training(
    feature: Feature, value: float, words: str
) -> None:
    settings = WordingSettings(
        thousands=".",
        decimal=",",
        phrases={
            "reason.unknown": "{what} unbekannt", "word.seniority": "Stufe", "level.seniority.vp": "Leitung",
            "span.day": ("binnen 1 Tag", "binnen {count} Tagen"), "word.channel": "{channel}",
            "reason.points": ("{what}: {count}", "{what}: {count}"),
        },
    )  # fmt: skip
    own = {
        "job": "Beruf", "job=admin": "Verwaltung", "demo": "Demos", "type:demo": "Demo-Termine",
        "points:type:demo": "Termine laut Tabelle", "e_mail": "Post",
    }  # fmt: skip

    wording = Wording(Catalogue((replace(feature, group="g"),)), Phrases(settings), own)

    assert wording.text(0, np.array([value])) == words


@pytest.mark.parametrize(
    ("source", "words", "said"),
    [
        ("job_title.department", "job title department", "Department: 5 points by the table"),
        ("job_title.department", "team", "Team: 5 points by the table"),
        ("job_title.role", "job title role", "Role: 5 points by the table"),
        ("industry", "industry", "Industry: 5 points by the table"),
    ],
)
def test_a_rule_on_a_job_title_is_called_by_what_it_reads(source: str, words: str, said: str) -> None:
    assert one(Feature("points", source, "rule0", words=words), 5.0) == said


def test_a_rare_value_is_warned_of_in_the_projects_words() -> None:
    feature = Feature("explicit", "s", "category", unit="category", words="lead source", levels=("web",))

    wording = Wording(Catalogue((feature,)))

    assert wording.rare_value(feature) == "Lead source: a value that is rare or new to the model"
