"""Addresses: where the tables of a project lie, and how an address is shown without its secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path

from features.contracts import CONTRACT
from features.errors import ConfigError
from pipeline.config import Project, TableSettings

__all__ = ["data_url", "full_address", "has_secret", "input_files", "shown_address"]

_FROM_ENVIRONMENT, _SQLITE = "env:", "sqlite:///"


def shown_address(uri: str) -> str:
    """The address of a store without user and password.

    Examples
    --------
    >>> shown_address("postgresql://ann:secret@db/leads")
    'postgresql://***@db/leads'
    """
    without_user = re.sub(r"://\S*@", "://***@", uri)
    return re.sub(
        r"([?&][^=&\s]*(?:pass|pwd|token|secret|key)[^=&\s]*=)[^&\s]+",
        r"\1***",
        without_user,
        flags=re.IGNORECASE,
    )


def has_secret(uri: str) -> bool:
    """Whether an address holds a password or a key; a user alone is none.

    Examples
    --------
    >>> has_secret("postgresql://ann:secret@db/leads"), has_secret("postgresql://ann@db/leads")
    (True, False)
    """
    return shown_address(uri) != re.sub(r"://[^:@\s]*@", "://***@", uri)


def data_url(project: Project) -> str | None:
    """The address of the database that holds tables of the project; a path of SQLite stands where files do.

    Raises
    ------
    ConfigError
        As `full_address`.
    """
    url = project.data.url
    return None if url is None else full_address(url, project.root / project.data.folder)


def full_address(url: str, folder: Path) -> str:
    """What `data.url` means: `env:NAME` is the value of a variable, a path of SQLite stands against the folder.

    Raises
    ------
    ConfigError
        If it is to come from a variable of the environment that is not set.
    """
    if url.startswith(_FROM_ENVIRONMENT):
        name = url.removeprefix(_FROM_ENVIRONMENT)
        url = os.environ.get(name, "").strip()
        if not url:
            raise ConfigError(
                f"data.url = 'env:{name}', but the environment has no variable {name}. Set it to the address of the "
                "database, such as postgresql://USER:PASSWORD@HOST/DATABASE."
            )
    if url.startswith(_SQLITE):
        path, _, _ = url.removeprefix(_SQLITE).partition("?")
        return f"{_SQLITE}{(folder / path).resolve()}"
    return url


def input_files(project: Project) -> list[Path]:
    """The files that hold the tables of a project; one of SQLite is among them, a server's are not."""
    found: list[TableSettings | None] = [getattr(project.data, name) for name in CONTRACT]
    files = [project.table_path(table) for table in found if table is not None and table.path is not None]
    url = data_url(project) or ""
    return [*files, *([Path(url.removeprefix(_SQLITE))] if url.startswith(_SQLITE) else [])]
