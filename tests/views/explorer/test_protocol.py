"""What a page may not send: every wrong message gets a reason, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobkit import demo
from blobkit.views.explorer.protocol import ACTS, RequestError, read
from explorer_pages import VIEW, FakePage, message

if TYPE_CHECKING:
    from collections.abc import Iterator

HUGE = (1 << 53) + 1
WRONG_ANYWHERE = [None, [], {}, "text", 1.5, -1, HUGE, True, [1], "x" * 5000]


@pytest.fixture(scope="module")
def page() -> FakePage:
    found = FakePage.of(demo.small().snapshot())
    found.act({"act": "tick", "labels": [6], "on": True})
    return found


def refused(page: FakePage, sent: object, reason: str = "") -> None:
    before = page.widget.what_if.now
    reply = page.send(sent)
    assert reason in reply["error"]
    assert len(reply["error"]) <= 300
    assert set(reply) == {"to", "seq", "error"}
    assert page.widget.what_if.now is before


def with_act(act: object) -> dict[str, Any]:
    return message() | {"acts": [act]}


@pytest.mark.parametrize("sent", [None, [], "tick", 5, {}, {"ask": "page"}, {"ask": 5, "seq": "x"}])
def test_what_is_no_message_is_refused(page: FakePage, sent: object) -> None:
    refused(page, sent)


@pytest.mark.parametrize("act", [{"act": "script"}, {"act": "code"}, {"act": "goal", "text": "1"}])
def test_a_request_has_few_slow_acts(page: FakePage, act: dict[str, str]) -> None:
    assert len(read(message() | {"acts": [act] * 20}).acts) == 20
    refused(page, message() | {"acts": [act] * 21}, "at once")


VALID = {"ask": ["text"], "seq": [], "acts": [[]], "view": [], "rows": [], "picture": [None], "plain": [True]}


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (part, value)
        for part, valid in VALID.items()
        for value in WRONG_ANYWHERE
        if (value, type(value)) not in [(one, type(one)) for one in valid]
    ],
)
def test_a_part_of_a_wrong_type_is_refused(page: FakePage, part: str, value: object) -> None:
    refused(page, message() | {part: value})


@pytest.mark.parametrize(
    "act",
    [
        *({"act": value} for value in WRONG_ANYWHERE),
        {"act": "__init__"},
        {"act": "tick", "labels": [1.5], "on": True},
        {"act": "tick", "labels": [True], "on": True},
        {"act": "tick", "labels": [-1], "on": True},
        {"act": "tick", "labels": ["1"], "on": True},
        {"act": "tick", "labels": [HUGE], "on": True},
        {"act": "tick", "labels": [17], "on": True},
        {"act": "tick", "labels": [1], "on": 1},
        {"act": "tick", "labels": [1]},
        {"act": "tick", "labels": list(range(1001)), "on": True},
        {"act": "tick", "on": True},
        {"act": "all", "on": True},
        {"act": "all", "on": True, "view": VIEW | {"search": "re:("}},
        {"act": "range", "from": 0, "to": 99, "on": True, "view": VIEW},
        {"act": "range", "from": 0, "on": True, "view": VIEW},
        {"act": "goal", "text": 5},
        {"act": "goal", "text": "9" * 41},
    ],
)
def test_a_wrong_act_is_refused_and_so_is_all_that_comes_with_it(page: FakePage, act: object) -> None:
    refused(page, with_act(act))
    refused(page, message() | {"acts": [{"act": "clear"}, act]})


@pytest.mark.parametrize(
    "view",
    [
        {"sort": "size"},
        {"sort": "__class__"},
        {"search": "x" * 1001},
        {"search": "re:(?=x)"},
        {"search": 5},
        {"up": "yes"},
        {"open": [0.5]},
        {"open": list(range(2001))},
        {"older": -1},
        {"older": 1e9},
        {"older": "5"},
        {"keep": True},
        {"keep": 100_000},
        {"only": None},
    ],
)
def test_a_wrong_view_is_refused(page: FakePage, view: dict[str, object]) -> None:
    refused(page, message(**view))


@pytest.mark.parametrize("rows", [{"start": -1, "n": 5}, {"start": 0, "n": 201}, {"start": 0}, {"start": "0", "n": 1}])
def test_wrong_rows_are_refused(page: FakePage, rows: object) -> None:
    refused(page, message() | {"rows": rows})


@pytest.mark.parametrize(
    "picture",
    [
        {"zoom": [0, 0], "pixels": 900},
        {"zoom": [22, -1, 0], "pixels": 900},
        {"zoom": [-1, -1, 0], "pixels": 900},
        {"zoom": [-40, -1, 0], "pixels": 900},
        {"zoom": [-23, 5, 0], "pixels": 900},
        {"zoom": [-23, -2, 0], "pixels": 900},
        {"zoom": [0, -1, -5], "pixels": 900},
        {"zoom": None, "pixels": 0},
        {"zoom": None, "pixels": 1e6},
        {"zoom": "store", "pixels": 900},
    ],
)
def test_a_wrong_picture_is_refused(page: FakePage, picture: object) -> None:
    refused(page, message() | {"picture": picture})
    refused(page, message({"act": "clear"}) | {"picture": picture})


def test_what_is_far_away_is_empty_and_no_error(page: FakePage) -> None:
    reply = page.send(message(open=[5000, 16], older=99_999, keep=99_999) | {"rows": {"start": 1 << 50, "n": 200}})
    assert reply["rows"] == {"start": 1 << 50, "n": 0, "rows": 0, "matching": 0, "marked": 0}
    for zoom in ([0, -1, 1 << 50], [-23, -1, 1 << 50], [-23, 0, 1 << 50], [-22, -1, 0], [-2, -1, 0]):
        blocks = page.send(message() | {"picture": {"zoom": zoom, "pixels": 900}})["picture"]["blocks"]
        assert len(blocks) <= 80


def test_the_reason_goes_to_the_page_that_asked_and_is_safe(page: FakePage) -> None:
    reply = page.send({"ask": "me", "seq": 7, "acts": [{"act": "<b>\u202e" * 5000}]})
    assert (reply["to"], reply["seq"]) == ("me", 7)
    reply = page.send(message(search="re:(<img>\x1b[2J") | {"ask": "me"})
    assert "\x1b" not in reply["error"]


def parts(value: object) -> Iterator[tuple[Any, Any]]:
    """Every place in a message, as its container and its key."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield value, key
        yield from parts(inner)


ACT = st.sampled_from(sorted(ACTS)).map(
    lambda name: {"act": name, "labels": [3], "on": True, "view": dict(VIEW), "from": 1, "to": 9, "text": "5 KiB"}
)


@pytest.mark.slow
@settings(max_examples=150)
@given(ACT, st.integers(0, 200), st.sampled_from(WRONG_ANYWHERE))
def test_one_wrong_place_in_a_message_is_refused_or_harmless(act: dict[str, object], place: int, value: object) -> None:
    sent = message(act) | {"picture": {"zoom": [-23, 0, 0], "pixels": 900}}
    every = list(parts(sent))
    container, key = every[place % len(every)]
    container[key] = value
    try:
        request = read(sent)
    except RequestError:
        return
    assert len(request.acts) <= 1000
