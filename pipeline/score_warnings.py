"""What a scoring run warns of: data that end before as_of, categories unlike those of the training."""

from __future__ import annotations

import pandas as pd

from features.asof import NEVER, microseconds
from features.contracts import Tables
from features.errors import InputError
from models.bundle import Bundle
from pipeline.config import Project

__all__ = ["stale_warning", "unseen_warnings"]

LEAST_FOR_SHARES = 30  # of fewer leads a share says nothing: a single lead may hold a rare value


def stale_warning(as_of: int, tables: Tables) -> list[str]:
    """Scoring long after the data ends makes every lead look asleep."""
    if as_of == NEVER or pd.isna(tables.data_end):
        return []
    days = (as_of - int(microseconds(tables.data_end)[0])) // 86_400_000_000
    return (
        [f"as_of lies {days:,} days after the end of the data: all that happened since is unknown"]
        if days >= 1
        else []
    )


def unseen_warnings(unseen: dict[str, int], n: int, bundle: Bundle, project: Project) -> list[str]:
    limit = project.attributes.max_unseen_share
    trained = bundle.manifest.get("other_share", {})
    faults = [
        f"{name}: {count:,} of {n:,} values ({count / n:.0%}) are rare or unknown to the model; "
        f"in training it was {trained.get(name, 0.0):.0%}"
        for name, count in unseen.items()
        if n >= LEAST_FOR_SHARES and count / n - trained.get(name, 0.0) > limit
    ]
    if faults:
        raise InputError(
            "\n".join(
                [
                    "Categories do not look like those of the training:",
                    *faults,
                    "Nothing was published. Check the export, retrain, or raise attributes.max_unseen_share.",
                ]
            )
        )
    return [f"{name}: {count:,} values rare or new to the model" for name, count in unseen.items() if count]
