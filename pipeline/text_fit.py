"""Texts cut to lines of a given width, as a picture without a page's flow needs them."""

from __future__ import annotations

__all__ = ["SIZE", "fitted", "text_width"]

SIZE = 10.0
CUT = "…"
LONGEST = 600


def text_width(text: str, size: float = SIZE) -> float:
    """The width of a line in points of print (1/72 inch), in the font that pictures are drawn with."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return float(width)


def fitted(text: str, width: float, most_lines: int) -> list[str]:
    """The text as lines no wider than `width` points: broken at spaces, inside a word only where it must be.

    Signs that can't be seen become spaces; what does not fit in `most_lines` ends in "…".
    """
    plain = "".join(sign if sign.isprintable() else " " for sign in text[:LONGEST])
    lines: list[str] = []
    line = ""
    for word in plain.split():
        joined = f"{line} {word}" if line else word
        if text_width(joined) <= width:
            line = joined
            continue
        lines += [line] if line else []
        *whole, line = _pieces(word, width)
        lines += whole
    lines += [line] if line or not lines else []
    if len(lines) > most_lines:
        last = lines[most_lines - 1]
        while last and text_width(last + CUT) > width:
            last = last[:-1]
        lines = [*lines[: most_lines - 1], last.rstrip() + CUT]
    return lines


def _pieces(word: str, width: float) -> list[str]:
    """A word cut into pieces no wider than `width`, each of at least one sign."""
    pieces = [""]
    for sign in word:
        if pieces[-1] and text_width(pieces[-1] + sign) > width:
            pieces.append("")
        pieces[-1] += sign
    return pieces
