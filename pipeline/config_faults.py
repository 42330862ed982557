"""Faults of a project file in words: all in one message, each with its path and a way out."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError

__all__ = ["all_faults"]


def all_faults(read: str, error: ValidationError, model: type[BaseModel]) -> str:
    """One message with every fault of a project file, each with its path and, for an unknown key, the nearest name.

    Parameters
    ----------
    read : the file or files, as the user named them.
    model : what they were read as; its fields are the known keys.
    """
    faults = error.errors()
    lines = [f"{read} has {len(faults)} fault{'s' if len(faults) > 1 else ''}:"]
    for fault in faults:
        where = ".".join(str(part) for part in fault["loc"]) or "(the whole file)"
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {where}: unknown key.{_nearest(fault['loc'], model)}")
        elif fault["type"] == "missing":
            lines.append(f"  {where}: is required and missing.")
        else:
            said = fault["msg"].removeprefix("Value error, ")
            # a fault between sections is told by its words; the sections themselves would bury them
            # and an address may hold a password
            is_quiet = isinstance(fault["input"], dict) or fault["loc"][-1:] in {("url",), ("uri",)}
            got = "" if is_quiet else f"; got {_short(fault['input'])}"
            lines.append(f"  {where}: {said}{got}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _nearest(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    known = _known_keys(location[:-1], model)
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else f" Known here: {', '.join(known)}."


def _known_keys(parents: tuple[int | str, ...], model: Any) -> list[str]:
    is_named_by_user = False
    for part in parents:
        if isinstance(part, int):
            continue
        if is_named_by_user or not _is_model(model) or part not in model.model_fields:
            is_named_by_user = False
            continue
        annotation = model.model_fields[part].annotation
        is_named_by_user = getattr(annotation, "__origin__", None) is dict
        model = _model_inside(annotation)
    names = list(model.model_fields) if _is_model(model) else []
    return [name for name in names if model.model_fields[name].validation_alias is None]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _model_inside(annotation: Any) -> Any:
    if _is_model(annotation):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_inside(inner)
        if found is not None:
            return found
    return None
