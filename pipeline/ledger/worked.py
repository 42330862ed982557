"""What came of the scores in sales' hands: answers by reason and band, and the share of leads worked by band."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, distinct, func, select

from features.entities import NOUNS
from pipeline.ledger.figures import present_run
from pipeline.ledger.schema import FEEDBACK, SCORES

__all__ = ["feedback_summary", "worked_share"]

ONLY_WORKED = "worked"
NO_REASON = "no reason given"
WINDOW_DAYS = 30
ENOUGH_DAYS, ENOUGH_LEADS, LOW_SHARE = 7, 20, 0.5
_answered_at = func.coalesce(FEEDBACK.c.worked_at, FEEDBACK.c.recorded_at)


def feedback_summary(connection: Connection, project: str, since: datetime | None = None) -> dict[str, Any]:
    """Counts of answers: all, leads, by verdict, by code of each verdict, and by the band at the time.

    `verdicts` and each of `bands` (the highest first; null where no run had scored the lead by then) count accept,
    reject and worked, which is an answer without a verdict. `codes` holds the commonest reason first.

    Parameters
    ----------
    since : answers recorded at or after it; None for all.
    """
    of_project = [
        FEEDBACK.c.project == project,
        *([] if since is None else [FEEDBACK.c.recorded_at >= since]),
    ]
    grouped = (
        select(FEEDBACK.c.verdict, FEEDBACK.c.code, FEEDBACK.c.band, func.count().label("n"))
        .where(*of_project)
        .group_by(FEEDBACK.c.verdict, FEEDBACK.c.code, FEEDBACK.c.band)
    )
    highest = (
        select(FEEDBACK.c.band, func.max(FEEDBACK.c.score).label("score"))
        .where(*of_project)
        .group_by(FEEDBACK.c.band)
    )
    rows = connection.execute(grouped).all()
    found = sorted(connection.execute(highest), key=lambda row: (row.score is None, -(row.score or 0.0)))
    bands = {row.band: {"band": row.band, "accept": 0, "reject": 0, ONLY_WORKED: 0} for row in found}
    verdicts = {"accept": 0, "reject": 0, ONLY_WORKED: 0}
    codes: dict[str, dict[str, int]] = {"accept": {}, "reject": {}}
    for row in rows:
        verdict = row.verdict or ONLY_WORKED
        verdicts[verdict] += row.n
        bands[row.band][verdict] += row.n
        if row.verdict is not None:
            code = row.code or NO_REASON
            codes[verdict][code] = codes[verdict].get(code, 0) + row.n
    leads = connection.scalar(select(func.count(distinct(FEEDBACK.c.lead_id))).where(*of_project)) or 0
    ordered = {
        verdict: dict(sorted(of_verdict.items(), key=lambda each: (-each[1], each[0])))
        for verdict, of_verdict in codes.items()
    }
    return {
        "answers": sum(verdicts.values()), "leads": int(leads), "verdicts": verdicts, "codes": ordered,
        "bands": list(bands.values()),
    }  # fmt: skip


def worked_share(connection: Connection, project: str) -> dict[str, Any]:
    """By band, the highest first: leads that the latest run has in it, those of them worked lately, and their share.

    Worked is a lead with any answer `since` so many `days` before the run: accept, reject or a moment of work,
    whatever run and band it answered to. Where products are scored, a lead counts once in each band that one of them
    is in. `noun` says what is counted; `warning` is a sentence where few of those on top were worked, else None.
    Before the first run `bands` is empty.
    """
    told: dict[str, Any] = {"days": WINDOW_DAYS, "since": None, "noun": "leads", "bands": [], "warning": None}
    run = present_run(connection, project)
    if run is None:
        return told
    # a run of a moment to come, as with made-up data, was shown from when it was recorded
    shown = min(run["as_of"] or run["recorded_at"], run["recorded_at"])
    since = shown - timedelta(days=WINDOW_DAYS)
    noun = "leads" if run["entity"] == "product" else NOUNS[run["entity"]]
    bands = _bands(connection, project, run, since)
    first = connection.scalar(select(func.min(_answered_at)).where(FEEDBACK.c.project == project))
    # who began to answer yesterday can't have worked them all: that is no finding
    is_told = first is not None and shown - max(first, since) >= timedelta(days=ENOUGH_DAYS)
    warning = _warning(bands, noun, since) if is_told else None
    return told | {"since": since, "noun": noun, "bands": bands, "warning": warning}


def _bands(
    connection: Connection, project: str, run: dict[str, Any], since: datetime
) -> list[dict[str, Any]]:
    lead = SCORES.c.lead_id
    answered = select(FEEDBACK.c.lead_id).where(FEEDBACK.c.project == project, _answered_at >= since)
    is_worked = lead.in_(answered)
    if run["entity"] == "product":
        leads, worked = func.count(distinct(lead)), func.count(distinct(case((is_worked, lead))))
    else:  # a lead stands in it once; telling a million ids apart takes seconds
        leads, worked = func.count(), func.count(case((is_worked, 1)))
    asked = (
        select(
            SCORES.c.band, leads.label("n"), worked.label("worked"), func.max(SCORES.c.score).label("score")
        )
        .where(SCORES.c.run == run["number"])
        .group_by(SCORES.c.band)
    )
    return [
        {"band": row.band, "scored": row.n, "worked": row.worked, "share": row.worked / row.n}
        for row in sorted(connection.execute(asked), key=lambda row: -row.score)
    ]


def _warning(bands: list[dict[str, Any]], noun: str, since: datetime) -> str | None:
    """A sentence where most leads of the highest band were not worked."""
    if not bands or bands[0]["scored"] < ENOUGH_LEADS or bands[0]["share"] >= LOW_SHARE:
        return None
    top = bands[0]
    few = f"only {top['worked']:,}" if top["worked"] else "none"
    return (
        f"Of {top['scored']:,} {noun} now in {top['band']} {few} were worked since {since.day} {since:%b %Y} "
        f"({100 * top['share']:.0f} %). What became of the others says little about what a call would have done."
    )
