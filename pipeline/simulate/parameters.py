"""Rates of the hidden chain, of what it emits and of the outcomes: the whole law of a world.

Axes are named in this order wherever they occur: segment (0 B2B, 1 B2C), class (0 ordinary,
1 in market), state (see `vocabulary.STATES`). Rates are per day.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.vocabulary import EVENT_TYPES, STAGES

__all__ = [
    "DISQUALIFIED",
    "LOST",
    "N_CODES",
    "N_ENTRIES",
    "N_FITS",
    "STAGE_MOVE",
    "WON",
    "Parameters",
    "make_parameters",
]

Floats = NDArray[np.float64]

N_FITS = 10
N_ENTRIES = 4
STAGE_MOVE = len(EVENT_TYPES)
WON = STAGE_MOVE + len(STAGES) ** 2
LOST = WON + 1
DISQUALIFIED = WON + 2
N_CODES = WON + 3


@dataclass(frozen=True)
class Parameters:
    """The law of a world.

    Attributes
    ----------
    up, down
        Rates between neighbouring intent states, shape (segment, class, 3); `never` has no way in or out.
    start
        Law of the first state, shape (segment, entry, class, state).
    activity
        Rate of observed events, shape (segment, class, state).
    mix
        Law of the event type, shape (segment, state, type).
    move_rate
        Rate of lifecycle moves, shape (state,).
    move_weight
        Weight of each target stage, shape (state, stage); the present stage is left out.
    hazards
        Rates of won, lost and disqualified, shape (3, segment, state).
    by_fit
        Multipliers of the three hazards by fit level, shape (3, fit).
    by_cohort
        Multiplier of the win hazard by creation month, shape (cohort,); where competitors write, one
        more entry, 0, is theirs.
    by_class
        Multiplier of the win hazard by the account's class, shape (class,).
    in_market
        Chance that an account is in market, by is_priority, shape (2,).
    """

    up: Floats
    down: Floats
    start: Floats
    activity: Floats
    mix: Floats
    move_rate: Floats
    move_weight: Floats
    hazards: Floats
    by_fit: Floats
    by_cohort: Floats
    by_class: Floats
    in_market: Floats

    def move_law(self) -> Floats:
        """Law of the target stage given the present one, shape (state, from, to)."""
        weight = np.repeat(self.move_weight[:, None, :], len(STAGES), axis=1)
        weight[:, np.arange(len(STAGES)), np.arange(len(STAGES))] = 0.0
        return np.asarray(weight / weight.sum(axis=2, keepdims=True))

    def write(self, path: Path) -> None:
        """Write the parameters as JSON."""
        text = {field.name: getattr(self, field.name).tolist() for field in fields(self)}
        path.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Parameters:
        """Read what `write` wrote; every float comes back bit for bit."""
        text = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{field.name: np.array(text[field.name], dtype=np.float64) for field in fields(cls)})


# rows: event types; columns: idle, aware, considering, deciding, never
_MIX = {
    "email_open": (38, 26, 17, 12, 20),
    "email_click": (10, 13, 11, 9, 6),
    "page_view": (20, 24, 24, 20, 22),
    "blog_view": (12, 16, 8, 4, 14),
    "webinar": (1.0, 3.0, 4.0, 2.0, 1.5),
    "whitepaper_download": (0.8, 3.0, 5.0, 2.5, 3.0),
    "case_study_view": (0.6, 2.5, 7.0, 7.0, 1.0),
    "pricing_view": (0.6, 2.0, 9.0, 16.0, 1.5),
    "form_submit": (1.0, 2.5, 4.0, 5.0, 3.0),
    "trial_start": (0.1, 0.3, 1.5, 3.0, 0.3),
    "demo_request": (0.1, 0.2, 1.6, 4.5, 0.1),
    "meeting": (0.1, 0.2, 1.5, 6.0, 0.2),
    "phone_call": (0.6, 1.0, 3.0, 7.0, 0.6),
    "unsubscribe": (1.6, 0.5, 0.2, 0.1, 1.0),
    "careers_view": (1.0, 0.7, 0.4, 0.3, 18.0),
    "support_request": (1.5, 1.2, 1.0, 1.0, 1.5),
}
# where B2C has a law of its own: the ready click, fill in forms and call; prices draw bargain hunters
_MIX_OF_ITS_OWN = {
    "email_open": (30, 26, 22, 16, 12),
    "email_click": (6, 14, 22, 26, 4),
    "page_view": (24, 22, 20, 18, 22),
    "blog_view": (8, 9, 10, 9, 6),
    "webinar": (1.0, 1.0, 1.0, 1.0, 1.0),
    "whitepaper_download": (1.0, 1.0, 1.0, 1.0, 1.0),
    "case_study_view": (3.0, 2.5, 2.0, 1.5, 4.0),
    "pricing_view": (9.0, 6.0, 3.0, 2.0, 30.0),
    "form_submit": (0.6, 3.0, 8.0, 14.0, 0.5),
    "trial_start": (1.5, 1.0, 0.8, 0.6, 5.0),
    "demo_request": (0.3, 0.3, 0.3, 0.3, 0.6),
    "meeting": (0.2, 0.2, 0.2, 0.2, 0.2),
    "phone_call": (0.4, 1.5, 4.0, 8.0, 0.4),
    "unsubscribe": (1.6, 0.6, 0.3, 0.2, 1.0),
    "careers_view": (1.0, 0.8, 0.6, 0.5, 3.0),
    "support_request": (1.0, 1.2, 1.6, 1.6, 1.5),
}
_AGAINST = ("unsubscribe", "careers_view")


def make_parameters(settings: WorldSettings) -> Parameters:
    """The law of the world that the settings ask for."""
    hazards, by_fit = _hazards(), _by_fit()
    if settings.shuffle_labels:
        hazards = np.repeat(np.array([0.0023, 0.0050, 0.0010]), 10).reshape(3, 2, 5)
        by_fit = np.ones_like(by_fit)
    pace = np.array([1.0, 1.5])
    up = np.array([[0.008, 0.020, 0.026], [0.036, 0.080, 0.090]])
    down = np.array([[0.038, 0.038, 0.032], [0.026, 0.028, 0.026]])
    activity = np.array([0.12, 0.58, 1.22, 2.1, 0.50])
    mix = np.array([_MIX[name] for name in EVENT_TYPES], dtype=np.float64).T
    law = Parameters(
        up=pace[:, None, None] * up,
        down=pace[:, None, None] * down,
        start=_start(),
        activity=np.array([1.0, 0.9])[:, None, None] * np.array([1.0, 1.3])[:, None] * activity,
        mix=np.stack([mix / mix.sum(axis=1, keepdims=True)] * 2),
        move_rate=np.array([0.003, 0.014, 0.035, 0.055, 0.005]),
        move_weight=np.array(
            [
                [0.50, 0.40, 0.08, 0.02],
                [0.15, 0.60, 0.20, 0.05],
                [0.04, 0.20, 0.60, 0.16],
                [0.02, 0.08, 0.30, 0.60],
                [0.50, 0.40, 0.08, 0.02],
            ]
        ),
        hazards=hazards,
        by_fit=by_fit,
        by_cohort=_by_cohort(settings),
        by_class=np.ones(2),
        in_market=np.array([0.25, 0.45]),
    )
    return _switched(settings, law)


def _switched(settings: WorldSettings, law: Parameters) -> Parameters:
    """The law with the mechanisms of the settings added, then removed."""
    if "segments" in settings.on:
        law = _with_segments(law, settings)
    if "competitor" in settings.on:
        law = replace(law, by_cohort=np.append(law.by_cohort, 0.0))
    if "buying" in settings.on:
        law = _with_buying_accounts(law, settings)
    if "fit" in settings.off:
        law = replace(law, by_fit=np.ones_like(law.by_fit))
    if "entry" in settings.off:
        law = replace(law, start=np.repeat(law.start[:, 1:2], N_ENTRIES, axis=1))
    if "account" in settings.off:
        law = replace(law, in_market=np.zeros_like(law.in_market))
    if "negative" in settings.off:
        law = replace(law, mix=_with_even_types(law.mix, _AGAINST))
    if "activity" in settings.off:
        law = _without_activity(law)
    if "lifecycle" in settings.off:
        even = np.repeat(law.move_weight[1:2], len(law.move_weight), axis=0)
        law = replace(law, move_rate=np.full_like(law.move_rate, law.move_rate[1]), move_weight=even)
    return law


def _with_segments(law: Parameters, settings: WorldSettings) -> Parameters:
    """B2C with other event types, activity, hazards and a faster pace; B2B as it was."""
    own = np.array([_MIX_OF_ITS_OWN[name] for name in EVENT_TYPES], dtype=np.float64).T
    mix, activity, hazards = law.mix.copy(), law.activity.copy(), law.hazards.copy()
    mix[1] = own / own.sum(axis=1, keepdims=True)
    activity[1] = np.array([0.45, 0.50, 0.60, 0.75, 1.20])
    if not settings.shuffle_labels:
        hazards[:, 1] = np.array(
            [
                [0.0002, 0.0030, 0.0150, 0.0500, 0.0],
                [0.0065, 0.0060, 0.0060, 0.0070, 0.0100],
                [0.0008, 0.0005, 0.0003, 0.0002, 0.0010],
            ]
        )
    pace = np.array([1.0, 2.0])[:, None, None]
    return replace(law, mix=mix, activity=activity, hazards=hazards, up=law.up * pace, down=law.down * pace)


def _with_buying_accounts(law: Parameters, settings: WorldSettings) -> Parameters:
    """Accounts in market buy again and again, though their people act like anybody's: only wins betray them."""
    same = {name: np.repeat(getattr(law, name)[:, :1], 2, axis=1) for name in ("up", "down", "activity")}
    start = np.repeat(law.start[:, :, :1], 2, axis=2)
    by_class = np.ones(2) if settings.shuffle_labels else np.array([0.3, 10.0])
    return replace(law, start=start, by_class=by_class, in_market=np.array([0.15, 0.15]), **same)


def _with_even_types(mix: Floats, names: tuple[str, ...]) -> Floats:
    """Laws of the event type in which these types have the same share in every state of a segment."""
    chosen = np.isin(EVENT_TYPES, names)
    even = np.where(chosen, mix.mean(axis=1, keepdims=True), 0.0)
    others = np.where(chosen, 0.0, mix)
    others *= (1 - even.sum(axis=2, keepdims=True)) / others.sum(axis=2, keepdims=True)
    return np.asarray(even + others)


def _without_activity(law: Parameters) -> Parameters:
    """One rate and one law of event types a segment, whatever the class and the state."""
    rate = np.median(law.activity[:, :1], axis=2, keepdims=True)
    return replace(
        law,
        activity=np.broadcast_to(rate, law.activity.shape).copy(),
        mix=np.repeat(law.mix.mean(axis=1, keepdims=True), law.mix.shape[1], axis=1),
    )


def _start() -> Floats:
    """Law of the first state by entry: 0 cold, 1 ordinary, 2 hot, 3 student."""
    ordinary = np.array(
        [
            [0.56, 0.25, 0.06, 0.01, 0.12],
            [0.32, 0.42, 0.15, 0.03, 0.08],
            [0.10, 0.34, 0.36, 0.16, 0.04],
            [0.14, 0.10, 0.03, 0.01, 0.72],
        ]
    )
    warmer = ordinary * np.array([0.6, 1.0, 1.6, 2.0, 1.0])
    warmer[:, :4] *= ((1 - ordinary[:, 4]) / warmer[:, :4].sum(axis=1))[:, None]
    return np.stack([np.stack([ordinary, warmer], axis=1)] * 2)


def _hazards() -> Floats:
    b2b = np.array(
        [
            [0.00010, 0.0005, 0.0024, 0.0125, 0.0],
            [0.0065, 0.0050, 0.0045, 0.0070, 0.0060],
            [0.0008, 0.0005, 0.0003, 0.0002, 0.0080],
        ]
    )
    return np.stack([b2b, b2b * np.array([[1.5], [1.4], [1.0]])], axis=1)


def _by_fit() -> Floats:
    win = np.exp(np.linspace(-1.2, 1.2, N_FITS))
    return np.stack([win, win**-0.4, win**-0.4])


def _by_cohort(settings: WorldSettings) -> Floats:
    cohort = np.arange(settings.n_cohorts)
    first = int(np.datetime64(settings.start_us, "us").astype("datetime64[M]").astype(np.int64))
    factor = np.ones(settings.n_cohorts)
    if settings.seasonality and not settings.shuffle_labels:
        factor *= 1 + 0.3 * np.sin(2 * np.pi * (first + cohort) / 12)
    if settings.drift and not settings.shuffle_labels:
        factor[cohort >= settings.drift_cohort] *= 0.6
    return factor
