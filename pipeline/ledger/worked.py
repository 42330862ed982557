"""What came of the scores in sales' hands: answers by reason and band, and the share of leads worked by band."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, distinct, func, select

from pipeline.ledger.schema import FEEDBACK, RUNS, SCORES, shown_of

__all__ = ["feedback_summary", "worked_share"]

ONLY_WORKED = "worked"
NO_REASON = "no reason given"
MOST_ROWS, MOST_RUNS = 1_000_000, 400
ENOUGH_LEADS, LOW_SHARE = 20, 0.5


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


def worked_share(connection: Connection, project: str, most_rows: int = MOST_ROWS) -> dict[str, Any]:
    """By band, the highest first: leads that stood in it, those of them worked while they did, and their share.

    Worked is a lead with any answer: accept, reject or a moment of work. `runs` says how many of the latest runs were
    looked at, of `all_runs`; `warning` is a sentence where few of the leads on top were worked, else None.

    Parameters
    ----------
    most_rows : runs are looked at, the latest first, up to so many scores in all, at least one.
    """
    chosen, all_runs = _latest_runs(connection, project, most_rows)
    entities = set(connection.scalars(select(RUNS.c.entity).where(RUNS.c.number.in_(chosen))))
    # a lead stands once in a run but for lead x product; telling a million ids apart takes seconds
    is_once = len(chosen) == 1 and "product" not in entities
    leads = func.count() if is_once else func.count(distinct(SCORES.c.lead_id))
    stood = (
        select(SCORES.c.band, leads.label("n"), func.max(SCORES.c.score).label("score"))
        .where(SCORES.c.run.in_(chosen))
        .group_by(SCORES.c.band)
    )  # fmt: skip
    answered = (
        select(FEEDBACK.c.band, func.count(distinct(FEEDBACK.c.lead_id)).label("n"))
        .where(FEEDBACK.c.project == project, FEEDBACK.c.run.in_(chosen))
        .group_by(FEEDBACK.c.band)
    )
    worked = {row.band: int(row.n) for row in connection.execute(answered)}
    bands = [
        {"band": row.band, "scored": row.n, "worked": worked.get(row.band, 0), "share": worked.get(row.band, 0) / row.n}
        for row in sorted(connection.execute(stood), key=lambda row: -row.score)
    ]  # fmt: skip
    return {"runs": len(chosen), "all_runs": all_runs, "bands": bands, "warning": _warning(bands)}


def _latest_runs(connection: Connection, project: str, most_rows: int) -> tuple[list[int], int]:
    """The numbers of the latest complete runs that are looked at, and how many there are."""
    complete = shown_of(project)
    newest = (
        select(RUNS.c.number, RUNS.c.scored)
        .where(complete)
        .order_by(RUNS.c.as_of.desc().nulls_last(), RUNS.c.number.desc())
        .limit(MOST_RUNS)
    )
    chosen: list[int] = []
    rows = 0
    for run in connection.execute(newest):
        rows += run.scored
        if chosen and rows > most_rows:
            break
        chosen.append(run.number)
    return chosen, int(connection.scalar(select(func.count()).select_from(RUNS).where(complete)) or 0)


def _warning(bands: list[dict[str, Any]]) -> str | None:
    """A sentence where most leads of the highest band were not worked."""
    if not bands or not any(each["worked"] for each in bands):
        return None
    top = bands[0]
    if top["scored"] < ENOUGH_LEADS or top["share"] >= LOW_SHARE:
        return None
    few = f"only {top['worked']:,}" if top["worked"] else "none"
    return (
        f"Of {top['scored']:,} leads in {top['band']} {few} were worked ({top['share']:.0%}). What became of the "
        "others says little about what a call would have done."
    )
