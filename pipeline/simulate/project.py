"""The project file of a simulated world."""

from __future__ import annotations

from pipeline.simulate.growth import GROWTH_EVENTS
from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.vocabulary import EVENT_TYPES

__all__ = ["project_toml"]

_TABLES = ("leads", "events", "outcomes", "accounts", "field_changes")
_STAGE = {
    **dict.fromkeys(("email_open", "email_click", "page_view", "blog_view"), "awareness"),
    **dict.fromkeys(("webinar", "whitepaper_download", "case_study_view", "form_submit"), "consideration"),
    **dict.fromkeys(("pricing_view", "trial_start", "demo_request", "meeting", "phone_call"), "decision"),
}
_AGAINST = ("unsubscribe", "careers_view")
_WORDS = {
    "email_open": "e-mails opened",
    "email_click": "clicks in e-mails",
    "page_view": "page views",
    "blog_view": "blog articles read",
    "webinar": "webinars attended",
    "whitepaper_download": "white papers downloaded",
    "case_study_view": "case studies read",
    "pricing_view": "pricing page views",
    "form_submit": "forms submitted",
    "trial_start": "trials started",
    "demo_request": "demo requests",
    "meeting": "meetings",
    "phone_call": "phone calls",
    "unsubscribe": "unsubscribed from e-mails",
    "careers_view": "careers page views",
    "support_request": "support requests",
    "product_use": "days of product use",
    "feature_use": "features used",
    "support_ticket": "support tickets",
    "invoice_paid": "invoices paid",
}
_HEAD = """\
# Sample CRM: {n_leads} simulated leads, seed {seed}. Paths resolve against the folder of this file.
name = "sample-crm"
output = "out"

[data]
data_end = "{end}T00:00:00Z"  # nothing at or after this moment is recorded
quarantine_limit = 0.05
"""
_BODY = """
[target]
won = ["won"]
horizon = "30d"

[snapshots]
mode = "calendar"
every = "14d"

{targets}# Known and fixed since the lead was made.
[attributes.at_creation]
category = [
  "segment", "lead_source", "campaign", "country", "region", "product_interest",
  "industry", "company_country", "revenue_band",
]
number = ["budget"]
boolean = ["consent"]
job_title = ["job_title"]
email = ["email"]
company_size = ["employees"]

# Rebuilt as of any moment from field_changes.
[attributes.history]
category = ["lifecycle_stage"]

# Today's value, filled in by hand after the outcome: barred wherever the past is rebuilt.
[attributes.current]
category = ["lead_status"]

[attributes]
waived = ["is_priority"]  # the priority list has not changed since the accounts were made

# What a marketing team would give by hand; the models are compared with it.
[points]
preset = "saas"
rules = [
  { event = "form_submit", points = 10 },
  { event = "pricing_view", points = 7, per = "each", most = 3, window = "30d" },
  { event = "demo_request", points = 20 },
  { event = "unsubscribe", points = -10 },
]
"""
_LEDGER = """
# Every score given is kept here, with what people see beside it.
[ledger]
url = "sqlite:///ledger.db"

[ledger.shown]
company = "account_name"
segment = "segment"
"""
_TARGETS = """\
# Customers are asked other questions, each with a model of its own: lead-scoring train --target upsell
[targets.upsell]
entity = "customer"
won = ["upsell"]
horizon = "90d"

[targets.cross_sell]
entity = "customer"
won = ["cross_sell"]
horizon = "90d"

[targets.renewal]
entity = "customer"
won = ["renewed"]
horizon = "90d"

"""


def project_toml(settings: WorldSettings, file_format: str = "parquet") -> str:
    """Text of the `lead-scoring.toml` that lies beside the tables of a world.

    Parameters
    ----------
    settings
        The world.
    file_format
        "parquet" or "csv": the ending of the tables' names.

    Examples
    --------
    >>> project_toml(WorldSettings(n_leads=5)).splitlines()[1]
    'name = "sample-crm"'
    """
    parts = [_HEAD.format(n_leads=settings.n_leads, seed=settings.seed, end=settings.end)]
    for name in _TABLES:
        parts.append(f'\n[data.{name}]\npath = "{name}.{file_format}"\n')
        if settings.dirt and name in {"leads", "accounts"}:
            parts.append('null_values = ["", "Select", "unknown"]\n')
    has_growth = "growth" in settings.on
    parts.append(_BODY.replace("{targets}", _TARGETS if has_growth else ""))
    parts.append(_LEDGER)
    parts.extend(_event_type(name) for name in (*EVENT_TYPES, *(GROWTH_EVENTS if has_growth else ())))
    return "".join(parts)


def _event_type(name: str) -> str:
    lines = [f"\n[events.types.{name}]"]
    if name in _STAGE:
        lines.append(f'stage = "{_STAGE[name]}"')
    if name in _AGAINST:
        lines.append("direction = -1")
    lines.append(f'words = "{_WORDS[name]}"')
    return "\n".join(lines) + "\n"
