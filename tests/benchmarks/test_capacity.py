"""The campaign of promised capacities: one team, and what is said of several."""

from __future__ import annotations

from pathlib import Path

from benchmarks.capacity import capacity, concluded


def test_one_team_gets_a_line_a_promise_and_what_came(tmp_path: Path) -> None:
    found = capacity(tmp_path, 2_500, 1)

    assert (found["SQL a week"], found["MQL a week"]) == (5, 15)
    assert 0.0 < found["MQL cutoff"] < found["SQL cutoff"] < 1.0
    for name in ("SQL entered", "SQL converted", "MQL entered", "MQL converted"):
        promised, came = found[name].split(": ")
        low, high = promised.split("(")[1].rstrip(")").split(" to ")
        assert found[f"{name} held"] == (int(low) <= int(came) <= int(high))


def test_the_conclusion_counts_the_teams_that_were_told_right() -> None:
    rows = [{"SQL entered held": True, "SQL converted held": held} for held in (True, False)]

    assert "of 2 teams: SQL entered 2, SQL converted 1." in concluded(rows)
