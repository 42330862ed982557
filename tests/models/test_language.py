"""What a language may write in place of English, and what is refused."""

from __future__ import annotations

import re

import pytest

from models.language import form_count, phrase_faults, plural_rule

POLISH = "n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2"
ARABIC = "n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5"


@pytest.mark.parametrize(
    ("expression", "forms"), [("0", 1), ("n != 1", 2), ("n > 1", 2), (POLISH, 3), (ARABIC, 6)]
)
def test_the_plural_rule_of_every_language_can_be_written(expression: str, forms: int) -> None:
    assert form_count(plural_rule(expression)) == forms


@pytest.mark.parametrize(("n", "form"), [(1, 0), (2, 1), (5, 2), (12, 2), (22, 1), (112, 2)])
def test_polish_has_three_forms(n: int, form: int) -> None:
    assert plural_rule(POLISH)(n) == form


@pytest.mark.parametrize("expression", ["", "n !", "m != 1", "n / 0", "(" * 500, "__import__('os')", "n-1"])
def test_what_is_no_plural_expression_is_refused_with_an_example(expression: str) -> None:
    with pytest.raises(ValueError, match=r"is no plural expression .* such as n != 1"):
        plural_rule(expression)


@pytest.mark.parametrize(
    ("key", "phrase", "said"),
    [
        ("reason.rst", "x", r"reason.rst: there is no such phrase. Did you mean 'reason.rest'\?"),
        ("zzz", "x", r"zzz: there is no such phrase.$"),
        ("reason.rest", "{what}", r"\{what\} is no placeholder of this phrase: none here"),
        ("reason.value", "{wat}", r"\{wat\} is no placeholder of this phrase: there are \{value\}, \{what\}"),
        ("reason.unknown", "{what.real}", "braces hold a plain name only"),
        ("reason.unknown", "{what!r}", "braces hold a plain name only"),
        ("reason.unknown", "{what:>9}", "braces hold a plain name only"),
        ("reason.unknown", "{}", "braces hold a plain name only"),
        ("reason.unknown", "{what", "expected '}'.*got '{what'"),
        ("reason.rest", " ", "reason.rest: is empty"),
        ("unit.day", "Tag", r'a list of 2 plural forms expected, such as \["day", "days"\]; got "Tag"'),
        ("unit.day", ("Tag",), r'chooses from 2 forms; got 1: \["Tag"\]'),
        ("unit.day", ("Tag", ""), "unit.day: is empty"),
        ("reason.rest", ("a", "b"), r'one text expected, such as "Everything else"; got \["a", "b"\]'),
    ],
)
def test_a_phrase_that_can_not_be_used_is_named_with_its_fault(
    key: str, phrase: str | tuple[str, ...], said: str
) -> None:
    (found,) = phrase_faults({key: phrase}, 2)

    assert found.startswith(f"{key}: ")
    assert re.search(said, found), found


@pytest.mark.parametrize(
    ("key", "phrase"),
    [("activity.some_ago", "{ago}: {what}, {span} {count}"), ("reason.points", ("{what}", "{what} {count}"))],
)
def test_placeholders_may_stand_in_another_order_or_be_left_out(
    key: str, phrase: str | tuple[str, ...]
) -> None:
    assert phrase_faults({key: phrase}, 2) == []
