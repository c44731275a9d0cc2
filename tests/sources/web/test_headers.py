"""Headers from strangers: how to log in, when to come back, where the next page is."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.sources.web.challenges import Challenge, challenges
from blobkit.sources.web.delays import DAY, backoff, limited_for, moment, retry_after
from blobkit.sources.web.links import next_page
from remote_servers.played import NOW, Time

URL = "https://registry.example/v2/_catalog?n=2"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("Basic", [Challenge("basic")]),
        ('Basic realm="a, b"', [Challenge("basic", "a, b")]),
        ("Bearer realm=https://a/t,service=s", [Challenge("bearer", "https://a/t", "s")]),
        ('BEARER Realm = "https://a/t" , SCOPE="r:x:y q"', [Challenge("bearer", "https://a/t", "", "r:x:y q")]),
        (
            'Bearer realm="x \\"y\\" z",error="insufficient_scope"',
            [Challenge("bearer", 'x "y" z', error="insufficient_scope")],
        ),
        ('Basic realm="x", Bearer realm="https://a/t"', [Challenge("basic", "x"), Challenge("bearer", "https://a/t")]),
        (
            'Negotiate, Basic realm="Bearer realm=https://evil/"',
            [Challenge("negotiate"), Challenge("basic", "Bearer realm=https://evil/")],
        ),
        ('realm="without a scheme"', []),
        ('Bearer realm="never ends', [Challenge("bearer")]),
        ('Bearer fields="x",error_description="y"', [Challenge("bearer")]),
    ],
)
def test_ways_to_log_in(header: str, expected: list[Challenge]) -> None:
    found = challenges(header)
    assert found[: len(expected)] == expected
    assert len(found) <= max(len(expected), 4)


@given(st.text(max_size=200) | st.text('Bearer realm="\\=, \t', max_size=300))
def test_any_header_is_read_without_an_error(header: str) -> None:
    challenges(header)
    next_page(header, URL)
    retry_after({"Retry-After": header}, NOW)
    limited_for({"X-RateLimit-Reset": header}, NOW)


def test_long_headers_take_no_time() -> None:
    for text in ("1" * 10**6, "a" * 10**6, '"' * 10**6, "\\" * 10**6, "a=" * 10**6, "<" * 10**6, "<a>;" * 10**6):
        challenges(f"Bearer {text}")
        next_page(text, URL)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("120", 120),
        ("1.5", 1.5),
        (" 7", None),
        ("7 ", 7),
        ("99999999", DAY),
        ("1" * 400, None),
        ("\u0661", None),
        ("-1", None),
        ("1e9", None),
        ("nan", None),
        ("", None),
        ("tomorrow", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        (format_datetime(datetime.fromtimestamp(NOW + 60, UTC)), 60),
        (format_datetime(datetime.fromtimestamp(NOW + 60, UTC).replace(tzinfo=None)), 60),
        ("Fri, 99 Foo 1999 23:59:59 GMT", None),
        (format_datetime(datetime.fromtimestamp(NOW + 60, UTC), usegmt=True), 60),
    ],
)
def test_when_to_come_back(value: str, expected: float | None) -> None:
    assert retry_after({"Retry-After": value}, NOW) == expected


def test_retry_after_comes_before_a_reset() -> None:
    assert limited_for({"Retry-After": "3", "X-RateLimit-Reset": "9"}, NOW) == 3
    assert limited_for({"X-RateLimit-Reset": str(int(NOW) + 9)}, NOW) == 9
    assert limited_for({"X-RateLimit-Reset": "9"}, NOW) == 9
    assert limited_for({}, NOW) is None


def test_waits_double_and_end_growing() -> None:
    timing = Time().timing()
    assert [backoff(attempt, 0.5, timing) for attempt in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff(1, 1, timing._replace(chance=lambda: 0.0)) == 0.5
    assert 1.4 < backoff(1, 1, timing._replace(chance=lambda: 0.999)) < 1.5


def test_a_moment_is_never_too_early() -> None:
    assert moment(0.1, 1000.0) == datetime.fromtimestamp(1001, UTC)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ""),
        ('</v2/_catalog?last=b&n=2>; rel="next"', "/v2/_catalog?last=b&n=2"),
        ("<?last=b>;rel=next", "/v2/_catalog?last=b"),
        ('<http://inside.example:5000/v2/_catalog?last=b>; rel="next"', "/v2/_catalog?last=b"),
        ('</first>; rel="first", </v2/x?p=2>; title="a"; rel="prev next"', "/v2/x?p=2"),
        ('</v2/x>; rel="nextish"', ""),
        ('</v2/x>; title="rel=next"', ""),
        ('</v2/x>; REL="NEXT"', "/v2/x"),
        ('</v2/a%2Fb/tags/list?next_page=gAAAA%3D%3D>; rel="next"', "/v2/a%2Fb/tags/list?next_page=gAAAA%3D%3D"),
        ("<http://[::1/v2/x>; rel=next", ""),
        ("</v2/x; rel=next", ""),
    ],
)
def test_where_the_next_page_is(header: str, expected: str) -> None:
    assert next_page(header, URL) == expected
