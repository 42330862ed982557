"""Who made which version champion, when and why: the record of one act, and the line of champions it makes.

A record is one tag of the registered model, so it outlives the version it names. The name of the tag holds
a number that grows and a few random signs: two acts at the same moment may share the number, but neither
can overwrite the other.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self, get_args

from features.errors import InputError
from pipeline.console import printable

__all__ = ["History", "Kind", "Promotion", "champion_before", "history_of", "stated"]

Kind = Literal["promote", "rollback", "gate", "re-anchor"]
# a tag of a registered model holds 5,000 characters in MLflow's own store
LONGEST = {"why": 500, "by": 100}
ASKED = {"why": "its reason, such as --why 'won the pilot of March'", "by": "a name, such as --by ann"}
KEYS = ("number", "kind", "by", "why", "at", "from", "to", "model_version")
TAG = re.compile(r"promotion\.(\d{6,12})\.[0-9a-f]{8}")


@dataclass(frozen=True)
class Promotion:
    """One move of the alias `champion`.

    Attributes
    ----------
    number : grows by one from act to act; two acts at the same moment may share it.
    kind : `promote`, `rollback` and `re-anchor` by a person, `gate` by a training.
    at : aware, UTC, to the second.
    former : the version that was champion before, None where there was none.
    version, model_version : the champion from then on, by its number and by its bundle.

    Raises
    ------
    InputError
        If `why` or `by` is empty or too long.
    """

    number: int
    kind: Kind
    by: str
    why: str
    at: datetime
    former: str | None
    version: str
    model_version: str

    def __post_init__(self) -> None:
        # one line of signs that print, whatever was typed: it is shown on terminals for years
        object.__setattr__(self, "why", stated("why", self.why))
        object.__setattr__(self, "by", stated("by", self.by))

    def to_json(self) -> dict[str, Any]:
        """The record as plain values; `from_json` gives it back."""
        return {
            "number": self.number, "kind": self.kind, "by": self.by, "why": self.why,
            "at": self.at.astimezone(UTC).isoformat(timespec="seconds"), "from": self.former,
            "to": self.version, "model_version": self.model_version,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """The record that `to_json` gave; InputError if a key is missing or means nothing."""
        if not isinstance(values, dict) or set(KEYS) - values.keys():
            raise InputError(f"a promotion needs {', '.join(KEYS)}; got {values!r:.200}")
        texts = [values[name] for name in ("by", "why", "at", "to", "model_version")]
        is_plain = all(isinstance(each, str) for each in texts) and type(values["number"]) is int
        if not is_plain or not isinstance(values["from"], str | None) or values["kind"] not in get_args(Kind):
            raise InputError(f"a promotion holds values of the wrong kind: {values!r:.200}")
        try:
            at = datetime.fromisoformat(values["at"])
        except ValueError as error:
            raise InputError(f"a promotion has no moment: {error}") from error
        if at.tzinfo is None:
            raise InputError(f"a promotion's moment {values['at']} has no time zone")
        by, why, _, version, model_version = texts
        return cls(values["number"], values["kind"], by, why, at, values["from"], version, model_version)

    def as_tag(self) -> tuple[str, str]:
        """Name and value of a new tag that holds the record; the name is another one each time."""
        text = json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))
        return f"promotion.{self.number:06d}.{secrets.token_hex(4)}", text


def stated(name: Literal["why", "by"], text: str) -> str:
    """The reason or the name as one line of signs that print.

    Raises
    ------
    InputError
        If it is empty, or longer than 500 (why) or 100 (by) characters.

    Examples
    --------
    >>> stated("why", "  the pilot\\n was won ")
    'the pilot was won'
    """
    line, longest = printable(" ".join(text.split())), LONGEST[name]
    if not line:
        raise InputError(f"--{name} is empty; an act is recorded with {ASKED[name]}.")
    if len(line) > longest:
        raise InputError(f"--{name} has {len(line):,} characters; at most {longest} are kept. Shorten it.")
    return line


@dataclass(frozen=True)
class History:
    """All acts, the oldest first, and the names of tags that should hold one but can't be read."""

    records: tuple[Promotion, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def next_number(self) -> int:
        """The number of the next act; damaged records keep theirs."""
        numbers = [record.number for record in self.records]
        numbers += [int(found[1]) for found in map(TAG.fullmatch, self.damaged) if found]
        return max(numbers, default=0) + 1


def history_of(tags: Mapping[str, str]) -> History:
    """The acts among the tags of a registered model; other tags are left alone."""
    found: list[tuple[int, str, Promotion]] = []
    damaged: list[str] = []
    for name, text in tags.items():
        if not name.startswith("promotion."):
            continue
        try:
            record = Promotion.from_json(json.loads(text))
        except (ValueError, InputError):
            damaged.append(name)
            continue
        found.append((record.number, name, record))
    ordered = sorted(found, key=lambda each: each[:2])
    return History(tuple(record for _, _, record in ordered), tuple(sorted(damaged)))


def champion_before(
    records: Iterable[Promotion], present: str | None, existing: Collection[str]
) -> str | None:
    """The version that a rollback returns to; None where there is none.

    The acts make a line of champions: a promotion adds its version at the end, a rollback takes off all
    after the one it returned to. So a second rollback goes one further back, and never forth again. Where
    the alias was moved by other means, the line ends at the present champion if it is in it, and goes on
    with it if not. Versions deleted since are passed over.

    Examples
    --------
    >>> at = datetime(2026, 1, 8, tzinfo=UTC)
    >>> acts = [Promotion(1, "gate", "train", "x", at, None, "1", ""),
    ...         Promotion(2, "gate", "train", "x", at, "1", "2", "")]
    >>> champion_before(acts, "2", {"1", "2"})
    '1'
    >>> champion_before([*acts, Promotion(3, "rollback", "ann", "x", at, "2", "1", "")], "1", {"1", "2"})
    """
    line: list[str] = []
    for record in records:
        if record.former is not None:
            line = _ending_at(line, record.former)
        line = _ending_at(line, record.version) if record.kind == "rollback" else [*line, record.version]
    if present is not None:
        line = _ending_at(line, present)
    return next((each for each in reversed(line) if each != present and each in existing), None)


def _ending_at(line: list[str], version: str) -> list[str]:
    """The line cut after the last time it holds the version, or with the version added."""
    if version not in line:
        return [*line, version]
    return line[: len(line) - line[::-1].index(version)]
