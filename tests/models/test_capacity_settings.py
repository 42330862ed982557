"""Settings of bands by capacity: presets, and what does not fit together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from features.durations import MICROSECONDS
from models.capacity_settings import PRESETS, CapacitySettings


def test_a_preset_fills_in_what_is_left_out_and_nothing_else() -> None:
    own = CapacitySettings.model_validate({"preset": "b2c", "cool_down": "3d", "sql_a_week": 40})

    found = own.resolved()

    assert found.cool_down == 3 * MICROSECONDS["d"]
    assert (found.every, found.weeks, found.hysteresis, found.ahead) == (MICROSECONDS["d"], 8, 3.0, 4)
    assert (found.sql_a_week, found.mql_a_week) == (40.0, None)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_fills_in_all_and_replays_a_cool_down_before_it_counts(preset: str) -> None:
    own = CapacitySettings.model_validate({"preset": preset})

    rules = own.rules(points_per_logit=20.0)

    filled = own.resolved()
    assert None not in (filled.weeks, filled.ahead, filled.every, filled.hysteresis, filled.cool_down)
    assert filled.every is not None
    assert rules.warm_up * filled.every >= rules.cool_down
    assert rules.cuts_a_week * filled.every == MICROSECONDS["w"]
    assert own.n_cuts(rules) == rules.warm_up + 1 + (filled.weeks or 0) * rules.cuts_a_week


def test_hysteresis_in_points_becomes_log_odds_by_the_scale() -> None:
    rules = CapacitySettings.model_validate({"hysteresis": 6}).rules(points_per_logit=24.0)

    assert rules.hysteresis == 0.25


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sql_a_week": 40, "mql_a_week": 40}, "sql_a_week must be less than mql_a_week"),
        ({"every": "5d"}, "every must part a week into equal pieces"),
        ({"weeks": 7}, "greater than or equal to 8"),
        ({"sql_a_week": 0}, "greater than 0"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CapacitySettings.model_validate(given)
