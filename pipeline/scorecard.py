"""The scorecard of a project: its points table fitted to history, judged out of time, written as a sheet again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from features.builder import build_features
from features.catalogue import Catalogue
from features.entities import with_derived
from features.errors import ConfigError, NoModelError, OutputError
from features.points import describe_points, preset_lines
from features.points_lines import PointsLine, lines_of, merged, priced, to_csv, to_toml
from features.settings import PointsRule
from models import metrics
from models.calibration import Calibration, row_log_loss
from models.intervals import Interval, bootstrap_intervals, paired_difference
from models.scorecard import (
    AS_GIVEN,
    Card,
    Choice,
    TotalBin,
    choose_card,
    fit_card,
    log_odds_per_point,
    point_intervals,
    total_bins,
)
from models.split import random_folds, rolling_folds, slices_of
from pipeline.against_champion import champion_features, champion_odds, present_champion
from pipeline.config import Project
from pipeline.dataset import Dataset, check_quarantine, labelled_dataset
from pipeline.leak_hunt import hunt_leaks
from pipeline.tables import load_tables

__all__ = ["PricedLine", "Scorecard", "fit_scorecard", "write_scorecard"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Tell = Callable[[str], None]
LEAST_CONVERSIONS = 20
METRICS: dict[str, Callable[..., float]] = {
    "auc": metrics.auc,
    "log_loss": metrics.log_loss,
    "found_in_top_20": partial(metrics.recall_at, share=0.2),
    "calibration_ratio": metrics.calibration_ratio,
}


@dataclass(frozen=True)
class PricedLine:
    """One line of the table: the user's points, the fitted ones with the ends of their interval, and its history.

    `state` is "fitted", "no conversion" (none of its rows converted) or "no history" (the user's points stay).
    """

    line: PointsLine
    fitted: float
    low: float
    high: float
    rows: int
    conversions: int

    @property
    def state(self) -> str:
        """How much history there is behind the fitted points."""
        return "no history" if self.rows == 0 else "no conversion" if self.conversions == 0 else "fitted"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "line": self.line.words, "your_points": self.line.points, "points": self.fitted, "low": self.low,
            "high": self.high, "rows": self.rows, "conversions": self.conversions, "state": self.state,
        }  # fmt: skip


@dataclass(frozen=True)
class Scorecard:
    """A fitted scorecard with all that is said of it.

    Attributes
    ----------
    rules : the table with the fitted points.
    lines : in the order of the table.
    base, slope : calibrated log-odds of a total = base + slope * total.
    out_of_time : figures on the test of "table" (the user's), "scorecard" and "champion", fitted before it.
    against : interval of the scorecard's log loss on the test minus that of "table" and "champion".
    mql, sql : the totals that promise what the user's lines promised; None without such a line.
    """

    rules: tuple[PointsRule, ...]
    lines: tuple[PricedLine, ...]
    base: float
    slope: float
    per_point: float
    choice: Choice
    totals: tuple[TotalBin, ...]
    out_of_time: Mapping[str, Mapping[str, Interval]]
    against: Mapping[str, Interval]
    rows: int
    conversions: int
    n_test: int
    mql: float | None
    sql: float | None

    @property
    def points_to_double(self) -> float:
        """Points that double the odds, as calibrated."""
        return float(np.log(2.0) / self.slope) if self.slope > 0 else float("inf")

    def to_json(self) -> dict[str, Any]:
        """The keys that other programs may rely on."""
        return {
            "rows": self.rows, "conversions": self.conversions, "n_test": self.n_test,
            "base_log_odds": self.base, "log_odds_per_point": self.slope,
            "points_to_double_the_odds": self.points_to_double,
            "penalty": None if self.choice.penalty == AS_GIVEN else self.choice.penalty,
            "lines": [each.to_json() for each in self.lines],
            "totals": [asdict(each) for each in self.totals],
            "out_of_time": {name: {key: [i.value, i.low, i.high] for key, i in found.items()}
                            for name, found in self.out_of_time.items()},
            "log_loss_against": {name: [i.value, i.low, i.high] for name, i in self.against.items()},
            "mql": self.mql, "sql": self.sql,
        }  # fmt: skip


def fit_scorecard(project: Project, tell: Tell) -> Scorecard:
    """The project's points table fitted to its history.

    Penalty and calibration come from development alone, out of fold in time order; the test is read once, by
    cards fitted before it. The card itself is then fitted on all mature rows.

    Raises
    ------
    ConfigError
        If the project has no points table.
    NoModelError
        If there are too few conversions, with the counts.
    """
    tables = load_tables(project, tell)
    check_quarantine(project, tables)
    project = project.model_copy(
        update={"attributes": with_derived(project.attributes, tables, project.target.entity)}
    )
    project, _ = hunt_leaks(project, tables)
    dataset = labelled_dataset(project, tables)
    rules = merged(dataset.sources.points)
    lines = lines_of(rules)
    if not lines:
        raise ConfigError(
            'The project has no points table to fit. Write one under [points]: a preset, rules, or file = "points.csv".'
        )
    tell(f"{len(dataset.y):,} examples, {len(lines)} lines of points")
    return _Fitting(project, dataset, rules, lines, _columns(dataset, lines), tell).scorecard()


def _columns(dataset: Dataset, lines: tuple[PointsLine, ...]) -> Float64:
    """(rows, lines) how often each line applies."""
    sources = replace(dataset.sources, points=tuple(line.indicator for line in lines))
    return build_features(dataset.data, dataset.rows, Catalogue(tuple(describe_points(sources))), sources)


@dataclass(frozen=True)
class _Fitting:
    project: Project
    dataset: Dataset
    rules: tuple[PointsRule, ...]
    lines: tuple[PointsLine, ...]
    X: Float64
    tell: Tell

    @property
    def given(self) -> Float64:
        return np.array([line.points for line in self.lines])

    def scorecard(self) -> Scorecard:
        timeline, y, split = self.dataset.timeline, self.dataset.y, self.project.split
        slices = slices_of(timeline, split)
        development, test = slices.development, slices.test
        folds = rolling_folds(timeline, development, y, split) or random_folds(
            timeline, development, y, split
        )
        won, lost = int(y[development].sum()), int((1.0 - y[development]).sum())
        if min(won, lost) < LEAST_CONVERSIONS or not folds or not 0 < y[test].sum() < len(test):
            raise NoModelError(
                f"Too little to fit points on: development has {won} conversions and {lost} other rows, the test "
                f"{int(y[test].sum())} conversions in {len(test)} rows; at least {LEAST_CONVERSIONS} of each in "
                "development and some of each in the test are needed. Until then the table scores as it is."
            )
        pdo = self.project.points.pdo if self.project.points else None
        self.tell("choosing how far to leave the table")
        per_point = log_odds_per_point(self.X[development], y[development], self.given, pdo)
        choice = choose_card(self.X, y, self.given, folds, timeline.cluster, per_point)
        odds = self._test_odds(development, test, choice, per_point)
        self.tell("fitting on all rows")
        return self._final(choice, odds, test, pdo)

    def _test_odds(
        self, development: Int64, test: Int64, choice: Choice, per_point: float
    ) -> dict[str, Float64]:
        """(test,) calibrated log-odds of each rival, fitted on development."""
        X, y = self.X[development], self.dataset.y[development]
        odds = {
            name: calibration.log_odds(fit_card(X, y, self.given, penalty, per_point).margin(self.X[test]))
            for name, penalty, calibration in (
                ("table", AS_GIVEN, choice.calibration_as_given),
                ("scorecard", choice.penalty, choice.calibration),
            )
        }
        champion = present_champion(self.project, self.tell)
        own = None if champion is None else champion_features(champion, self.dataset)
        if champion is not None and own is not None:
            self.tell("fitting the champion's recipe")
            catalogue, theirs = own
            odds["champion"] = champion_odds(
                champion, catalogue, theirs[development], y, theirs[test], self.project
            )
        return odds

    def _final(self, choice: Choice, odds: dict[str, Float64], test: Int64, pdo: float | None) -> Scorecard:
        y, cluster, model = self.dataset.y, self.dataset.timeline.cluster, self.project.model
        per_point = log_odds_per_point(self.X, y, self.given, pdo)
        card = fit_card(self.X, y, self.given, choice.penalty, per_point)
        if choice.penalty == AS_GIVEN and pdo is not None:  # the same table on the scale asked for
            ratio = card.per_point / per_point
            card = Card(np.round(self.given * ratio) + 0.0, card.intercept, per_point)
        self.tell("drawing intervals")
        low, high = point_intervals(self.X, y, self.given, cluster, card, choice, model)
        applies = self.X > 0
        fitted = tuple(
            PricedLine(line, float(points), float(a), float(b), int(n), int(k))
            for line, points, a, b, n, k in zip(
                self.lines,
                card.points,
                low,
                high,
                applies.sum(axis=0),
                applies[y == 1.0].sum(axis=0),
                strict=True,
            )
        )
        line = choice.calibration.coefficients
        base, slope = line[0] * card.intercept + line[1], line[0] * card.per_point
        total = card.total(self.X)
        draw = partial(bootstrap_intervals, clusters=cluster[test], n_boot=model.bootstrap, seed=model.seed)
        losses = {name: row_log_loss(y[test], each) for name, each in odds.items()}
        mql, sql = self._lines_kept(choice, base, slope)
        return Scorecard(
            rules=priced(self.rules, self.lines, card.points.tolist()),
            lines=fitted,
            base=base,
            slope=slope,
            per_point=card.per_point,
            choice=choice,
            totals=tuple(total_bins(total, y, base + slope * total, cluster, model.seed)),
            out_of_time={name: draw(METRICS, y[test], expit(each)) for name, each in odds.items()},
            against={
                name: paired_difference(losses["scorecard"], loss, cluster[test], seed=model.seed)
                for name, loss in losses.items()
                if name != "scorecard"
            },
            rows=len(y),
            conversions=int(y.sum()),
            n_test=len(test),
            mql=mql,
            sql=sql,
        )

    def _lines_kept(self, choice: Choice, base: float, slope: float) -> tuple[float | None, float | None]:
        """The totals that promise what the user's MQL and SQL lines promise in the table as it is."""
        given = preset_lines(self.project.points) if self.project.points else (None, None)
        as_is = fit_card(self.X, self.dataset.y, self.given, AS_GIVEN, 1.0)
        table: Calibration = choice.calibration_as_given
        found: list[float | None] = []
        for line in given:
            if line is None or as_is.per_point == 0.0 or slope == 0.0:
                found.append(None)
                continue
            promised = float(logit(table.probability(as_is.intercept + as_is.per_point * line)))
            found.append(float(np.ceil((promised - base) / slope - 1e-9)) + 0.0)
        return found[0], found[1]


def write_scorecard(found: Scorecard, path: Path) -> None:
    """Write the fitted table as a points sheet, CSV or TOML, that `points.file` reads.

    Raises
    ------
    OutputError
        If the file can't be written.
    """
    lines = lines_of(found.rules)
    if path.suffix == ".toml":
        text = to_toml(lines, found.rules)
    else:
        text = to_csv(lines, [_notes(each) for each in found.lines])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error}.") from error


def _notes(line: PricedLine) -> dict[str, object]:
    ends = ("", "") if np.isnan(line.low) else (f"{line.low:.1f}", f"{line.high:.1f}")
    return {
        "your points": f"{line.line.points:g}", "low": ends[0], "high": ends[1], "rows": line.rows,
        "conversions": line.conversions, "note": "" if line.state == "fitted" else line.state,
    }  # fmt: skip
