"""A lead explained by hand, for the tests of what is said and drawn of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from models.phrases import Phrases
from pipeline.changes import Change
from pipeline.explain import ExplainedLead, Explanation
from pipeline.explain_words import ExplainWords
from pipeline.outlook import Outlook

EXPLANATION = Explanation(
    lead_id="L1",
    as_of="2026-01-01T08:30:00.000000",
    probability=0.1234,
    score=61.9,
    band="MQL",
    grade="B2",
    base_score=23.4,
    reasons=[
        {"text": "Job title: director", "points": 44.2, "group": "attribute:job_title"},
        {"text": "Unsubscribed: 1 in the last 7 days", "points": -5.7, "group": "type:unsubscribe"},
    ],
    shown_score=61,
    shown_base=23,
    shown_points=[44, -6],
    model_version="abc123",
)
CHANGE = Change(
    lead_id="L1",
    since="2025-12-01T00:00:00.000000",
    as_of="2026-01-01T08:30:00.000000",
    score_before=80.2,
    score_after=61.9,
    band_before="SQL",
    band_after="MQL",
    difference=-18.3,
    lines=[
        {"text": "New activity: meetings (2)", "points": 25.0, "kind": "events"},
        {"text": "Time passing (31 days)", "points": -43.3, "kind": "time"},
    ],
    shown_points=[25, -44],
    shown_before=80,
    shown_after=61,
    not_attributable=["Today's priority list was used for both dates"],
    model_version_before="abc123",
    model_version="abc123",
)
OUTLOOK = Outlook("2026-01-04T08:30:00.000000", None, ["If nothing happens, it falls below MQL."])
LINES = (("MQL", 50.0), ("SQL", 80.0))


def words_of(
    since: Change | None = None, *, phrases: Phrases | None = None, is_bounded: bool = True, **changed: Any
) -> ExplainWords:
    """The words of the lead, with other values of its explanation where they are given."""
    found = ExplainedLead(replace(EXPLANATION, **changed), OUTLOOK, since, LINES, is_bounded)
    return ExplainWords(found, phrases or Phrases())
