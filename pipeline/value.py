"""What the leads are worth: amounts of wins out of fold and on the test, promised against came, in money."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from features.catalogue import Catalogue
from features.contracts import Tables
from features.errors import InputError
from models.bundle import Bundle
from models.evaluation import Evaluation, Examples
from models.intervals import Interval
from models.value import AmountModel, AmountsOutOfFold, amounts_out_of_fold, fit_amounts
from models.value_totals import TotalFigures, level_draws, money_found, open_total, total_of
from pipeline.config import Project
from pipeline.customer_value import CustomerWorth, judge_customers
from pipeline.dataset import Dataset
from pipeline.open_leads import feature_chunks, leads_to_score
from pipeline.parts import periods
from pipeline.value_parts import QUARTILE_BANDS, ValueParts, read_parts, written_parts

__all__ = ["Worth", "judge_value", "value_parts", "value_words", "with_amounts", "with_open_total"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
SHARES = (0.1, 0.2)
VALUE, PROBABILITY, CHANCE = "expected value", "probability", "any order"
SPREAD_POINTS = 200
LEAST_SPREAD = 20


@dataclass(frozen=True)
class Worth:
    """What development learned of money, and what the test said of it.

    Attributes
    ----------
    amounts : expected amounts out of fold; the recipe and the level of the final fit.
    has_few : whether there were too few wins for trees; wins : won leads with an amount in development.
    left_out : wins without an amount and with one not above 0 (rows), of `won_rows`.
    top_share : share of the money of all won rows that the largest 1 % of them make.
    expected, came, p : (test,) expected value and money that came (0 for losers), and the probability.
    known_share : of the test's wins, those with an amount; promises are compared with it taken into account.
    found : share of the money by (ranking, share of the rows), and the gains over probability.
    lines : expected values where the quartile bands begin.
    spread : out-of-fold amounts by expected ones, with mean 1; level_sd : of the logarithm of the level.
    open_total : what the leads open now will bring within the horizon, with its predictive interval.
    """

    amounts: AmountsOutOfFold
    has_few: bool
    wins: int
    won_rows: int
    left_out: tuple[int, int]
    top_share: float
    expected: Float64
    came: Float64
    p: Float64
    known_share: float
    total: TotalFigures
    months: tuple[TotalFigures, ...]
    deciles: tuple[TotalFigures, ...]
    found: dict[tuple[str, float], Interval]
    lines: dict[str, float]
    spread: Float64
    level_sd: float
    customers: CustomerWorth | None = None
    open_total: Interval | None = None
    n_open: int = 0

    def to_json(self) -> dict[str, Any]:
        """Figures for other programs: [value, low, high] where there is an interval."""
        total, shown = (
            self.total,
            {f"{name} {share}": _listed(each) for (name, share), each in self.found.items()},
        )
        return {
            "wins": self.wins, "trees": self.amounts.rounds, "promised": total.promised, "came": _listed(total.came),
            "ratio": _listed(total.ratio), "found": shown,
            "open_total": None if self.open_total is None else _listed(self.open_total),
        }  # fmt: skip


def with_amounts(project: Project, dataset: Dataset, tell: Callable[[str], None]) -> Project:
    """The project; of an account, product or customer whose wins have no amounts, without its section [value].

    Raises
    ------
    InputError
        If money is asked for where no win of a lead has an amount; with how many wins there are.
    """
    if project.value.enabled and not (np.nan_to_num(dataset.amount) > 0).any():
        if project.target.entity != "lead":  # [value] is written for the leads; renewals may well have none
            tell("no win has an amount, so no values are learned")
            plain = project.score.model_copy(update={"rank_by": "probability"})
            return project.model_copy(update={"value": type(project.value)(), "score": plain})
        raise InputError(
            f"value.enabled = true, but none of the {int(dataset.y.sum()):,} examples that were won has an amount "
            "above 0. Map the column 'amount' under [data.outcomes] columns, or set value.enabled = false."
        )
    return project


def judge_value(
    project: Project, dataset: Dataset, tables: Tables, examples: Examples, catalogue: Catalogue,
    evaluation: Evaluation, tell: Callable[[str], None],
) -> Worth | None:  # fmt: skip
    """Amounts on the evaluation's folds and test, and what they and the probabilities promised; None if off."""
    if not project.value.enabled:
        return None
    tell("fitting amounts of wins")
    money, left_out = _usable(dataset)
    development, test = evaluation.slices.development, evaluation.test_rows
    won = development[~np.isnan(money[development])]
    wins = len(np.unique(dataset.lead_code[won]))
    has_few = wins < project.value.needs
    amounts = _learned(examples, money, won, catalogue, evaluation, has_few=has_few)
    model = evaluation.model
    fitted = fit_amounts(
        examples.X[development], money[development], catalogue, model, "gamma", amounts.rounds
    )
    p = np.asarray(expit(evaluation.test_log_odds))
    expected = p * replace(fitted, factor=amounts.factor).predict(examples.X[test])
    past, past_money = _past_expected(dataset, evaluation, amounts), np.nan_to_num(money[amounts.rows])
    cluster, n_boot, seed = dataset.timeline.cluster, model.bootstrap, model.seed
    levels = level_draws(past, past_money, cluster[amounts.rows], n_boot, seed + 1)
    unseen = np.full(len(money), np.nan)
    unseen[amounts.rows], unseen[test] = past, expected
    came, known = np.nan_to_num(money[test]), _known_share(dataset.y[test], money[test])

    def totalled(name: str, rows: NDArray[Any]) -> TotalFigures:
        return total_of(name, known * expected[rows], came[rows], cluster[test][rows], levels, seed)

    rankings = {VALUE: expected, CHANCE: np.zeros(len(test)), PROBABILITY: p}
    deciles = np.array_split(np.argsort(-expected, kind="stable"), 10)
    return Worth(
        amounts=amounts, has_few=has_few, wins=wins, won_rows=int(dataset.y.sum()), left_out=left_out,
        top_share=_top_share(money), expected=expected, came=came, p=p, known_share=known,
        total=totalled("all", np.arange(len(test))),
        months=tuple(totalled(name, np.flatnonzero(rows)) for name, rows in periods(dataset, evaluation)[1].items()),
        deciles=tuple(totalled(f"{place + 1}", rows) for place, rows in enumerate(deciles) if len(rows)),
        found=money_found(rankings, came, cluster[test], SHARES, n_boot, seed),
        lines=dict(zip(QUARTILE_BANDS, np.quantile(past, [0.75, 0.5, 0.25, 0.0]).tolist(), strict=True)),
        spread=_spread(money, amounts, won), level_sd=float(np.std(np.log(levels))),
        customers=judge_customers(project, dataset, tables, examples, catalogue, evaluation, unseen),
    )  # fmt: skip


def value_parts(
    worth: Worth, X: Float64, dataset: Dataset, catalogue: Catalogue, project: Project, evaluation: Evaluation,
    champion: Bundle | None,
) -> dict[str, str]:  # fmt: skip
    """Files of the bundle: the recipes on all mature rows; lines of quartile bands are the champion's if it has any."""
    model = evaluation.model
    amount = fit_amounts(X, _usable(dataset)[0], catalogue, model, "gamma", worth.amounts.rounds)
    former = read_parts(champion.parts) if champion is not None and not project.bands.re_anchor else None
    customers: AmountModel | float | None = None
    if worth.customers is not None and worth.customers.amounts is not None:
        rows, money, found = worth.customers.rows, worth.customers.money, worth.customers.amounts
        customers = found.factor
        if not found.is_given:
            fitted = fit_amounts(X[rows], money, catalogue, model, "tweedie", found.rounds)
            customers = replace(fitted, factor=found.factor)
    return written_parts(
        ValueParts(
            amount=replace(amount, factor=worth.amounts.factor),
            lines=former.lines if former is not None else worth.lines,
            spread=worth.spread, level_sd=worth.level_sd, customers=customers,
            customer_horizon=project.value.customer_horizon,
        )
    )  # fmt: skip


def value_words(worth: Worth) -> list[str]:
    """Sentences of the verdict about money."""
    total = worth.total
    said = [
        f"Expected values promised {total.promised:,.0f} on the test, {total.came.value:,.0f} came: "
        f"{total.ratio.value:.2f} promised for each that came ({total.ratio.low:.2f} to {total.ratio.high:.2f}), over "
        f"{total.rows:,} rows, {total.wins:,} of them won."
    ]
    if worth.has_few:
        said.append(
            f"What a win brings is its plain mean: {worth.wins} won leads have an amount in development, fewer than "
            "value.needs."
        )
    elif worth.amounts.rounds == 0:
        said.append(
            "What a win brings is its plain mean: nothing known of the leads told large wins from small ones."
        )
    if worth.customers is not None:
        said += worth.customers.words
    return said


def _learned(
    examples: Examples, money: Float64, won: Int64, catalogue: Catalogue, evaluation: Evaluation, *, has_few: bool
) -> AmountsOutOfFold:  # fmt: skip
    """Amounts on the evaluation's folds; where every fold has too few wins, the mean of all in development."""
    found = amounts_out_of_fold(
        examples.X, money, catalogue, examples.timeline, evaluation.folds, evaluation.model, "gamma",
        may_have_trees=not has_few,
    )  # fmt: skip
    if len(found.rows):
        return found
    rows, mean = evaluation.out_of_fold.rows, float(money[won].mean()) if len(won) else 0.0
    return replace(found, rows=rows, predicted=np.full(len(rows), mean))


def _usable(dataset: Dataset) -> tuple[Float64, tuple[int, int]]:
    """(n,) amount of each row's win where it is above 0, else NaN; wins without one, and with another."""
    won = dataset.y == 1.0
    is_missing, is_low = won & np.isnan(dataset.amount), won & (dataset.amount <= 0)
    money = np.where(won & ~is_low, dataset.amount, np.nan)
    return money, (int(is_missing.sum()), int(is_low.sum()))


def _known_share(y: Float64, money: Float64) -> float:
    won = float(y.sum())
    return float((~np.isnan(money)).sum()) / won if won else 1.0


def _past_expected(dataset: Dataset, evaluation: Evaluation, amounts: AmountsOutOfFold) -> Float64:
    """(m,) out-of-fold expected value of the amounts' rows, chances at the level that held when the test began."""
    rolling, found = evaluation.rolling, evaluation.out_of_fold
    level = (
        rolling.shifts(len(rolling.start))[0].value if rolling is not None and evaluation.has_shift else 0.0
    )
    p = np.full(len(dataset.y), np.nan)
    p[found.rows] = expit(evaluation.selection.log_odds + level)
    return np.asarray(p[amounts.rows] * amounts.predicted)


def _top_share(money: Float64) -> float:
    known = np.sort(money[~np.isnan(money)])[::-1]
    return (
        float(known[: max(1, round(0.01 * len(known)))].sum() / known.sum()) if len(known) else float("nan")
    )


def _spread(money: Float64, amounts: AmountsOutOfFold, won: Int64) -> Float64:
    """Amounts by expected amounts, out of fold, as up to 200 middle quantiles with mean 1."""
    is_won = ~np.isnan(money[amounts.rows])
    found = money[amounts.rows][is_won] / amounts.predicted[is_won]
    if len(found) < LEAST_SPREAD:
        found = money[won] / money[won].mean() if len(won) else np.ones(1)
    n = min(SPREAD_POINTS, len(found))
    points = np.quantile(found, (np.arange(n) + 0.5) / n)
    return np.asarray(points / points.mean())


def _listed(each: Interval) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in (each.value, each.low, each.high)]


def with_open_total(
    worth: Worth | None, project: Project, tables: Tables, bundle: Bundle | None
) -> Worth | None:
    """The same with what the leads open at the end of the data will bring by the final model."""
    parts = None if bundle is None else read_parts(bundle.parts)
    if worth is None or bundle is None or parts is None:
        return worth
    leads = leads_to_score(tables, bundle, project, None)
    p, amount = [np.zeros(0)], [np.zeros(0)]
    for _, X in feature_chunks(leads, bundle, project.score.chunk_rows):
        p.append(bundle.scorer.probability(bundle.scorer.margin(X)))
        amount.append(parts.amount.predict(X))
    chances = np.concatenate(p)
    total = open_total(chances, np.concatenate(amount), parts.spread, parts.level_sd)
    return replace(worth, open_total=total, n_open=len(chances))
