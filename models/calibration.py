"""Margins to probabilities by a few numbers: Platt, beta or centred isotonic, strictly increasing.

Every transformation works element by element with `scipy.special` and plain arithmetic (no BLAS, no
instructions that depend on the length of the array), so one row gets the same bits as a million.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit

from features.errors import InputError
from models.isotonic import checked_knots, fit_knots, line_at, slope_at

__all__ = [
    "IDENTITY",
    "LEAST_SLOPE",
    "Calibration",
    "block_columns",
    "fit_calibration",
    "fit_logistic",
    "recentred",
    "row_log_loss",
]

Array = NDArray[np.float64]
Kind = Literal["identity", "platt", "beta", "isotonic"]

LEAST_SLOPE = 0.05
MOST_BEND = 4.0
_ROUNDING = 1e-13
_SIZES: dict[str, int | None] = {"identity": 0, "platt": 2, "beta": 3, "isotonic": None}


@dataclass(frozen=True)
class Calibration:
    """A strictly increasing map from margins to calibrated log-odds.

    With m a margin and s the logistic function:

    - ``identity``: m; for a points table and for a model that was refused;
    - ``platt`` (a, b): a m + b (Platt 1999);
    - ``beta`` (a, b, c): a log s(m) - b log(1 - s(m)) + c (Kull, Silva Filho and Flach 2017, eq. 8);
      a rules the low end, b the high end, and a = b is Platt;
    - ``isotonic`` (s, x1, y1, x2, y2, ...): a broken line through the knots (x, y), going on with slope s
      beyond them (`models.isotonic`).

    All slopes are at least 0.05, so no two leads that differ are forced into a tie.

    Raises
    ------
    InputError
        If the kind is unknown, a coefficient is missing or not finite, or a slope is below 0.05.

    Examples
    --------
    >>> float(Calibration("platt", (2.0, -1.0)).log_odds([0.5])[0])
    0.0
    >>> float(Calibration("platt", (2.0, -1.0)).probability([0.5])[0])
    0.5
    """

    kind: Kind
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in _SIZES:
            raise InputError(f"calibration kind '{self.kind}' is unknown; expected {', '.join(_SIZES)}")
        size = _SIZES[self.kind]
        is_long = size is None or len(self.coefficients) == size
        if not is_long or not np.isfinite(self.coefficients).all():
            raise InputError(
                f"calibration '{self.kind}' needs {size or 'its'} finite numbers; got {self.coefficients}"
            )
        if self.kind == "isotonic":
            checked_knots(self.coefficients, LEAST_SLOPE)
            return
        if any(not slope >= LEAST_SLOPE for slope in self.coefficients[:-1]):
            raise InputError(
                f"calibration slopes must be at least {LEAST_SLOPE}; got {self.coefficients[:-1]}"
            )

    def log_odds(self, margins: ArrayLike) -> Array:
        """Calibrated log-odds, of the shape of `margins`; strictly increasing up to rounding."""
        values = np.asarray(margins, dtype=np.float64)
        if self.kind == "identity":
            return values.copy()
        if self.kind == "platt":
            return np.asarray(self.coefficients[0] * values + self.coefficients[1])
        if self.kind == "isotonic":
            return line_at(values, self.coefficients)
        low, high, shift = self.coefficients
        return np.asarray(low * log_expit(values) - high * log_expit(-values) + shift)

    def probability(self, margins: ArrayLike) -> Array:
        """Calibrated probability in [0, 1], of the shape of `margins`."""
        return np.asarray(expit(self.log_odds(margins)))

    def slope(self, margins: ArrayLike) -> Array:
        """Derivative of the calibrated log-odds by the margin, of the shape of `margins`; above 0."""
        values = np.asarray(margins, dtype=np.float64)
        if self.kind == "isotonic":
            return slope_at(values, self.coefficients)
        if self.kind == "beta":
            low, high, _ = self.coefficients
            return np.asarray(low * expit(-values) + high * expit(values))
        return np.full(values.shape, self.coefficients[0] if self.kind == "platt" else 1.0)

    def shifted(self, value: float) -> Calibration:
        """The same map with a constant added to its log-odds.

        Examples
        --------
        >>> Calibration("beta", (1.0, 2.0, 0.5)).shifted(-0.5).coefficients
        (1.0, 2.0, 0.0)
        """
        if value == 0.0 or self.kind == "identity":
            return self
        moved = list(self.coefficients)
        places = range(2, len(moved), 2) if self.kind == "isotonic" else (len(moved) - 1,)
        for place in places:
            moved[place] += value
        return Calibration(self.kind, tuple(moved))

    def to_json(self) -> dict[str, object]:
        """The numbers as a JSON object; `from_json` gives the same bits back."""
        return {"kind": self.kind, "coefficients": list(self.coefficients)}

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Self:
        """Calibration from what `to_json` gave.

        Raises
        ------
        InputError
            If a key is missing or what it holds makes no strictly increasing map.
        """
        kind, coefficients = values.get("kind"), values.get("coefficients")
        if not isinstance(kind, str) or not isinstance(coefficients, list | tuple):
            raise InputError(f"a calibration needs 'kind' and 'coefficients'; got {sorted(values)}")
        return cls(kind, tuple(float(number) for number in coefficients))  # type: ignore[arg-type]


IDENTITY = Calibration("identity")


def row_log_loss(y: ArrayLike, log_odds: ArrayLike) -> Array:
    """Log loss of each row in nats, from log-odds: never clipped, exact for sure predictions.

    Examples
    --------
    >>> row_log_loss([1, 0], [0.0, 0.0]).round(4).tolist()
    [0.6931, 0.6931]
    """
    toward = 2.0 * np.asarray(y, dtype=np.float64) - 1.0
    return np.asarray(-log_expit(toward * np.asarray(log_odds, dtype=np.float64)))


def fit_logistic(
    columns: Array,
    y: Array,
    *,
    offset: Array | float = 0.0,
    weights: Array | None = None,
    start: Array | None = None,
    most_steps: int = 40,
) -> Array:
    """Coefficients of a logistic regression without penalty, by Newton's method with halved steps.

    Parameters
    ----------
    columns : array (k, n)
        One row a coefficient, the constant included if wanted.
    y : array (n,)
        0 or 1.
    offset : array (n,) or float
        Added to the log-odds with coefficient 1.
    weights : array (n,), optional
        Times each row counts.
    start : array (k,), optional
        Where to begin; zeros by default.

    Returns
    -------
    array (k,)
        To about 1e-9. Under perfect separation the steps end at `most_steps` with large, finite numbers.

    Notes
    -----
    Hastie, Tibshirani and Friedman (2009), Elements of Statistical Learning, 4.4.1.
    """
    counts = np.ones(len(y)) if weights is None else weights
    beta = np.zeros(len(columns)) if start is None else np.array(start, dtype=np.float64)
    margins = _combine(columns, beta) + offset
    loss = float((counts * row_log_loss(y, margins)).sum())
    for _ in range(most_steps):
        step = _newton_step(columns, y, margins, counts)
        size, moved, tried = 1.0, margins, np.inf
        while size > 1e-4:
            moved = _combine(columns, beta + size * step) + offset
            tried = float((counts * row_log_loss(y, moved)).sum())
            if tried <= loss * (1.0 + _ROUNDING):
                break
            size /= 2.0
        if not tried <= loss * (1.0 + _ROUNDING):
            break
        beta, margins = beta + size * step, moved
        is_done = float(np.abs(size * step).max()) < 1e-5 or loss - tried <= 1e-14 * loss
        loss = tried
        if is_done:
            break
    return beta


def _combine(columns: Array, beta: Array) -> Array:
    total = columns[0] * beta[0]
    for column, coefficient in zip(columns[1:], beta[1:], strict=True):
        total += column * coefficient
    return np.asarray(total)


def _newton_step(columns: Array, y: Array, margins: Array, counts: Array) -> Array:
    """Solve H step = gradient; a touch of ridge keeps a constant column pair solvable."""
    fitted = expit(margins)
    curvature = counts * fitted * (1.0 - fitted)
    gradient = (columns * (counts * (y - fitted))).sum(axis=1)
    hessian = np.empty((len(columns), len(columns)))
    for i, column in enumerate(columns):
        bent = curvature * column
        for j in range(i + 1):
            hessian[i, j] = hessian[j, i] = (bent * columns[j]).sum()
    ridge = 1e-11 * np.diag(hessian) + 1e-12
    return np.asarray(np.linalg.solve(hessian + np.diag(ridge), gradient))


def fit_calibration(
    margins: ArrayLike, y: ArrayLike, blocks: ArrayLike, clusters: ArrayLike | None = None
) -> Calibration:
    """Platt, beta or centred isotonic calibration fitted on pooled out-of-fold margins.

    Slopes are fitted beside one constant a block, so that a base rate which moves between blocks does not
    pass for a flat model; the constant of the map is then fitted on all rows.

    Beta is taken only if, fitted on the other blocks and read on the block left out, its log loss is
    lower by more than two (clustered) standard errors of the paired difference and in more than half the
    blocks, and if neither end's slope is at its bound or over four times the other's, for such a curve runs
    away on margins not seen yet; otherwise Platt. Isotonic must beat what was taken in the same way. With one
    usable block there is nothing to choose by: Platt.

    Parameters
    ----------
    margins : array (n,)
        Log-odds before calibration, each given by a model that did not see its row.
    y : array (n,)
        0 or 1.
    blocks : array (n,)
        Time block (fold) of each row; any labels that sort.
    clusters : array (n,), optional
        Account, else lead, of each row; each row by itself if not given.

    Raises
    ------
    InputError
        If lengths differ, a margin is not finite, or only one class is there.

    Examples
    --------
    >>> fit_calibration([-1.0, -1.0, 1.0, 1.0], [0, 1, 0, 1], [1, 2, 1, 2]).kind
    'platt'
    """
    m, is_won = np.asarray(margins, dtype=np.float64), np.asarray(y, dtype=np.float64)
    codes = np.unique(np.asarray(blocks), return_inverse=True)[1]
    owners = (
        np.arange(len(m)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    )
    if not len(m) == len(is_won) == len(codes) == len(owners):
        sizes = f"{len(m)} margins, {len(is_won)} labels, {len(codes)} blocks and {len(owners)} clusters"
        raise InputError(f"{sizes} differ in length")
    if not np.isfinite(m).all():
        raise InputError(f"{int((~np.isfinite(m)).sum())} of {len(m)} margins are not finite")
    if not 0.0 < is_won.sum() < len(m):
        raise InputError(
            f"calibration needs both classes; got {int(is_won.sum())} conversions in {len(m)} rows"
        )
    chosen = _fit("platt", m, is_won, codes)
    beta = _fit("beta", m, is_won, codes)
    if _is_tame(beta) and _is_clearly_better("beta", "platt", m, is_won, codes, owners):
        chosen = beta
    if _is_clearly_better("isotonic", chosen.kind, m, is_won, codes, owners):
        chosen = _fit("isotonic", m, is_won, codes)
    return chosen


def _is_tame(beta: Calibration) -> bool:
    """Whether both ends bend little enough to trust beyond the margins that were seen."""
    low, high, _ = beta.coefficients
    return min(low, high) > LEAST_SLOPE and max(low, high) <= MOST_BEND * min(low, high)


def recentred(y: Array, log_odds: Array) -> Array:
    """Log-odds shifted by the one constant that fits these rows best.

    Compares models on a block of time by how they rank and spread, not by their luck with its base rate,
    which none of them could know. Rows of a single class are returned as they are.
    """
    if not 0.0 < y.sum() < len(y):
        return log_odds
    return np.asarray(log_odds + fit_logistic(np.ones((1, len(y))), y, offset=log_odds)[0])


def block_columns(y: Array, codes: NDArray[np.intp]) -> tuple[Array, NDArray[np.bool_]]:
    """One constant a time block (k, m), and which of the rows (n,) lie in blocks with both classes."""
    rows, wins = np.bincount(codes), np.bincount(codes, weights=y)
    has_both = (wins > 0) & (wins < rows)
    is_used = has_both[codes]
    return (codes[is_used] == np.flatnonzero(has_both)[:, None]).astype(np.float64), is_used


def _is_clearly_better(
    kind: str, than: str, m: Array, y: Array, codes: NDArray[np.intp], owners: NDArray[np.intp]
) -> bool:
    gain, is_judged, better = np.zeros(len(m)), np.zeros(len(m), dtype=bool), []
    for block in range(int(codes.max()) + 1):
        is_test = codes == block
        if is_test.all() or not 0.0 < y[~is_test].sum() < (~is_test).sum():
            continue
        old, new = (
            recentred(y[is_test], _fit(each, m[~is_test], y[~is_test], codes[~is_test]).log_odds(m[is_test]))
            for each in (than, kind)
        )
        gain[is_test] = row_log_loss(y[is_test], old) - row_log_loss(y[is_test], new)
        is_judged |= is_test
        better.append(float(gain[is_test].mean()) > 0.0)
    if not better:
        return False
    mean = float(gain[is_judged].mean())
    off = np.bincount(owners[is_judged], weights=gain[is_judged] - mean)
    noise = 2.0 * float(np.sqrt((off**2).sum())) / int(is_judged.sum())
    return mean > noise and 2 * sum(better) > len(better)


def _fit(kind: str, m: Array, y: Array, codes: NDArray[np.intp]) -> Calibration:
    """Best slopes, each at least 0.05, beside one constant a block; then one constant for all rows.

    Slopes are read within blocks, so a base rate that drifts from block to block does not flatten them.
    Convex, so trying all sets of slopes held at the bound finds the best.
    """
    if kind == "isotonic":
        return _fit_isotonic(m, y, codes)
    slopes = np.stack([m]) if kind == "platt" else np.stack([log_expit(m), -log_expit(-m)])
    constants, is_used = block_columns(y, codes)
    if not is_used.any():
        constants, is_used = np.ones((1, len(m))), np.ones(len(m), dtype=bool)
    found: list[tuple[float, tuple[float, ...]]] = []
    for held in product((False, True), repeat=len(slopes)):
        is_free = ~np.array(held)
        offset = LEAST_SLOPE * slopes[~is_free].sum(axis=0)[is_used]
        columns = np.concatenate([slopes[is_free][:, is_used], constants])
        start = np.append(np.ones(is_free.sum()), np.zeros(len(constants)))
        fitted = fit_logistic(columns, y[is_used], offset=offset, start=start)
        free = fitted[: int(is_free.sum())]
        if not (free >= LEAST_SLOPE).all():
            continue
        coefficients = np.full(len(slopes), LEAST_SLOPE)
        coefficients[is_free] = free
        loss = float(row_log_loss(y[is_used], _combine(columns, fitted) + offset).sum())
        found.append((loss, tuple(coefficients.tolist())))
        if not any(held):
            break
    best = min(found)[1]
    constant = fit_logistic(np.ones((1, len(m))), y, offset=_combine(slopes, np.array(best)))[0]
    return Calibration("platt" if kind == "platt" else "beta", (*best, float(constant)))


def _fit_isotonic(m: Array, y: Array, codes: NDArray[np.intp]) -> Calibration:
    """Knots beside the constants that Platt's line gives the blocks; then one constant for all rows."""
    slope = _fit("platt", m, y, codes).coefficients[0]
    constants, is_used = block_columns(y, codes)
    if not is_used.any():
        constants, is_used = np.ones((1, len(m))), np.ones(len(m), dtype=bool)
    rates = _combine(constants, fit_logistic(constants, y[is_used], offset=slope * m[is_used]))
    outer, *knots = fit_knots(m[is_used], y[is_used], rates, slope, LEAST_SLOPE)
    constant = fit_logistic(np.ones((1, len(m))), y, offset=line_at(m, (outer, *knots)))[0]
    heights = [height + float(constant) for height in knots[1::2]]
    return Calibration(
        "isotonic", (outer, *(number for knot in zip(knots[::2], heights, strict=True) for number in knot))
    )
