"""Explicit features: what a column of an export becomes."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from features.builder import build_features, learn_catalogue
from features.prepare import FeatureSources, prepare

START = pd.Timestamp("2025-01-01", tz="UTC")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (["web", "Web", "Web", None], {"web": "Web", "(unknown)": "(unknown)"}),
        (["USA", "usa"], {"usa": "USA"}),
        (
            ["Trade  Show", " trade show ", "trade show", "Google"],
            {"trade show": "trade show", "google": "Google"},
        ),
    ],
)
def test_a_level_is_spelled_as_it_mostly_is_in_the_export(
    written: list[str | None], shown: dict[str, str], make_tables: Any, sources: FeatureSources, open_at: Any
) -> None:
    base = {"created_at": START, "budget": 1.0, "email": "a@b.io", "job_title": "CEO", "account_id": None}
    tables = make_tables([{"lead_id": f"L{n}", "source": text, **base} for n, text in enumerate(written)])
    data, rows = prepare(tables, sources), open_at(tables, 90.0)

    catalogue = learn_catalogue(data, rows, sources)

    feature = next(f for f in catalogue.features if f.source == "source" and f.op == "category")
    assert dict(zip(feature.levels, feature.spelling, strict=True)) == shown


def test_unseen_categories_share_one_bucket_and_case_does_not_matter(
    make_tables: Any, sources: FeatureSources, open_at: Any
) -> None:
    base = {"created_at": START, "budget": 1.0, "email": "a@b.io", "job_title": "CEO", "account_id": None}
    tables = make_tables(
        [{"lead_id": "L1", "source": "Web", **base}, {"lead_id": "L2", "source": "ads", **base}]
    )
    catalogue = learn_catalogue(prepare(tables, sources), open_at(tables, 90.0), sources)
    later = make_tables(
        [{"lead_id": "L1", "source": " WEB", **base}, {"lead_id": "L2", "source": "billboard", **base}]
    )

    found = build_features(prepare(later, sources), open_at(later, 90.0), catalogue, sources)

    place = catalogue.names.index("explicit__source__category")
    assert catalogue.features[place].levels == ("ads", "web")
    assert found[:, place].tolist() == [1.0, 2.0]
