"""Texts that people typed, brought to what a database can hold and a page can show."""

from __future__ import annotations

from features.errors import InputError

__all__ = ["MAX_LINE", "MAX_NOTE", "note_of", "one_line", "refuse_unstorable"]

MAX_LINE, MAX_NOTE = 500, 2_000


def one_line(name: str, text: str, longest: int = MAX_LINE) -> str:
    """The text as one line of signs that print.

    Raises
    ------
    InputError
        If nothing is left, or it is longer than `longest`.

    Examples
    --------
    >>> one_line("reason", " met at \\n the\\x07 fair ")
    'met at the fair'
    """
    line = _printing(text)
    if not line:
        raise InputError(
            f"{name} is empty; it is kept with what was decided, so that it can be understood later."
        )
    if len(line) > longest:
        raise InputError(f"{name} has {len(line):,} characters; at most {longest:,} are kept. Shorten it.")
    return line


def note_of(text: str | None) -> str | None:
    """The lines of a note without signs that do not print; None if nothing is left.

    Raises
    ------
    InputError
        If it is longer than `MAX_NOTE`.
    """
    note = "\n".join(map(_printing, (text or "").splitlines())).strip()
    if len(note) > MAX_NOTE:
        raise InputError(f"The note has {len(note):,} characters; at most {MAX_NOTE:,} are kept. Shorten it.")
    return note or None


def refuse_unstorable(name: str, text: str) -> None:
    """Nothing, if the text can be an id in a database.

    Raises
    ------
    InputError
        If it is empty, or holds signs that no database takes.
    """
    if not text.strip():
        raise InputError(f"{name} is empty.")
    if "\x00" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise InputError(f"{name} holds signs that are no text: {text!r:.100}.")


def _printing(text: str) -> str:
    return "".join(each for each in " ".join(text.split()) if each.isprintable()).strip()
