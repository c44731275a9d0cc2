"""Many targets at once stand for what each alone stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blobkit
from blobkit.errors import ChoiceError, UnknownTargetError
from blobkit.questions.inputs import many, targets
from blobkit.questions.inputs.targets import PinName, flattened, resolve
from blobkit.snapshot.lookups import dropped_with_revisions, rows_on_any, twins
from blobkit.snapshot.pins import rows_on
from blobkit.snapshot.snapshot import Snapshot, build
from effort import TORTURE
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
@settings(max_examples=100 * TORTURE)  # seldom a target is unknown
@given(stores(), st.data(), st.booleans())
def test_together_as_one_by_one(snapshot: Snapshot, data: st.DataObject, all_pins: bool) -> None:  # noqa: FBT001 (drawn)
    here = sorted(set(snapshot.pins["name"].drop_null().to_pylist())) or ["nobody"]
    texts = data.draw(st.lists(st.sampled_from(here), unique=True, min_size=1))
    texts += data.draw(st.sampled_from([[], [], [], ["nobody"], ["\udcff"], [KEYS[1]]]))
    alone = outcome(snapshot, texts, all_pins=all_pins)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "MANY", 0)
        assert outcome(snapshot, texts, all_pins=all_pins) == alone
        if "\udcff" not in texts:
            assert outcome(snapshot, (pd.Index(texts, dtype="str"),), all_pins=all_pins) == alone


@pytest.mark.slow
@settings(max_examples=100 * TORTURE)
@given(stores(), st.data())
def test_a_mask_is_the_names_that_it_selects(snapshot: Snapshot, data: st.DataObject) -> None:
    tags = blobkit.tags_frame(snapshot)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(tags), max_size=len(tags))), np.bool_)
    names = [PinName(name) for name in dict.fromkeys(tags.index[mask])]
    alone = outcome(snapshot, names, all_pins=False)
    for given_mask in (mask, pd.Series(mask, tags.index)):
        assert outcome(snapshot, (given_mask,), all_pins=False) == alone
    if tags.index.is_unique:
        order = data.draw(st.permutations(range(len(tags))))
        assert outcome(snapshot, (pd.Series(mask, tags.index).iloc[order],), all_pins=False) == alone


def test_masks_among_other_targets_and_masks_that_do_not_fit() -> None:
    snapshot = images(300)
    tags = blobkit.tags_frame(snapshot)
    first, second = tags.index[0], tags.index[1]
    whole = blobkit.simulate_deref(snapshot, first, second)
    mask = pd.Series([True, False] * 200)[: len(tags)].to_numpy() & (np.arange(len(tags)) == 0)
    unknown = pd.Series([True, None], [first, second], dtype=object)
    for some in ((mask, second), (second, mask), ([second], unknown), (tags.index == first, tags.index == second)):
        found = blobkit.simulate_deref(snapshot, *some)
        assert set(found.targets) == {first, second}
        assert found.digests == whole.digests
    for wrong, why in ((mask[1:], "flags"), (pd.Series([True], ["nobody"]), "none of the store's tags")):
        with pytest.raises(ChoiceError, match=why):
            blobkit.simulate_deref(snapshot, wrong)
    with pytest.raises(UnknownTargetError, match="no target"):
        blobkit.simulate_deref(snapshot, np.zeros(len(tags), np.bool_))
    with pytest.raises(UnknownTargetError, match="nan is not a target"):
        blobkit.simulate_deref(snapshot, pd.Series([first, None] * 200, dtype="str"))


def test_neither_a_mask_nor_a_column_is_looked_up_name_by_name() -> None:
    snapshot = images(3000)
    tags = blobkit.tags_frame(snapshot)
    mask = tags["closure"] > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "rows_named", None)  # each search for one name calls it
        for given_targets in (mask, mask.to_numpy(), tags.index[mask], tags.index.to_series()):
            assert len(resolve(snapshot, (given_targets,)).rows) == len(tags)


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


@settings(max_examples=25 * TORTURE)
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


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_flags_in_any_column_are_a_mask_and_missing_ones_select_nothing(missing: object) -> None:
    snapshot = images(40)
    names = snapshot.tags_frame().index
    flags = [True, missing, *[False] * (len(names) - 2)]
    plain = [flag is True for flag in flags]
    objects = np.array(flags, object)
    arrays = (objects, pd.Series(objects, names), pd.Index(objects), pd.array(flags, "boolean"))
    for mask in (*arrays, pd.Index(plain), flags):
        assert blobkit.simulate_deref(snapshot, mask).targets == (names[0],)  # type: ignore[arg-type]
    for wrong in (plain[1:], np.array([plain]), np.array([plain]).T):
        with pytest.raises(ChoiceError, match="flags, but tags_frame"):
            blobkit.simulate_deref(snapshot, wrong)
    assert {type(target) for target in blobkit.simulate_deref(snapshot, np.array(names[:2], "U")).targets} == {str}


def test_a_tag_without_a_name_goes_along_with_its_manifest_unnamed() -> None:
    digest, virtual = KEYS[0], f"r@{KEYS[0]}"
    snapshot = build(
        "registry",
        "x",
        nodes={"key": [virtual, digest], "size": [0, 1], "stored": ["virtual", "yes"]},
        links={"source": [0], "target": [1], "kind": ["revision"]},
        pins={
            "node": [0, 1, 1],
            "name": [virtual, "r:1", None],
            "kind": ["revision", "tag", "tag"],
            "group": ["r"] * 3,
        },
    )
    assert resolve(snapshot, virtual).also_untagged == {"r:1"}
    assert blobkit.simulate_deref(snapshot, virtual).also_untagged == ("r:1",)
