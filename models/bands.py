"""From log-odds to points, score and band: 50 is the MQL line, 80 is the SQL line.

points = 50 + 30 (logit p - logit p_mql) / (logit p_sql - logit p_mql), linear in log-odds and unbounded
(the scaling of credit scorecards: Siddiqi 2006, ch. 6); score = points kept within [0, 100].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from features.errors import ConfigError, InputError
from models.settings import BandSettings

__all__ = [
    "LEAST_DISTANCE",
    "POINTS_TABLE_ANCHORS",
    "Anchors",
    "anchors_from",
    "band_lines",
    "bands",
    "points",
    "points_table_margin",
    "score",
]

Array = NDArray[np.float64]
LEAST_DISTANCE = 0.5
_LEAST_ROWS = 20


@dataclass(frozen=True)
class Anchors:
    """The two probabilities the scale hangs on, how they were found, and whether p_sql was raised.

    Raises
    ------
    ConfigError
        Unless 0 < p_mql < p_sql < 1.
    """

    p_mql: float
    p_sql: float
    method: str = "given"
    moved: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.p_mql < self.p_sql < 1.0:
            raise ConfigError(
                f"the lines need 0 < p_mql < p_sql < 1; got p_mql = {self.p_mql:g}, p_sql = {self.p_sql:g}. "
                "Set bands.mql below bands.sql."
            )

    @property
    def logit_mql(self) -> float:
        """Log-odds of the MQL line."""
        return float(logit(self.p_mql))

    @property
    def points_per_logit(self) -> float:
        """Points that one unit of log-odds is worth; above 0."""
        return 30.0 / (float(logit(self.p_sql)) - self.logit_mql)

    def to_json(self) -> dict[str, object]:
        """The anchors as a JSON object; `from_json` gives the same bits back."""
        return {"p_mql": self.p_mql, "p_sql": self.p_sql, "method": self.method, "moved": self.moved}

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Self:
        """Anchors from what `to_json` gave; InputError if a key is missing or of another type."""
        p_mql, p_sql = values.get("p_mql"), values.get("p_sql")
        if not isinstance(p_mql, int | float) or not isinstance(p_sql, int | float):
            raise InputError(f"anchors need the numbers 'p_mql' and 'p_sql'; got {sorted(values)}")
        method, moved = str(values.get("method", "given")), bool(values.get("moved", False))
        return cls(float(p_mql), float(p_sql), method, moved)


POINTS_TABLE_ANCHORS = Anchors(0.5, float(expit(1.0)), "points table")


def points_table_margin(table_points: ArrayLike, mql: float, sql: float) -> Array:
    """Points of a hand-made table as a margin that is 0 at its MQL and 1 at its SQL line.

    With `calibration.IDENTITY` and `POINTS_TABLE_ANCHORS` the table's own lines become 50 and 80; what
    comes out as probability is a stand-in and must not be shown.

    Examples
    --------
    >>> points(points_table_margin([40, 60, 80], mql=60, sql=80), POINTS_TABLE_ANCHORS).tolist()
    [20.0, 50.0, 80.0]
    """
    if not mql < sql:
        raise ConfigError(f"points.mql must be below points.sql; got mql = {mql:g}, sql = {sql:g}")
    return np.asarray((np.asarray(table_points, dtype=np.float64) - mql) / (sql - mql))


def anchors_from(
    probabilities: ArrayLike,
    y: ArrayLike,
    settings: BandSettings,
    *,
    n_scored: int | None = None,
    amounts: ArrayLike | None = None,
) -> Anchors:
    """Where MQL and SQL lie, from pooled out-of-fold probabilities.

    Parameters
    ----------
    probabilities, y : array (n,)
        Out-of-fold probability and label (0 or 1), one row an example.
    settings : BandSettings
        ``quantile``: quantiles of the probabilities. ``capacity``: mql and sql count the leads sales can
        take of `n_scored`; ties never overfill a line unless all lie at the top. ``precision``: the
        least threshold at or above which that share converted, over at least 20 rows (all rows, if
        fewer). ``value``: expected amount a contact, p times the mean amount of a win. ``given``: mql
        and sql are the probabilities.
    n_scored : int, optional
        Leads scored at one time (for capacity); the number of rows if not given.
    amounts : array (n,), optional
        Amount of each row's win; NaN where unknown. Only wins are read.

    Returns
    -------
    Anchors
        At least 0.5 apart in log-odds: otherwise p_sql is raised and `moved` is True.

    Raises
    ------
    ConfigError
        If the lines can't be found, amounts are missing, or lines set by hand are not in order.

    Examples
    --------
    >>> anchors_from([0.1, 0.2, 0.4], [0, 0, 1], BandSettings(method="given", mql=0.2, sql=0.21)).moved
    True
    """
    p, is_won = np.asarray(probabilities, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if settings.method == "given":
        return _apart(settings.mql, settings.sql, settings)
    if len(p) == 0 or len(p) != len(is_won) or not np.isfinite(p).all():
        raise InputError(
            f"anchors need finite probabilities, one a label; got {len(p)} for {len(is_won)} labels"
        )
    if settings.method == "quantile":
        lines = np.quantile(p, [settings.mql, settings.sql])
        return _apart(float(lines[0]), float(lines[1]), settings)
    find: Callable[[float], float]
    if settings.method == "capacity":
        find = partial(_capacity_line, p, n_scored or len(p))
    elif settings.method == "precision":
        find = partial(_precision_line, p, is_won)
    else:
        find = partial(_value_line, _mean_amount(is_won, amounts))
    return _apart(find(settings.mql), find(settings.sql), settings)


def _apart(p_mql: float, p_sql: float, settings: BandSettings) -> Anchors:
    if settings.method in {"given", "value"} and not p_mql < p_sql:
        raise ConfigError(
            f"the MQL line must lie below the SQL line; got p_mql = {p_mql:g}, p_sql = {p_sql:g}. "
            "Set bands.mql below bands.sql."
        )
    tiny = 1e-9
    p_mql = min(max(p_mql, tiny), 1.0 - 1e-6)
    floor = float(expit(float(logit(p_mql)) + LEAST_DISTANCE))
    if p_sql < 1.0 and float(logit(p_sql)) - float(logit(p_mql)) >= LEAST_DISTANCE:
        return Anchors(p_mql, p_sql, settings.method)
    return Anchors(p_mql, min(max(p_sql, floor), 1.0 - tiny), settings.method, moved=True)


def _capacity_line(p: Array, n_scored: int, size: float) -> float:
    """Least probability that at most size / n_scored of the rows reach; the highest if ties overfill it."""
    values, counts = np.unique(p, return_counts=True)
    reaching = np.cumsum(counts[::-1])[::-1]
    fits = values[reaching <= size / n_scored * len(p) + 1e-9]
    return float(fits[0] if len(fits) else values[-1])


def _precision_line(p: Array, y: Array, target: float) -> float:
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    is_last = np.append(ranked[1:] != ranked[:-1], True)
    rows = np.arange(1, len(p) + 1)
    precision = np.cumsum(y[order]) / rows
    is_allowed = is_last & (rows >= min(_LEAST_ROWS, len(p)))
    reached = is_allowed & (precision >= target)
    if not reached.any():
        raise ConfigError(
            f"no threshold over at least {min(_LEAST_ROWS, len(p))} rows reaches a precision of {target:g}; "
            f"the best is {precision[is_allowed].max():.3g}. "
            "Lower bands.mql and bands.sql or use bands.method = 'quantile'."
        )
    return float(ranked[reached].min())


def _mean_amount(y: Array, amounts: ArrayLike | None) -> float:
    won = np.array([]) if amounts is None else np.asarray(amounts, dtype=np.float64)[y == 1.0]
    known = won[np.isfinite(won)]
    if len(known) == 0 or not known.mean() > 0.0:
        raise ConfigError(
            f"bands.method = 'value' needs amounts: {len(known)} of {int(y.sum())} wins carry one, "
            "and their mean must be above 0. Add 'amount' to outcomes or use bands.method = 'quantile'."
        )
    return float(known.mean())


def _value_line(mean_amount: float, value: float) -> float:
    if not value < mean_amount:
        raise ConfigError(
            f"a value per contact of {value:g} can't be reached: a win brings {mean_amount:g} on average. "
            "Lower bands.mql and bands.sql."
        )
    return value / mean_amount


def points(log_odds: ArrayLike, anchors: Anchors) -> Array:
    """Points, unbounded, linear in log-odds; exactly 50 where p == p_mql and 80 where p == p_sql.

    On each line the probability decides, not the last bit of the formula: p >= p_mql if and only if
    points >= 50, and p >= p_sql if and only if points >= 80. Element by element; NaN stays NaN.

    Examples
    --------
    >>> points([0.0, 1.0, -5.0], POINTS_TABLE_ANCHORS).tolist()
    [50.0, 80.0, -100.0]
    """
    odds = np.asarray(log_odds, dtype=np.float64)
    return _on_lines(50.0 + anchors.points_per_logit * (odds - anchors.logit_mql), expit(odds), anchors)


def _on_lines(raw: Array, p: Array, anchors: Anchors) -> Array:
    for line, value in ((anchors.p_mql, 50.0), (anchors.p_sql, 80.0)):
        raw = np.where((p < line) & (raw >= value), np.nextafter(value, -math.inf), raw)
        raw = np.where((p == line) | ((p > line) & (raw < value)), value, raw)
    return np.asarray(raw)


def score(unbounded: ArrayLike) -> Array:
    """Points kept within [0, 100].

    Examples
    --------
    >>> score([-3.0, 50.0, 120.0]).tolist()
    [0.0, 50.0, 100.0]
    """
    return np.asarray(np.clip(np.asarray(unbounded, dtype=np.float64), 0.0, 100.0))


def bands(
    probabilities: ArrayLike, anchors: Anchors, settings: BandSettings, scores: ArrayLike | None = None
) -> NDArray[np.object_]:
    """Name of each row's band: the highest line it reaches.

    MQL and SQL are decided by probability >= anchor; `settings.further` by score >= cut point.

    Parameters
    ----------
    probabilities : array (n,)
        Calibrated probability.
    scores : array (n,), optional
        Score or points for the further bands, so that they agree to the last bit with what is shown;
        made from the probabilities if not given.

    Raises
    ------
    ConfigError
        If two bands share a name or a cut point (50 is MQL's, 80 is SQL's).
    InputError
        If a probability is NaN.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if np.isnan(p).any():
        raise InputError(f"{int(np.isnan(p).sum())} of {p.size} probabilities are NaN; they have no band")
    reached = score(points(logit(p), anchors) if scores is None else scores)
    found = np.full(p.shape, settings.below_name, dtype=object)
    for cut, name in band_lines(settings):
        is_in = reached >= cut
        if name in {settings.mql_name, settings.sql_name}:
            is_in = p >= (anchors.p_mql if name == settings.mql_name else anchors.p_sql)
        found[is_in] = name
    return found


def band_lines(settings: BandSettings) -> list[tuple[float, str]]:
    """(cut point, name) of every band but the lowest, upwards."""
    named = [(50.0, settings.mql_name), (80.0, settings.sql_name)]
    lines = sorted(named + [(cut, name) for name, cut in settings.further.items()])
    names = [settings.below_name, *(name for _, name in lines)]
    if len(set(names)) < len(names) or len({cut for cut, _ in lines}) < len(lines):
        raise ConfigError(
            f"each band needs its own name and cut point; got {settings.below_name!r} below and "
            + ", ".join(f"{name!r} at {cut:g}" for cut, name in lines)
        )
    return lines
