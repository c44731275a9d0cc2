"""Many targets at once stand for what each alone stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blobkit
from blobkit.errors import UnknownTargetError
from blobkit.questions.inputs import many
from blobkit.questions.inputs.targets import flattened, resolve
from blobkit.snapshot.lookups import dropped_with_revisions, rows_on_any, twins
from blobkit.snapshot.pins import rows_on
from blobkit.snapshot.snapshot import Snapshot, build
from registries import images

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYS = [f"sha256:{i:x}{'0' * 63}" for i in range(6)]
VIRTUAL = [f"{repo}@{key}" for repo in ("r", "s") for key in KEYS[:3]]
NODES = sorted((*KEYS, *VIRTUAL))
NAMES = ["r:1", "r:2", "s:1", "s:2", "abcdef0", "tag:x", "digest:x", KEYS[0], "ü", "sha256:abcdef12", "x*"]
KINDS = ["tag", "revision", "tagged-revision", "entry", "read-entry", "ref-name", "referrer-entry"]


@st.composite
def stores(draw: st.DrawFn) -> Snapshot:
    """A store of pins of all kinds, whatever they are on: names given several times, aliases, twins, revisions."""
    pins = draw(
        st.lists(
            st.tuples(
                st.sampled_from(NODES),
                st.none() | st.sampled_from(NAMES),
                st.sampled_from(KINDS),
                st.none() | st.sampled_from(["r", "s"]),
                st.integers(0, 2),
            ),
            max_size=14,
        )
    )
    node, name, kind, group, count = (list(column) for column in zip(*pins, strict=True)) if pins else ([],) * 5
    return build(
        draw(st.sampled_from(["oci", "registry", "blobkit"])),
        "x",
        nodes={
            "key": NODES,
            "size": [int("@" not in key) for key in NODES],
            "stored": ["virtual" if "@" in key else "yes" for key in NODES],
        },
        links={
            "source": [NODES.index(key) for key in VIRTUAL],
            "target": [NODES.index(key.partition("@")[2]) for key in VIRTUAL],
            "kind": ["revision"] * len(VIRTUAL),
        },
        pins={
            "node": [NODES.index(key) for key in node],
            "name": name,
            "kind": kind or np.empty(0, str),
            "group": group,
            "count": np.array(count, np.int64),
        },
    )


def outcome(snapshot: Snapshot, texts: Iterable[str], *, all_pins: bool) -> object:
    try:
        found = resolve(snapshot, texts, all_pins=all_pins)
    except blobkit.BlobkitError as error:
        return type(error), str(error)
    return found.rows, sorted(found.also_untagged), found.notices


@pytest.mark.slow
@given(stores(), st.data(), st.booleans())
def test_together_as_one_by_one(snapshot: Snapshot, data: st.DataObject, all_pins: bool) -> None:  # noqa: FBT001 (drawn)
    here = sorted(set(snapshot.pins["name"].drop_null().to_pylist())) or ["nobody"]
    texts = data.draw(st.lists(st.sampled_from(here), unique=True, min_size=1))
    texts += data.draw(st.sampled_from([[], [], [], ["nobody"], ["\udcff"], [KEYS[1]]]))
    alone = outcome(snapshot, texts, all_pins=all_pins)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "MANY", 0)
        assert outcome(snapshot, texts, all_pins=all_pins) == alone


@pytest.mark.slow
@given(stores())
def test_the_tags_of_each_revision(snapshot: Snapshot) -> None:
    pins = snapshot.pins.to_pylist()
    links = {(link["source"], link["target"]) for link in snapshot.links.to_pylist()}
    revision = [i for i, pin in enumerate(pins) if pin["kind"] == "revision"]
    expected = {
        i
        for i, pin in enumerate(pins)
        if pin["kind"] in {"tag", "tagged-revision"}
        for one in (pins[row] for row in revision)
        if pin["group"] == one["group"] and (pin["node"] == one["node"] or (one["node"], pin["node"]) in links)
    }
    assert dropped_with_revisions(snapshot, np.array(revision, np.int64)).tolist() == sorted(expected)


@pytest.mark.slow
@given(stores())
def test_the_twins_of_each_pin(snapshot: Snapshot) -> None:
    pins = snapshot.pins.to_pylist()
    links = {(link["source"], link["target"]) for link in snapshot.links.to_pylist()}
    found, whose = twins(snapshot, range(len(pins)))
    assert sorted(zip(whose.tolist(), found.tolist(), strict=True)) == [
        (row, i)
        for row, pin in enumerate(pins)
        for i, other in enumerate(pins)
        if other["kind"] == "read-entry" and other["name"] == pin["name"] and (other["node"], pin["node"]) in links
    ]


@pytest.mark.slow
@given(stores(), st.lists(st.integers(0, len(NODES) - 1)))
def test_the_pins_on_several_nodes(snapshot: Snapshot, nodes: list[int]) -> None:
    found = rows_on_any(snapshot, np.array(nodes, np.int64))
    assert found.tolist() == [row for node in nodes for row in rows_on(snapshot, node)]


@pytest.mark.slow
def test_every_other_tag_of_a_frame() -> None:
    snapshot = images(3000)
    tags = blobkit.tags_frame(snapshot)
    some = tags.index[::2]
    assert len(some) > many.MANY
    one_by_one: dict[int, int] = {}
    for tag in some:
        one_by_one |= resolve(snapshot, tag).rows
    assert resolve(snapshot, some).rows == one_by_one
    with pytest.raises(UnknownTargetError, match="nothing here is named 'nobody:1'"):
        resolve(snapshot, [*some, "nobody:1"])


@settings(max_examples=50)
@given(st.recursive(st.sampled_from("abcd"), lambda one: st.lists(one, max_size=4)))
def test_nested_lists_give_each_text_once_in_order(nested: object) -> None:
    def walk(item: object) -> Iterable[str]:
        if isinstance(item, str):
            yield item
        else:
            for one in item:  # type: ignore[attr-defined]
                yield from walk(one)

    assert list(flattened(nested)) == list(dict.fromkeys(walk(nested)))  # type: ignore[arg-type]
    assert list(flattened([pd.Index(["b", "a", "b"]), pd.Series(["c", "a"])])) == ["b", "a", "c"]
