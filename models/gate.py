"""Is the model good enough? Refusal, calibration, and the comparison with the champion.

Every comparison is written as `not (x >= limit)` or inside `_is_within`, so NaN fails. What the rows are
too few to decide is "not shown", which is not "passed". The words are for a head of sales.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from models.calibration import fit_logistic, row_log_loss
from models.intervals import Interval, auc_lower_bound_within_blocks, paired_difference
from models.metrics import auc_within_blocks
from models.settings import GateSettings

__all__ = [
    "Check",
    "Status",
    "judge_calibration",
    "judge_champion",
    "judge_plausibility",
    "judge_refusal",
    "judge_slices",
    "refitted_losses",
    "verdict",
]

Array = NDArray[np.float64]
Status = Literal["passed", "failed", "not_shown"]
_SPARE_FOLDS = 5
_LEAST_CONVERSIONS = 30


@dataclass(frozen=True)
class Check:
    """One question put to the model: what was measured, its interval, what was asked for, the answer."""

    name: str
    status: Status
    value: float
    low: float
    high: float
    limit: tuple[float, ...]
    words: str


def verdict(checks: Iterable[Check]) -> Status:
    """Failed if any check failed, else not_shown if any was not shown (or there is none), else passed."""
    found = [check.status for check in checks]
    if "failed" in found:
        return "failed"
    return "passed" if found and "not_shown" not in found else "not_shown"


def judge_refusal(
    y: ArrayLike, log_odds: ArrayLike, blocks: ArrayLike, clusters: ArrayLike, confidence: float = 0.99
) -> tuple[Check, Check]:
    """Does the model know anything at all? Refuse it unless both checks have passed.

    Parameters
    ----------
    y, log_odds : array (n,)
        Labels and log-odds (calibrated or not) of rows later than all the model was fitted on.
    blocks, clusters : array (n,)
        Time block and cluster (account, else lead) of each row.
    confidence : float
        One-sided level of the lower bound of the AUC.

    Returns
    -------
    (Check, Check)
        ``auc_within_time``: its lower bound is above 0.5. ``log_loss_against_constant``: with intercept
        and slope refitted, the log loss is below that of the constant, see `refitted_losses`.
    """
    value = auc_within_blocks(y, log_odds, blocks)
    low = auc_lower_bound_within_blocks(y, log_odds, blocks, clusters, confidence)
    is_ranked = low > 0.5
    ranks = Check(
        name="auc_within_time",
        status="passed" if is_ranked else "failed",
        value=value,
        low=low,
        high=float("nan"),
        limit=(0.5,),
        words=(
            f"Of a lead that bought and one that did not, the model puts the buyer first {100 * value:.0f} % of "
            f"the time; chance is 50 %. We are {100 * confidence:.0f} % sure that it is at least {100 * low:.0f} %: "
            f"it {'ranks better than' if is_ranked else 'is not shown to rank better than'} chance."
        ),
    )
    of_model, of_constant = refitted_losses(y, log_odds, blocks, clusters)
    gain = float(of_constant.mean() - of_model.mean()) if len(of_model) else float("nan")
    is_better = gain > 0.0
    said = f"{100 * gain / of_constant.mean():.1f} % less wrong than" if is_better else "no better than"
    predicts = Check(
        name="log_loss_against_constant",
        status="passed" if is_better else "failed",
        value=gain,
        low=float("nan"),
        high=float("nan"),
        limit=(0.0,),
        words=f"On periods it was not fitted to, the model is {said} giving all leads one average chance.",
    )
    return ranks, predicts


def refitted_losses(
    y: ArrayLike, log_odds: ArrayLike, blocks: ArrayLike, clusters: ArrayLike
) -> tuple[Array, Array]:
    """Row log losses (m,) of the model and of the constant, both fitted without the row's own block.

    The model is y on slope * log_odds + intercept, a slope below 0 counting as none. With one block the
    rows are split into five by cluster. Blocks whose remainder holds one class only are left out of both.
    """
    is_won, x = np.asarray(y, dtype=np.float64), np.asarray(log_odds, dtype=np.float64)
    folds = np.unique(np.asarray(blocks), return_inverse=True)[1]
    if folds.max() == 0:
        folds = np.unique(np.asarray(clusters), return_inverse=True)[1] % _SPARE_FOLDS
    of_model, of_constant = [np.array([])], [np.array([])]
    for fold in np.unique(folds):
        is_test = folds == fold
        fitted_on, n_fit = is_won[~is_test], int((~is_test).sum())
        if not 0.0 < fitted_on.sum() < n_fit:
            continue
        columns = np.stack([x, np.ones(len(x))])
        slope, intercept = fit_logistic(columns[:, ~is_test], fitted_on)
        constant = float(np.log(fitted_on.sum() / (n_fit - fitted_on.sum())))
        odds = slope * x[is_test] + intercept if slope > 0.0 else np.full(int(is_test.sum()), constant)
        of_model.append(row_log_loss(is_won[is_test], odds))
        of_constant.append(row_log_loss(is_won[is_test], np.full(int(is_test.sum()), constant)))
    return np.concatenate(of_model), np.concatenate(of_constant)


def judge_calibration(
    ratio: Interval, slope: Interval, settings: GateSettings, widest: float = 2.0
) -> tuple[Check, Check]:
    """Can the probabilities be believed? Each figure must lie in its range.

    Failed: the whole interval lies outside. Not shown: the figure itself does, or its interval is too wide.

    Parameters
    ----------
    ratio, slope : Interval
        Of `metrics.calibration_ratio` and `metrics.calibration_slope`, clustered.
    widest : float
        The most that high / low may be; an interval that is wider, or reaches 0, shows nothing.
    """
    ratio_range = settings.calibration_low, settings.calibration_high
    slope_range = settings.slope_low, settings.slope_high
    said = _said(ratio)
    status = _meets(ratio, ratio_range, widest)
    level = Check(
        "calibration_ratio",
        status,
        ratio.value,
        ratio.low,
        ratio.high,
        ratio_range,
        f"For each sale that came the model promised {said}; {_asked(ratio_range, status)}",
    )
    status = _meets(slope, slope_range, widest)
    spread = Check(
        "calibration_slope",
        status,
        slope.value,
        slope.low,
        slope.high,
        slope_range,
        f"Where it says more or less likely, the real difference is {_said(slope)} times what it says; "
        f"{_asked(slope_range, status)}",
    )
    return level, spread


def judge_plausibility(auc: Interval, most: float) -> Check:
    """Is it too good to be true? Failed if the whole interval of the AUC lies above `most`."""
    is_plausible = auc.low <= most
    words = "No sign that the outcome itself is among the features."
    if not is_plausible:
        words = (
            f"Too good to be true: the buyer is put first {100 * auc.value:.1f} % of the time. A field or event that "
            "is written with the outcome is most likely among the features; run `lead-scoring check` and bar it."
        )
    return Check(
        "plausible", "passed" if is_plausible else "failed", auc.value, auc.low, auc.high, (most,), words
    )


def judge_champion(
    challenger_loss: ArrayLike,
    champion_loss: ArrayLike,
    clusters: ArrayLike,
    n_boot: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Check:
    """Does the challenger beat the champion on rows neither was fitted on? By row log losses, paired.

    Passed if the whole interval of the mean difference lies below 0; failed if the mean itself does not;
    not shown if the mean does but the interval reaches 0.
    """
    found = paired_difference(challenger_loss, champion_loss, clusters, n_boot, seed, confidence)
    status: Status = "failed"
    words = "The new model is not better than the present champion; the champion stays."
    if found.value < 0.0 and not found.high >= 0.0 and np.isfinite(found.high):
        status, words = "passed", "The new model is clearly better than the present champion."
    elif found.value < 0.0 and found.high >= 0.0:
        status = "not_shown"
        words = "The new model looks a little better, but it may be luck; the champion stays for now."
    words += (
        f" Log loss, the new less the old on the same rows: {found.value:+.4f} "
        f"(likely between {found.low:+.4f} and {found.high:+.4f}; below 0 is better)."
    )
    return Check("log_loss_against_champion", status, found.value, found.low, found.high, (0.0,), words)


def judge_slices(
    y: ArrayLike,
    p: ArrayLike,
    slices: Mapping[str, NDArray[np.bool_]],
    clusters: ArrayLike,
    level: float = 0.05,
) -> tuple[Check, ...]:
    """Is the level right within each slice? These only warn.

    Clustered z test of predicted less observed, two-sided, Holm-adjusted (1979) over the slices that
    have at least 30 conversions; the others are "not shown". Value: predicted over observed.
    """
    is_won, chance = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
    tails: dict[str, float] = {}
    for name, is_in in slices.items():
        if is_won[is_in].sum() >= _LEAST_CONVERSIONS:
            tails[name] = _tail(np.unique(codes[is_in], return_inverse=True)[1], (chance - is_won)[is_in])
    failed: set[str] = set()
    for place, (name, tail) in enumerate(sorted(tails.items(), key=lambda each: each[1])):
        if tail > level / (len(tails) - place):
            break
        failed.add(name)
    return tuple(
        _slice_check(name, is_won[i], chance[i], name in tails, name in failed) for name, i in slices.items()
    )


def _tail(codes: NDArray[np.intp], off: Array) -> float:
    sums = np.bincount(codes, weights=off)
    n = len(sums)
    if n < 2:
        return 1.0
    noise = float(np.sqrt(n * sums.var(ddof=1)))
    return float(2.0 * norm.sf(abs(float(sums.sum())) / noise)) if noise > 0.0 else 1.0


def _slice_check(name: str, y: Array, p: Array, is_judged: bool, is_failed: bool) -> Check:
    nan, n_won = float("nan"), int(y.sum())
    value = float(p.sum() / y.sum()) if n_won else nan
    status: Status = "failed" if is_failed else "passed" if is_judged else "not_shown"
    promised = f"{name}: the model promised {p.sum():.0f} sales and {n_won} came"
    words = {
        "failed": f"{promised}; treat its level with care here.",
        "passed": f"{promised}, within what chance explains.",
        "not_shown": f"{name}: {n_won} sales are too few to judge ({_LEAST_CONVERSIONS} are needed).",
    }[status]
    return Check(f"slice {name}", status, value, nan, nan, (1.0,), words)


def _meets(found: Interval, limits: tuple[float, float], widest: float) -> Status:
    if not (found.high >= limits[0] and found.low <= limits[1] and np.isfinite(found.value)):
        return "failed"
    is_narrow = found.low > 0.0 and widest * found.low >= found.high
    return "passed" if is_narrow and limits[0] <= found.value <= limits[1] else "not_shown"


def _said(found: Interval) -> str:
    return f"{found.value:.2f} (likely between {found.low:.2f} and {found.high:.2f})"


def _asked(limits: tuple[float, float], status: Status) -> str:
    answer = {"passed": "that is met.", "failed": "that is missed.", "not_shown": "too few sales to tell."}[
        status
    ]
    return f"{limits[0]:g} to {limits[1]:g} is asked for: {answer}"
