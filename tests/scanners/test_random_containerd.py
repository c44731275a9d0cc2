"""Random namespaces of containerd: what blobkit calls garbage, against the collector's algorithm written down again.

The oracle marks and sweeps objects by their names, as `metadata/gc.go` does; it shares no code with the scanner.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from containerd_roots import Containerd
from layouts import sha

if TYPE_CHECKING:
    from collections.abc import Iterator

    Drawn = dict[str, Any]
    Thing = tuple[str, str, str]
    """Kind, namespace and key of an object; flat kinds end in `-flat`."""

SPACES = ("one", "two")
BLOBS = tuple(f"blob {i}" for i in range(6))
TREES = tuple(f"tree{i}" for i in range(4))
NAMES = ("a:1", "b:1")
PAST, FUTURE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"

labels = st.dictionaries(
    st.sampled_from(["ref__content__x", "ref__content__y", "bref__content", "bref__image", "ref__image"]),
    st.integers(0, 5),
    max_size=3,
)
objects = st.fixed_dictionaries(
    {
        "claims": st.dictionaries(
            st.tuples(st.sampled_from(SPACES), st.sampled_from(BLOBS)), labels, min_size=2, max_size=12
        ),
        "trees": st.dictionaries(
            st.tuples(st.sampled_from(SPACES), st.sampled_from(TREES)),
            st.tuples(st.integers(-1, 3), st.booleans(), st.integers(-1, 5)),
            max_size=6,
        ),
        "images": st.dictionaries(
            st.tuples(st.sampled_from(SPACES), st.sampled_from(NAMES)),
            st.tuples(st.integers(0, 5), st.sampled_from(["", PAST, FUTURE]), st.integers(-1, 3)),
            max_size=3,
        ),
        "leases": st.lists(
            st.tuples(
                st.sampled_from(SPACES),
                st.lists(st.integers(0, 5), min_size=1, max_size=4),
                st.lists(st.integers(0, 3), max_size=2),
                st.booleans(),
                st.sampled_from(["", PAST, FUTURE, "no time"]),
            ),
            max_size=3,
        ),
        "version": st.sampled_from([3, 4]),
    }
)


def named(label: str, number: int) -> str:
    """The value of a label that names an object by its number."""
    return NAMES[number % 2] if label.endswith("image") else sha(BLOBS[number].encode())


class Oracle:
    """The collector over these objects."""

    def __init__(self, drawn: Drawn) -> None:
        self.drawn, self.second = drawn, drawn["version"] >= 4
        self.back: dict[Thing, list[Thing]] = {}
        for (space, blob), found in drawn["claims"].items():
            for label, number in found.items():
                if label.startswith("bref") and self.second:
                    kind = "image" if label.endswith("image") else "content"
                    self.back.setdefault((kind, space, named(label, number)), []).append(
                        ("content", space, sha(blob.encode()))
                    )

    def roots(self) -> Iterator[Thing]:
        for (space, name), (_, expires, _) in self.drawn["images"].items():
            if not (self.second and expires == PAST):
                yield "image", space, name
        for (space, key), (_, root, _) in self.drawn["trees"].items():
            if root:
                yield "tree", space, key
        for space, contents, trees, flat, expires in self.drawn["leases"]:
            if expires != PAST:
                end = "-flat" if flat else ""
                yield from ((f"content{end}", space, sha(BLOBS[i].encode())) for i in contents)
                yield from ((f"tree{end}", space, TREES[i]) for i in trees)

    def references(self, thing: Thing) -> Iterator[Thing]:
        kind, space, key = thing
        yield from self.back.get(thing, ())
        claims, trees, images = (self.drawn[name] for name in ("claims", "trees", "images"))
        blob = next((one for one in BLOBS if sha(one.encode()) == key), "")
        if kind == "content" and (space, blob) in claims:
            for label, number in claims[space, blob].items():
                if label.startswith("ref"):
                    yield "image" if label.endswith("image") else "content", space, named(label, number)
        elif kind.startswith("tree") and (space, key) in trees:
            parent, _, content = trees[space, key]
            if parent >= 0:
                yield kind, space, TREES[parent]
            if kind == "tree" and content >= 0:
                yield "content", space, sha(BLOBS[content].encode())
        elif kind == "image" and (space, key) in images:
            number, _, tree = images[space, key]
            yield "content", space, sha(BLOBS[number].encode())
            if tree >= 0:
                yield "tree", space, TREES[tree]

    def kept(self) -> set[Thing]:
        found: set[Thing] = set()
        todo = list(self.roots())
        while todo:
            thing = todo.pop()
            if thing not in found:
                found.add(thing)
                todo += self.references(thing)
        return found

    def garbage(self) -> set[str]:
        """The keys of the blobs and snapshots that go: a blob when no namespace keeps its claim."""
        kept = {(kind.removesuffix("-flat"), space, key) for kind, space, key in self.kept()}
        blobs = {blob for _, blob in self.drawn["claims"]}
        held = {blob for space, blob in self.drawn["claims"] if ("content", space, sha(blob.encode())) in kept}
        trees = {
            f"snapshot/{space}/overlayfs/{key}"
            for space, key in self.drawn["trees"]
            if ("tree", space, key) not in kept
        }
        return {sha(blob.encode()) for blob in blobs - held} | trees


def built(drawn: Drawn, root: Containerd) -> Containerd:
    root.version = drawn["version"]
    for (space, blob), found in drawn["claims"].items():
        root.add(blob, space, **{label: named(label, number) for label, number in found.items()})
    for (space, key), (parent, is_root, content) in drawn["trees"].items():
        more = {"root": "1"} if is_root else {}
        more |= {"ref__content": sha(BLOBS[content].encode())} if content >= 0 else {}
        root.snapshot(key, 3, TREES[parent] if parent >= 0 else "", namespace=space, **more)
    for (space, name), (number, expires, tree) in drawn["images"].items():
        more = {"expire": expires} if expires else {}
        more |= {"ref__snapshot__overlayfs": TREES[tree]} if tree >= 0 else {}
        root.name(name, sha(BLOBS[number].encode()), space, **more)
    for number, (space, contents, trees, flat, expires) in enumerate(drawn["leases"]):
        held = [sha(BLOBS[i].encode()) for i in contents] + [f"overlayfs/{TREES[i]}" for i in trees]
        more = ({"flat": ""} if flat else {}) | ({"expire": expires} if expires else {})
        root.lease(str(number), *held, namespace=space, **more)
    return root


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(drawn=objects)
def test_garbage_is_what_the_collector_would_take(quick_path: Path, drawn: Drawn) -> None:
    with tempfile.TemporaryDirectory(dir=quick_path) as place:
        snapshot = built(drawn, Containerd(Path(place) / "root")).scan()
    frame = snapshot.to_frame()
    garbage = Oracle(drawn).garbage()
    assert set(frame.index[frame["status"] == "garbage"]) == garbage
    expired = {"/".join(key) for key, (_, expires, _) in drawn["images"].items() if expires == PAST}
    for name in snapshot.tags_frame().index.difference(sorted(expired)):  # what does not hold cannot be dropped
        assert set(snapshot.simulate_deref(f"tag:{name}").digests) == without(drawn, name) - garbage


def without(drawn: Drawn, name: str) -> set[str]:
    """The garbage once a name is gone."""
    space, _, image = name.partition("/")
    images = {key: value for key, value in drawn["images"].items() if key != (space, image)}
    return Oracle(drawn | {"images": images}).garbage()
