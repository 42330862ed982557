"""The catalogue: names that say how to rebuild a column, and groups in order of appearance."""

from __future__ import annotations

import json

import pytest

from features.catalogue import Catalogue, Feature

DAY = 86_400_000_000
FEATURES = (
    Feature("implicit", "type:visit", "count", 7 * DAY, "count", 1, "type:visit", "visits"),
    Feature("explicit", "source", "category", unit="category", group="source", levels=("ads", "ünï")),
    Feature("implicit", "type:visit", "count", 30 * DAY, "count", 1, "type:visit", "visits"),
)


def test_a_name_says_family_source_operation_and_window() -> None:
    assert Catalogue(FEATURES).names == [
        "implicit__type:visit__count__7d",
        "explicit__source__category",
        "implicit__type:visit__count__30d",
    ]


def test_groups_come_in_order_of_first_appearance() -> None:
    names, place = Catalogue(FEATURES).groups()

    assert names == ["type:visit", "source"]
    assert place.tolist() == [0, 1, 0]


def test_columns_of_families_keep_their_order() -> None:
    catalogue = Catalogue(FEATURES)

    assert catalogue.columns(["implicit"]).tolist() == [0, 2]
    assert catalogue.columns(["explicit", "implicit"]).tolist() == [0, 1, 2]
    assert catalogue.columns(["points"]).tolist() == []


def test_the_same_column_twice_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="listed twice: implicit__type:visit__count__7d"):
        Catalogue((*FEATURES, FEATURES[0]))


def test_json_gives_the_same_catalogue_back() -> None:
    catalogue = Catalogue(FEATURES)

    again = Catalogue.from_json(json.loads(json.dumps(catalogue.to_json())))

    assert again == catalogue
    assert again.features[1].is_category


def test_a_catalogue_without_features_is_possible() -> None:
    catalogue = Catalogue(())

    assert len(catalogue) == 0
    assert catalogue.groups()[0] == []
