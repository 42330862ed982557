"""How figures are written on the pages."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from pipeline.ledger.schema import SCORES
from pipeline.ledger.store import Ledger
from pipeline.review.shown import share


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"), (0.0, "0.0 %"), (1e-12, "0.0 %"), (1e-6, "< 0.1 %"), (0.00049, "< 0.1 %"), (0.0005, "0.1 %"),
        (0.0312, "3.1 %"), (0.0994, "9.9 %"), (0.0995, "10 %"), (0.9949, "99 %"), (0.995, "> 99 %"),
        (0.99999, "> 99 %"), (1 - 1e-12, "100 %"), (1, "100 %"),
    ],
)  # fmt: skip
def test_only_none_and_all_are_shown_as_none_and_all(value: float | None, shown: str) -> None:
    assert share(value) == shown


def test_a_chance_near_none_or_all_is_shown_so_in_the_queue(client: TestClient, ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for rank, chance in ((1, 0.9951), (2, 0.0004)):
            is_it = (SCORES.c.run == 4, SCORES.c.rank == rank)
            connection.execute(update(SCORES).where(*is_it).values(probability=chance))

    page = client.get("/").text

    assert 'data-label="Chance">&gt; 99 %</td>' in page
    assert 'data-label="Chance">&lt; 0.1 %</td>' in page
