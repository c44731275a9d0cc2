"""Tests of `fsck` over any backends: subclass `CheckSuite` and give it empty ones, `content` and `index`."""
# ruff: noqa: D102, PLR2004, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.model import Change, Freed, Link
from blobkit.store.fsck import context
from blobkit.store.store import Store
from blobkit.testing.content import put
from blobkit.transactions import Repairable

if TYPE_CHECKING:
    from blobkit.contents import Inspected
    from blobkit.digest import Digest
    from blobkit.store.fsck.report import Fsck
    from blobkit.transactions import Index

__all__ = ["CheckSuite", "IndexCheckSuite"]


class CheckSuite:
    """Damage is planted through the two seams, found, and mended as far as it can be; a second repair does nothing."""

    @pytest.fixture
    def content(self) -> Inspected:
        raise NotImplementedError

    @pytest.fixture
    def index(self) -> Index:
        raise NotImplementedError

    def opened(self, content: Inspected, index: Index) -> Store:
        """Return the store over these."""
        return Store(content, index)

    @pytest.fixture
    def store(self, content: Inspected, index: Index, monkeypatch: pytest.MonkeyPatch) -> Store:
        monkeypatch.setattr(context, "GRACE", -60.0)
        store = self.opened(content, index)
        for number in range(12):
            store.put(b"blob %d" % number)
        store.put(b"tree", links=[blob(0), blob(1)], tag="tree:1")
        return store

    def test_a_sound_store_has_no_findings(self, store: Store) -> None:
        found = store.fsck(progress=False)
        assert not found
        assert found.checked == (13, sum(len(b"blob %d" % number) for number in range(12)) + 4)
        assert not store.fsck(repair=True, progress=False)

    def test_missing_content_is_healed_by_the_next_put(self, store: Store, content: Inspected) -> None:
        content.delete([blob(2)])
        assert mended(store, "content-missing").left
        store.put(b"blob 2")
        assert not store.fsck(progress=False)

    @pytest.mark.parametrize("wrong", [b"BLOB 3", b"blo", b"blob 3 and more", b""])
    def test_damaged_content_is_set_aside(self, store: Store, content: Inspected, wrong: bytes) -> None:
        put(content, blob(3), wrong)
        code = "content-corrupt" if len(wrong) == 6 else "content-truncated"
        assert [finding.code for finding in mended(store, code, "content-missing").left] == ["content-missing"]
        assert blob(3) not in set(content.digests())
        store.put(b"blob 3")
        assert store.get(blob(3)).read() == b"blob 3"
        assert not store.fsck(progress=False)

    def test_orphans_are_set_aside_only_when_they_are_old(
        self, store: Store, content: Inspected, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        orphan = of(b"nobody knows me")
        put(content, orphan, b"nobody knows me")
        with monkeypatch.context() as patch:
            patch.setattr(context, "GRACE", 3600.0)
            assert [finding.code for finding in store.fsck(repair=True, progress=False).left] == ["orphan"]
        assert orphan in set(content.digests())
        mended(store, "orphan")
        assert orphan not in set(content.digests())

    def test_a_leftover_removal_is_done(self, store: Store, content: Inspected, index: Index) -> None:
        with index.writing() as tx:
            tx.apply(Change(freed=Freed((blob(11),))))
        mended(store, "tombstone")
        assert blob(11) not in set(content.digests())

    def test_findings_are_shown_within_bounds(self, store: Store, content: Inspected) -> None:
        for number in range(200):
            put(content, of(b"orphan %d" % number), b"orphan %d" % number)
        found = store.fsck(progress=False)
        assert len(found) == 200
        assert str(found).count("\n") < 50
        assert "and 160 more" in str(found)
        assert len(found._repr_html_()) < 15_000
        assert found.to_dict()["counts"] == {"orphan": 200}


class IndexCheckSuite(CheckSuite):
    """The same for an index that can be checked (`blobkit.transactions.Checked`): damage of its rows, too."""

    def test_a_wrong_size_in_the_index_is_set_right(self, store: Store, index: Index) -> None:
        with index.writing() as tx:
            assert isinstance(tx, Repairable)
            tx.resize({blob(3): 77})
        mended(store, "size")
        assert store.get(blob(3)).read() == b"blob 3"

    def test_counts_are_made_of_pins_and_links(self, store: Store, index: Index) -> None:
        store.tag("tree:2", of(b"tree"))
        with index.writing() as tx:
            assert isinstance(tx, Repairable)
            tx.recount({blob(0): (9, 0), blob(4): (5, 2), of(b"tree"): (1, 0)})
        mended(store, "refcount", "pins")
        found = [store.get(digest) for digest in (blob(0), blob(4), of(b"tree"))]
        assert [(one.refcount, one.pins) for one in found] == [(1, 0), (2, 2), (2, 2)]

    def test_what_nothing_holds_is_pinned_once(self, store: Store, index: Index) -> None:
        with index.writing() as tx:
            tx.apply(Change(unlinked=[Link(of(b"tree"), blob(0))]))
        mended(store, "refcount")
        assert (store.get(blob(0)).refcount, store.get(blob(0)).pins) == (1, 1)

    def test_links_of_what_is_gone_are_dropped(self, store: Store, index: Index) -> None:
        with index.writing() as tx:
            tx.apply(Change(freed=Freed((blob(0), of(b"tree")))))
        found = store.fsck(progress=False)
        assert found.counts.keys() >= {"dangling-tag", "refcount"}
        assert not store.fsck(repair=True, progress=False).left
        assert not store.fsck(progress=False)
        assert store.tags() == {}
        assert (store.get(blob(1)).refcount, store.get(blob(1)).pins) == (1, 1)

    def test_a_link_to_what_is_gone_is_dropped(self, store: Store, index: Index) -> None:
        with index.writing() as tx:
            tx.apply(Change(freed=Freed((blob(0),))))
        mended(store, "dangling-link", "tombstone")
        assert store.get(of(b"tree")).links == (blob(1),)

    def test_what_was_expected_and_is_here_is_linked(self, store: Store, index: Index) -> None:
        with index.writing() as tx:
            tx.expect({Link(blob(5), blob(6), "layer"): "", Link(blob(1), of(b"tree")): ""})
        mended(store, "expected-here")
        assert store.get(blob(5)).links == (blob(6),)
        assert store.get(blob(6)).refcount == 2
        assert store.get(blob(1)).links == (), "that link would have closed a cycle"

    def test_cycles_are_found_and_their_calls_break_them(self, store: Store, index: Index) -> None:
        with index.writing() as tx:
            ring = [Link(blob(7), blob(8)), Link(blob(8), blob(9)), Link(blob(9), blob(7)), Link(blob(10), blob(10))]
            tx.apply(Change(linked=ring, refcounts={blob(number): 2 for number in (7, 8, 9, 10)}))
        found = store.fsck(repair=True, progress=False)
        assert found.counts == {"cycle": 2}
        assert len(found.left) == 2
        for source, target in ((9, 7), (10, 10)):
            store.unlink(blob(target), blob(source))
        assert not store.fsck(progress=False)


def blob(number: int) -> Digest:
    """Return the digest of a blob of these tests."""
    return of(b"blob %d" % number)


def mended(store: Store, *codes: str) -> Fsck:
    """Check that just this is found, repaired, and that a second repair finds nothing to do; return the repair."""
    found = store.fsck(progress=False)
    left_by_repair = {"content-missing"} if len(codes) > 1 else set()
    assert found.counts.keys() == set(codes) - left_by_repair - {"tombstone"}, str(found)
    assert any("unfinished" in note for note in found.notes) == ("tombstone" in codes), str(found)
    repaired = store.fsck(repair=True, progress=False)
    assert repaired.counts.keys() == set(codes)
    again = store.fsck(repair=True, progress=False)
    assert again.counts.keys() == {finding.code for finding in repaired.left}
    assert not any(finding.action for finding in again.findings)
    return repaired
