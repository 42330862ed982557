"""The campaign `capacity` of benchmarks/truth.py: is "40 SQL a week", found on past weeks, kept in the months after?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scipy.special import expit

__all__ = ["capacity", "concluded"]

Figures = dict[str, Any]
WEEK = 604_800_000_000
PAST, AHEAD, WARM_UP = 26, 13, 5
COOL_DOWN = 30 * WEEK // 7
HYSTERESIS = 0.25  # log-odds: about 5 points of a scale whose lines lie 1.5 apart
A_WEEK = {"SQL": 40 / 20_000, "MQL": 120 / 20_000}  # of a team of 20,000 leads, scaled to the team's


def capacity(folder: Path, leads: int, seed: int) -> Figures:
    """One team: lines found and promises made on 26 past weeks, kept or not in the 13 weeks after.

    The recipe is the logistic rung, fitted on what was known before these weeks. The last of the 13 weeks lies a
    horizon before the end of the data, so that all its conversions are known.
    """
    import numpy as np

    from models.capacity import BandRules, line_for, replay
    from pipeline.bands_replay import Asked, past_weeks, promised
    from pipeline.config import load_project
    from pipeline.dataset import data_end_of
    from pipeline.simulate import WorldSettings, simulate_to_folder
    from pipeline.tables import load_tables

    simulate_to_folder(WorldSettings(n_leads=leads, seed=seed), folder)
    project = load_project(folder / "lead-scoring.toml")
    tables = load_tables(project)
    last = data_end_of(tables) - project.target.horizon - project.target.outcome_delay
    model = project.model.model_copy(update={"rungs": ("logistic",)})
    asked = Asked("logistic", model, WEEK, WARM_UP + 1 + PAST + AHEAD, last)
    past = past_weeks(project, tables, asked, lambda _: None)
    rules = BandRules(HYSTERESIS, COOL_DOWN, 1, WARM_UP)
    known = past.paths.until(WARM_UP + 1 + PAST)
    found: Figures = {}
    for name, share in A_WEEK.items():
        size = max(1, round(share * leads))
        whole = replay(past.paths, line_for(known, size, rules), rules)
        said, _ = promised(past, whole.within(0, PAST), AHEAD, int(known.cuts[-1]))
        after = whole.within(PAST, PAST + AHEAD)
        won = float(np.nansum(past.outcome[after.cut, after.lead]))
        found |= {f"{name} a week": size, f"{name} cutoff": round(float(expit(whole.line)), 3)}
        for what, each, came in (
            ("entered", said.entries, len(after.week)),
            ("converted", said.conversions, won),
        ):
            found |= {
                f"{name} {what}": f"{each.value:.0f} ({each.low:.0f} to {each.high:.0f}): {came:.0f}",
                f"{name} {what} held": bool(each.low <= came <= each.high),
            }  # fmt: skip
    return found


def concluded(rows: list[Figures]) -> str:
    """The campaign in words."""
    n = len(rows)
    held = {key: sum(row[key] for row in rows) for key in rows[0] if key.endswith(" held")}
    said = ", ".join(f"{key.removesuffix(' held')} {count}" for key, count in held.items())
    return (
        f"Lines found on {PAST} past weeks, promises for the {AHEAD} weeks after with 95 % predictive intervals; shown "
        f"as promised (interval): came. They held, of {n} teams: {said}. The logistic rung alone was fitted."
    )
