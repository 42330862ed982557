"""Records of who made which version champion, and the way back."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from pipeline.promotions import History, Kind, Promotion, champion_before, history_of, stated

AT = datetime(2026, 1, 8, 12, 30, tzinfo=UTC)


def act(number: int, kind: Kind, former: str | None, version: str, why: str = "better") -> Promotion:
    """One act of Ann's."""
    return Promotion(number, kind, "ann", why, AT, former, version, f"model{version}")


def walked(*versions: str) -> list[Promotion]:
    """Each version promoted in turn."""
    formers = (None, *versions)
    return [
        act(number, "promote", former, version)
        for number, (former, version) in enumerate(zip(formers, versions, strict=False), 1)
    ]


@given(why=st.text(min_size=1), by=st.text(min_size=1), former=st.none() | st.text())
def test_a_record_comes_back_from_its_tag_as_it_was(why: str, by: str, former: str | None) -> None:
    try:
        made = Promotion(7, "gate", by, why, AT, former, "3", "abc")
    except InputError:
        return

    tag, text = made.as_tag()

    assert history_of({tag: text, "owner": "sales"}) == History((made,))
    assert tag.startswith("promotion.000007.")


@given(why=st.text(min_size=500, max_size=500), by=st.text(min_size=100, max_size=100))
def test_no_record_outgrows_a_tag(why: str, by: str) -> None:
    try:
        made = Promotion(999_999, "rollback", by, why, AT, "99999", "99998", "a" * 12)
    except InputError:
        return

    text = made.as_tag()[1]

    assert len(text) < 5_000
    assert text.encode("utf-8").decode("utf-8").isprintable()


def test_two_records_of_one_moment_have_tags_of_their_own() -> None:
    twin = act(1, "promote", "1", "2"), act(1, "promote", "1", "3")

    tags = dict(each.as_tag() for each in (*twin, twin[0]))

    assert len(tags) == 3
    assert history_of(tags).next_number == 2


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_an_act_without_a_reason_or_a_name_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--why is empty; an act is recorded with its reason, such as --why"):
        stated("why", text)
    with pytest.raises(InputError, match=r"--by is empty; .* such as --by ann"):
        Promotion(1, "promote", text, "x", AT, None, "1", "m")


def test_a_reason_that_is_too_long_is_refused_and_not_cut() -> None:
    assert stated("why", "x" * 500) == "x" * 500
    with pytest.raises(InputError, match="--why has 501 characters; at most 500 are kept"):
        stated("why", "x" * 501)
    with pytest.raises(InputError, match="--by has 101 characters; at most 100 are kept"):
        stated("by", "x" * 101)


def test_signs_that_steer_a_terminal_are_spelled_out() -> None:
    assert stated("why", "a\x1b[31mb\udcffc\r\nd") == "a\\x1b[31mb\\udcffc d"


@pytest.mark.parametrize(
    "change",
    [
        {"number": "1"}, {"number": True}, {"kind": "coup"}, {"by": None}, {"to": 3}, {"from": 2},
        {"at": "yesterday"}, {"at": "2026-01-08T12:30:00"}, {"why": ""}, {"model_version": None},
    ],
)  # fmt: skip
def test_a_record_of_the_wrong_shape_is_named_as_damaged_and_hides_no_other(
    change: dict[str, object],
) -> None:
    good = act(2, "promote", "1", "2")
    broken = json.dumps({**good.to_json(), **change})

    found = history_of({"promotion.000009.00000000": broken, "promotion.000002.ffffffff": good.as_tag()[1]})

    assert found == History((good,), ("promotion.000009.00000000",))
    assert found.next_number == 10


@pytest.mark.parametrize("text", ["", "no json", "[]", "null", "{}"])
def test_a_tag_that_holds_no_record_is_damaged(text: str) -> None:
    assert history_of({"promotion.x": text}) == History((), ("promotion.x",))


def test_acts_stand_in_the_order_of_their_numbers_whatever_the_clock_says() -> None:
    acts = walked("1", "2", "3")
    tags = dict(each.as_tag() for each in reversed(acts))

    assert list(history_of(tags).records) == acts


def test_rollbacks_walk_back_and_never_forth() -> None:
    acts, everything = walked("1", "2", "3", "4"), {"1", "2", "3", "4"}

    steps = []
    present: str | None = "4"
    while (before := champion_before(acts, present, everything)) is not None:
        acts.append(act(len(acts) + 1, "rollback", present, before))
        steps.append(before)
        present = before

    assert steps == ["3", "2", "1"]


def test_a_promotion_after_a_rollback_goes_on_from_there() -> None:
    acts = [*walked("1", "2", "3"), act(4, "rollback", "3", "2"), act(5, "promote", "2", "4")]

    assert champion_before(acts, "4", {"1", "2", "3", "4"}) == "2"


def test_a_version_deleted_since_is_passed_over() -> None:
    assert champion_before(walked("1", "2", "3"), "3", {"1", "3"}) == "1"
    assert champion_before(walked("1", "2"), "2", {"2"}) is None


def test_a_champion_appointed_before_anything_was_recorded_can_be_returned_to() -> None:
    assert champion_before([act(1, "promote", "1", "2")], "2", {"1", "2"}) == "1"


def test_an_alias_moved_by_other_means_is_where_the_way_back_starts() -> None:
    acts, everything = walked("1", "2", "3"), {"1", "2", "3", "9"}

    assert champion_before(acts, "2", everything) == "1"
    assert champion_before(acts, "9", everything) == "3"
    assert champion_before(acts, None, everything) == "3"


def test_without_a_record_there_is_no_way_back() -> None:
    assert champion_before([], "2", {"1", "2"}) is None
    assert champion_before([], None, {"1"}) is None


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("1234")), max_size=12))
def test_a_rollback_never_returns_to_the_champion_it_leaves_and_always_ends(
    moves: list[tuple[bool, str]],
) -> None:
    acts: list[Promotion] = []
    present: str | None = None
    for is_back, version in moves:
        to = champion_before(acts, present, set("1234")) if is_back else version
        if to is None or to == present:
            continue
        acts.append(act(len(acts) + 1, "rollback" if is_back else "promote", present, to))
        present = to

    backs = 0
    while (before := champion_before(acts, present, set("1234"))) is not None:
        assert before != present
        acts.append(act(len(acts) + 1, "rollback", present, before))
        present, backs = before, backs + 1

    assert backs <= len(moves)
