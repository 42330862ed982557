"""The lines of one row's reasons: what is left over is counted, and a limit says which end it is."""

from __future__ import annotations

import numpy as np
import pytest

from features.catalogue import Catalogue, Feature
from models.contributions import Explained, top_reasons
from models.scorer import Scored
from models.wording import Wording
from pipeline.reason_lines import reason_lines

WORDING = Wording(
    Catalogue(tuple(Feature("explicit", name, "value", group=name, words=name) for name in ("a", "b", "c")))
)


def row_of(points: list[float], base: float, lead: float, top_k: int = 3) -> Scored:
    """One row with these points of three reasons, a base and a lead in unbounded points."""
    shown, start = min(max(lead, 0.0), 100.0), min(max(base, 0.0), 100.0)
    values = np.array([points])
    limit = np.array([shown - start - sum(points)])
    explained = Explained(values, base, start, np.array([lead]), np.array([shown]), limit)
    one, word = np.array([lead]), np.array(["x"], dtype=object)
    return Scored(one, one, np.array([shown]), word, word, word, explained, top_reasons(values, top_k))


@pytest.mark.parametrize(
    ("base", "lead", "said"),
    [
        (40.0, 120.0, "The scale ends at 100"),
        (40.0, -20.0, "The scale ends at 0"),
        (-30.0, 50.0, "An average lead lies outside the scale (0 to 100)"),
        (-30.0, 110.0, "The scale ends at 100"),
    ],
)
def test_a_limit_says_which_end_it_is(base: float, lead: float, said: str) -> None:
    lines = reason_lines(row_of([lead - base, 0.0, 0.0], base, lead), 0, np.zeros(3), WORDING)

    assert [line["text"] for line in lines if line["group"] == "limit"] == [said]


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([5.0, 2.0, 1.0], "Everything else: 2 smaller reasons"),
        ([5.0, 2.0, 0.0], "Everything else: 1 smaller reason"),
    ],
)
def test_what_is_left_over_is_counted(points: list[float], said: str) -> None:
    lines = reason_lines(row_of(points, 40.0, 40.0 + sum(points), top_k=1), 0, np.zeros(3), WORDING)

    assert [line["text"] for line in lines] == ["A: 0", said]
