"""The strict quarantining CSV reader: RFC 4180 line by line; damage costs the record it is in, no other.

A record starts at a line. A line with an odd number of quotes opens a quoted field that ends at the next
such line; what lies between is one record if it parses strictly to the right number of fields. If not, or
if a line inside it is itself a record of the table (the mark of a lost quote, not of a quoted newline),
that line alone is damaged and reading goes on at the next.
"""

from __future__ import annotations

import bisect
import csv
import re
from dataclasses import dataclass, field

__all__ = ["MAX_FIELD", "MAX_RECORD", "Record", "SlowLines", "SlowReader", "fields_of"]

MAX_FIELD = 32_000
MAX_RECORD = 400_000
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_RETURN = re.compile("\r")
_SUSPECT = re.compile(f"{_CONTROL.pattern}|{_NOT_UTF8.pattern}")
_LETTERS, _DIGITS = re.compile(r"[^\W\d_]+"), re.compile(r"\d+")


def fields_of(text: str, delimiter: str) -> list[str]:
    """The fields of one strictly written record.

    Examples
    --------
    >>> fields_of('a,"b ""c"", d",', ",")
    ['a', 'b "c", d', '']
    """
    return next(csv.reader([text], delimiter=delimiter, strict=True))


@dataclass
class SlowLines:
    """Records of a run of lines: text, first and last line of the good ones, and the damaged ones.

    A damaged record is its first line, its last line, the code and the detail of its fault. Lines count
    from 0.
    """

    texts: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    damaged: list[tuple[int, int, str, str]] = field(default_factory=list)
    blank: int = 0


@dataclass(frozen=True)
class Record:
    """A record up to its last line: the text if it is good, else the code and detail of its fault."""

    end: int
    text: str = ""
    code: str = ""
    detail: str = ""


class SlowReader:
    """Reads a run of physical lines into records of `n_fields` fields.

    Bytes that are no UTF-8 stand in the text as surrogate escapes. `n_fields` None takes a record of any
    length (the header). `is_cut` says that the last line ends the file without a newline, so that a record
    that ends too early there was cut.
    """

    def __init__(self, text: str, delimiter: str, n_fields: int | None, *, is_cut: bool = False) -> None:
        self.lines = text.split("\n")
        self.delimiter, self.n_fields, self.is_cut = delimiter, n_fields, is_cut
        self.is_plain = not _SUSPECT.search(text)
        self.odd = [k for k, line in enumerate(self.lines) if '"' in line and line.count('"') % 2]
        cut = re.escape(delimiter)
        one = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\r\n{cut}]*+)'
        self.open = re.compile(rf'(?:{one}{cut})*+"[^"]*+(?:""[^"]*+)*+')
        self.strict = re.compile(rf"{one}(?:{cut}{one})*+")
        self.exact = re.compile(rf"{one}(?:{cut}{one}){{{(n_fields or 1) - 1}}}")

    def read(self) -> SlowLines:
        """All records of the run."""
        found, number, last = SlowLines(), 0, len(self.lines) - 1
        while (number := self._take_simple(number, found)) <= last:
            if self._is_blank(self.lines[number]):
                found.blank += 1
                number += 1
                continue
            record = self.record_at(number)
            if record.code:
                was_cut = self.is_cut and record.end == last
                code = (
                    "truncated"
                    if was_cut and record.code in ("missing_field", "unclosed_quote")
                    else record.code
                )
                found.damaged.append((number, record.end, code, record.detail))
            else:
                found.texts.append(record.text)
                found.starts.append(number)
                found.ends.append(record.end)
            number = record.end + 1
        return found

    def record_at(self, number: int) -> Record:
        """The record that starts at a line, good or with the code of its fault."""
        line = self.lines[number].removesuffix("\r")
        if len(line) > MAX_RECORD:
            return Record(number, "", "oversize", f"record of {len(line)} characters, at most {MAX_RECORD}")
        if '"' not in line or not self.open.fullmatch(line):
            return self._judged(number, line)
        alone = self._judged(number, line, "unclosed_quote", "a quote opened here is not closed")
        record = self._quoted_lines(number)
        if record is None:
            return alone
        inner = range(number + 1, record.end + 1)
        if record.code:
            is_torn = any(self._is_record(k) for k in inner)
        else:
            is_torn = any(self._looks_like_a_start(k, line) for k in inner)
        return alone if is_torn else record

    def _quoted_lines(self, number: int) -> Record | None:
        """The record from a line with an open quote to the line that closes it, if strictly written."""
        following = bisect.bisect_right(self.odd, number)
        if following == len(self.odd):
            return None
        end = self.odd[following]
        text = self._joined(number, end)
        return self._judged(end, text) if text is not None and self.strict.fullmatch(text) else None

    def _take_simple(self, first: int, found: SlowLines) -> int:
        """Take the lines that are good records at a glance; returns the first line that is not."""
        delimiter, others, lines = self.delimiter, (self.n_fields or 0) - 1, self.lines
        if others < 1:
            return first
        number = first
        while number < len(lines):
            text = lines[number].removesuffix("\r")
            if len(text) > MAX_FIELD or (not self.is_plain and _SUSPECT.search(text)) or "\r" in text:
                break
            if not self.exact.fullmatch(text) if '"' in text else text.count(delimiter) != others:
                break
            found.texts.append(text)
            number += 1
        found.starts.extend(range(first, number))
        found.ends.extend(range(first, number))
        return number

    def _is_record(self, number: int) -> bool:
        """Whether a good record can start at a line, whatever the lines inside it look like."""
        line = self.lines[number].removesuffix("\r")
        if self._is_blank(line):
            return False
        record = self._quoted_lines(number) if self.open.fullmatch(line) else self._judged(number, line)
        return record is not None and not record.code

    def _looks_like_a_start(self, number: int, first: str) -> bool:
        """Whether a line inside quotes is a record by itself with an id written like that of the first."""
        if self.n_fields is None or self.n_fields < 2:
            return False
        return self._shape(self.lines[number]) == self._shape(first) and self._is_record(number)

    def _shape(self, line: str) -> str:
        """The kinds of characters in a line's first field: letters, digits, and each other one."""
        start = line.split(self.delimiter, 1)[0].strip('"')
        return "".join(sorted(set(_DIGITS.sub("9", _LETTERS.sub("a", start)))))

    def _joined(self, first: int, last: int) -> str | None:
        size = 0
        for number in range(first, last + 1):
            size += len(self.lines[number]) + 1
            if size > MAX_RECORD:
                return None
        return "\n".join(self.lines[first : last + 1]).removesuffix("\r")

    def _is_blank(self, line: str) -> bool:
        return not line.strip(" \t\r") and self.delimiter not in line

    def _judged(self, end: int, text: str, code: str = "", detail: str = "") -> Record:
        """The record, or the first of its faults: bytes first, then structure, then size."""
        if '"' in text and self.is_plain and len(text) <= MAX_FIELD and self.exact.fullmatch(text):
            return Record(end, text)
        if not self.is_plain and _NOT_UTF8.search(text):
            return Record(end, "", "encoding", "bytes that are no UTF-8")
        control = _CONTROL.search(text) or ('"' not in text and _RETURN.search(text))
        if control:
            return Record(end, "", "control_character", f"control character {control[0]!r}")
        if code or not self.strict.fullmatch(text):
            words = "a quote inside an unquoted field or after a closing quote"
            return Record(end, "", code or "stray_quote", detail or words)
        return self._measured(end, text)

    def _measured(self, end: int, text: str) -> Record:
        fields = fields_of(text, self.delimiter)
        if self.n_fields is not None and len(fields) != self.n_fields:
            code = "extra_field" if len(fields) > self.n_fields else "missing_field"
            return Record(end, "", code, f"{len(fields)} fields, expected {self.n_fields}")
        longest = max(map(len, fields))
        if longest > MAX_FIELD:
            return Record(end, "", "oversize", f"field of {longest} characters, at most {MAX_FIELD}")
        return Record(end, text)
