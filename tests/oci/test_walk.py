"""The walk over what manifests reach: in bulk, each document once as each type, and every kind of fault told."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from blobkit.oci.documents import Reference
from blobkit.oci.walk import ABSENT, UNPARSEABLE, UNREAD, Walk, levels
from layouts import CONFIG, INDEX, LAYER, MANIFEST, sha

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blobkit.digest import Digest


class Shop:
    """Documents by digest; `asked` has what the walk asked for, call by call."""

    def __init__(self) -> None:
        self.content: dict[str, bytes | str] = {}
        self.asked: list[list[str]] = []

    def add(self, **fields: object) -> str:
        data = json.dumps(fields).encode()
        self.content[sha(data)] = data
        return sha(data)

    def read(self, digests: Sequence[Digest]) -> Iterator[tuple[Digest, bytes | str]]:
        self.asked.append(list(digests))
        return ((digest, self.content[digest]) for digest in digests if digest in self.content)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def to(digest: str, media_type: str, **more: object) -> dict[str, object]:
    return {"digest": digest, "mediaType": media_type, "size": 1, **more}


def start(digest: str, media_type: str = INDEX) -> Reference:
    return Reference(digest, "entry", media_type)


def image(shop: Shop, number: int) -> str:
    layers = [to(sha(b"shared"), LAYER), to(sha(b"%d" % number), LAYER)]
    return shop.add(config=to(sha(b"config"), CONFIG), layers=layers)


def test_the_documents_of_a_level_are_asked_for_together_and_each_once(shop: Shop) -> None:
    images = [image(shop, number) for number in range(5)]
    indexes = [shop.add(manifests=[to(one, MANIFEST) for one in part]) for part in (images[:3], images[2:])]
    walk = Walk(shop.read)
    steps = list(walk.levels([start(one) for one in [*indexes, *indexes]]))
    assert shop.asked == [indexes, images]
    assert [len(level) for level in steps] == [4, 6, 15]
    read = [step.reference.digest for level in steps for step in level if step.document]
    assert read == [*indexes, *images]
    assert not any(step.fault for level in steps for step in level)
    assert [step for level in walk.levels([start(images[0], MANIFEST)]) for step in level if step.document] == []
    assert len(shop.asked) == 2


def test_one_blob_is_read_once_as_each_type_that_it_is_called(shop: Shop) -> None:
    both = shop.add(manifests=[to(sha(b"child"), "text/plain")], layers=[to(sha(b"layer"), LAYER)])
    found = list(Walk(shop.read).levels([start(both), start(both, MANIFEST), start(both), start(both, "text/plain")]))
    assert shop.asked == [[both]]
    assert [step.document.media_type if step.document else "" for step in found[0]] == [INDEX, MANIFEST, "", ""]
    assert {step.reference.digest for step in found[1]} == {sha(b"child"), sha(b"layer")}


@pytest.mark.parametrize("types", [("", MANIFEST), (MANIFEST, "")])
def test_a_document_that_says_its_own_type_is_not_read_again_as_that_type(shop: Shop, types: tuple[str, str]) -> None:
    one = image(shop, 1)
    walk = Walk(shop.read, lambda reference: reference.media_type)
    found = next(walk.levels([start(one, media_type) for media_type in types]))
    assert [bool(step.document) for step in found] == [True, False]
    assert walk.has_read(one)
    assert walk.has_read(one, MANIFEST)
    assert not walk.has_read(one, INDEX)


def test_what_is_wrong_with_a_document_is_told_and_the_others_are_walked(shop: Shop) -> None:
    shop.content |= {"sha256:a": "no permission", "sha256:b": b"no JSON", "sha256:c": b"{}"}
    good = image(shop, 1)
    first, *_ = Walk(shop.read).levels(
        [start(digest) for digest in ("sha256:a", "sha256:b", "sha256:c", "sha256:d")] + [start(good, MANIFEST)]
    )
    codes = [step.fault and step.fault.code for step in first]
    assert codes == [UNREAD, UNPARSEABLE, UNPARSEABLE, ABSENT, None]
    assert first[0].fault
    assert first[0].fault.why == "no permission"
    assert first[4].document


def test_a_fault_is_told_again_and_not_read_again(shop: Shop) -> None:
    walk = Walk(shop.read)
    for _ in range(2):
        (level,) = walk.levels([start("sha256:d"), start("sha256:d")])
        assert [step.fault and step.fault.code for step in level] == [ABSENT, ABSENT]
    assert len(shop.asked) == 1


@pytest.mark.parametrize("inline", [True, False])
def test_an_absent_document_may_be_carried_by_its_descriptor(shop: Shop, *, inline: bool) -> None:
    child = image(shop, 1)
    carried = shop.content.pop(child)
    index = shop.add(
        manifests=[to(child, MANIFEST), to(child, MANIFEST, data=base64.b64encode(carried).decode())],
    )
    found = list(Walk(shop.read, inline=inline).levels([start(index)]))
    assert [bool(step.document) for step in found[1]] == [False, inline]
    assert len(found) == (3 if inline else 2)


@pytest.mark.parametrize("subjects", [True, False])
def test_subjects_are_followed_where_that_is_wanted(shop: Shop, *, subjects: bool) -> None:
    subject = image(shop, 1)
    referrer = shop.add(layers=[], subject=to(subject, MANIFEST))
    found = list(Walk(shop.read, subjects=subjects).levels([start(referrer, MANIFEST)]))
    assert [step.reference.kind for step in found[1]] == ["subject"] if subjects else len(found) == 1


def test_what_is_remembered_is_not_read_again(shop: Shop) -> None:
    index = shop.add(manifests=[to(image(shop, 1), MANIFEST)])
    remembered = {}
    for _ in range(2):
        found = list(Walk(shop.read, remembered=remembered).levels([start(index)]))
        assert [len(level) for level in found] == [1, 1, 3]
    assert len(shop.asked) == 2
    shop.content.clear()
    del remembered[index, INDEX]
    (level,) = Walk(shop.read, remembered=remembered).levels([start(index)])
    assert [step.fault and step.fault.code for step in level] == [ABSENT]


def test_circles_of_damaged_documents_end(shop: Shop) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        child = to(f"sha256:{other * 64}", INDEX)
        shop.content[f"sha256:{one * 64}"] = json.dumps({"manifests": [child]}).encode()
    assert len(list(Walk(shop.read).levels([start("sha256:" + "a" * 64)]))) == 3


@pytest.mark.slow
def test_ten_thousand_levels_are_walked(shop: Shop) -> None:
    last = shop.add(manifests=[])
    for _ in range(10_000):
        last = shop.add(manifests=[to(last, INDEX)])
    assert sum(1 for _ in Walk(shop.read).levels([start(last)])) == 10_001


def test_levels_give_each_item_once_in_order() -> None:
    after = {1: [2, 3], 2: [4, 1], 3: [4, 5], 4: [], 5: [5]}
    found = list(levels([1, 1], lambda level: (item for one in level for item in after[one])))
    assert found == [[1], [2, 3], [4, 5]]
    assert list(levels([], lambda level: level)) == []
