"""Speed of exact reasons beside LightGBM's own contributions, its prediction, and shap's TreeExplainer.

Models of 60 features (20 categories, 30 columns with missing values), 300 and 1,000 trees of 31 leaves; reasons
are summed by 20 groups of three features. Ours is all that a scored row needs: margin, exact contributions by
group, the five strongest and the rest. The four run in turn, round by round; a ratio is the median of the
rounds' ratios. Peers that are slow explain fewer rows; CPU seconds are scaled to `ROWS`.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from models.classifier import LightGBMRung
from models.contributions import sum_groups, top_reasons

Float64 = NDArray[np.float64]
FEATURES, CATEGORIES, GROUPS, TOP = 60, 20, 20, 5
ROWS, CHUNK, SLOW_ROWS, ROUNDS = 60_000, 20_000, 400, 5
GROUP = np.arange(FEATURES) // 3
MILLION = 1_000_000


def made_rows(n: int, seed: int) -> Float64:
    """(n, 60) categories, numbers with gaps, and counts."""
    rng = np.random.default_rng(seed)
    sizes = np.random.default_rng(0).integers(3, 40, CATEGORIES)
    X = np.empty((n, FEATURES))
    X[:, :CATEGORIES] = rng.integers(0, sizes, (n, CATEGORIES))
    X[:, CATEGORIES:50] = rng.normal(size=(n, 50 - CATEGORIES))
    X[:, 50:] = rng.poisson(2.0, (n, 10))
    part = X[:, 10:40]
    part[rng.random(part.shape) < 0.15] = np.nan
    return X


def trained(rounds: int) -> LightGBMRung:
    """A rung of `rounds` trees with 31 leaves."""
    X = made_rows(60_000, 1)
    known = np.nan_to_num(X)
    margin = (
        known[:, 20] + 0.5 * known[:, 21] * known[:, 22] + 0.2 * known[:, 55] + np.sin(known[:, 30]) - 1.5
    )
    margin += 0.3 * (known[:, 0] % 3 == 1) + 0.4 * (known[:, 1] % 5 == 2) - 0.3 * (known[:, 2] % 4 == 0)
    y = np.random.default_rng(2).random(len(X)) < 1.0 / (1.0 + np.exp(-margin))
    parameters = {
        "objective": "binary", "num_leaves": 31, "learning_rate": 0.05, "feature_fraction": 0.6, "seed": 1,
        "max_cat_to_onehot": 4, "num_threads": 2, "verbose": -1,
    }  # fmt: skip
    data = lightgbm.Dataset(X, y.astype(float), categorical_feature=list(range(CATEGORIES)))
    text = lightgbm.train(parameters, data, rounds).model_to_string()
    return LightGBMRung(text, np.arange(FEATURES), FEATURES, rounds)


def explained(rung: LightGBMRung, X: Float64) -> Iterator[tuple[Float64, Any]]:
    """Margin, and the strongest groups with the rest, chunk by chunk."""
    for start in range(0, len(X), CHUNK):
        margin, phi, _ = rung.explain(X[start : start + CHUNK], GROUP, GROUPS)
        yield margin, top_reasons(phi, TOP)


def cpu(work: Callable[[], Any]) -> float:
    """CPU seconds (user + system) of a piece of work."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def reasons_beside_peers(rounds: int) -> list[dict[str, Any]]:
    """A row for each peer."""
    import shap

    rung, X = trained(rounds), made_rows(ROWS, 3)
    booster = lightgbm.Booster(model_str=rung.text)
    few, share = X[:SLOW_ROWS], ROWS / SLOW_ROWS
    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")

    def by_shap() -> None:
        explainer.shap_values(few)
        booster.predict(few, raw_score=True, num_threads=1)

    works: dict[str, tuple[Callable[[], Any], float]] = {
        "ours": (lambda: list(explained(rung, X)), 1.0),
        "LightGBM pred_contrib": (lambda: booster.predict(few, pred_contrib=True, num_threads=1), share),
        "LightGBM predict (no reasons)": (lambda: booster.predict(X, raw_score=True, num_threads=1), 1.0),
        "shap.TreeExplainer + predict": (by_shap, share),
    }
    list(explained(rung, X[:CHUNK]))  # the tables are built once, at load
    spent = np.array([[cpu(work) * scale for work, scale in works.values()] for _ in range(ROUNDS)])
    phi, _ = rung.contributions(few)
    margin, by_group, _ = rung.explain(few, GROUP, GROUPS)
    off = max(
        float(np.abs(by_group - sum_groups(phi, GROUP, GROUPS)).max()),
        float(np.abs(margin - booster.predict(few, raw_score=True)).max()),
    )
    ours = float(np.median(spent[:, 0]))
    return [
        {
            "benchmark": "margin, exact reasons by group and the top 5",
            "size": f"{ROWS:,} rows, {FEATURES} features, {rounds:,} trees of 31 leaves",
            "ours_cpu_s": round(ours, 3), "peer": name, "peer_cpu_s": round(float(np.median(spent[:, place])), 3),
            "ratio": round(float(np.median(spent[:, place] / spent[:, 0])), 2), "equal_within": off,
        }
        for place, name in enumerate(works) if place
    ]  # fmt: skip


def memory_of_a_million() -> dict[str, Any]:
    """Peak memory above the input of a million rows, in a process of its own."""
    told = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True).stdout
    spent, mebibytes = told.split()
    return {
        "benchmark": f"the same for a million rows: {mebibytes} MiB above the input",
        "size": f"{MILLION:,} rows, {FEATURES} features, 300 trees of 31 leaves",
        "ours_cpu_s": float(spent), "peer": None, "peer_cpu_s": None, "ratio": None, "equal_within": None,
    }  # fmt: skip


def main() -> None:
    """Explain a million rows, keep every row's top 5; say CPU seconds and MiB above the input."""
    rung, X = trained(300), made_rows(MILLION, 4)
    before = _resident()
    kept: list[Any] = []
    spent = cpu(lambda: kept.extend(explained(rung, X)))
    print(f"{spent:.2f} {(_peak() - before) / 2**20:.0f}")


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
