"""Keys of the tables: empty, duplicate, conflicting and nearly equal ids. Ids are text, byte for byte."""

from __future__ import annotations

import unicodedata
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["OnConflict", "conflicting_rows", "duplicate_rows", "is_empty_key", "near_duplicates"]

OnConflict = Literal["quarantine", "first", "last"]
Mask = NDArray[np.bool_]


def is_empty_key(keys: pd.Series) -> Mask:
    """Mask of the ids that are missing, empty or only white space; `NA`, `None` and `null` are ids.

    Examples
    --------
    >>> is_empty_key(pd.Series(["NA", " ", None], dtype="str")).tolist()
    [False, True, True]
    """
    text = pc.utf8_trim_whitespace(pa.array(keys, pa.large_string(), from_pandas=True))
    is_blank = pc.fill_null(pc.equal(text, ""), fill_value=True)
    return np.asarray(is_blank.to_numpy(zero_copy_only=False), dtype=bool)


def duplicate_rows(frame: pd.DataFrame) -> Mask:
    """Mask of the rows equal in every column to an earlier one; the first of each is not marked.

    Examples
    --------
    >>> duplicate_rows(pd.DataFrame({"lead_id": ["a", "a", "b"], "x": [1, 1, 1]})).tolist()
    [False, True, False]
    """
    return frame.duplicated(keep="first").to_numpy(dtype=bool)


def conflicting_rows(frame: pd.DataFrame, key: str, rule: OnConflict = "quarantine") -> Mask:
    """Mask of the rows to leave out because one key has rows that differ.

    Parameters
    ----------
    rule : `quarantine` leaves out every row of such a key; `first` and `last` keep that one row.

    Examples
    --------
    >>> rows = pd.DataFrame({"lead_id": ["a", "a", "b"], "x": [1, 2, 1]})
    >>> conflicting_rows(rows, "lead_id").tolist(), conflicting_rows(rows, "lead_id", "last").tolist()
    ([True, True, False], [True, False, False])
    """
    repeated = frame[key].duplicated(keep=False).to_numpy(dtype=bool)
    if not repeated.any():
        return repeated
    suspects = frame[repeated]
    distinct = suspects[~duplicate_rows(suspects)]
    torn = distinct.loc[distinct[key].duplicated(keep=False), key]
    conflicting = repeated & frame[key].isin(torn).to_numpy(dtype=bool)
    if rule != "quarantine":
        conflicting &= frame[key].duplicated(keep=rule).to_numpy(dtype=bool)
    return conflicting


def near_duplicates(keys: pd.Series) -> list[str]:
    """Distinct ids that differ from another only in case, white space around or Unicode form.

    Examples
    --------
    >>> near_duplicates(pd.Series(["L1", "l1 ", "L2"], dtype="str"))
    ['L1', 'l1 ']
    """
    distinct = keys.drop_duplicates()
    plain = distinct.str.strip().str.lower()
    if not plain.str.isascii().all():
        plain = plain.map(lambda key: unicodedata.normalize("NFKC", key).casefold())
    return [str(key) for key in distinct[plain.duplicated(keep=False)]]
