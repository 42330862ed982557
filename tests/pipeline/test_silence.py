"""If nothing happens: the day of the fall, against scoring each later day from tables cut today."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from features.asof import NEVER, microseconds
from features.contracts import Tables
from features.hindsight import known_before
from models.bands import Anchors
from models.bundle import Bundle, load_bundle
from models.settings import BandSettings
from pipeline.config import load_project
from pipeline.open_leads import OpenLeads, leads_to_score, scored_chunks, tables_for
from pipeline.silence import DAY, silent_until
from tests.pipeline.by_hand import AS_OF, PROJECT, events_before, points_bundle, world
from tests.pipeline.conftest import Crm, scores

MOMENT = pd.Timestamp("2025-09-15T10:00Z").as_unit("us")
HORIZON = 30


@dataclass(frozen=True)
class Future:
    """Probabilities of every lead open at MOMENT, (days, leads), day 0 first, nothing new happening."""

    bundle: Bundle
    leads: OpenLeads
    probability: NDArray[np.float64]


def _cut(tables: Tables, moment: pd.Timestamp) -> Tables:
    """The tables as an export at that moment would have held them."""
    events = tables.events
    return replace(
        tables,
        leads=tables.leads[tables.leads["created_at"] < moment],
        events=events[events[["occurred_at", "recorded_at"]].max(axis=1) < moment],
        outcomes=tables.outcomes[tables.outcomes["occurred_at"] < moment],
        field_changes=tables.field_changes[tables.field_changes["changed_at"] < moment],
    )


@pytest.fixture(scope="module")
def future(crm: Crm) -> Future:
    project, bundle = load_project(crm.project), load_bundle(crm.bundle)
    tables = tables_for(project, bundle)
    cut = _cut(tables, MOMENT)
    days: list[NDArray[np.float64]] = []
    names = leads_to_score(cut, bundle, project, MOMENT).lead_ids
    for day in range(HORIZON + 1):
        later = leads_to_score(cut, bundle, project, MOMENT + pd.Timedelta(days=day))
        ids, _, scored = next(scored_chunks(later, bundle, 20_000, 1))
        assert ids == names
        days.append(scored.probability)
    return Future(bundle, leads_to_score(tables, bundle, project, MOMENT), np.stack(days))


def _found(future: Future, bundle: Bundle, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    chosen = future.leads.rows if rows is None else future.leads.rows.take(rows)
    data = known_before(future.leads.data, future.leads.as_of)
    margins = np.concatenate(
        [each.margin for _, _, each in scored_chunks(replace(future.leads, rows=chosen), bundle, 9_999, 1)]
    )
    return silent_until(bundle, data, chosen, margins)


def _with_lines(bundle: Bundle, mql: float, sql: float, further: dict[str, float]) -> Bundle:
    scorer = replace(bundle.scorer, anchors=Anchors(mql, sql), bands=BandSettings(further=further))
    return replace(bundle, scorer=scorer)


@pytest.mark.parametrize("quantiles", [(0.7, 0.9), (0.2, 0.5), (0.02, 0.05), (0.4, 0.98)])
@pytest.mark.parametrize("further", [{}, {"warm": 30.0, "hot": 95.0}])
def test_the_day_is_that_of_scoring_every_later_day(
    future: Future, quantiles: tuple[float, float], further: dict[str, float]
) -> None:
    mql, sql = np.quantile(future.probability[0], quantiles)
    bundle = _with_lines(future.bundle, float(mql), float(sql), further)
    logit = np.log(future.probability / (1 - future.probability))
    low, high = (np.log(each / (1 - each)) for each in (mql, sql))
    score = np.clip(50 + 30 * (logit - low) / (high - low), 0, 100)
    rank = (future.probability >= mql).astype(int) + (future.probability >= sql)
    for cut in further.values():
        rank = rank + (score >= cut)
    expected = np.full(rank.shape[1], NEVER)
    for lead in range(rank.shape[1]):
        lower = rank[1:, lead] < rank[0, lead]
        days = [day for day in range(1, HORIZON + 1) if lower[day - 1 :].all()]
        if days:
            expected[lead] = future.leads.as_of + days[0] * DAY

    found = _found(future, bundle)

    assert found.tolist() == expected.tolist()
    assert len(set(found.tolist())) > 5
    assert (found == NEVER).any()


def test_one_lead_alone_gives_what_the_batch_gives(future: Future) -> None:
    mql, sql = np.quantile(future.probability[0], [0.2, 0.5])
    bundle = _with_lines(future.bundle, float(mql), float(sql), {})
    together = _found(future, bundle)

    for row in range(0, len(together), max(1, len(together) // 20)):
        assert _found(future, bundle, np.array([row])).tolist() == [together[row]]


def test_the_output_holds_the_moment_and_null_for_the_lowest_band(scored: Path) -> None:
    found = scores(scored)

    silent, is_above = found["silent_until"], found["band"] != "below"
    ahead = (silent - found["as_of"]).dt.total_seconds() / 86_400
    assert silent[~is_above].isna().all()
    assert silent[is_above].notna().any()
    assert ahead.dropna().isin(range(1, HORIZON + 1)).all()


def test_it_can_be_switched_off(crm: Crm, scored: Path, tmp_path: Path) -> None:
    project = crm.written(tmp_path / "lead-scoring.toml", "\n[score]\nsilent_until = false\n")

    assert crm.score(tmp_path / "s.parquet", "-p", project).code == 0

    found = scores(tmp_path / "s.parquet")
    assert found["silent_until"].isna().all()
    assert found.drop(columns="silent_until").equals(scores(scored).drop(columns="silent_until"))


@pytest.mark.parametrize(
    ("happened", "rules", "horizon", "day"),
    [
        # counted while at most 5 days old: at + 4 days it is 5 days old, at + 5 no more
        ({"visit": 1}, {"visit": (10, 5)}, "30d", 5),
        # the fall lies on the last day of the horizon, in its broken-off last day, after it
        ({"visit": 1}, {"visit": (10, 5)}, "5d", 5),
        ({"visit": 1}, {"visit": (10, 5)}, "119h", None),
        ({"visit": 1}, {"visit": (10, 5)}, "4d", None),
        # below on the days 3 to 5, then the warning sign is forgotten
        ({"visit": 1, "stop": 1, "call": 1}, {"visit": (10, 3), "stop": (-10, 6), "call": (10, 60)}, "30d", None),
        # the same, and lower for good once the call is forgotten too
        ({"visit": 1, "stop": 1, "call": 1}, {"visit": (10, 3), "stop": (-10, 6), "call": (10, 9)}, "30d", 9),
        # from SQL to MQL is a fall; the next one does not count
        ({"visit": 1, "call": 1}, {"visit": (10, 3), "call": (10, 9)}, "30d", 3),
        # nothing to fall from
        ({"visit": 1}, {"visit": (9, 5)}, "30d", None),
        ({}, {"visit": (10, 5)}, "30d", None),
        # nothing known an hour ago or before has an end in sight
        ({"visit": 0.04}, {"visit": (10, 31)}, "30d", None),
        ({"visit": 0.04}, {"visit": (10, 5)}, "23h", None),
    ],
)  # fmt: skip
def test_a_points_table_falls_by_its_own_bands(
    happened: dict[str, float], rules: dict[str, tuple[float, int]], horizon: str, day: int | None
) -> None:
    bundle = points_bundle(rules, horizon)
    leads = leads_to_score(world(events_before("L", **happened)), bundle, PROJECT, AS_OF)
    _, _, scored = next(scored_chunks(leads, bundle, 10, 1))

    found = silent_until(bundle, known_before(leads.data, leads.as_of), leads.rows, scored.margin)

    now = int(microseconds(AS_OF)[0])
    assert found.tolist() == [NEVER if day is None else now + day * DAY]


def test_what_happened_since_is_not_looked_at() -> None:
    bundle = points_bundle({"visit": (10, 5)})
    later = events_before("L", visit=-2)
    leads = leads_to_score(world([*events_before("L", visit=1), *later]), bundle, PROJECT, AS_OF)
    margins = np.array([10.0])

    found = silent_until(bundle, known_before(leads.data, leads.as_of), leads.rows, margins)

    assert found.tolist() == [leads.as_of + 5 * DAY]
