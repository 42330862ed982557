"""What a capacity will bring in the weeks ahead: entries, conversions and value, each with a 95 % predictive interval.

The replayed weeks are drawn in blocks, once as the weeks to come and once as the weeks the mean was learned on; the
difference of the two is how far the weeks to come may lie from that mean (bootstrap prediction: Stine 1985; circular
blocks: Politis and Romano 1992). Accounts that enter in several weeks add what two-way clustering adds (Cameron,
Gelbach and Miller 2011). Conversions add the error of the level of the probabilities and binomial noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from features.errors import InputError
from models.calibration import fit_logistic
from models.intervals import Interval

__all__ = ["Entries", "Forecast", "Level", "forecast", "level_at_entry", "level_error"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
_LEAST_WEEKS = 4
_LEAST_OUTCOMES = 10


@dataclass(frozen=True)
class Forecast:
    """Sums over the weeks ahead.

    Attributes
    ----------
    weeks : weeks ahead.
    entries : leads that enter the band.
    conversions : of those, how many win within the horizon of their entry; expected is the sum of p at entry.
    value : the amount of these wins; None where no amount is known.
    """

    weeks: int
    entries: Interval
    conversions: Interval
    value: Interval | None


@dataclass(frozen=True)
class Entries:
    """The entries of replayed weeks.

    Attributes
    ----------
    week, cluster, p : (n,) of each entry: its week from 0, its account (else lead), its calibrated probability then.
    weeks : weeks replayed.
    """

    week: Int64
    cluster: Int64
    p: Float64
    weeks: int


def forecast(
    past: Entries, ahead: int, *, level: float = 0.0, dispersion: float = 1.0, amounts: Float64 | None = None,
    n_boot: int = 2000, seed: int = 0,
) -> Forecast:  # fmt: skip
    """What the coming weeks bring if they are like those replayed.

    Parameters
    ----------
    past : at least 4 weeks.
    ahead : weeks to come.
    level : standard error of the level of the probabilities, in log-odds.
    dispersion : how many times the binomial's the variance of conversions is, people of one account sharing their
        fate; below 1 counts as 1.
    amounts : (wins,) amounts of past wins, from which those to come are drawn.

    Raises
    ------
    InputError
        If fewer than 4 weeks were replayed: their spread can't be told.
    """
    week, weeks = past.week, past.weeks
    if weeks < _LEAST_WEEKS:
        raise InputError(
            f"{weeks} weeks can't show how much weeks differ; at least {_LEAST_WEEKS} are needed"
        )
    generator = np.random.default_rng(seed)
    sums = np.stack(
        [
            np.bincount(week, minlength=weeks).astype(np.float64),
            np.bincount(week, weights=past.p, minlength=weeks),
        ]
    )
    expected = ahead * sums.mean(axis=1)
    off = _differences(sums, weeks, ahead, n_boot, generator)
    own = ahead * (1.0 + ahead / weeks)  # weeks' worth of variance: those ahead, and the mean's
    shared = np.sqrt(_between_weeks(week, past.cluster, weeks) * own) * generator.standard_normal(n_boot)
    entries = np.maximum(np.rint(expected[0] + off[0] + shared), 0.0)
    rate = expected[1] / expected[0] if expected[0] else 0.0
    promised = np.maximum(expected[1] + off[1] + rate * shared, 0.0)
    mean = np.clip(promised / np.maximum(entries, 1.0), 1e-9, 1.0 - 1e-9)
    information = np.maximum(entries, 1.0) * mean * (1.0 - mean)
    error = np.sqrt(level**2 + max(dispersion - 1.0, 0.0) / information)
    mean = expit(logit(mean) + error * generator.standard_normal(n_boot))
    conversions = generator.binomial(entries.astype(np.int64), mean)
    value = None
    if amounts is not None and len(amounts):
        value = _between(float(expected[1] * amounts.mean()), _totals(conversions, amounts, generator))
    return Forecast(ahead, _between(expected[0], entries), _between(expected[1], conversions), value)


def _differences(
    sums: Float64, weeks: int, ahead: int, n_boot: int, generator: np.random.Generator
) -> Float64:
    """(2, n_boot) weeks to come less what the mean of the past would have said of them.

    No less than Poisson's: few weeks may by chance lie closer together than counts can.
    """
    block = max(1, round(weeks ** (1 / 3)))
    mean = sums.mean(axis=1, keepdims=True)
    to_come = sums[:, _blocks(weeks, ahead, block, n_boot, generator)].sum(axis=2)
    learned = sums[:, _blocks(weeks, weeks, block, n_boot, generator)].mean(axis=2)
    off = (to_come - ahead * mean) - ahead * (learned - mean)
    spread = float(off[0].std())
    least = float(np.sqrt(mean[0, 0] * ahead * (1.0 + ahead / weeks)))
    if spread == 0.0:
        rate = mean[1] / max(float(mean[0, 0]), 1.0)
        return np.stack([np.ones(1), rate]) * least * generator.standard_normal(n_boot)
    wider = max(np.sqrt(weeks / (weeks - 1)), least / spread)
    return np.asarray(off * wider)


def _blocks(weeks: int, length: int, block: int, n_boot: int, generator: np.random.Generator) -> Int64:
    """(n_boot, length) weeks drawn in blocks that wrap round."""
    starts = generator.integers(0, weeks, (n_boot, -(-length // block)))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(n_boot, -1) % weeks
    return np.asarray(drawn[:, :length])


def _between_weeks(week: Int64, cluster: Int64, weeks: int) -> float:
    """Variance a week that accounts add which enter in several weeks: pairs of their entries in different weeks."""
    whole = np.unique(cluster, return_counts=True)[1]
    inside = np.unique(np.stack([cluster, week]), axis=1, return_counts=True)[1]
    return float((whole**2).sum() - (inside**2).sum()) / weeks


def _totals(counts: Int64, amounts: Float64, generator: np.random.Generator) -> Float64:
    """(n_boot,) sums of so many amounts each, drawn from those known; the error of their mean on top."""
    error = float(amounts.std()) / np.sqrt(len(amounts)) * generator.standard_normal(len(counts))
    drawn = [amounts[generator.integers(0, len(amounts), count)].sum() for count in counts.tolist()]
    return np.asarray(np.maximum(np.array(drawn) + counts * error, 0.0))


def _between(value: float, drawn: NDArray[np.number]) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


@dataclass(frozen=True)
class Level:
    """How far probabilities at entry lay from what came of them.

    Attributes
    ----------
    shift, error : in log-odds, and its standard error.
    dispersion : variance of the conversions as a multiple of the binomial's, accounts drawn whole.
    entries, promised, came : entries whose outcome was known, their sum of p, their conversions.
    """

    shift: float
    error: float
    dispersion: float
    entries: int
    promised: float
    came: int


def level_at_entry(y: Float64, log_odds: Float64, cluster: Int64) -> Level:
    """The shift that makes the sum of p of past entries what came of them, with the error of that; by account.

    Who has just entered is no average lead of its score, so a model that is calibrated over all leads need not be
    so at entry. The error is the sandwich of an intercept (Huber 1967), clusters summed. Of fewer than 10 conversions
    or 10 others nothing is learned: the shift is 0 and the error NaN.

    Parameters
    ----------
    y : (n,) 1 or 0, what came of each entry within the horizon; NaN where that is not known yet.
    log_odds, cluster : (n,) of each entry.

    Examples
    --------
    >>> y = np.array([1.0, 0.0] * 10)
    >>> round(level_at_entry(y, np.full(20, -1.0), np.arange(20)).shift, 6)
    1.0
    """
    is_known = np.isfinite(y)
    y, log_odds = y[is_known], log_odds[is_known]
    p, came = expit(log_odds), int(y.sum())
    if min(came, len(y) - came) < _LEAST_OUTCOMES:
        return Level(0.0, float("nan"), 1.0, len(y), float(p.sum()), came)
    shift = float(fit_logistic(np.ones((1, len(y))), y, offset=log_odds)[0])
    shifted = expit(log_odds + shift)
    error = level_error(y, shifted, cluster[is_known])
    dispersion = error**2 * float((shifted * (1.0 - shifted)).sum())
    return Level(shift, error, dispersion, len(y), float(p.sum()), came)


def level_error(y: Float64, p: Float64, cluster: Int64) -> float:
    """Standard error, in log-odds, of the level of probabilities on rows their model had not seen; by account.

    The sandwich of an intercept (Huber 1967), clusters summed; NaN where the rows say nothing.

    Examples
    --------
    >>> level_error(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([1, 2])).__round__(3)
    1.414
    """
    information = float((p * (1.0 - p)).sum())
    if information == 0.0:
        return float("nan")
    codes = np.unique(cluster, return_inverse=True)[1]
    score = np.bincount(codes, weights=y - p)
    return float(np.sqrt((score**2).sum()) / information)
