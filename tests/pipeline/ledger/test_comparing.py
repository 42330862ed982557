"""Two runs compared, against what can be counted by hand and what NumPy finds on whole arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.config import Project
from pipeline.ledger import comparing
from pipeline.ledger.comparing import Comparison
from pipeline.ledger.reading import find_run
from pipeline.ledger.store import Ledger
from tests.pipeline.ledger.conftest import kept


def compared(project: Project, ledger: Ledger, top: int = 10) -> Comparison:
    """The latest run against the one before."""
    with ledger.reading() as connection:
        runs = [find_run(connection, project.name, each) for each in ("previous", "latest")]
        return comparing.compare(connection, runs[0], runs[1], top)


def test_two_runs_compared_by_hand(project: Project, ledger: Ledger) -> None:
    kept(project, 1, {"A": (5.0, 0.0), "B": (20.0, 0.0), "C": (1.0, 1.0), "D": (9.0, 0.0)}).write()
    kept(project, 2, {"A": (5.0, 10.0), "B": (-5.0, 1.0), "C": (1.25, 1.0), "E": (70.0, 0.0)}).write()

    found = compared(project, ledger)

    assert (found.both, found.up, found.down) == (3, 1, 1)
    assert found.mean_change == pytest.approx((10 - 24 + 0.25) / 3)
    assert [(e.lead_id, e.before, e.after, e.change, e.group, e.group_points) for e in found.moved] == [
        ("B", 60.0, 36.0, -24.0, "visits", -25.0), ("A", 45.0, 55.0, 10.0, "country", 10.0),
        ("C", 42.0, 42.25, 0.25, "visits", 0.25),
    ]  # fmt: skip
    assert {way: (n, [m.lead_id for m in moves]) for way, (n, moves) in found.crossings.items()} == {
        ("MQL", "below"): (1, ["B"]), ("below", "MQL"): (1, ["A"]),
    }  # fmt: skip
    assert (found.new, found.gone) == ((1, [("E", "", 100.0, "MQL")]), (1, [("D", "", 49.0, "below")]))
    assert [name for name, _, _ in found.parts] == ["visits", "country"]
    assert [each for part in found.parts for each in part[1:]] == pytest.approx(
        [-24.75 / 3, 25.25 / 3, 11 / 3, 11 / 3]
    )
    assert json.loads(json.dumps(found.to_json()))["crossings"][0]["count"] == 1


def test_the_mean_changes_of_the_parts_add_up_whatever_the_size_of_a_part(
    project: Project, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(7)
    ids = [f"L{number:03d}" for number in range(200)]
    old, new = rng.normal(0, 60, (2, 200, 2)).round(3)
    kept(project, 1, dict(zip(ids, map(tuple, old.tolist()), strict=True))).write()
    kept(project, 2, dict(zip(ids[20:], map(tuple, new[20:].tolist()), strict=True))).write()
    monkeypatch.setattr(comparing, "PART_ROWS", 7)

    found = compared(project, ledger, top=5)

    a, b = (np.clip(40 + each.sum(axis=1), 0, 100)[20:] for each in (old, new))
    parts = {name: (mean, size) for name, mean, size in found.parts}
    change = b - a
    order = sorted(range(180), key=lambda row: (-abs(change[row]), ids[20 + row]))[:5]
    crossed = {
        ("below", "MQL"): int(((a < 50) & (b >= 50)).sum()), ("MQL", "below"): int(((a >= 50) & (b < 50)).sum()),
    }  # fmt: skip
    assert found.mean_change == pytest.approx(change.mean(), abs=1e-9)
    assert sum(mean for mean, _ in parts.values()) == pytest.approx(change.mean(), abs=1e-9)
    assert parts["visits"][1] == pytest.approx(np.abs(new[20:, 0] - old[20:, 0]).mean())
    assert "limit" in parts
    assert [each.lead_id for each in found.moved] == [ids[20 + row] for row in order]
    assert {way: n for way, (n, _) in found.crossings.items()} == crossed
    assert all(len(moves) == 5 for _, moves in found.crossings.values())
    assert (found.new[0], found.gone[0], len(found.gone[1])) == (0, 20, 5)
    assert (found.up, found.down) == (int((change >= 0.5).sum()), int((change <= -0.5).sum()))


def test_a_reason_group_that_one_model_lacks_counts_as_zero_there(project: Project, ledger: Ledger) -> None:
    kept(project, 1, {"A": (5.0, 3.0)}, groups=("visits", "country")).write()
    kept(project, 2, {"A": (4.0, 6.0)}, groups=("calls", "visits")).write()

    found = compared(project, ledger)

    assert {name: mean for name, mean, _ in found.parts} == {"visits": 1.0, "country": -3.0, "calls": 4.0}


def test_runs_without_a_common_lead_compare_to_nothing_but_new_and_gone(
    project: Project, ledger: Ledger
) -> None:
    kept(project, 1, {"A": (5.0, 3.0)}).write()
    kept(project, 2, {"B": (4.0, 6.0)}).write()

    found = compared(project, ledger)

    assert (found.both, found.mean_change, found.moved, found.parts) == (0, 0.0, [], [])
    assert (found.new[0], found.gone[0]) == (1, 1)
