"""Pictures as SVG inside a page: places across in per cent, so that texts keep their size on any screen.

Only presentation attributes and classes are used: the pages' policy forbids style attributes.
"""

from __future__ import annotations

from markupsafe import Markup, escape

__all__ = ["element", "picture", "text", "title"]

Value = str | float | int


def element(name: str, *inside: Markup, **attributes: Value | None) -> Markup:
    """One element; values are escaped, None leaves an attribute out, `class_` and `text_anchor` name their own.

    Examples
    --------
    >>> element("rect", class_="bar", x="5%", rx=2.50)
    Markup('<rect class="bar" x="5%" rx="2.5"/>')
    """
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_written(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not inside:
        return Markup(f"<{name}{named}/>")  # noqa: S704  every value is escaped above
    return Markup(f"<{name}{named}>{Markup('').join(inside)}</{name}>")  # noqa: S704  as above


def text(words: str, **attributes: Value | None) -> Markup:
    """A line of words.

    Examples
    --------
    >>> text("<b>", y=3)
    Markup('<text y="3">&lt;b&gt;</text>')
    """
    return element("text", escape(words), **attributes)


def title(words: str) -> Markup:
    """What is shown over a part while the pointer rests on it."""
    return element("title", escape(words))


def picture(key: str, name: str, description: str, *inside: Markup, class_: str, height: int) -> Markup:
    """A picture as wide as its place, told by `name` and `description` to who can't see it; `key` is its id."""
    names = (
        element("title", escape(name), id=f"{key}-title"),
        element("desc", escape(description), id=f"{key}-desc"),
    )
    return element(
        "svg", *names, *inside, class_=class_, width="100%", height=height, role="img",
        aria_labelledby=f"{key}-title", aria_describedby=f"{key}-desc",
    )  # fmt: skip


def _written(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
