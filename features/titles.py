"""Job titles and e-mail addresses read as what they say about fit; the text itself is no feature."""

from __future__ import annotations

import math
import re

__all__ = [
    "DEPARTMENTS",
    "EMAIL_KINDS",
    "ROLES",
    "SENIORITIES",
    "department",
    "email_kind",
    "role",
    "seniority",
    "size_band",
]

SENIORITIES = ("student", "junior", "staff", "senior", "manager", "director", "vp", "c-level")
DEPARTMENTS = ("it", "finance", "marketing", "sales", "operations", "hr", "product", "legal", "support")
ROLES = ("assistant", "c-level", "director", "pm")
EMAIL_KINDS = ("business", "education", "free", "government")
_BELOW = re.compile(
    r"(?:<=?|≤|\b(?:under|below|less than|fewer than|up to|unter|bis|weniger als|moins de))\s*$"
)

_SENIORITY = [
    (1, r"(?:assistant|assistent|secretary|pa|ea) (?:to|of|der|des) .*"),
    (0, r"student|intern|trainee|apprentice|praktikant|werkstudent|pupil"),
    (6, r"vp|svp|evp|vice[ -]president|head of|partner"),
    (2, r"(?:product|process|data) owner"),
    (
        7,
        r"chief|c[defilmoprst]o|ciso|chro|founder|cofounder|owner|president|managing director|geschäftsführer|gérant",
    ),
    (5, r"director|direktor|directeur"),
    (4, r"manager|lead|supervisor|leiter|teamlead|responsable"),
    (1, r"junior|jr|assistant|entry|associate|assistent"),
    (3, r"senior|sr|principal|staff engineer|expert"),
]
_DEPARTMENT = [
    (
        "it",
        r"it|information|software|developer|engineer|engineering|devops|data|security|cto|cio|tech|technology|"
        r"programmer|administrator|architect|ciso|systems",
    ),
    (
        "finance",
        r"finance|financial|account(?:ing|ant)|controller|controlling|cfo|treasury|audit|tax|procurement|buyer",
    ),
    ("marketing", r"marketing|brand|content|seo|communications?|cmo|growth|demand|social|pr"),
    ("sales", r"sales|account executive|business development|bdr|sdr|revenue|cro|commercial"),
    ("operations", r"operations?|coo|supply|logistics|production|manufacturing|plant|warehouse|facilities"),
    ("hr", r"hr|human|people|talent|recruit(?:er|ing|ment)|personnel|chro"),
    ("product", r"product|ux|ui|design(?:er)?|research(?:er)?|cpo"),
    ("legal", r"legal|counsel|compliance|lawyer|attorney|privacy"),
    ("support", r"support|service|success|helpdesk|care"),
]
# fmt: off
_FREE = frozenset((
    "gmail.com", "googlemail.com", "yahoo.com", "yahoo.de", "yahoo.fr", "yahoo.co.uk", "hotmail.com",
    "hotmail.de", "outlook.com", "live.com", "msn.com", "aol.com", "icloud.com", "me.com", "gmx.de",
    "gmx.net", "gmx.com", "web.de", "t-online.de", "freenet.de", "orange.fr", "free.fr", "laposte.net",
    "libero.it", "mail.ru", "yandex.ru", "qq.com", "163.com", "126.com", "proton.me", "protonmail.com",
    "zoho.com", "comcast.net", "verizon.net", "hey.com", "fastmail.com", "mail.com",
))
# fmt: on


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])")


_SENIORITY_RULES = [(level, _compiled(pattern)) for level, pattern in _SENIORITY]
_DEPARTMENT_RULES = [(name, _compiled(pattern)) for name, pattern in _DEPARTMENT]


def seniority(title: str) -> int | None:
    """Position in `SENIORITIES` of a job title, None if the title is blank.

    Examples
    --------
    >>> [SENIORITIES[seniority(t)] for t in ("Chief Data Officer", "VP of Sales", "Jr. Developer", "Buyer")]
    ['c-level', 'vp', 'junior', 'staff']
    """
    text = title.casefold()
    if not text.strip():
        return None
    for level, rule in _SENIORITY_RULES:
        if rule.search(text):
            return level
    return SENIORITIES.index("staff")


def department(title: str) -> str | None:
    """The department a job title names, None if it names none.

    Examples
    --------
    >>> department("Head of Accounting"), department("Member")
    ('finance', None)
    """
    text = title.casefold()
    for name, rule in _DEPARTMENT_RULES:
        if rule.search(text):
            return name
    return None


def role(title: str) -> str | None:
    """The role a SaaS points table asks for: c-level, director, pm or assistant; None for any other.

    Examples
    --------
    >>> role("Product Manager"), role("Office Assistant"), role("CTO"), role("Nurse")
    ('pm', 'assistant', 'c-level', None)
    """
    text = title.casefold()
    if re.search(r"\b(?:product|project|program) (?:manager|owner|lead)|\bpm\b", text):
        return "pm"
    level = seniority(title)
    if level is None:
        return None
    return {"c-level": "c-level", "vp": "director", "director": "director", "junior": "assistant"}.get(
        SENIORITIES[level]
    )


def size_band(text: str) -> float | None:
    """The first number in a company size: the size itself, or the lower end of a band; 0 for "under 50".

    Examples
    --------
    >>> size_band("50-99"), size_band("1,000+"), size_band("<50"), size_band("unknown")
    (50.0, 1000.0, 0.0, None)
    """
    match = re.search(r"([0-9][0-9,. ]*)(k\b)?", text, re.IGNORECASE)
    if match is None:
        return None
    if _BELOW.search(text[: match.start()].casefold()):
        return 0.0
    digits = re.sub(r"[,. ](?=[0-9]{3}(?![0-9]))", "", match[1]).replace(",", ".").strip(" .")
    try:
        size = float(digits.split(" ")[0]) * (1000.0 if match[2] else 1.0)
    except ValueError:
        return None
    return size if math.isfinite(size) else None


def email_kind(address: str) -> str | None:
    """Kind of the domain of an e-mail address, None where there is no domain.

    Examples
    --------
    >>> [email_kind(a) for a in ("x@gmail.com", "x@cs.mit.edu", "x@acme.io", "x")]
    ['free', 'education', 'business', None]
    """
    _, at, domain = address.strip().casefold().rpartition("@")
    if not at or "." not in domain:
        return None
    if domain in _FREE:
        return "free"
    labels = domain.split(".")
    if "edu" in labels[-2:] or "ac" in labels[-2:-1] or any(each.startswith("uni-") for each in labels[:-1]):
        return "education"
    if "gov" in labels[-2:]:
        return "government"
    return "business"
