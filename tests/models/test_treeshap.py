"""Contributions by tables: equal to LightGBM's own on any model, or refused by name."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.classifier import LightGBMRung
from models.trees import UnsupportedTreesError, read_trees
from models.treeshap import TreeTables

Float64 = NDArray[np.float64]
Booster = Any
ROOT = Path(__file__).parents[2]
ODD_VALUES = (np.nan, 0.0, -0.0, 1e-36, -1e-36, -1.0, -0.5, 1.5, 1e9, -1e9, np.inf, -np.inf, 299.0, 300.0)


@dataclass(frozen=True)
class Shape:
    """What a random model is made of."""

    seed: int
    kinds: tuple[str, ...]
    categories: int
    missing: float
    rounds: int
    leaves: int
    depth: int
    rows: int
    bins: int
    use_missing: bool
    zero_as_missing: bool


SHAPES = st.builds(
    Shape,
    seed=st.integers(0, 10_000),
    kinds=st.lists(
        st.sampled_from(["normal", "count", "category", "sparse", "constant"]), min_size=1, max_size=12
    ).map(tuple),
    categories=st.integers(2, 300),
    missing=st.sampled_from([0.0, 0.0, 0.1, 0.6]),
    rounds=st.sampled_from([1, 2, 5, 10]),
    leaves=st.sampled_from([2, 3, 8, 31, 63, 127]),
    depth=st.sampled_from([-1, 1, 2, 4, 9]),
    rows=st.sampled_from([30, 200, 800, 2000]),
    bins=st.sampled_from([3, 63, 255, 1000]),
    use_missing=st.booleans(),
    zero_as_missing=st.booleans(),
)


def column(kind: str, shape: Shape, rng: np.random.Generator) -> Float64:
    """One column of a kind; none of the kinds but `constant` is the same everywhere."""
    n = shape.rows
    found = np.full(n, 3.0)
    if kind in {"normal", "sparse"}:
        found = rng.normal(size=n) * (rng.random(n) < (0.2 if kind == "sparse" else 1.0))
    elif kind != "constant":
        found = rng.integers(0, 6 if kind == "count" else shape.categories, n).astype(float)
    found[rng.random(n) < shape.missing] = np.nan
    return found


def trained(shape: Shape, **settings_of_lightgbm: Any) -> tuple[Booster, Float64]:
    """A fitted model and rows to explain: its own, and odd ones."""
    rng = np.random.default_rng(shape.seed)
    X = np.column_stack([column(kind, shape, rng) for kind in shape.kinds])
    y = (np.nan_to_num(X).sum(axis=1) % 3.0 + rng.normal(size=len(X)) > 1.0).astype(float)
    parameters = {
        "objective": "binary", "num_leaves": shape.leaves, "max_depth": shape.depth, "verbose": -1, "seed": 1,
        "min_data_in_leaf": 1, "min_data_in_bin": 1, "min_sum_hessian_in_leaf": 1e-3, "max_bin": shape.bins,
        "use_missing": shape.use_missing, "zero_as_missing": shape.zero_as_missing, "num_threads": 1,
        "cat_smooth": 1.0, "min_data_per_group": 1, "learning_rate": 0.3, **settings_of_lightgbm,
    }  # fmt: skip
    categories = [place for place, kind in enumerate(shape.kinds) if kind == "category"]
    booster = lightgbm.train(
        parameters, lightgbm.Dataset(X, y, categorical_feature=categories), num_boost_round=shape.rounds
    )
    odd = rng.choice(np.array(ODD_VALUES), size=(60, X.shape[1]))
    # LightGBM casts a category to a 32-bit integer, which infinity has no place in
    odd[:, categories] = np.where(np.isinf(odd[:, categories]), np.nan, odd[:, categories])
    return booster, np.concatenate([X[:100], odd])


def plain(kinds: str = "normal count category", **changes: Any) -> Shape:
    """A shape without surprises."""
    values = {
        "seed": 0, "kinds": tuple(kinds.split()), "categories": 8, "missing": 0.1, "rounds": 5, "leaves": 15,
        "depth": -1, "rows": 600, "bins": 255, "use_missing": True, "zero_as_missing": False, **changes,
    }  # fmt: skip
    return Shape(**values)


@pytest.fixture(scope="module")
def model() -> tuple[Booster, Float64]:
    """A plain model with its rows."""
    return trained(plain())


@settings(max_examples=200)
@given(shape=SHAPES)
def test_tables_equal_lightgbm_on_random_models(shape: Shape) -> None:
    try:
        booster, X = trained(shape)
    except lightgbm.basic.LightGBMError:
        reject()  # a few odd shapes LightGBM itself can't be trained on
    expected = booster.predict(X, pred_contrib=True)

    tables = TreeTables(booster.model_to_string(), np.arange(X.shape[1]), X.shape[1])
    margin, phi = tables.explain(X)

    assert (margin == booster.predict(X, raw_score=True)).all()
    assert np.abs(phi - expected[:, :-1]).max() <= 1e-9
    assert abs(tables.base - expected[0, -1]) <= 1e-9


def test_the_columns_of_a_group_are_summed(model: tuple[Booster, Float64]) -> None:
    booster, X = model
    expected = booster.predict(X, pred_contrib=True)

    _, phi = TreeTables(booster.model_to_string(), np.array([1, 0, 1]), 2).explain(X)

    assert np.abs(phi[:, 0] - expected[:, 1]).max() <= 1e-12
    assert np.abs(phi[:, 1] - expected[:, 0] - expected[:, 2]).max() <= 1e-12


def test_one_row_gets_the_same_bits_as_many_in_any_number_of_threads(model: tuple[Booster, Float64]) -> None:
    booster, rows = model
    X = np.tile(rows, (120, 1))
    tables = TreeTables(booster.model_to_string(), np.arange(3), 3)

    margin, phi = tables.explain(X)
    margin_by_two, phi_by_two = tables.explain(X, threads=2)

    assert (margin_by_two == margin).all()
    assert (phi_by_two == phi).all()
    for row in range(0, len(rows), 13):
        alone_margin, alone = tables.explain(X[row : row + 1])
        assert alone_margin[0] == margin[row]
        assert (alone[0] == phi[row]).all()


def test_no_rows_have_no_contributions(model: tuple[Booster, Float64]) -> None:
    margin, phi = TreeTables(model[0].model_to_string(), np.arange(3), 3).explain(np.empty((0, 3)))

    assert margin.shape == (0,)
    assert phi.shape == (0, 3)


def test_more_than_254_thresholds_of_one_column_are_told_apart() -> None:
    booster, X = trained(plain("normal", rows=4000, bins=2000, rounds=40, leaves=63, missing=0.0))
    n_thresholds = len({x for tree in read_trees(booster.model_to_string()) for x in tree.threshold.tolist()})

    _, phi = TreeTables(booster.model_to_string(), np.arange(1), 1).explain(X)

    assert n_thresholds > 254
    assert np.abs(phi - booster.predict(X, pred_contrib=True)[:, :-1]).max() <= 1e-9


def test_a_model_without_a_split_is_all_base() -> None:
    booster, X = trained(plain("constant", missing=0.0, rounds=3))

    margin, phi = TreeTables(booster.model_to_string(), np.arange(1), 1).explain(X)

    assert (phi == 0.0).all()
    assert (margin == booster.predict(X, raw_score=True)).all()


def averaged() -> str:
    """A random forest averages its trees."""
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    return str(trained(plain(), **forest)[0].model_to_string())


def of_three_classes() -> str:
    """A model of three outputs."""
    rng = np.random.default_rng(0)
    data = lightgbm.Dataset(rng.normal(size=(300, 2)), rng.integers(0, 3, 300))
    parameters = {"objective": "multiclass", "num_class": 3, "verbose": -1}
    return str(lightgbm.train(parameters, data, 2).model_to_string())


def with_linear_leaves() -> str:
    """A model whose leaves are lines."""
    return str(trained(plain("normal normal"), linear_tree=True)[0].model_to_string())


def with_long_paths() -> str:
    """A model whose one path asks for more features than a table has bits."""
    reached = np.repeat(np.arange(25), 20)
    X = (reached[:, None] > np.arange(24)).astype(float)
    y = 3.0**reached  # the best split is always the last that is left, so the tree is a chain
    parameters = {
        "objective": "regression", "num_leaves": 127, "min_data_in_leaf": 1, "verbose": -1,
        "learning_rate": 1.0, "lambda_l2": 0.0, "min_sum_hessian_in_leaf": 0.0,
    }  # fmt: skip
    return str(lightgbm.train(parameters, lightgbm.Dataset(X, y), 2).model_to_string())


def read_both_ways() -> str:
    """A model text in which a column is split as a number and as a category."""
    text = str(trained(plain("normal category", rounds=8, leaves=31))[0].model_to_string())
    lines = [
        line.replace("=1", "=0", 1).replace(" 1", " 0") if line.startswith("split_feature=") else line
        for line in text.splitlines()
    ]
    return "\n".join(lines)


def cut_short() -> str:
    """A model text that was damaged."""
    return str(trained(plain())[0].model_to_string()).replace("left_child=", "left_child=1 ", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (averaged, "averages its trees"),
        (of_three_classes, "one output is needed; the model has 3"),
        (with_linear_leaves, "the leaves are linear"),
        (with_long_paths, "a path asks for"),
        (read_both_ways, "column 0 is read in two ways"),
        (cut_short, "a tree can't be read"),
    ],
)
def test_models_of_another_kind_are_refused_by_name(text: Any, message: str) -> None:
    with pytest.raises(UnsupportedTreesError, match=message):
        TreeTables(text(), np.arange(24), 24)


def test_tables_that_would_be_too_large_are_refused(model: tuple[Booster, Float64]) -> None:
    with pytest.raises(UnsupportedTreesError, match=r"would take [\d,]+ bytes; 1,000 are the most"):
        TreeTables(model[0].model_to_string(), np.arange(3), 3, most_bytes=1_000)


def test_a_category_number_too_large_for_a_code_is_refused(model: tuple[Booster, Float64]) -> None:
    text = model[0].model_to_string()
    start = text.index("cat_threshold=") + len("cat_threshold=")
    wide = text[:start] + "0 " * 3000 + text[start:]
    bounds = wide.index("cat_boundaries=0 ") + len("cat_boundaries=0 ")
    end = wide.index("\n", bounds)
    moved = " ".join(str(int(each) + 3000) for each in wide[bounds:end].split())

    with pytest.raises(UnsupportedTreesError, match=r"a column has .* thresholds or categories"):
        TreeTables(wide[:bounds] + moved + wide[end:], np.arange(3), 3)


def test_without_a_folder_for_compiled_code_the_loops_run_all_the_same(tmp_path: Path) -> None:
    for name in ("features", "models"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "models" / "__pycache__").touch()  # numba can make no folder of that name
    code = (
        "import numpy as np; from models.treeshap_kernel import category_codes; codes = np.zeros(2, np.uint8); "
        "category_codes(np.array([3.0, np.nan]), 9, codes); print(codes.tolist())"
    )
    barren = {
        key: value for key, value in os.environ.items() if key not in {"NUMBA_CACHE_DIR", "XDG_CACHE_HOME"}
    }
    barren |= {"HOME": os.devnull, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=barren, capture_output=True, text=True, check=False
    )

    assert (done.stdout.strip(), done.returncode) == ("[4, 0]", 0), done.stderr


def rung_of(text: str, n_features: int, **changes: Any) -> LightGBMRung:
    """The trees as a rung on all columns."""
    return LightGBMRung(text, np.arange(n_features), n_features, 5, **changes)


def test_long_paths_are_explained_the_slow_way_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    rung, X = rung_of(with_long_paths(), 24), np.random.default_rng(1).integers(0, 2, (50, 24)).astype(float)
    phi, base = rung.contributions(X)

    with caplog.at_level(logging.WARNING, "lead_scoring"):
        margin, found, found_base = rung.explain(X, np.arange(24), 24)

    assert (found == phi).all()
    assert (margin == rung.margin(X)).all()
    assert found_base == base
    assert "reasons take the slow way: a path asks for" in caplog.text


def test_tables_that_differ_are_not_used_and_the_log_says_so(
    model: tuple[Booster, Float64], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    booster, X = model
    rung = rung_of(booster.model_to_string(), 3)
    honest = TreeTables.explain
    monkeypatch.setattr(TreeTables, "explain", lambda *given: (honest(*given)[0], honest(*given)[1] + 1e-8))

    with caplog.at_level(logging.WARNING, "lead_scoring"):
        _, found, _ = rung.explain(X, np.arange(3), 3)

    assert (found == rung.contributions(X)[0]).all()
    assert "the tables are off by 1e-08" in caplog.text


def test_a_rung_without_tables_never_builds_them(
    model: tuple[Booster, Float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    booster, X = model
    rung = rung_of(booster.model_to_string(), 3, has_tables=False)
    monkeypatch.setattr("models.treeshap.TreeTables", None)

    _, found, _ = rung.explain(X, np.arange(3), 3)

    assert (found == rung.contributions(X)[0]).all()
