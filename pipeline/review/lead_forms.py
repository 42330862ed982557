"""What sales sends from the page of a lead: an answer to the score, or a decision beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time

from features.errors import InputError
from pipeline.ledger.decisions import ACTIONS, add_decision
from pipeline.ledger.feedback import CODES, MAX_NOTE, Feedback, add_feedback
from pipeline.ledger.store import Ledger

__all__ = ["FEEDBACK_FIELDS", "OVERRIDE_FIELDS", "Faults", "send_feedback", "send_override"]

FEEDBACK_FIELDS = ("verdict", "code", "note", "worked_on")
OVERRIDE_FIELDS = ("action", "owner", "reason", "until")
NOON = time(12, tzinfo=UTC)
Form = Mapping[str, str]
Faults = dict[str, str]


def send_feedback(ledger: Ledger, project: str, lead_id: str, form: Form, by: str) -> Faults:
    """What is wrong, in words by field, `form` for what no field is to blame for; empty if it was taken."""
    verdict, code = form.get("verdict", ""), form.get("code", "")
    worked, faults = _day(form, "worked_on")
    today = datetime.now(UTC).date()
    if verdict not in {*CODES, "worked"}:
        faults["verdict"] = "Say whether you accept or reject it, or only worked it."
    elif verdict == "worked" and worked is None and not faults:
        faults["worked_on"] = "Say on which day you worked it."
    elif code and code not in CODES.get(verdict, ()):
        known = ", ".join(CODES.get(verdict, ()))
        faults["code"] = (
            f"That is no reason to {verdict}; choose one of: {known}." if known else "Leave the reason open."
        )
    if worked is not None and worked > today:
        faults["worked_on"] = f"That day is still to come; today is {today.isoformat()} (UTC)."
    note = form.get("note", "").replace("\r\n", "\n")  # as the field counted them
    if len(note) > MAX_NOTE:
        faults["note"] = f"The note has {len(note):,} characters; at most {MAX_NOTE:,} are kept."
    faults |= _unsigned(by)
    if faults:
        return faults
    try:
        given = Feedback(
            lead_id,
            None if verdict == "worked" else verdict,
            code or None,
            note,
            _moment(worked),
            by,
        )
        add_feedback(ledger, project, given, source="page", product=form.get("product") or None)
    except InputError as error:
        return {"form": str(error)}
    return {}


def send_override(ledger: Ledger, project: str, lead_id: str, form: Form, by: str) -> Faults:
    """What is wrong, as `send_feedback` says it; empty if it was taken."""
    action = form.get("action", "")
    is_lift = action == "lift"
    until, faults = (None, {}) if is_lift else _day(form, "until")
    today = datetime.now(UTC).date()
    if action not in ACTIONS:
        faults["action"] = "Choose what is decided."
    if not is_lift and "until" not in faults:
        if until is None and action in {"raise", "hold"}:
            faults["until"] = "Say up to which day it counts."
        elif until is not None and until <= today:
            faults["until"] = f"Give a day after today, {today.isoformat()} (UTC)."
    owner = by if is_lift else form.get("owner", "").strip()
    if not owner:
        faults["owner"] = "Say who answers for it."
    if not form.get("reason", "").strip():
        faults["reason"] = "Say why; it is kept with the decision."
    faults |= _unsigned(by)
    if faults:
        return faults
    try:
        add_decision(
            ledger, project, kind="lead_id", subject=lead_id, action=action, owner=owner, reason=form["reason"],
            until=until, by=by,
        )  # fmt: skip
    except InputError as error:
        return {"form": str(error)}
    return {}


def _unsigned(by: str) -> Faults:
    return {} if by.strip() else {"by": "Say who you are."}


def _day(form: Form, name: str) -> tuple[date | None, Faults]:
    text = form.get(name, "").strip()
    try:
        return (date.fromisoformat(text) if text else None), {}
    except ValueError:
        return None, {name: "That is no day; write it as 2026-03-31."}


def _moment(worked: date | None) -> datetime | None:
    """Today is now; an earlier day is its noon, UTC, as the form asks for no hour."""
    if worked is None:
        return None
    now = datetime.now(UTC)
    return now if worked == now.date() else datetime.combine(worked, NOON)
