"""Planted personas: they show in recorded fields and in marks of events that say nothing of intent.

A persona moves the law of job title, source and campaign, and the law of channel and value of what the
lead does. It wins at a rate of its own by way of the recorded fields alone (fit level and first state),
so given those fields it says nothing of the outcome and `p_history` needs no sum over it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.vocabulary import CAMPAIGNS, CHANNELS, SOURCES, TITLES, TITLES_B2C

__all__ = ["PERSONAS", "TILTS", "draw_marks", "draw_personas", "redrawn"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PERSONAS = ("evaluator", "buyer", "researcher")
_SHARES = np.array([0.45, 0.25, 0.30])
_OTHERS = 0.08
_OWN_CHANNEL = np.array([CHANNELS.index(name) for name in ("web", "partner", "email")])
_KEEPS_CHANNEL = 0.5
_VALUE_FACTOR = np.array([2.5, 1.0, 0.4])

# what is a persona's own; all else is drawn at `_OTHERS` of its usual weight
_OWN_TITLE_WORDS = (
    (
        *("cto", "cio", "engineer", "engineering", "product", "it", "data", "developer"),
        *("administrator", "designer", "architect", "electrician", "photographer"),
    ),
    (
        *("ceo", "cfo", "chief operating officer", "managing director", "owner", "founder", "co-founder"),
        *("procurement", "finance", "operations", "sales", "buyer", "accountant", "executive", "manager"),
    ),
    (
        *("student", "analyst", "marketing", "hr", "consultant", "assistant", "specialist", "success"),
        *("teacher", "nurse", "writer"),
    ),
)
_OWN_SOURCES = (
    ("Google", "Organic Search", "Trade Show"),
    ("Referral", "Website Form"),
    ("LinkedIn", "Paid Ads", "Purchased List"),
)
_OWN_CAMPAIGNS = (
    ("Product Tour", "Webinar Series"),
    ("Spring Launch", "Winter Offer"),
    ("Newsletter", "Retargeting"),
)


def _tilt(vocabulary: tuple[str, ...], own: tuple[tuple[str, ...], ...]) -> Floats:
    return np.array([[1.0 if word in mine else _OTHERS for word in vocabulary] for mine in own])


def _persona_of_title(title: str) -> str:
    """The persona whose word stands in a title; technical words go before the desk's, "manager" is last."""
    padded = f" {title.lower().replace(',', '')} "
    for order in (0, 2, 1):
        if any(f" {word} " in padded for word in _OWN_TITLE_WORDS[order]):
            return PERSONAS[order]
    return PERSONAS[1]


_TITLES = tuple(title for title, _ in (*TITLES, *TITLES_B2C))
_OWN_TITLES = tuple(
    tuple(title for title in _TITLES if _persona_of_title(title) == name) for name in PERSONAS
)
TILTS = {
    "title": _tilt(_TITLES, _OWN_TITLES),
    "source": _tilt(SOURCES, _OWN_SOURCES),
    "campaign": _tilt(CAMPAIGNS, _OWN_CAMPAIGNS),
}


def draw_personas(rng: np.random.Generator, n: int) -> Ints:
    """Persona of each lead, a position in `PERSONAS`; colleagues' personas are independent."""
    return np.minimum(np.searchsorted(np.cumsum(_SHARES), rng.random(n), side="right"), len(PERSONAS) - 1)


def redrawn(rng: np.random.Generator, persona: Ints, code: Ints, weight: Floats, tilt: Floats) -> Ints:
    """Codes of a recorded field drawn anew as the persona has it; a missing value (-1) stays missing.

    Parameters
    ----------
    persona, code
        One entry a lead.
    weight
        Usual weight of each code.
    tilt
        What each persona multiplies it by, shape (persona, code).
    """
    edges = np.cumsum(tilt * weight, axis=1)
    u = rng.random(len(code)) * edges[persona, -1]
    fresh = np.minimum((u[:, None] >= edges[persona]).sum(axis=1), len(weight) - 1)
    return np.where(code < 0, -1, fresh)


def draw_marks(rng: np.random.Generator, persona: Ints, channel: Ints, value: Floats) -> tuple[Ints, Floats]:
    """Channel and value of each event as the persona of its lead has them."""
    is_own = rng.random(len(channel)) >= _KEEPS_CHANNEL
    return np.where(is_own, _OWN_CHANNEL[persona], channel), np.round(value * _VALUE_FACTOR[persona])
