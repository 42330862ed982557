"""What a lead, or its account, brings in all over a longer horizon: every win, summed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.asof import microseconds
from features.catalogue import Catalogue
from features.contracts import Tables
from features.durations import MICROSECONDS, format_duration
from models.evaluation import Evaluation, Examples
from models.split import Timeline, random_folds, rolling_folds
from models.value import AmountsOutOfFold, amounts_out_of_fold
from models.value_totals import TotalFigures, total_of
from pipeline.amounts import amount_within
from pipeline.config import Project
from pipeline.dataset import Dataset

__all__ = ["CustomerWorth", "judge_customers"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class CustomerWorth:
    """Customer value on the rows mature for its horizon.

    Attributes
    ----------
    rows : (m,) positions of the mature examples; money : (m,) what they brought, 0 for most.
    amounts : out of fold, positions within `rows`; None where the history is too short.
    total : promised out of fold, before the level was corrected, against came; where the recipe is a multiple of the
        expected value, the expected value against what came over the longer horizon.
    is_forward : whether the folds rolled forward in time; else they are whole accounts of the same period.
    """

    rows: Int64
    money: Float64
    amounts: AmountsOutOfFold | None
    total: TotalFigures | None
    is_forward: bool
    words: tuple[str, ...]


def judge_customers(
    project: Project, dataset: Dataset, tables: Tables, examples: Examples, catalogue: Catalogue,
    evaluation: Evaluation, expected: Float64,
) -> CustomerWorth | None:  # fmt: skip
    """The recipe of customer value, and how its total came out, out of fold; None if it is not asked for.

    Parameters
    ----------
    expected : (examples,) expected value within the target's horizon, out of fold; NaN where there is none.
    """
    asked, target = project.value, project.target
    if asked.customer_horizon is None:
        return None
    if dataset.data_end is None:
        return _nothing("customer_value is empty: a flat export has no moments, so nothing tells later wins.")
    reach = asked.customer_horizon + target.outcome_delay
    end = int(microseconds(dataset.data_end)[0])
    rows = np.flatnonzero(dataset.rows.as_of <= end - reach)
    mature = dataset.rows.take(rows)
    of_account = asked.customer_of == "account"
    money = amount_within(
        dataset.data, tables.outcomes, mature, asked.customer_horizon, target, of_account=of_account
    )
    won = rows[money > 0]
    horizon = format_duration(asked.customer_horizon)
    if len(won) == 0:
        return _nothing(_too_short(dataset, end - reach, len(rows), horizon))
    timeline = dataset.timeline
    longer = Timeline(
        timeline.order[rows], timeline.order[rows] + reach, timeline.cluster[rows], timeline.is_ordered
    )
    has_money, every = (money > 0).astype(np.float64), np.arange(len(rows))
    folds = rolling_folds(longer, every, has_money, project.split)
    is_forward = bool(folds) and timeline.is_ordered
    folds = folds or random_folds(longer, every, has_money, project.split)
    has_trees = len(np.unique(dataset.lead_code[won])) >= asked.needs
    found = amounts_out_of_fold(
        examples.X[rows],
        money,
        catalogue,
        longer,
        tuple(folds),
        evaluation.model,
        "tweedie",
        may_have_trees=has_trees,
        given=expected[rows],
    )
    if len(found.rows) == 0:
        return _nothing(_too_short(dataset, end - reach, len(rows), horizon))
    total = total_of(
        "out of fold", found.predicted / found.factor, money[found.rows], longer.cluster[found.rows],
        np.ones(evaluation.model.bootstrap), evaluation.model.seed,
    )  # fmt: skip
    whose = f"Customer value (all wins of the {asked.customer_of} within {horizon})"
    words = _words_of_multiple(total, whose) if found.is_given else _words(total, whose, found, is_forward)
    return CustomerWorth(rows, money, found, total, is_forward, (words,))


def _nothing(words: str) -> CustomerWorth:
    return CustomerWorth(
        np.zeros(0, dtype=np.int64), np.zeros(0), None, None, is_forward=False, words=(words,)
    )


def _too_short(dataset: Dataset, latest: int, n_mature: int, horizon: str) -> str:
    first = int(dataset.rows.as_of.min())
    if n_mature:
        return (
            f"customer_value is empty: {n_mature:,} rows are mature for value.customer_horizon = {horizon}, too "
            "few of them brought money to learn from."
        )
    days = -(-(first - latest) // MICROSECONDS["d"])
    return (
        f"customer_value is empty: no row is mature for value.customer_horizon = {horizon}; the history would have to "
        f"be {days:,} days longer. Use a shorter one meanwhile."
    )


def _words(total: TotalFigures, whose: str, amounts: AmountsOutOfFold, is_forward: bool) -> str:
    how = (
        "on later rows than those it was fitted on" if is_forward else "on other accounts of the same period"
    )
    mean = (
        ""
        if amounts.rounds > 0
        else " It is the plain mean: nothing told large ones from small ones, or wins are too few."
    )
    ratio = total.ratio
    return (
        f"{whose}, judged {how}, promised {ratio.value:.2f} for each that came ({ratio.low:.2f} to {ratio.high:.2f}), "
        f"over {total.rows:,} rows, {total.wins:,} with money; the level was corrected by that.{mean}"
    )


def _words_of_multiple(total: TotalFigures, whose: str) -> str:
    ratio = total.ratio
    return (
        f"{whose} is {1 / ratio.value:.2f} times the expected value ({1 / ratio.high:.2f} to {1 / ratio.low:.2f}), "
        f"found on {total.rows:,} rows that the models had not seen, {total.wins:,} with money: no model of its own "
        "was clearly better."
    )
