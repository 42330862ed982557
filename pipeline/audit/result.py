"""What an audit found: suspected leaks with their evidence, and findings about the tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["Audit", "Finding", "Grade", "Level", "Suspect", "TableShape"]

Grade = Literal["leak", "look"]
Level = Literal["note", "warning"]


@dataclass(frozen=True)
class Suspect:
    """A column, or an event type, that may know the outcome.

    Attributes
    ----------
    table : `leads`, `accounts`, or `events` (then `column` is the event type).
    column : its name in the file.
    grade : `leak`: bar it unless you can show that it is known beforehand; `look`: ask someone.
    kind : the strongest test that named it.
    evidence : what was measured, in words, with the counts.
    use : how the project uses it: `at_creation`, `history`, `current`, `barred`, `undeclared`, `key` or
        `event`.
    kinds : every test that spoke, the strongest first.
    """

    table: str
    column: str
    grade: Grade
    kind: str
    evidence: str
    use: str
    kinds: tuple[str, ...] = ()

    @property
    def is_barred(self) -> bool:
        """Whether the project bars it already."""
        return self.use == "barred"


@dataclass(frozen=True)
class Finding:
    """Something a person should know about the tables: where, what, and how many records."""

    section: str
    code: str
    level: Level
    message: str
    count: int = 0


@dataclass(frozen=True)
class TableShape:
    """Records read from one file and what became of them."""

    table: str
    rows_in: int
    rows_kept: int
    quarantined: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """Everything an audit found.

    Attributes
    ----------
    suspects : leaks first, then those to look at; barred ones included.
    rates : share of wins by tenth of the leads in time order, with the number of leads.
    conversions : rows, leads and conversions that the project's settings make examples of.
    """

    project: str
    mode: str
    tables: tuple[TableShape, ...]
    suspects: tuple[Suspect, ...]
    findings: tuple[Finding, ...]
    rates: tuple[dict[str, Any], ...] = ()
    conversions: dict[str, Any] = field(default_factory=dict)

    @property
    def quarantined(self) -> int:
        """Records in quarantine, over all tables."""
        return sum(shape.quarantined for shape in self.tables)

    def to_json(self) -> dict[str, Any]:
        """The audit as plain values, ready for `json.dumps`.

        Examples
        --------
        >>> tags = Suspect("leads", "tags", "leak", "power", "AUC .92", "barred")
        >>> Audit("demo", "static", (), (tags,), ()).to_json()["suspects"][0]["is_barred"]
        True
        """
        found = asdict(self)
        found["suspects"] = [
            {**asdict(suspect), "kinds": list(suspect.kinds), "is_barred": suspect.is_barred}
            for suspect in self.suspects
        ]
        for name in ("tables", "findings", "rates"):
            found[name] = list(found[name])
        for shape in found["tables"]:
            shape["columns"] = list(shape["columns"])
        return found
