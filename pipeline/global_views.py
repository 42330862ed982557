"""What moves the model overall, for the data scientist: shap's pictures of the model's own contributions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.builder import build_features
from features.catalogue import Feature
from models.bundle import Bundle
from models.contributions import sum_groups
from models.scorer import Scorer
from pipeline.dataset import Dataset
from pipeline.plots import png, styled
from pipeline.tracking_content import first_line

__all__ = ["global_explanation", "group_explanation", "write_global_views"]

Float64 = NDArray[np.float64]
SAMPLE_ROWS = 2_000
AXIS = "Contribution in log-odds"
MOST_FEATURES, MOST_SCATTERS, MOST_LEVELS = 20, 6, 12


def write_global_views(
    bundle: Bundle | None, dataset: Dataset, folder: Path, tell: Callable[[str], None]
) -> tuple[Path, ...]:
    """Draw the pictures into a folder and give back their paths; what can't be drawn is told and left out.

    `shap_features.png` and `shap_groups.png`: the strongest features, and reason groups, one dot a row.
    `shap_dependence.png`: contribution by value of the strongest features. Without a bundle there is none.

    Parameters
    ----------
    dataset : the examples of the final fit; a sample is spread evenly over them, the same each time.
    """
    if bundle is None or not len(dataset.rows):
        return ()
    tell("drawing the global views")
    paths = []
    try:
        for name, figure in _drawn(bundle.scorer, _sample(bundle, dataset)):
            path = folder / f"{name}.png"
            path.write_bytes(png(figure))
            paths.append(path)
    except Exception as error:  # a picture is no reason to lose a training
        tell(f"a global view could not be drawn: {first_line(error)}")
    return tuple(paths)


def global_explanation(scorer: Scorer, X: Float64) -> Any:
    """A `shap.Explanation` of rows in log-odds: base + the values of a row = its margin, to rounding.

    Parameters
    ----------
    X : array (rows, features), as the scorer's catalogue names them; kept as the data.
    """
    phi, base = scorer.rung.contributions(X)
    return _explanation(values=phi, base_values=np.full(len(X), base), data=X, names=scorer.catalogue.names)


def group_explanation(scorer: Scorer, X: Float64) -> Any:
    """The same with the features of a reason group summed; a group has no single value to colour by."""
    phi, base = scorer.rung.contributions(X)
    names, group = scorer.catalogue.groups()
    values = sum_groups(phi, group, len(names))
    return _explanation(values=values, base_values=np.full(len(X), base), data=None, names=names)


def _explanation(values: Float64, base_values: Float64, data: Float64 | None, names: list[str] | str) -> Any:
    with _shap() as shap:
        return shap.Explanation(values=values, base_values=base_values, data=data, feature_names=names)


def _drawn(scorer: Scorer, X: Float64) -> Iterator[tuple[str, Any]]:
    found, features = global_explanation(scorer, X), scorer.catalogue.features
    told = f"{len(X):,} examples of the final fit, spread over time"
    yield (
        "shap_features",
        _beeswarm(
            _without_codes(found, features),
            f"Contributions of features\n{told}; grey: missing, or a category",
        ),
    )
    yield (
        "shap_groups",
        _beeswarm(
            group_explanation(scorer, X),
            f"Contributions of reason groups\n{told}; a group has no single value",
        ),
    )
    yield "shap_dependence", _dependence(found, features)


def _sample(bundle: Bundle, dataset: Dataset) -> Float64:
    chosen = np.unique(np.linspace(0, len(dataset.rows) - 1, SAMPLE_ROWS).astype(np.int64))
    rows = dataset.rows.take(chosen)
    return build_features(dataset.data, rows, bundle.scorer.catalogue, bundle.sources)


def _without_codes(found: Any, features: tuple[Feature, ...]) -> Any:
    """The same without the values of categories: their codes have no order to colour by."""
    data = found.data.copy()
    data[:, [feature.is_category for feature in features]] = np.nan
    return _explanation(found.values, found.base_values, data, found.feature_names)


def _beeswarm(found: Any, title: str) -> Any:
    figure = _figure(10.0, 2.0 + 0.36 * min(MOST_FEATURES, found.shape[1]))
    with _shap() as shap:
        shap.plots.beeswarm(
            found, max_display=MOST_FEATURES, group_remaining_features=False, ax=figure.add_subplot(),
            plot_size=None, show=False,
        )  # fmt: skip
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    figure.axes[0].set_xlabel(AXIS)
    return _plain(figure)


def _dependence(found: Any, features: tuple[Feature, ...]) -> Any:
    strength = np.abs(found.values).mean(axis=0)
    order = np.argsort(-strength, kind="stable")[:MOST_SCATTERS].tolist()
    used = [column for column in order if strength[column] > 0] or order[:1]
    n_rows = -(-len(used) // 2)
    figure = _figure(12.0, 4.2 * n_rows)
    for place, column in enumerate(used, start=1):
        axes = figure.add_subplot(n_rows, 2, place)
        one = _explanation(
            found.values[:, column], found.base_values, found.data[:, column], found.feature_names[column]
        )
        with _shap() as shap:
            shap.plots.scatter(one, ax=axes, show=False, alpha=0.5)
        axes.set_ylabel(AXIS)
        levels = features[column].levels
        if features[column].is_category and len(levels) <= MOST_LEVELS:
            axes.set_xticks(range(len(levels) + 1), [*levels, "(other)"], rotation=40, ha="right")
    return _plain(figure)


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    with styled():
        return Figure(figsize=(width, height))


def _plain(figure: Any) -> Any:
    """The figure, no longer known to pyplot; names of features and levels are text, whatever signs they hold."""
    import matplotlib.pyplot as plt
    from matplotlib.text import Text

    plt.close(figure)
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure


@contextmanager
def _shap() -> Iterator[Any]:
    """shap, imported late; NumPy's global generator, which it shuffles with, is seeded and put back."""
    import matplotlib as mpl

    if mpl.get_backend(auto_select=False) is None:
        mpl.use("Agg")  # shap asks pyplot, which would look for a screen
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        state = np.random.get_state()  # noqa: NPY002 - the one that shap uses
        np.random.seed(0)  # noqa: NPY002
        try:
            yield shap
        finally:
            np.random.set_state(state)  # noqa: NPY002
