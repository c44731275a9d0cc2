"""Patterns of names, against `fnmatch` and by plain cases; what takes no pattern says so."""

from __future__ import annotations

import fnmatch
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blobkit
from blobkit.errors import PatternError, UnknownTargetError
from blobkit.questions.inputs.patterns import expression
from blobkit.snapshot.snapshot import build
from blobkit.snapshot.tables import match_rows
from effort import TORTURE
from pinned import LONG, A, B, C, freed, store


def test_patterns_match_whole_names() -> None:
    snapshot = store(("web-1.0", A), ("web-1x0", B), ("web\n2", C), ("[a]", LONG))
    assert freed(snapshot, "web-1.*") == {A}
    assert freed(snapshot, "web*") == {A, B, C}
    assert freed(snapshot, "*1*0") == {A, B}
    assert freed(snapshot, "*") == {A, B, C, LONG}
    assert freed(snapshot, "web?2") == {C}
    assert freed(snapshot, "*-1[!.]0") == {B}
    assert freed(snapshot, "[[]*]") == {LONG}
    with pytest.raises(UnknownTargetError):
        freed(snapshot, "tag:web*")


def test_an_exact_name_beats_every_pattern() -> None:
    names = ("[a]", "web?", "a*b", "re:x.*")
    for name in names:
        snapshot = store((name, A), ("a", B), ("webs", C), ("a-b", LONG), ("x-y", LONG))
        assert freed(snapshot, name) == {A}
    assert freed(store(("x-y", A), ("y", B)), "re:x.*") == {A}
    assert freed(store(("web/a:1", A), ("web/b:1", B)), "web/[a]:1") == {A}


NAMES = st.text("ab]-[!^\\.*?|&~#+/:\n", max_size=6)


ODD = [
    "[b-a]",
    "[!b-a]",
    "[!b-a]*",
    "[a-b-]",
    "[--a]",
    "[]a]",
    "[!]a]",
    "[!!]",
    "[!a",
    "[^a]",
    "[[:alpha:]]",
    "[a]",
    "[]",
    "[!]",
    "[a&&b]",
    "[~~]",
    "[||]",
    "[\\]",
    "[a-]",
]
EVERY = ["", *"ab]-[!^\\.*?|&~#+/:\n", "a]", ":a]", "[a]", "aa", "[!a", "[]"]


@pytest.mark.parametrize("pattern", ODD)
def test_brackets_are_those_of_fnmatch(pattern: str) -> None:
    found = match_rows(pa.chunked_array([EVERY], pa.large_string()), expression(pattern))
    assert [EVERY[row] for row in found] == [name for name in EVERY if fnmatch.fnmatchcase(name, pattern)]


@pytest.mark.slow
@settings(max_examples=100 * TORTURE)
@given(st.text("ab]-[!^\\.*?|&~#+/:\n", max_size=8), st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_wildcards_are_those_of_fnmatch(pattern: str, names: list[str]) -> None:
    made = re.compile(fnmatch.translate(pattern))
    found = match_rows(pa.chunked_array([names], pa.large_string()), expression(pattern))
    assert [names[row] for row in found] == [name for name in names if made.match(name)]
    assert [bool(made.match(name)) for name in names] == [fnmatch.fnmatchcase(name, pattern) for name in names]


def test_a_regular_expression_is_about_the_whole_name() -> None:
    snapshot = store(("shop/web:1-rc1", A), ("shop/web:1", B), ("Shop/web:2-RC1", C), (None, LONG))
    assert freed(snapshot, "re:.*-rc[0-9]+") == {A}
    assert freed(snapshot, "re:(?i).*-rc[0-9]+") == {A, C}
    assert freed(snapshot, "re:a|.*web:1") == {B}
    with pytest.raises(UnknownTargetError, match="the pattern 're:rc' matches none of 3 names"):
        freed(snapshot, "re:rc")
    assert blobkit.plan(snapshot, free=1, keep="re:.*-rc.").tags == ("Shop/web:2-RC1",)


@pytest.mark.parametrize("bad", ["(", "a)|(b", "*", "(?=a)", r"(a)\1", "a{9999}", "(a{100}){100}{100}", "x" * 2000])
def test_a_bad_regular_expression_is_a_clear_error(bad: str) -> None:
    with pytest.raises(PatternError, match=r"is not a regular expression|at most 1,000") as error:
        freed(store(("a", A)), f"re:{bad}")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 250
    assert isinstance(error.value, ValueError)


def test_a_catastrophic_expression_takes_linear_time() -> None:
    names = [f"{'a' * 200}{i}" for i in range(2000)]
    snapshot = build(
        "oci", "/s", nodes={"key": [A], "size": [1]}, links={"source": [], "target": []},
        pins={"node": [0] * len(names), "name": names, "kind": ["entry"] * len(names)},
    )  # fmt: skip
    with pytest.raises(UnknownTargetError, match="matches none of 2,000 names"):
        freed(snapshot, "re:(a*)*(a|aa)+b")


def test_what_is_asked_of_one_blob_takes_no_pattern_and_no_repository() -> None:
    snapshot = store(("shop/web:1", A), ("shop/web:2", B))
    with pytest.raises(UnknownTargetError, match=r"a pattern.* of the 2 names that match it: shop/web:1, shop/web:2$"):
        blobkit.why(snapshot, "shop/web:*")
    with pytest.raises(UnknownTargetError, match=r"is a pattern, .*: give one name or digest$"):
        blobkit.why(snapshot, "nothing*")
    with pytest.raises(UnknownTargetError, match=r"is a repository, .*: give one of its names: shop/web:1, shop/web:2"):
        blobkit.why(snapshot, "shop/web")


def test_a_repository_is_dropped_as_a_group() -> None:
    snapshot = store(("shop/web:1", A), ("shop/web:2", B))
    with pytest.raises(UnknownTargetError, match=r"is a repository, not a name: use groups=\('shop/web',\) for all"):
        freed(snapshot, "shop/web")


def test_a_pattern_that_matches_nothing_says_so() -> None:
    with pytest.raises(UnknownTargetError, match=r"the pattern 'db-\*' matches none of 2 names"):
        freed(store(("a", A), ("b", B), (None, C)), "db-*")
