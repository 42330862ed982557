"""Keys: empty, duplicate, conflicting and nearly equal ids."""

from __future__ import annotations

import pandas as pd
import pytest

from features.keys import OnConflict, conflicting_rows, duplicate_rows, is_empty_key, near_duplicates

ROWS = pd.DataFrame({"lead_id": ["a", "b", "a", "c", "c", "b"], "x": [1, 2, 1, 3, 4, 2]})


def test_ids_that_look_like_nulls_are_ids() -> None:
    ids = pd.Series(["NA", "None", "null", "nan", "0", "", "  ", None], dtype="str")

    assert is_empty_key(ids).tolist() == [False] * 5 + [True] * 3


def test_of_equal_rows_the_first_is_no_duplicate() -> None:
    assert duplicate_rows(ROWS).tolist() == [False, False, True, False, False, True]


@pytest.mark.parametrize(("rule", "left_out"), [("quarantine", [3, 4]), ("first", [4]), ("last", [3])])
def test_of_conflicting_rows_the_rule_keeps_none_or_one(rule: OnConflict, left_out: list[int]) -> None:
    assert conflicting_rows(ROWS, "lead_id", rule).nonzero()[0].tolist() == left_out


def test_a_key_with_equal_and_differing_rows_is_wholly_in_conflict() -> None:
    rows = pd.DataFrame({"lead_id": ["a", "a", "a"], "x": [1, 1, 2]})

    assert conflicting_rows(rows, "lead_id").tolist() == [True, True, True]
    assert conflicting_rows(rows, "lead_id", "first").tolist() == [False, True, True]


def test_unique_keys_never_conflict() -> None:
    assert not conflicting_rows(ROWS.iloc[[0, 1]], "lead_id").any()


def test_ids_that_differ_in_case_space_or_unicode_form_are_near() -> None:
    ids = pd.Series(["L1", "l1", "L2 ", "L2", "é", "e\u0301", "L3", "L3"], dtype="str")

    assert near_duplicates(ids) == ["L1", "l1", "L2 ", "L2", "é", "e\u0301"]
