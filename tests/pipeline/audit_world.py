"""A year of leads with honest columns, to plant a leak into, and its audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.audit import Audit, Suspect, audit_project
from pipeline.config import load_project

N = 3_000
START = np.datetime64("2024-01-01T08:00:00", "us")
DAY = np.timedelta64(1, "D")
Array = np.ndarray[Any, np.dtype[Any]]


def gappy(is_filled: Array, values: Array) -> pd.Series:
    return pd.Series(values, dtype="str").where(is_filled)


class World:
    """Leads over a year with honest columns; a plant adds one leak to `leads`, `events` or `changes`."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = rng = np.random.default_rng(seed)
        days = np.sort(rng.uniform(0, 366, N))
        self.created = START + (days * 86_400_000_000).astype("timedelta64[us]")
        source = rng.choice(["web", "fair", "referral"], N)
        size = rng.lognormal(4, 1, N)
        rate = 0.15 + 0.15 * (source == "referral") + 0.1 * (size > 100)
        self.length = rng.exponential(25, N) + 2
        self.is_closed = days + self.length < 366
        self.won = rng.random(N) < rate
        self.ended = self.created + (self.length * 86_400_000_000).astype("timedelta64[us]")
        ids = [f"L{k:05d}" for k in range(N)]
        self.leads = pd.DataFrame({"lead_id": ids, "created_at": self.created, "source": source})
        self.leads["size"] = size.round()
        self.leads["city"] = gappy(rng.random(N) < 0.75, rng.choice(["Ulm", "Bonn", "Kiel"], N))
        kind = np.where(self.won, "won", "lost")
        outcomes = pd.DataFrame({"lead_id": ids, "occurred_at": self.ended, "outcome": kind})
        self.outcomes = outcomes[self.is_closed]
        times = self.created + (rng.random(N) * self.length * 86_400_000_000).astype("timedelta64[us]")
        self.events = pd.DataFrame({"lead_id": ids, "occurred_at": times, "event_type": "visit"})
        self.changes = pd.DataFrame({"lead_id": ids, "changed_at": self.created, "field": "city"})
        self.changes["new_value"] = "Ulm"

    def happen(self, who: Array, late_us: int, event_type: str) -> None:
        """Add an event at the outcome of the chosen closed leads, so many microseconds later."""
        rows = who & self.is_closed
        when = self.ended[rows] + np.timedelta64(late_us, "us")
        more = pd.DataFrame({"lead_id": self.leads["lead_id"][rows], "occurred_at": when})
        self.events = pd.concat([self.events, more.assign(event_type=event_type)])

    def audit(self, folder: Path, attributes: str = "") -> Audit:
        """The audit of this world written as CSV files."""
        tables = {"leads": self.leads, "events": self.events, "outcomes": self.outcomes}
        tables["field_changes"] = self.changes
        lines = ["[data]", 'data_end = "2025-01-01T00:00:00Z"']
        for name, frame in tables.items():
            frame.to_csv(folder / f"{name}.csv", index=False)
            lines += [f"[data.{name}]", f'path = "{name}.csv"']
        (folder / "lead-scoring.toml").write_text("\n".join([*lines, attributes]), encoding="utf-8")
        return audit_project(load_project(folder / "lead-scoring.toml"))

    def extra(self, values: Any, folder: Path, attributes: str = "") -> Suspect | None:
        """What the audit says of one more column of the leads."""
        self.leads["extra"] = values
        return self.said("extra", folder, attributes)

    def said(self, name: str, folder: Path, attributes: str = "") -> Suspect | None:
        """What the audit says of a column or an event type."""
        found = {suspect.column: suspect for suspect in self.audit(folder, attributes).suspects}
        return found.get(name)
