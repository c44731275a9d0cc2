"""What a target stands for, and what is said where it stands for nothing or for several things."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

import blobkit
from blobkit.errors import (
    AmbiguousTargetError,
    BlobNotFoundError,
    InvalidDigestError,
    NotPinnedError,
    UnknownTargetError,
)
from blobkit.render import abbreviate
from blobkit.snapshot.snapshot import build
from graphs import key
from layouts import Layout, Registry, sha
from pinned import LONG, A, B, C, digest, freed, store

if TYPE_CHECKING:
    from pathlib import Path


def test_a_full_digest_is_the_blob_whatever_is_named_so() -> None:
    snapshot = store((None, A), (A, B))
    assert freed(snapshot, A) == {A}
    assert freed(snapshot, f"digest:{A}") == {A}
    assert freed(snapshot, f"tag:{A}") == {B}


def test_an_exact_name_beats_the_start_of_a_digest_with_a_notice() -> None:
    snapshot = store(("cccccc", A), (None, C))
    preview = blobkit.simulate_deref(snapshot, "cccccc")
    assert preview.digests == (A,)
    (notice,) = preview.notices
    assert notice == "cccccc was taken as the name, not as the start of sha256:cccccc000000"
    assert freed(snapshot, "digest:cccccc") == {C}
    quiet = blobkit.simulate_deref(snapshot, "tag:cccccc")
    assert (quiet.digests, quiet.notices) == ((A,), ())


@pytest.mark.parametrize(
    "name", ["deadbeef", "sha256:abc", "tag:x", "digest:x", "a*b", "*", "repo@x", "ns/name", "ü:1"]
)
def test_a_name_may_look_like_anything(name: str) -> None:
    snapshot = store((name, A), ("other", B))
    assert freed(snapshot, name) == {A}
    assert freed(snapshot, f"tag:{name}") == {A}


def test_tag_forces_the_name_that_follows() -> None:
    snapshot = store(("x", A))
    assert freed(snapshot, "tag:x") == {A}
    with pytest.raises(UnknownTargetError, match="nothing here is named 'y'"):
        freed(snapshot, "tag:y")
    with pytest.raises(UnknownTargetError):
        freed(snapshot, "tag:aaaaaa1")
    with pytest.raises(UnknownTargetError):
        freed(snapshot, "digest:x")


@pytest.mark.parametrize("prefix", ["cccccc", "sha256:cccccc", "digest:cccccc", "digest:sha256:cccccc00"])
def test_a_unique_start_of_a_digest(prefix: str) -> None:
    assert freed(store((None, C)), prefix) == {C}


def test_a_start_needs_six_hex_digits() -> None:
    starts = f"give at least 6 digits; {abbreviate(C)} starts with it"
    for few in ("ccccc", "c"):
        with pytest.raises(
            UnknownTargetError,
            match=f"nothing here is named '{few}', and it is too short for the start of a digest: {starts}",
        ):
            freed(store((None, C)), few)
        with pytest.raises(InvalidDigestError, match=f"'sha256:{few}' is too short .*: {starts}"):
            freed(store((None, C)), f"sha256:{few}")
    both = f"{abbreviate(A)}, {abbreviate(B)}, {abbreviate(LONG)} start with it"
    with pytest.raises(UnknownTargetError, match=both):
        blobkit.why(store((None, C)), "aaaaa")
    with pytest.raises(InvalidDigestError, match=r"too short for the start of a digest: give at least 6 digits$"):
        freed(store((None, C)), "sha256:d")
    with pytest.raises(UnknownTargetError, match="and no digest starts with it"):
        freed(store((None, C)), "d")


@pytest.mark.parametrize("prefix", ["aaaaaa", "digest:aaaaaa", "aaaaaa1"])
def test_an_ambiguous_start_lists_the_candidates(prefix: str) -> None:
    with pytest.raises(AmbiguousTargetError) as error:
        freed(store((None, A), (None, B), (None, LONG)), prefix)
    assert "give more of it" in str(error.value)
    assert all(found in str(error.value) for found in ([A, LONG] if prefix.endswith("1") else [A, B, LONG]))


def test_a_label_tells_starts_apart() -> None:
    snapshot = store((None, A), (None, LONG))
    assert freed(snapshot, "sha512:aaaaaa1") == {LONG}
    assert freed(snapshot, "sha256:aaaaaa1") == {A}


def test_names_of_stand_ins_do_not_hide_digests() -> None:
    """A hostile repository may be called like the start of a digest."""
    keys = sorted([C, *(f"sha256:cccccc{i}@{A}" for i in range(20))])
    nodes = {
        "key": keys,
        "size": [int(key == C) for key in keys],
        "stored": [("virtual", "yes")[key == C] for key in keys],
    }
    pins = {"node": [keys.index(C)], "kind": ["tag"]}
    snapshot = build("registry", "/r", nodes=nodes, links={"source": [], "target": []}, pins=pins)
    assert freed(snapshot, "cccccc") == {C}


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(UnknownTargetError, match=r"nothing here is named 'web-1'.*did you mean web-1.0"):
        freed(store(("web-1.0", A), ("database", B)), "web-1")


def test_errors_are_one_harmless_line() -> None:
    name = "web\n\x1b[31m\u202e"
    for snapshot, target in (
        (store((name, A)), "web"),
        (store((name, A), counting=True), A),
        (store((name, A)), name + "x"),
    ):
        with pytest.raises((UnknownTargetError, NotPinnedError)) as error:
            freed(snapshot, target)
        assert str(error.value).isprintable()
        assert "web" in str(error.value)


def test_unknown_and_malformed_digests() -> None:
    with pytest.raises(BlobNotFoundError, match="no blob sha256:dddddd") as error:
        freed(store((None, A)), digest("dddddd"))
    assert error.value.digest == digest("dddddd")
    for bad in ("sha256:XYZ", A.upper().replace("SHA256", "sha256"), "sha512:zz"):
        with pytest.raises(InvalidDigestError):
            freed(store((None, A)), bad)


def test_no_target_is_an_error() -> None:
    for nothing in ((), ([],), ("",)):
        with pytest.raises(UnknownTargetError):
            freed(store((None, A)), *nothing)
    with pytest.raises(UnknownTargetError, match="7 is not a target"):
        freed(store((None, A)), 7)
    with pytest.raises(UnknownTargetError, match="a DataFrame is not a target: give its index"):
        freed(store(("repo", A)), blobkit.tags_frame(store(("repo", A))))


def test_whatever_pandas_hands_over() -> None:
    snapshot = store(("a", A), ("b", B), ("c", C))
    frame = blobkit.tags_frame(snapshot)
    for targets in (
        ["a", "b"],
        ("a", ["b"]),
        frame.index[:2],
        pd.Series(["a", "b"]),
        {"a", "b"},
        frame["digest"].head(2),
    ):
        assert freed(snapshot, targets) == {A, B}
    assert freed(snapshot, "a", ["b", pd.Index(["c"])]) == {A, B, C}


def test_a_name_twice_counts_once() -> None:
    snapshot = store((None, A), counting=True, counts={0: 2})
    assert freed(snapshot, A, A) == freed(snapshot, [A, A[:20]]) == set()
    named = store(("x", A), ("y", A))
    assert freed(named, "x", "x", "x*") == set()
    assert freed(named, "x", "y") == freed(named, "*") == {A}


def test_targets_are_dropped_together_and_never_summed(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image("a", "shared", "only a")
    layout.image("b", "shared", "only b")
    snapshot = layout.scan()
    alone = sum(blobkit.simulate_deref(snapshot, name).bytes for name in "ab")
    both = blobkit.simulate_deref(snapshot, "a", "b")
    config = sha(b'{"architecture": "amd64", "os": "linux"}')
    assert both.bytes == snapshot.bytes == alone + layout.size(sha(b"shared"), config)


def test_groups_are_dropped_whole() -> None:
    snapshot = store(("r:1", A), ("r:2", B), ("rr:1", C))
    preview = blobkit.simulate_deref(snapshot, groups=("r",))
    assert set(preview.digests) == {A, B}
    assert preview.targets == ("r/*",)
    assert freed(snapshot, "rr:1", groups=["r"]) == {A, B, C}
    for unknown in ("q", ""):
        with pytest.raises(UnknownTargetError, match="no repository"):
            freed(snapshot, groups=(unknown,))


def test_all_pins_of_what_is_named() -> None:
    snapshot = store(("x", A), ("y", A), (None, A), counting=True, counts={2: 3})
    assert freed(snapshot, "x") == freed(snapshot, A) == set()
    assert freed(snapshot, A, all_pins=True) == freed(snapshot, "x", all_pins=True) == {A}


def test_a_digest_is_one_anonymous_pin() -> None:
    snapshot = store((None, A), (None, B), counting=True, counts={0: 2})
    assert freed(snapshot, A) == set()
    assert freed(snapshot, B) == {B}


def test_a_digest_that_is_only_named() -> None:
    pins = (("x", A), ("y", A))
    assert freed(store(*pins), A) == {A}
    with pytest.raises(
        NotPinnedError, match=r"no anonymous pin: x, y holds it; give the name, or all_pins=True"
    ) as error:
        freed(store(*pins, counting=True), A)
    assert error.value.digest == A


def test_a_pin_of_which_none_is_left_holds_nothing() -> None:
    snapshot = store((None, A), counting=True, counts={0: 0})
    with pytest.raises(NotPinnedError):
        freed(snapshot, A)
    grouped = build(
        "blobkit",
        "/s",
        nodes={"key": [A], "size": [1]},
        links={"source": [], "target": []},
        pins={"node": [0], "name": ["x"], "group": ["g"], "count": [0]},
    )
    assert freed(grouped, "x") == freed(grouped, groups=("g",)) == set()


def test_what_only_links_hold_says_what_to_drop(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image("b", "shared")
    layout.image("a", "shared", "more")
    with pytest.raises(NotPinnedError, match=r"only links hold it \(a, b .*simulate_deref\(x, \*why\(x, 'sha") as error:
        freed(layout.scan(), sha(b"shared"))
    assert error.value.digest == sha(b"shared")


def test_garbage_is_held_by_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    lost = layout.blob("lost")
    with pytest.raises(NotPinnedError, match="no references under policy dependent"):
        freed(layout.scan(), lost)


def test_names_that_hold_nothing_under_the_policy_say_so(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("r", "1", "content")
    preview = blobkit.simulate_deref(registry.scan(), "r:1", policy="gc")
    assert not preview
    assert any("none of these names holds a blob under policy gc" in notice for notice in preview.notices)


@pytest.mark.parametrize("policy", ["gc", "revisions"])
def test_a_manifest_takes_the_tags_of_its_own_repository_along(tmp_path: Path, policy: str) -> None:
    registry = Registry(tmp_path)
    image = registry.push("r", "1", "content")
    registry.tag("r", "2", image)
    registry.push("r", "other", "other")
    registry.tag("q", "1", registry.revision("q", image))
    snapshot = registry.scan(policy)
    preview = blobkit.simulate_deref(snapshot, f"r@{image}")
    assert preview.also_untagged == ("r:1", "r:2")
    assert not preview
    both = blobkit.simulate_deref(snapshot, image)
    assert both.also_untagged == ("q:1", "r:1", "r:2")
    assert image in both.digests
    for names in (("r:1",), ("tag:r:1",), ("r:1*",)):
        for targets in ((*names, f"r@{image}"), (f"r@{image}", *names)):
            assert blobkit.simulate_deref(snapshot, *targets).also_untagged == ("r:2",)


def test_dropping_a_tag_takes_nothing_along(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    image = registry.push("r", "1", "content")
    registry.tag("r", "2", image)
    assert blobkit.simulate_deref(registry.scan(), "r:1").also_untagged == ()
    assert freed(registry.scan(), "r:1") == set()
    assert image in freed(registry.scan(), image)


def test_what_a_pattern_names_itself_is_not_untagged_besides(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("r", "1", "content")
    snapshot = registry.scan("gc")
    assert blobkit.simulate_deref(snapshot, "*").also_untagged == ()
    assert blobkit.simulate_deref(snapshot, "r@*").also_untagged == ("r:1",)


def test_a_second_name_elsewhere_does_not_change_how_many_pins_go() -> None:
    """A digest means one pin on it, also where another blob has a name that does not hold."""
    snapshot = build(
        "oci",
        "/s",
        nodes={"key": [key(0), key(1)], "size": [1, 10]},
        links={"source": [], "target": []},
        pins={"node": [0, 1], "kind": ["ref", "entry"], "count": [0, 2]},
    )
    assert blobkit.simulate_deref(snapshot, key(1)).bytes == 0
