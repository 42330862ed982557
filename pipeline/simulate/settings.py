"""What a simulated world is made of: size, seed, calendar and switches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.errors import InputError
from pipeline.simulate.switches import OFF, ON, faults_of

__all__ = ["BLOCK_LEADS", "DAY", "WorldSettings"]

DAY = 86_400_000_000
BLOCK_LEADS = 25_000
_MAX_LEADS = 9_999_999


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class WorldSettings:
    """Settings of a simulated CRM; the same settings give the same bytes.

    Parameters
    ----------
    n_leads
        Number of leads, 1 to 9,999,999.
    seed
        Seed of every random draw; each block of leads has a child seed of its own.
    months
        Length of the calendar in whole months, 3 to 60.
    end
        First day after the data, UTC, such as "2026-01-01". Nothing at or after it is recorded.
    drift
        Leads created in the last 40 % of the months come from other sources and win less.
    seasonality
        Creation follows the week and the year, and so do the win hazards, by month of creation.
    shuffle_labels
        Win and loss hazards are the same for everybody, so that nothing predicts an outcome.
    dirt
        Missing values, spelling variants, placeholder words, exact duplicates and bot bursts.
    broken_rows
        Rows of leads.csv that break the contract; needs the file format csv.
    b2b_share
        Share of the leads that belong to accounts, 0 to 1.
    on
        Mechanisms that the world has not by itself, of `switches.ON`.
    off
        Mechanisms that the world has by itself and is denied, of `switches.OFF`.

    Raises
    ------
    InputError
        If a value lies outside its range; all faults are in one message.
    """

    n_leads: int
    seed: int = 0
    months: int = 18
    end: str = "2026-01-01"
    drift: bool = False
    seasonality: bool = False
    shuffle_labels: bool = False
    dirt: bool = True
    broken_rows: int = 0
    b2b_share: float = 0.7
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = [
            f"{name} is {value!r}, expected {low} to {high}"
            for name, value, low, high in (
                ("n_leads", self.n_leads, 1, _MAX_LEADS),
                ("seed", self.seed, 0, 2**63 - 1),
                ("months", self.months, 3, 60),
                ("broken_rows", self.broken_rows, 0, 1_000_000),
                ("b2b_share", self.b2b_share, 0, 1),
            )
            if not low <= value <= high
        ]
        if not _is_day(self.end):
            faults.append(f"end is {self.end!r}, expected a day such as '2026-01-01'")
        faults += faults_of("on", self.on, ON) + faults_of("off", self.off, OFF)
        if self.shuffle_labels and "competitor" in self.on:
            faults.append("shuffle_labels and the mechanism 'competitor' contradict each other, drop one")
        if faults:
            raise InputError("the simulated world cannot be made: " + "; ".join(faults))

    @property
    def end_us(self) -> int:
        """End of the data in microseconds since 1970 UTC; itself not in."""
        return int(np.datetime64(self.end, "D").astype("datetime64[us]").astype(np.int64))

    @property
    def start_us(self) -> int:
        """Start of the calendar in microseconds since 1970 UTC; itself in."""
        end = np.datetime64(self.end, "D")
        month = end.astype("datetime64[M]")
        start = (month - self.months).astype("datetime64[D]") + (end - month.astype("datetime64[D]"))
        return int(start.astype("datetime64[us]").astype(np.int64))

    @property
    def n_cohorts(self) -> int:
        """Number of calendar months the data touch: the creation cohorts."""
        return self.months + 1

    @property
    def drift_cohort(self) -> int:
        """First creation cohort after the drift."""
        return int(np.ceil(self.months * 0.6))

    @property
    def n_blocks(self) -> int:
        """Number of blocks the leads are simulated in."""
        return -(-self.n_leads // BLOCK_LEADS)

    def block_size(self, block: int) -> int:
        """Number of leads in a block."""
        return min(BLOCK_LEADS, self.n_leads - block * BLOCK_LEADS)

    def block_generator(self, block: int, mechanism: str | None = None) -> np.random.Generator:
        """Generator of a block; it depends on the seed and the block's number alone.

        A mechanism of `switches.ON` has one of its own: switching it on moves no draw of the others.
        """
        key = (block,) if mechanism is None else (block, ON.index(mechanism))
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def cohort_of(self, created_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Creation cohort: calendar months between the start and the creation."""
        months = created_us.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        first = np.datetime64(self.start_us, "us").astype("datetime64[M]").astype(np.int64)
        return np.asarray(months - first, dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON holds them, without switches that are not set."""
        return {name: value for name, value in asdict(self).items() if value != ()}
