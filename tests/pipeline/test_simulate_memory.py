"""The world in which half-lives are true: its hazards are those of the law, its chances calibrated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from features.errors import InputError
from pipeline.simulate import (
    World,
    WorldSettings,
    p_history,
    p_history_account,
    p_history_memory,
    p_state,
    project_toml,
    simulate,
    write_world,
)
from pipeline.simulate.memory import MemoryLaw, make_memory_law
from pipeline.simulate.memory_oracle import p_of_memory
from pipeline.simulate.vocabulary import EVENT_TYPES

Floats = NDArray[np.float64]

DAY = pd.Timedelta(days=1)
SETTINGS = WorldSettings(n_leads=8_000, seed=5, dirt=False, on=("memory",))


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(SETTINGS)


@pytest.fixture(scope="module")
def small() -> World:
    return simulate(WorldSettings(n_leads=500, seed=4, drift=True, on=("memory",)))


def _lives(world: World) -> pd.DataFrame:
    """Leads by position, with days since the start of the calendar and what their law makes of the fields."""
    facts = world.truth["leads"].to_pandas()
    ends = world.outcomes.set_index("lead_id").reindex(facts["lead_id"])
    start, data_end = (pd.Timestamp(moment, unit="us", tz="UTC") for moment in _span(world))
    level = make_memory_law(world.settings).level(
        world.law, *(facts[name].to_numpy() for name in ("segment", "fit", "cohort"))
    )
    return pd.DataFrame(
        {
            "lead_id": facts["lead_id"],
            "born": (facts["created_at"] - start) / DAY,
            "end": ((ends["occurred_at"].fillna(data_end) - start) / DAY).to_numpy(),
            "outcome": ends["outcome"].to_numpy(),
            "level": level,
        }
    )


def _span(world: World) -> tuple[int, int]:
    return world.settings.start_us, world.settings.end_us


def _sums(world: World, lead: NDArray[np.int64], at: Floats, half_lives: dict[str, float]) -> Floats:
    """S of each group at moments of leads, added up event by event: the definition."""
    law, events = make_memory_law(world.settings), world.events
    start = pd.Timestamp(world.settings.start_us, unit="us", tz="UTC")
    place = pd.Index(world.leads["lead_id"]).get_indexer(events["lead_id"])
    day = ((events["occurred_at"] - start) / DAY).to_numpy()
    pairs = pd.DataFrame({"lead": lead, "at": at, "row": np.arange(len(lead))})
    found = np.zeros((len(lead), len(law.groups)))
    for number, (name, group) in enumerate(law.groups.items()):
        of_group = events["event_type"].isin(group.event_types).to_numpy()
        mine = pd.DataFrame({"lead": place[of_group], "day": day[of_group]})
        both = pairs.merge(mine, on="lead")
        both = both[both["day"] < both["at"]]
        weight = 0.5 ** ((both["at"] - both["day"]) / half_lives[name])
        found[:, number] = np.bincount(both["row"], weight, minlength=len(lead))
    return np.minimum(found, law.cap)


def _logistic(columns: Floats, offset: Floats, y: Floats) -> tuple[Floats, Floats, float]:
    """Coefficients, their standard errors and the log-likelihood, by Newton's method."""
    beta = np.zeros(columns.shape[1])
    beta[0] = np.log(y.mean() / (1 - y.mean())) - offset.mean()
    for _ in range(25):
        p = 1 / (1 + np.exp(-(columns @ beta + offset)))
        information = (columns * (p * (1 - p))[:, None]).T @ columns
        beta = beta + np.linalg.solve(information, columns.T @ (y - p))
    margin = columns @ beta + offset
    fit = float((y * margin - np.logaddexp(0, margin)).sum())
    return beta, np.sqrt(np.diag(np.linalg.inv(information))), fit


def _cases_and_controls(world: World) -> tuple[pd.DataFrame, NDArray[np.int64], Floats, Floats]:
    """Every win, and moments drawn evenly from all open time: the odds of a case are the hazard's."""
    lives = _lives(world)
    rng = np.random.default_rng(0)
    length = (lives["end"] - lives["born"]).to_numpy()
    owner = rng.choice(len(lives), 10_000, p=length / length.sum())
    won = np.flatnonzero(lives["outcome"] == "won")
    lead = np.concatenate([won, owner])
    controls = lives["born"].to_numpy()[owner] + rng.random(len(owner)) * length[owner]
    at = np.concatenate([lives["end"].to_numpy()[won], controls])
    return lives, lead, at, np.repeat([1.0, 0.0], [len(won), len(owner)])


def test_the_hazard_is_recovered_with_the_true_half_lives_and_fits_worse_with_wrong_ones(
    world: World,
) -> None:
    law = make_memory_law(world.settings)
    lives, lead, at, y = _cases_and_controls(world)
    offset = np.log(lives["level"].to_numpy()[lead])
    true = {name: group.half_life_days for name, group in law.groups.items()}

    def fit(half_lives: dict[str, float]) -> tuple[Floats, Floats, float]:
        columns = np.column_stack([np.ones(len(lead)), _sums(world, lead, at, half_lives)])
        return _logistic(columns, offset, y)

    beta, error, best = fit(true)

    assert (y == 1).sum() > 1_500
    assert (np.abs(beta[1:] - law.beta) < 4 * error[1:]).all()
    # twice this difference is chi-squared by Wilks: 8 is a p-value of 6e-5 with one degree of freedom
    for name, value in true.items():
        for factor in (0.4, 2.5):
            assert fit({**true, name: factor * value})[2] < best - 8


def test_the_chance_is_calibrated_on_the_outcomes(world: World) -> None:
    # windows of 30 days, cuts 60 days apart; 8 checks of |z| < 4 fail by chance once in 2,000
    lives = _lives(world)
    parts = []
    for cut in pd.date_range("2024-11-01", "2025-12-01", freq="60D", tz="UTC"):
        day = (cut - pd.Timestamp(world.settings.start_us, unit="us", tz="UTC")) / DAY
        rows = lives[(lives["born"] < day) & (lives["end"] >= day)]
        y = (rows["outcome"] == "won") & (rows["end"] < day + 30)
        parts.append(pd.DataFrame({"lead_id": rows["lead_id"], "as_of": cut, "y": y}))
    found = pd.concat(parts, ignore_index=True)

    found["p"] = p_history_memory(world, found["lead_id"].tolist(), found["as_of"].to_numpy(), draws=32)
    bins = found.groupby(pd.qcut(found["p"], 8, labels=False))
    spread = np.sqrt(bins["p"].apply(lambda p: (p * (1 - p)).sum()))
    z = (bins["y"].sum() - bins["p"].sum()) / spread

    assert found["p"].notna().all()
    assert 0.04 < found["y"].mean() < 0.10
    assert found["p"].quantile(0.95) > 8 * found["p"].quantile(0.05)
    assert (z.abs() < 4).all()


def test_the_chance_is_that_of_futures_played_out_one_by_one() -> None:
    law = make_memory_law(SETTINGS)
    memory, level, days, n = np.array([1.5, 2.0, 0.7]), 4e-4, 20.0, 8_000
    rng = np.random.default_rng(1)
    step = 1 / 48
    stays, won, s = np.ones(n), np.zeros(n), np.tile(memory, (n, 1))
    group = law.group_of(np.arange(len(EVENT_TYPES)))
    rates = np.array([law.type_rates[group == number].sum() for number in range(3)]) * law.by_entry[2]
    half_lives = np.array([each.half_life_days for each in law.groups.values()])
    for _ in range(round(days / step)):
        hazard = level * np.exp((law.beta * np.minimum(s, law.cap)).sum(axis=1))
        won += stays * hazard * step
        stays *= 1 - (hazard + law.lost + law.disqualified) * step
        s = s * 0.5 ** (step / half_lives) + (rng.random((n, 3)) < rates * step)

    p = p_of_memory(law, memory[None], np.array([level]), np.array([2]), days, draws=8_192)

    # both are means of drawn futures; the grid of half an hour errs by less than one percent
    spread = won.std() * np.sqrt(1 / n + 1 / 8_192)
    assert p[0] == pytest.approx(won.mean(), abs=4 * spread + 0.01 * won.mean())
    assert spread < 0.02 * won.mean()


def test_with_nothing_to_remember_the_chance_is_that_of_two_constant_hazards() -> None:
    law = make_memory_law(WorldSettings(n_leads=5, shuffle_labels=True, on=("memory",)))
    leaving = 0.004 + law.lost + law.disqualified

    p = p_of_memory(law, np.array([[3.0, 0.0, 9.0]]), np.array([0.004]), np.array([0]), 30.0, draws=4)

    assert law.beta.tolist() == [0.0, 0.0, 0.0]
    assert p[0] == pytest.approx(0.004 / leaving * -np.expm1(-30 * leaving))


def test_events_are_poisson_at_the_rates_of_the_law(world: World) -> None:
    law, lives = make_memory_law(world.settings), _lives(world)
    entry = world.truth["leads"].to_pandas()["entry"].to_numpy()
    days = (lives["end"] - lives["born"]).to_numpy()
    place = pd.Index(lives["lead_id"]).get_indexer(world.events["lead_id"])

    for number, factor in enumerate(law.by_entry):
        mine = world.events["event_type"][entry[place] == number].value_counts()
        expected = law.type_rates * factor * days[entry == number].sum()
        # the end is a stopping time, so counts less rate times open time have mean zero (Doob), also where
        # events bring the win on; 64 checks of four standard deviations fail by chance once in 250
        count = mine.reindex(EVENT_TYPES, fill_value=0).to_numpy()
        assert (np.abs(count - expected) < 4 * np.sqrt(expected)).all()


def test_there_is_no_hidden_intent(world: World) -> None:
    paths = world.truth["paths"].to_pandas()

    assert paths["lead"].tolist() == list(range(SETTINGS.n_leads))
    assert paths["state"].nunique() == 1
    for chance in (p_history, p_history_account, p_state):
        with pytest.raises(InputError, match="no hidden intent to filter; ask p_history_memory"):
            chance(world, ["L0000001"], np.zeros(1, dtype=np.int64))


def test_the_tables_have_the_usual_columns_and_the_project_file_its_usual_text(small: World) -> None:
    usual = simulate(WorldSettings(n_leads=20, drift=True))

    for name, table in usual.tables.items():
        assert small.tables[name].schema == table.schema
    assert project_toml(small.settings) == project_toml(WorldSettings(n_leads=500, seed=4, drift=True))
    assert set(small.events["event_type"]) <= set(EVENT_TYPES)
    assert small.truth["bots"].num_rows > 0
    assert small.events.duplicated().any()


def test_wins_are_after_the_creation_and_events_before_the_end(small: World) -> None:
    lives = _lives(small).set_index("lead_id")
    start = pd.Timestamp(small.settings.start_us, unit="us", tz="UTC")
    day = (small.events["occurred_at"] - start) / DAY
    of = lives.loc[small.events["lead_id"]]

    assert (lives["end"] > lives["born"]).all()
    assert (day.to_numpy() >= of["born"].to_numpy()).all()
    assert (day.to_numpy() < of["end"].to_numpy()).all()


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_the_folder_answers_as_the_world_does(small: World, tmp_path: Path, file_format: str) -> None:
    write_world(small, tmp_path, file_format)  # type: ignore[arg-type]
    ids = small.leads["lead_id"].tolist()
    moments = np.full(len(ids), pd.Timestamp("2025-09-01", tz="UTC").value // 1000)

    found = p_history_memory(tmp_path, ids, moments, draws=4)

    np.testing.assert_array_equal(found, p_history_memory(small, ids, moments, draws=4))
    assert np.isfinite(found).sum() > 30
    assert MemoryLaw.read(tmp_path / "truth" / "memory.json") == make_memory_law(small.settings)


def test_a_row_has_the_same_chance_whatever_rows_it_is_asked_with(small: World) -> None:
    ids = small.leads["lead_id"].tolist()
    moments = np.full(len(ids), pd.Timestamp("2025-09-01", tz="UTC").value // 1000)
    p = p_history_memory(small, ids, moments, draws=4)
    some = np.flatnonzero(np.isfinite(p))[::7]

    alone = p_history_memory(small, [ids[row] for row in some], moments[some], draws=4)

    np.testing.assert_array_equal(alone, p[some])


def test_bots_and_duplicates_are_not_remembered(small: World) -> None:
    bots = small.truth["bots"].to_pandas().iloc[0]
    ids = [small.leads["lead_id"].iloc[bots["lead"]]] * 2
    minute = pd.Timedelta(minutes=1)
    moments = np.array([(bots["occurred_at"] + shift).value // 1000 for shift in (-minute, minute)])

    before, after = p_history_memory(small, ids, moments, draws=8_192)

    # ten clicks more would add 10 to S of e-mail and multiply the hazard by e to the 6
    assert after == pytest.approx(before, rel=0.05)


def test_only_open_leads_have_a_chance(small: World) -> None:
    first = small.outcomes.iloc[0]
    born = small.leads.set_index("lead_id").loc[first["lead_id"], "created_at"]
    us = pd.Timedelta(microseconds=1)
    moments = [born, born + us, first["occurred_at"], first["occurred_at"] + us]

    p = p_history_memory(
        small, [first["lead_id"]] * 4, np.array([each.value // 1000 for each in moments]), draws=2
    )

    assert np.isnan(p).tolist() == [True, False, False, True]


def test_faulty_questions_are_named(small: World) -> None:
    moments = np.zeros(1, dtype=np.int64)

    with pytest.raises(InputError, match="draws is 0, expected 1 to 8192"):
        p_history_memory(small, ["L0000001"], moments, draws=0)
    with pytest.raises(InputError, match=r"no memory; simulate it with 'memory' in WorldSettings\.on"):
        p_history_memory(simulate(WorldSettings(n_leads=3)), ["L0000001"], moments)
