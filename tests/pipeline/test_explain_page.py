"""An explained lead as a page and as a picture."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from features.errors import InputError, OutputError
from pipeline.config import Project, load_project
from pipeline.explain_page import default_name, page_of, picture_of, write_explanation
from tests.pipeline.explained_by_hand import CHANGE, words_of

HOSTILE = '"><script>alert(1)</script><img src=https://example.com/x.png onerror=alert(1)>{{ 7 * 7 }}'


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the element."""
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of two tables, one with the name of a page."""
    (tmp_path / "leads.html").write_text("lead_id\nL1\n", encoding="utf-8")
    (tmp_path / "words.png").write_text('language = "de"', encoding="utf-8")
    path = tmp_path / "lead-scoring.toml"
    path.write_text(
        '[data.leads]\npath = "leads.html"\n[data.outcomes]\npath = "outcomes.csv"\n[wording]\nfile = "words.png"\n',
        encoding="utf-8",
    )
    return load_project(path)


def test_the_page_holds_everything_that_is_known() -> None:
    page = page_of(words_of(CHANGE))

    text = re.sub(
        r"\s+", " ", html.unescape(re.sub(r"<style.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL))
    )
    for said in (
        "Lead L1", "As of 2026-01-01 08:30 UTC, model abc123", "61 Score", "MQL Band", "B2 Grade",
        "12.3 % Chance to convert", "+44 Job title: director", "-6 Unsubscribed: 1 in the last 7 days",
        "What changed since 2025-12-01", "From 80 (SQL) to 61 (MQL)", "-44 Time passing (31 days)",
        "Today's priority list was used for both dates", "If nothing happens, it falls below MQL.",
        "A reason goes with the score; it is not proof of a cause.",
    ):  # fmt: skip
        assert said in text


def test_pictures_are_described_and_share_no_id() -> None:
    page = page_of(words_of(CHANGE))

    pictures = [attributes for tag, attributes in Elements(page).found if tag == "svg"]
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(pictures) == 4
    assert all(each["role"] == "img" for each in pictures)
    assert str(pictures[0]["aria-label"]).startswith(
        "An average lead starts here: 23. Job title: director: +44;"
    )
    assert len(ids) == len(set(ids))


def test_the_page_runs_nothing_and_loads_nothing_whatever_a_lead_holds() -> None:
    reasons = [{"text": HOSTILE, "points": 38.0, "group": "a"}]
    page = page_of(words_of(CHANGE, lead_id=HOSTILE, band=HOSTILE, reasons=reasons, shown_points=[38]))

    found = Elements(page).found
    harmless = {tag for tag, _ in Elements(page_of(words_of(CHANGE))).found}
    attributes = [(name, str(value)) for _, each in found for name, value in each.items()]
    assert {tag for tag, _ in found} == harmless
    assert not harmless & {"script", "img", "link", "iframe", "object", "embed", "image", "form", "a", "base"}
    assert [
        name for name, _ in attributes if name.startswith("on") or name in {"src", "srcset", "action"}
    ] == []
    assert all(value.startswith("#") for name, value in attributes if name.endswith("href"))
    assert "{{ 7 * 7 }}" in page


def test_the_style_loads_nothing() -> None:
    page = page_of(words_of(CHANGE))

    styles = re.findall(r"<style[^>]*>(.*?)</style>", page, flags=re.DOTALL)
    assert len(styles) == 5
    assert not any(word in style for style in styles for word in ("@import", "@font-face", "url(", "http"))
    assert "prefers-color-scheme: dark" in styles[0]
    assert "default-src 'none'" in page


def test_every_colour_of_a_picture_follows_the_page() -> None:
    page = page_of(words_of(CHANGE))

    drawn = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert re.findall(r"#[0-9a-f]{6}\b", drawn) == []
    assert {"--ink", "--muted", "--grid", "--sheet", "--series-1", "--series-2"} <= set(
        re.findall(r"--[\w-]+", drawn)
    )


def test_without_a_probability_the_page_says_so_and_without_a_change_nothing() -> None:
    page = page_of(words_of(probability=None))

    assert "The points table gives points, no chance to convert." in page
    assert "What changed" not in page
    assert "%" not in re.sub(r"<style.*?</style>|<[^>]*>", "", page, flags=re.DOTALL)


def test_the_picture_is_the_same_each_time_and_grows_with_a_change() -> None:
    alone, both = picture_of(words_of()), picture_of(words_of(CHANGE))

    assert alone == picture_of(words_of())
    heights = [int.from_bytes(each[20:24]) for each in (alone, both)]
    assert heights[0] < heights[1]


@pytest.mark.parametrize(
    "lead_id", ["../../etc/passwd", "a/b", "a\\b", "C:\\x", "ü", "", "x" * 300, "a\x00b", "..", "\ud800"]
)
def test_a_default_name_is_a_plain_file_name(lead_id: str) -> None:
    name = default_name(lead_id, "html")

    assert re.fullmatch(r"explain-[A-Za-z0-9._-]{0,89}\.html", name)
    assert Path(name).name == name


def test_two_leads_never_share_a_default_name() -> None:
    names = {default_name(each, "png") for each in ("a/b", "a-b", "a b", "A-b", "x" * 300, "x" * 301)}

    assert len(names) == 6


@pytest.mark.parametrize("form", ["html", "png"])
def test_a_file_is_written_whole_and_replaced(form: str, project: Project, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"lead.{form}"

    for _ in range(2):
        write_explanation(words_of(), path, "html" if form == "html" else "png", project)

    assert path.stat().st_size > 1_000
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("name", "form"), [("leads.html", "html"), ("words.png", "png"), ("more.html", "html")]
)
def test_no_input_is_replaced(name: str, form: str, project: Project, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / ".." / name
    (tmp_path / "elsewhere").mkdir()
    before = path.read_bytes() if path.exists() else None

    with pytest.raises(InputError, match="would replace an input of the project"):
        write_explanation(
            words_of(), path, "html" if form == "html" else "png", project, [tmp_path / "more.html"]
        )

    assert (path.read_bytes() if path.exists() else None) == before


def test_what_can_not_be_written_leaves_nothing_behind(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "taken.html"
    folder.mkdir()

    with pytest.raises(OutputError, match=r"taken.html can't be written"):
        write_explanation(words_of(), folder, "html", project)

    assert not (tmp_path / ".taken.html.tmp").exists()
