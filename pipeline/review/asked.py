"""What an address of the queue asks for: filters, a run and a place in the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import HTTPException

from pipeline.ledger.queue import QueueFilter

__all__ = ["Asked", "asked_of", "filter_of"]

LARGEST = 2**31 - 1
LONGEST_TEXT = 200
TEXTS = {
    "band": "band",
    "segment": "segment",
    "product": "product",
    "owner": "owner",
    "account": "account",
    "q": "search",
}
FLAGS = {"changed": "is_changed", "awake": "is_awake", "cooling": "is_cooling"}


@dataclass(frozen=True)
class Asked:
    """What an address asks for."""

    filter: QueueFilter
    run: int | None = None
    after: int = 0
    before: int | None = None

    def address(
        self, path: str = "/", *, after: int | None = None, before: int | None = None, **changes: Any
    ) -> str:
        """The address of the same, or with other filters, from a rank on or up to one."""
        changed = replace(self.filter, **changes)
        pairs = [*_pairs(changed), ("run", self.run), ("after", after), ("before", before)]
        words = urlencode([(name, value) for name, value in pairs if value not in {None, ""}])
        return f"{path}?{words}" if words else path

    @property
    def words(self) -> str:
        """The filters alone, as `filter_of` reads them; empty for all leads."""
        return urlencode([(name, value) for name, value in _pairs(self.filter) if value])


def asked_of(given: Mapping[str, str]) -> Asked:
    """What the query of an address asks for.

    Raises
    ------
    HTTPException
        400, if a filter is too long, a flag is neither 1 nor left out, or a number is none.
    """
    numbers = {name: _number(name, given.get(name)) for name in ("run", "after", "before")}
    return Asked(_filter(given), numbers["run"], numbers["after"] or 0, numbers["before"])


def filter_of(words: str) -> QueueFilter:
    """The filters that a lead was opened from; none where the text says nothing that the queue could ask for."""
    try:
        return _filter(dict(parse_qsl(words, max_num_fields=len(TEXTS) + len(FLAGS))))
    except (HTTPException, ValueError):
        return QueueFilter()


def _pairs(chosen: QueueFilter) -> list[tuple[str, Any]]:
    pairs = [(name, getattr(chosen, key)) for name, key in TEXTS.items()]
    return pairs + [(name, "1" if getattr(chosen, key) else None) for name, key in FLAGS.items()]


def _filter(given: Mapping[str, str]) -> QueueFilter:
    texts: dict[str, Any] = {key: _text(name, given.get(name)) for name, key in TEXTS.items()}
    flags: dict[str, Any] = {key: _flag(name, given.get(name)) for name, key in FLAGS.items()}
    return QueueFilter(**texts, **flags)


def _text(name: str, value: str | None) -> str | None:
    text = (value or "").strip()
    if len(text) > LONGEST_TEXT or "\x00" in text:
        raise HTTPException(400, f"The filter {name} is not a text of at most {LONGEST_TEXT} signs.")
    return text or None


def _flag(name: str, value: str | None) -> bool:
    if value not in {None, "", "0", "1"}:
        raise HTTPException(400, f"The filter {name} is 1 or left out; the address says '{value}'.")
    return value == "1"


def _number(name: str, value: str | None) -> int | None:
    if value is None or not value.strip():
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(LARGEST))):
        raise HTTPException(400, f"{name} is a whole number; the address says '{value}'.")
    return min(int(value), LARGEST)
