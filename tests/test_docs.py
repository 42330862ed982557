"""What the documents say is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from features.settings import AttributeGroup
from pipeline.config import Project, TableSettings

ROOT = Path(__file__).parents[1]


def settings_names(model: type[BaseModel]) -> set[str]:
    """Names of all settings below a section, sections themselves included."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        if name == "root":
            continue
        names.add(name)
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                names |= settings_names(kind)
    return names


def test_every_setting_stands_in_the_reference() -> None:
    text = (ROOT / "docs" / "project-file.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", text))

    missing = settings_names(Project) | settings_names(TableSettings) | settings_names(AttributeGroup)

    assert sorted(missing - words) == []


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", "docs/architecture.md", "docs/project-file.md"]
)
def test_every_local_link_leads_somewhere(page: str) -> None:
    source = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)#]+)", source.read_text(encoding="utf-8"))

    lost = [link for link in links if not (source.parent / link).exists()]

    assert lost == []


def test_every_make_target_of_the_readme_is_in_the_makefile() -> None:
    targets = set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    lost = [
        target
        for target in sorted(targets)
        if not re.search(rf"^{target}:|^{target} ", makefile, re.MULTILINE)
    ]

    assert lost == []


def test_the_architecture_page_names_every_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    skipped = {"__init__", "errors", "durations", "settings", "titles"}

    modules = {
        path.stem for package in ("features", "models") for path in (ROOT / package).glob("*.py")
    } - skipped

    assert sorted(name for name in modules if f"`{name}`" not in text) == []
