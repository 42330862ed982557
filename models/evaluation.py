"""What a trainer is given, and what it found out: examples in, a judged recipe out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models import bands as scale
from models.bands import Anchors
from models.gate import Check
from models.intervals import Interval
from models.ladder import Recipe
from models.learning_curve import CurvePoint
from models.prior_shift import NO_SHIFT, PriorShift
from models.rolling import Rolling
from models.selection import OutOfFold, Selection
from models.settings import BandSettings, ModelSettings
from models.sheets import Sheets
from models.split import Fold, Slices, Timeline
from models.tuning import Tuning

__all__ = ["Evaluation", "Examples", "SliceSize"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """Rows to learn from.

    Attributes
    ----------
    X : (n, features), y : (n,) 1 or 0.
    lead : (n,) code of the lead, in lead_id order; account : (n,) code or -1.
    age : (n,) checkpoint of age in microseconds, 0 for calendar cuts.
    amount : (n,) amount of the win where known, else NaN; for anchors by value.
    n_scored : leads scored at one time; for anchors by capacity.
    """

    X: Float64
    y: Float64
    timeline: Timeline
    lead: Int64
    account: Int64
    age: Int64
    amount: Float64 | None = None
    n_scored: int | None = None


@dataclass(frozen=True)
class SliceSize:
    """How much a slice holds."""

    rows: int
    leads: int
    conversions: int

    @property
    def rate(self) -> float:
        """Share of the rows that converted; NaN without rows."""
        return self.conversions / self.rows if self.rows else float("nan")


@dataclass(frozen=True)
class Evaluation:
    """What development chose and what the test, read once, said of it.

    Attributes
    ----------
    test_rows : positions of the test rows, in lead_id order within equal times.
    test_log_odds : (test,) calibrated log-odds as the model would be run: the recipe fitted on development, or
        before every `rolling.refit_every` blocks, with the shift known then.
    model : settings of the fits, those of the trees as tuned.
    rolling : the test from every origin; None without a time order or with one block.
    curve : what parts of development would have come to.
    ece_floor : the calibration error that 95 % of perfectly calibrated models would stay below, on these rows.
    intervals : each metric on the test with its 95 % interval, clustered by account, else lead.
    by_rung : each rung's plain metrics on the test, calibrated on the same out-of-fold rows.
    log_odds_by_rung : (test,) of each rung.
    by_age : AUC by checkpoint of age.
    unseen_accounts : AUC on the test rows of accounts never trained on, if there are enough.
    shared_log_odds : (test,) as `static_log_odds`, of the model that makes no difference between segments; None
        without tiers.
    sheets, test_sheet : score sheets by segment, and (test,) the place of each row's in `sheets.names`.
    """

    slices: Slices
    sizes: dict[str, SliceSize]
    n_folds: int
    out_of_fold: OutOfFold
    selection: Selection
    anchors: Anchors
    test_rows: Int64
    test_log_odds: Float64
    intervals: dict[str, Interval]
    by_rung: dict[str, dict[str, float]]
    log_odds_by_rung: dict[str, Float64]
    by_age: dict[int, Interval]
    unseen_accounts: Interval | None
    refusal: tuple[Check, ...]
    calibration_checks: tuple[Check, ...]
    model: ModelSettings
    ece_floor: float
    rolling: Rolling | None = None
    tuning: Tuning | None = None
    curve: tuple[CurvePoint, ...] = ()
    refit_every: int = 0
    has_shift: bool = True
    notes: tuple[str, ...] = field(default=())
    shared_log_odds: Float64 | None = None
    sheets: Sheets | None = None
    test_sheet: Int64 | None = None
    folds: tuple[Fold, ...] = ()

    def test_points(self) -> Float64:
        """(test,) unbounded points, each row's by the lines of its sheet."""
        if self.sheets is None or self.test_sheet is None:
            return scale.points(self.test_log_odds, self.anchors)
        return self.sheets.points(self.test_log_odds, self.test_sheet, self.anchors)

    def test_bands(self, settings: BandSettings) -> NDArray[np.object_]:
        """(test,) name of each row's band, by the lines of its sheet."""
        p = np.asarray(expit(self.test_log_odds))
        if self.sheets is None or self.test_sheet is None:
            return scale.bands(p, self.anchors, settings)
        return self.sheets.bands(p, self.test_sheet, self.anchors, settings)

    @property
    def recipe(self) -> Recipe:
        """The rung chosen, and how to fit it again."""
        return self.selection.recipe

    @property
    def static_log_odds(self) -> Float64:
        """(test,) of the recipe fitted once, on development, without a shift."""
        return self.log_odds_by_rung[self.recipe.rung]

    @property
    def cadence(self) -> int:
        """Blocks of the test between refits; all of them where it is never refitted."""
        blocks = len(self.rolling.start) if self.rolling else 1
        return min(self.refit_every, blocks) or blocks

    @property
    def shift(self) -> PriorShift:
        """The shift of the level for a model fitted on everything, now."""
        return self.rolling.shift_now() if self.rolling and self.has_shift else NO_SHIFT

    @property
    def is_refused(self) -> bool:
        """Whether the model shows nothing better than the base rate."""
        return any(check.status != "passed" for check in self.refusal)

    @property
    def is_calibrated(self) -> bool:
        """Whether the probabilities may be believed; "not shown" is not passed."""
        return all(check.status == "passed" for check in self.calibration_checks)
