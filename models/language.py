"""What a language asks of its phrases: known keys, known placeholders, enough plural forms."""

from __future__ import annotations

import difflib
import gettext
import string
from collections.abc import Callable, Mapping
from typing import Any

from models.english import ENGLISH

__all__ = ["Phrase", "flat_phrases", "form_count", "phrase_faults", "placeholders", "plural_rule"]

Phrase = str | tuple[str, ...]
_TRIED = range(1001)  # plural rules look at the last one to three digits


def plural_rule(expression: str) -> Callable[[int], int]:
    """The function from a whole number to the place of its plural form, of a gettext expression.

    Parameters
    ----------
    expression : what stands after `plural=` in the head of a gettext catalogue, such as `n != 1`.

    Raises
    ------
    ValueError
        If the expression can't be read, fails for a number or gives less than 0.

    Examples
    --------
    >>> [plural_rule("n != 1")(n) for n in (0, 1, 2)]
    [1, 0, 1]
    """
    cure = "write it as gettext does, such as n != 1"
    try:
        rule: Callable[[int], int] = gettext.c2py(expression)
        lowest = min(rule(n) for n in _TRIED)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{expression!r} is no plural expression ({error}); {cure}") from error
    if lowest < 0:
        raise ValueError(f"{expression!r} is no plural expression (it gives {lowest}); {cure}")
    return rule


def form_count(rule: Callable[[int], int]) -> int:
    """How many forms a plural rule chooses from.

    Examples
    --------
    >>> form_count(plural_rule("0")), form_count(plural_rule("n != 1"))
    (1, 2)
    """
    return 1 + max(rule(n) for n in _TRIED)


def placeholders(template: str) -> set[str]:
    """Names in the braces of a template.

    Raises
    ------
    ValueError
        If braces don't match, or hold anything but a plain name.

    Examples
    --------
    >>> sorted(placeholders("{count} of {total}"))
    ['count', 'total']
    """
    names: set[str] = set()
    for _, name, form, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if not name.isidentifier() or form or conversion:
            raise ValueError(f"braces hold a plain name only, such as {{count}}; got {template!r}")
        names.add(name)
    return names


def flat_phrases(phrases: Mapping[str, Any]) -> dict[str, Phrase]:
    """Phrases by their dotted keys, from any mix of dotted keys and nested tables; lists become tuples.

    Raises
    ------
    ValueError
        If a value is neither a text nor a list of texts.

    Examples
    --------
    >>> flat_phrases({"reason": {"rest": "Übriges"}, "date": "{day}.{month}."})
    {'reason.rest': 'Übriges', 'date': '{day}.{month}.'}
    """
    flat: dict[str, Phrase] = {}
    for key, value in phrases.items():
        if isinstance(value, Mapping):
            flat |= flat_phrases({f"{key}.{inner}": phrase for inner, phrase in value.items()})
        elif isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            flat[key] = tuple(value)
        elif isinstance(value, str):
            flat[key] = value
        else:
            raise ValueError(f"{key}: a text, or a list of texts, expected; got {value!r}")
    return flat


def phrase_faults(phrases: Mapping[str, Phrase], n_forms: int) -> list[str]:
    """What is wrong with phrases that are to take the place of English ones, in the order given.

    Parameters
    ----------
    phrases : by dotted key.
    n_forms : plural forms that the language's rule chooses from.
    """
    faults: list[str] = []
    for key, phrase in phrases.items():
        if key not in ENGLISH:
            near = difflib.get_close_matches(key, ENGLISH, n=1, cutoff=0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            faults.append(f"{key}: there is no such phrase.{hint}")
            continue
        said = _fault(phrase, ENGLISH[key], n_forms)
        if said:
            faults.append(f"{key}: {said}")
    return faults


def _fault(phrase: Phrase, english: Phrase, n_forms: int) -> str:
    if isinstance(phrase, tuple) != isinstance(english, tuple):
        wanted = (
            f"a list of {n_forms} plural form{'' if n_forms == 1 else 's'}"
            if isinstance(english, tuple)
            else "one text"
        )
        return f"{wanted} expected, such as {_written(english)}; got {_written(phrase)}"
    if isinstance(phrase, tuple) and len(phrase) < n_forms:
        return f"the plural expression chooses from {n_forms} forms; got {len(phrase)}: {_written(phrase)}"
    known = set().union(*(placeholders(each) for each in _forms(english)))
    for form in _forms(phrase):
        if not form.strip():
            return "is empty"
        try:
            unknown = sorted(placeholders(form) - known)
        except ValueError as error:
            return str(error) if "braces" in str(error) else f"{error}; got {form!r}"
        if unknown:
            there = (
                f"there are {', '.join(f'{{{name}}}' for name in sorted(known))}" if known else "none here"
            )
            return f"{{{unknown[0]}}} is no placeholder of this phrase: {there}"
    return ""


def _forms(phrase: Phrase) -> tuple[str, ...]:
    return phrase if isinstance(phrase, tuple) else (phrase,)


def _written(phrase: Phrase) -> str:
    """As it stands in a TOML file."""
    if isinstance(phrase, str):
        return f'"{phrase}"'
    return f"[{', '.join(_written(form) for form in phrase)}]"
