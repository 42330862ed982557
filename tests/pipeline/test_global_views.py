"""What moves the model overall, in shap's pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle, load_bundle
from pipeline.config import load_project
from pipeline.dataset import Dataset, labelled_dataset
from pipeline.global_views import global_explanation, group_explanation, write_global_views
from pipeline.tables import load_tables
from tests.pipeline.conftest import Crm

NAMES = ["shap_features.png", "shap_groups.png", "shap_dependence.png"]


@pytest.fixture(scope="module")
def bundle(crm: Crm) -> Bundle:
    """The trained bundle."""
    return load_bundle(crm.bundle)


@pytest.fixture(scope="module")
def dataset(crm: Crm) -> Dataset:
    """Labelled examples of some of the leads."""
    project = load_project(crm.project)
    return labelled_dataset(project, load_tables(project, lambda _: None))


def test_base_and_values_of_a_row_add_up_to_its_margin(bundle: Bundle) -> None:
    X = bundle.golden
    margins = bundle.scorer.margin(X)

    features, groups = global_explanation(bundle.scorer, X), group_explanation(bundle.scorer, X)

    assert features.base_values + features.values.sum(axis=1) == pytest.approx(margins, abs=1e-9)
    assert groups.base_values + groups.values.sum(axis=1) == pytest.approx(margins, abs=1e-9)


def test_columns_carry_the_names_and_values_of_the_features(bundle: Bundle) -> None:
    found = global_explanation(bundle.scorer, bundle.golden)

    assert list(found.feature_names) == bundle.scorer.catalogue.names
    assert np.array_equal(found.data, bundle.golden, equal_nan=True)
    assert (
        list(group_explanation(bundle.scorer, bundle.golden).feature_names)
        == (bundle.scorer.catalogue.groups()[0])
    )


def test_the_same_training_draws_the_same_pictures_and_leaves_all_else_alone(
    bundle: Bundle, dataset: Dataset, tmp_path: Path
) -> None:
    import matplotlib.pyplot as plt

    np.random.seed(7)  # noqa: NPY002 - the global generator is what is looked after
    expected = np.random.RandomState(7).random()

    first, second = (
        [path.read_bytes() for path in write_global_views(bundle, dataset, tmp_path, lambda _: None)]
        for _ in range(2)
    )

    assert [path.name for path in sorted(tmp_path.iterdir())] == sorted(NAMES)
    assert first == second
    assert all(each.startswith(b"\x89PNG") for each in first)
    assert np.random.random() == expected  # noqa: NPY002
    assert plt.get_fignums() == []


def test_a_picture_that_can_not_be_drawn_is_told_and_left_out(
    bundle: Bundle, dataset: Dataset, tmp_path: Path
) -> None:
    told: list[str] = []
    (tmp_path / NAMES[1]).mkdir()

    paths = write_global_views(bundle, dataset, tmp_path, told.append)

    assert [path.name for path in paths] == NAMES[:1]
    assert told[0] == "drawing the global views"
    assert told[1].startswith("a global view could not be drawn: ")


def test_without_a_bundle_there_is_nothing_to_draw(dataset: Dataset, tmp_path: Path) -> None:
    assert write_global_views(None, dataset, tmp_path, lambda _: None) == ()
    assert list(tmp_path.iterdir()) == []


def test_training_keeps_the_pictures_beside_its_report(crm: Crm) -> None:
    folder = Path(crm.trained["report"]).parent

    assert set(NAMES) <= {path.name for path in folder.iterdir()}
