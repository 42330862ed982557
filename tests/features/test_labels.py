"""Labels: both ends of the window, and maturity that knows only the moment of scoring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features.asof import NEVER, Examples
from features.durations import MICROSECONDS
from features.labels import is_mature, label_examples, latest_mature
from features.settings import TargetSettings

DAY, HOUR = MICROSECONDS["d"], MICROSECONDS["h"]
GRACE = TargetSettings.model_validate({"outcome_grace": "1h"})


def rows_of(as_of: list[int], end: list[int], won: list[bool]) -> Examples:
    n = len(as_of)
    moments = np.array(as_of, dtype=np.int64)
    return Examples(
        np.arange(n),
        moments,
        moments - DAY,
        np.array(end, dtype=np.int64),
        np.array(won),
        np.zeros(n, np.int64),
    )


@pytest.mark.parametrize(
    ("distance", "label"),
    [(0, 1.0), (1, 1.0), (30 * DAY - 1, 1.0), (30 * DAY, 0.0), (30 * DAY + 1, 0.0), (400 * DAY, 0.0)],
)
def test_a_win_counts_from_as_of_up_to_but_not_at_the_horizon(distance: int, label: float) -> None:
    found = label_examples(rows_of([0], [distance], [True]), 60 * DAY, TargetSettings())

    assert found.y.tolist() == [label]


def test_a_loss_and_a_lead_still_open_count_0() -> None:
    found = label_examples(rows_of([0, 0], [DAY, NEVER], [False, False]), 60 * DAY, TargetSettings())

    assert found.y.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("won", [True, False])
@pytest.mark.parametrize(("distance", "is_left_out"), [(0, True), (HOUR - 1, True), (HOUR, False)])
def test_rows_that_end_within_the_grace_are_left_out_won_or_lost(
    won: bool, distance: int, is_left_out: bool
) -> None:
    found = label_examples(rows_of([0], [distance], [won]), 60 * DAY, GRACE)

    assert found.n_in_grace == int(is_left_out)
    assert found.y.tolist() == ([] if is_left_out else [float(won)])


def test_an_as_of_whose_window_ends_exactly_with_the_data_is_mature() -> None:
    target = TargetSettings.model_validate({"horizon": "30d", "outcome_delay": "2d"})

    assert latest_mature(100 * DAY, target) == 68 * DAY
    assert is_mature(np.array([68 * DAY, 68 * DAY + 1]), 100 * DAY, target).tolist() == [True, False]


@given(st.data())
def test_maturity_depends_on_as_of_alone(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    as_of = (rng.integers(0, 100, n) * DAY).tolist()
    ends = [rng.integers(0, 200, n) * DAY + as_of for _ in range(2)]

    first, second = (
        label_examples(
            rows_of(as_of, end.tolist(), (rng.random(n) < 0.5).tolist()), 80 * DAY, TargetSettings()
        )
        for end in ends
    )

    assert first.n_immature == second.n_immature == sum(moment > 50 * DAY for moment in as_of)
    assert first.examples.lead.tolist() == second.examples.lead.tolist()


def test_a_young_cohort_of_quick_wins_moves_the_base_rate_by_nothing() -> None:
    rng = np.random.default_rng(0)
    old = rows_of([0] * 300, (rng.integers(0, 60, 300) * DAY).tolist(), (rng.random(300) < 0.5).tolist())
    quick = rows_of([45 * DAY] * 200, [46 * DAY] * 200, [True] * 200)
    both = Examples(*(np.concatenate([getattr(old, f), getattr(quick, f)]) for f in old.__dataclass_fields__))

    plain = label_examples(old, 60 * DAY, TargetSettings())
    planted = label_examples(both, 60 * DAY, TargetSettings())

    assert planted.y.mean() == plain.y.mean()
    assert planted.n_immature == 200


def test_every_row_is_labelled_immature_or_in_grace() -> None:
    rng = np.random.default_rng(2)
    as_of = rng.integers(0, 60, 500) * DAY
    rows = rows_of(
        as_of.tolist(), (as_of + rng.integers(0, 48, 500) * HOUR).tolist(), (rng.random(500) < 0.5).tolist()
    )

    found = label_examples(rows, 70 * DAY, GRACE)

    assert len(found.y) + found.n_immature + found.n_in_grace == 500
    assert len(found.y) == len(found.examples)
    assert found.n_in_grace > 0


def test_all_clocks_shifted_change_no_label() -> None:
    rows = rows_of([0, DAY, 2 * DAY], [DAY, 40 * DAY, NEVER], [True, True, False])
    later = rows_of([999 * DAY, 1000 * DAY, 1001 * DAY], [1000 * DAY, 1039 * DAY, NEVER], [True, True, False])

    assert (
        label_examples(rows, 60 * DAY, TargetSettings()).y.tolist()
        == label_examples(later, 1059 * DAY, TargetSettings()).y.tolist()
    )


def test_a_grace_as_long_as_the_horizon_leaves_no_window_and_is_refused() -> None:
    with pytest.raises(ValidationError, match="outcome_grace must be shorter than horizon"):
        TargetSettings.model_validate({"horizon": "1d", "outcome_grace": "24h"})
