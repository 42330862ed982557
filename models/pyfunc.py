"""The bundle as a table of features in, table of scores out: what MLflow's generic loader calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.errors import InputError

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = ["PyfuncModel"]


class PyfuncModel:
    """Scores rows of features by a loaded bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(
        self,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002 - MLflow passes it
    ) -> pd.DataFrame:
        """Probability, score and band of each row.

        Parameters
        ----------
        model_input : one row a lead and moment; the columns of the catalogue as numbers, in any order, NaN
            where a value is missing. Columns that are no features are left aside.
        params : accepted because MLflow passes it; nothing is read from it.

        Returns
        -------
        pandas.DataFrame
            `probability` (NaN for a bare points table), `score` and `band`, indexed as `model_input`.

        Raises
        ------
        InputError
            If a feature has no column, with the number of those missing and the first of them.
        """
        scorer = self.bundle.scorer
        names = scorer.catalogue.names
        missing = [name for name in names if name not in model_input.columns]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(names)} features have no column; the first is '{missing[0]}'. "
                "Build the features with the catalogue of this bundle."
            )
        X = np.ascontiguousarray(model_input[names].to_numpy(dtype=np.float64, na_value=np.nan))
        if scorer.table_lines is not None:
            table = scorer.scored(X, 1)
            scores = {"probability": table.probability, "score": table.score, "band": table.band}
        else:
            margins = scorer.margin(X)
            chance = scorer.probability(margins)
            scores = {
                "probability": chance,
                "score": scorer.score(margins, X),
                "band": scorer.band(margins, X),
            }
        return pd.DataFrame(scores, index=model_input.index).astype({"band": "str"})
