"""Pages of leads read as a person or a program would: texts and figures out of the HTML."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["Page", "read"]


class Page(HTMLParser):
    """Every element with its attributes, and the text inside each table row and notice.

    Attributes
    ----------
    elements : (tag, attributes) in the order of the page.
    words : all that is shown, blanks joined.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self.feed(html)
        self.words = " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep what is shown."""
        self._texts.append(data)

    def all_of(self, name: str) -> list[str]:
        """Values of an attribute, of all elements that have it."""
        return [str(each[name]) for _, each in self.elements if name in each]

    def waterfalls(self) -> list[tuple[list[int], int]]:
        """Of each waterfall the points of its lines and the score at its end."""
        found: list[tuple[list[int], int]] = []
        points: list[int] = []
        for _, each in self.elements:
            if "data-points" in each:
                points.append(int(str(each["data-points"])))
            if "data-score" in each:
                found.append((points, int(str(each["data-score"]))))
                points = []
        return found


def read(html: str) -> Page:
    """The page."""
    return Page(html)
