"""Other ways to learn, one a call, in an environment that need not hold this project.

    python benchmarks/peers.py NAME job.npz answer.json --trials 30 --seconds 60 --threads 2

The job holds X, y, is_category, X_test and rolling folds (train_0, validate_0, ...): rows in order of time, a
fold's training part known when its validation part began. The answer holds the probabilities of X_test, the CPU
seconds (user + system, of this process and its children, without imports), what was chosen, and versions.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Answer = tuple[Float64, dict[str, Any]]
PATIENCE = 50


@dataclass(frozen=True)
class Job:
    """What a peer gets to see, and what it may spend.

    Attributes
    ----------
    X, y : development in order of time; NaN is missing, categories are indices.
    folds : (train, validate) positions, expanding in time; the last is the latest.
    """

    X: Float64
    y: Float64
    is_category: NDArray[np.bool_]
    X_test: Float64
    folds: list[tuple[Int64, Int64]]
    trials: int
    seconds: int
    threads: int

    @property
    def categories(self) -> list[int]:
        """Positions of the columns that hold categories."""
        return [int(each) for each in np.flatnonzero(self.is_category)]

    def frame(self, X: Float64) -> Any:
        """A data frame whose categories are typed as such; a missing one is a category of its own."""
        pandas = importlib.import_module("pandas")
        table = pandas.DataFrame(X, columns=[f"f{k}" for k in range(X.shape[1])])
        for k in self.categories:
            codes = np.nan_to_num(X[:, k], nan=-1.0).astype(np.int64)
            levels = [f"c{each}" for each in range(-1, int(np.nanmax(self.X[:, k], initial=0.0)) + 2)]
            table[f"f{k}"] = pandas.Categorical([f"c{each}" for each in codes], categories=levels)
        return table


def logistic(job: Job) -> Answer:
    """One-hot categories, scaled numbers, L2 strength by the pooled log loss of the folds."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def fitted(strength: float, rows: Int64) -> Any:
        numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
        columns = ColumnTransformer(
            [
                ("numbers", numbers, np.flatnonzero(~job.is_category).tolist()),
                ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), job.categories),
            ]
        )
        model = LogisticRegression(C=strength, solver="newton-cholesky", max_iter=100)
        return make_pipeline(columns, model).fit(job.X[rows], job.y[rows])

    losses: dict[float, float] = {}
    for strength in (1e-3, 1e-2, 1e-1, 1.0, 10.0):
        chances = [fitted(strength, train).predict_proba(job.X[held])[:, 1] for train, held in job.folds]
        losses[strength] = pooled_loss(job, chances)
    best = min(losses, key=lambda strength: losses[strength])
    return fitted(best, np.arange(len(job.y))).predict_proba(job.X_test)[:, 1], {"C": best}


def lightgbm_defaults(job: Job) -> Answer:
    """LGBMClassifier as it comes, categories declared."""
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_jobs=job.threads, random_state=0, verbosity=-1)
    model.fit(job.frame(job.X), job.y)
    return np.asarray(model.predict_proba(job.frame(job.X_test)))[:, 1], {}


def lightgbm_tuned(job: Job) -> Answer:
    """LightGBM with the parameters and rounds that Optuna's default sampler found best on the folds."""
    import lightgbm
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    fixed = {
        "objective": "binary", "verbosity": -1, "num_threads": job.threads, "seed": 0, "bagging_freq": 1,
        "feature_pre_filter": False,
    }  # fmt: skip
    whole = lightgbm.Dataset(
        job.X, job.y, categorical_feature=job.categories, params=fixed, free_raw_data=False
    ).construct()
    parts = [(whole.subset(sorted(train)), whole.subset(sorted(held))) for train, held in job.folds]

    def loss_of(trial: optuna.Trial) -> float:
        parameters = fixed | {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 128, log=True),
            "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 5, 300, log=True),
            "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 100.0, log=True),
            "feature_fraction": trial.suggest_float("feature_fraction", 0.3, 1.0),
            "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
            "cat_smooth": trial.suggest_float("cat_smooth", 1.0, 100.0, log=True),
        }
        rounds, losses, sizes = [], [], []
        for train, held in parts:
            stop = lightgbm.early_stopping(PATIENCE, verbose=False)
            booster = lightgbm.train(parameters, train, 1000, valid_sets=[held], callbacks=[stop])
            rounds.append(booster.best_iteration)
            losses.append(booster.best_score["valid_0"]["binary_logloss"])
            sizes.append(held.num_data())
        trial.set_user_attr("rounds", int(np.median(rounds)))
        return float(np.average(losses, weights=sizes))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(loss_of, n_trials=job.trials)
    chosen = dict(study.best_params) | {"rounds": study.best_trial.user_attrs["rounds"]}
    booster = lightgbm.train(fixed | study.best_params, whole, chosen["rounds"])
    return np.asarray(booster.predict(job.X_test, num_threads=job.threads)), chosen


def catboost(job: Job) -> Answer:
    """CatBoost's defaults in order of time; rounds by early stopping on the latest fold, then all rows."""
    module = importlib.import_module("catboost")
    options = {
        "thread_count": job.threads, "random_seed": 0, "verbose": False, "allow_writing_files": False,
        "has_time": True, "cat_features": [f"f{k}" for k in job.categories],
    }  # fmt: skip
    table, (train, held) = job.frame(job.X), job.folds[-1]
    trial = module.CatBoostClassifier(early_stopping_rounds=PATIENCE, **options)
    trial.fit(table.iloc[train], job.y[train], eval_set=(table.iloc[held], job.y[held]))
    rounds = int(trial.get_best_iteration()) + 1
    # the rate that CatBoost sets by itself depends on the number of rounds asked for
    rate = float(trial.get_all_params()["learning_rate"])
    model = module.CatBoostClassifier(iterations=rounds, learning_rate=rate, **options).fit(table, job.y)
    return model.predict_proba(job.frame(job.X_test))[:, 1], {"rounds": rounds, "learning_rate": rate}


class TimeFolds:
    """The folds of a job in the form of a splitter of scikit-learn."""

    shuffle = False

    def __init__(self, folds: list[tuple[Int64, Int64]]) -> None:
        self.folds = folds

    def split(self, *_: Any) -> list[tuple[Int64, Int64]]:
        """Training and validation positions of each fold."""
        return self.folds

    def get_n_splits(self, *_: Any) -> int:
        """Number of folds."""
        return len(self.folds)


def flaml(job: Job) -> Answer:
    """FLAML's own search over its default learners, by log loss on the folds, within the seconds given."""
    model = importlib.import_module("flaml").AutoML()
    model.fit(
        X_train=job.frame(job.X), y_train=job.y.astype(np.int64), task="classification", metric="log_loss",
        time_budget=job.seconds, eval_method="cv", split_type=TimeFolds(job.folds), n_jobs=job.threads, seed=0,
        verbose=0,
    )  # fmt: skip
    chosen = {"learner": model.best_estimator, **(model.best_config or {})}
    return model.predict_proba(job.frame(job.X_test))[:, 1], chosen


def autogluon(job: Job) -> Answer:
    """AutoGluon's preset best_quality; the bags leave out whole blocks of time, those of the folds."""
    module = importlib.import_module("autogluon.tabular")
    table = job.frame(job.X)
    table["label"], table["block"] = job.y.astype(np.int64), 0
    for number, (_, held) in enumerate(job.folds):
        table.loc[held, "block"] = number + 1
    with tempfile.TemporaryDirectory() as folder:
        model = module.TabularPredictor(
            label="label", eval_metric="log_loss", groups="block", path=folder, verbosity=0
        )
        model.fit(
            table, presets="best_quality", time_limit=job.seconds, num_cpus=job.threads, num_gpus=0,
            dynamic_stacking=False, raise_on_no_models_fitted=True,
        )  # fmt: skip
        chance = model.predict_proba(job.frame(job.X_test), as_multiclass=False).to_numpy(dtype=np.float64)
        return chance, {"model": model.model_best, "models": len(model.model_names())}


def pooled_loss(job: Job, chances: list[Float64]) -> float:
    """Mean log loss over the rows of all validation parts."""
    y = np.concatenate([job.y[held] for _, held in job.folds])
    p = np.clip(np.concatenate(chances), 1e-15, 1.0 - 1e-15)
    return float(-np.where(y == 1.0, np.log(p), np.log1p(-p)).mean())


@dataclass(frozen=True)
class Peer:
    """A way to learn, the modules to import before the clock starts, the packages whose versions are told.

    `requires` is what an environment of its own must hold; where there is nothing, this project's will do.
    """

    title: str
    fit: Callable[[Job], Answer]
    imports: tuple[str, ...]
    packages: tuple[str, ...]
    requires: tuple[str, ...] = ()


PEERS = {
    "logistic": Peer(
        "logistic regression", logistic, ("sklearn.pipeline", "sklearn.compose"), ("scikit-learn",)
    ),
    "lightgbm": Peer(
        "LightGBM, defaults", lightgbm_defaults, ("lightgbm", "pandas", "sklearn"), ("lightgbm",)
    ),
    "lightgbm_tuned": Peer(
        "LightGBM, tuned", lightgbm_tuned, ("lightgbm", "optuna"), ("lightgbm", "optuna")
    ),
    "catboost": Peer(
        "CatBoost", catboost, ("catboost", "pandas"), ("catboost",), ("catboost>=1.2.10", "pandas>=2")
    ),
    "flaml": Peer("FLAML", flaml, ("flaml", "pandas"), ("flaml", "lightgbm", "xgboost"), ("flaml[automl]>=2.7",)),
    "autogluon": Peer(
        "AutoGluon", autogluon, ("autogluon.tabular", "pandas"), ("autogluon.tabular",),
        ("autogluon.tabular[lightgbm,catboost,xgboost]>=1.6",),
    ),
}  # fmt: skip


def cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended."""
    spent = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def main() -> None:
    """Read the job, fit, write the answer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=[*PEERS])
    parser.add_argument("job", type=Path)
    parser.add_argument("answer", type=Path)
    for option in ("--trials", "--seconds", "--threads"):
        parser.add_argument(option, type=int, required=True)
    asked = parser.parse_args()
    peer = PEERS[asked.name]
    for name in peer.imports:
        importlib.import_module(name)
    with np.load(asked.job, allow_pickle=False) as held:
        n_folds = sum(name.startswith("train_") for name in held.files)
        folds = [(held[f"train_{k}"], held[f"validate_{k}"]) for k in range(n_folds)]
        parts = (held["X"], held["y"], held["is_category"], held["X_test"])
    job = Job(*parts, folds, asked.trials, asked.seconds, asked.threads)
    before = cpu_seconds()
    chance, chosen = peer.fit(job)
    spent = cpu_seconds() - before
    answer = {
        "p": np.asarray(chance, dtype=np.float64).tolist(),
        "cpu_s": spent,
        "chosen": json.loads(json.dumps(chosen, default=float)),
        "versions": {name: version(name) for name in peer.packages},
    }
    asked.answer.write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
