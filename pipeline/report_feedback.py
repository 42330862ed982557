"""What the report says of sales: the share of leads worked by score band, and the answers by reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.errors import LeadScoringError
from pipeline.config import Project
from pipeline.report_figures import Row, Table, formed, sized

__all__ = ["answers_of_sales", "feedback_section"]

UNKNOWN_BAND = "before any score"


def answers_of_sales(project: Project) -> dict[str, Any] | None:
    """`summary` and `share` of the project's ledger, or `fault`, why it can't be read; None where nobody answered."""
    if project.ledger.url is None:
        return None
    from pipeline.ledger.feedback import feedback_summary, worked_share
    from pipeline.ledger.store import find_ledger

    try:
        ledger = find_ledger(project)
        if ledger is None:
            return None
        with ledger.reading() as connection:
            summary = feedback_summary(connection, project.name)
            if not summary["answers"]:
                return None
            return {"summary": summary, "share": worked_share(connection, project.name)}
    except LeadScoringError as error:  # the training stands without it
        return {"fault": str(error)}


def feedback_section(answers: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Sentences and tables of the section; None where nobody answered.

    Parameters
    ----------
    answers : as `answers_of_sales` gives it.
    """
    if answers is None:
        return None
    if "fault" in answers:
        return {"words": [f"What sales answered is not shown: {answers['fault']}"], "tables": []}
    summary, share = answers["summary"], answers["share"]
    words = [
        f"Sales gave {summary['answers']:,} answers on {summary['leads']:,} leads. They train nothing: sales choose "
        "whom to work, and a rejected lead may still buy.",
        *([share["warning"]] if share["warning"] else []),
    ]
    shares = [_share_table(share)] if share["bands"] else []
    return {"words": words, "tables": [*shares, _answer_table(summary), *_reason_table(summary)]}


def _share_table(share: Mapping[str, Any]) -> Table:
    since = share["since"]
    rows = [
        Row((each["band"], *sized(each["scored"], each["worked"]), formed(each["share"], "%")))
        for each in share["bands"]
    ]
    return Table(
        "Share worked, by band", ("Band", share["noun"].capitalize(), "Worked", "Share"), tuple(rows),
        note=f"By their band in the latest run in the ledger. Worked is one with any answer since {since.day} "
        f"{since:%b %Y}, {share['days']} days before it.",
    )  # fmt: skip


def _answer_table(summary: Mapping[str, Any]) -> Table:
    rows = [
        Row((each["band"] or UNKNOWN_BAND, *sized(each["accept"], each["reject"], each["worked"])))
        for each in summary["bands"]
    ]
    return Table(
        "Answers, by the band at the time", ("Band", "Accepted", "Rejected", "Worked only"), tuple(rows)
    )


def _reason_table(summary: Mapping[str, Any]) -> list[Table]:
    named = {"accept": "accepted", "reject": "rejected"}
    rows = [
        Row((code, named[verdict], f"{n:,}"))
        for verdict, of_verdict in summary["codes"].items()
        for code, n in of_verdict.items()
    ]
    return (
        [Table("Answers, by reason", ("Reason", "Verdict", "Answers"), tuple(rows), texts=("Verdict",))]
        if rows
        else []
    )
