"""Titles, sizes and addresses as people really write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.titles import (
    DEPARTMENTS,
    EMAIL_KINDS,
    SENIORITIES,
    department,
    email_kind,
    role,
    seniority,
    size_band,
)


@pytest.mark.parametrize(
    ("title", "level"),
    [
        ("CEO", "c-level"), ("Chief Technology Officer", "c-level"), ("ciso", "c-level"), ("CHRO", "c-level"),
        ("CDO", "c-level"), ("Co-Founder & CTO", "c-level"), ("Managing Director", "c-level"), ("Owner", "c-level"),
        ("Geschäftsführer", "c-level"), ("President", "c-level"), ("Vice President Sales", "vp"), ("SVP, Growth", "vp"),
        ("Head of IT", "vp"), ("Director of Finance", "director"), ("Associate Director", "director"),
        ("Sales Manager", "manager"), ("Team Lead", "manager"), ("Product Owner", "staff"), ("Process owner", "staff"),
        ("Junior Developer", "junior"), ("Office Assistant", "junior"), ("Assistant to the CEO", "junior"),
        ("Executive Assistant to the Managing Director", "junior"), ("PA to CFO", "junior"), ("Student", "student"),
        ("Marketing Intern", "student"), ("International Buyer", "staff"), ("Senior Engineer", "senior"),
        ("Buyer", "staff"), ("Coordinator", "staff"), ("Copywriter", "staff"), ("CEO / Founder", "c-level"),
    ],
)  # fmt: skip
def test_a_title_has_the_seniority_that_a_reader_would_give_it(title: str, level: str) -> None:
    found = seniority(title)

    assert found is not None
    assert SENIORITIES[found] == level


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("CTO", "it"), ("IT Manager", "it"), ("Head of Software Engineering", "it"), ("CFO", "finance"),
        ("Accountant", "finance"), ("VP Marketing", "marketing"), ("Social Media Manager", "marketing"),
        ("Product Marketing Manager", "marketing"), ("Sales Director", "sales"), ("HR Business Partner", "hr"),
        ("Product Manager", "product"), ("General Counsel", "legal"), ("Customer Success Manager", "support"),
        ("CEO", None), ("Member", None), ("", None), ("Visitor", None), ("Credit Officer", None),
        ("Hospitality Trainee", None), ("Prince", None),
    ],
)  # fmt: skip
def test_a_title_names_the_department_only_by_whole_words(title: str, name: str | None) -> None:
    assert department(title) == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("CEO", "c-level"), ("PM", "pm"), ("Senior Product Manager", "pm"), ("Project Lead", "pm"),
        ("Product Owner", "pm"), ("Director", "director"), ("VP Sales", "director"), ("Assistant", "assistant"),
        ("Executive Assistant to the CEO", "assistant"), ("Sales Manager", None), ("Nurse", None), (" ", None),
    ],
)  # fmt: skip
def test_a_title_has_the_role_that_the_points_table_asks_for(title: str, name: str | None) -> None:
    assert role(title) == name


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500", 500), ("500.0", 500), ("1000+", 1000), ("1,000+", 1000), ("1.000-5.000", 1000), ("1 000", 1000),
        ("10,001+ employees", 10_001), ("50-99", 50), ("51–200", 51), ("500 - 999", 500), ("ca. 250", 250),
        ("<50", 0), ("< 50", 0), ("under 50", 0), ("Less than 10", 0), ("up to 49", 0), ("fewer than 5", 0),
        ("bis 50", 0), ("unter 50", 0), (">1000", 1000), ("over 1000", 1000), ("more than 500", 500),
        ("1k", 1000), ("5K+", 5000), ("1-10", 1), ("0", 0), ("unknown", None), ("", None), ("9" * 400, None),
        ("-", None), ("1.5", 1.5),
    ],
)  # fmt: skip
def test_a_size_is_the_lower_end_of_its_band(text: str, size: float | None) -> None:
    assert size_band(text) == size


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("x@gmail.com", "free"), ("X@GMAIL.COM ", "free"), ("x@web.de", "free"), ("x@mit.edu", "education"),
        ("x@ox.ac.uk", "education"), ("x@uni-bonn.de", "education"), ("x@state.gov", "government"),
        ("x@hmrc.gov.uk", "government"), ("x@acme.com", "business"), ("x@notgmail.com", "business"),
        ("x@mail.gmail.com.evil.io", "business"), ("a@b@acme.io", "business"), ("x", None), ("x@localhost", None),
        ("", None), ("@", None),
    ],
)  # fmt: skip
def test_an_address_is_read_by_its_domain(address: str, kind: str | None) -> None:
    assert email_kind(address) == kind


@given(st.text(max_size=60))
def test_any_text_is_read_into_the_known_levels_or_none(text: str) -> None:
    assert seniority(text) in {None, *range(len(SENIORITIES))}
    assert department(text) in {None, *DEPARTMENTS}
    assert role(text) in {None, "c-level", "pm", "director", "assistant"}
    assert email_kind(text) in {None, *EMAIL_KINDS}
    size = size_band(text)
    assert size is None or 0 <= size < float("inf")


@given(st.sampled_from(["CEO", "Head of Sales", "Junior Developer", "Product Manager"]), st.booleans())
def test_case_and_blanks_around_change_nothing(title: str, upper: bool) -> None:
    other = f"  {title.upper() if upper else title.lower()} "

    assert (seniority(other), department(other), role(other)) == (
        seniority(title),
        department(title),
        role(title),
    )
