"""What is wrong with a bucket is found by one listing; a repair moves nothing that may be somebody's work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import obstore
import pytest

from blobkit.digest import of
from blobkit.model import FileSignature
from blobkit.store.fsck import context
from blobkit.store.remote import checking

if TYPE_CHECKING:
    from blobkit.store.fsck.report import Fsck
    from conftest import Rig
    from remote_servers.buckets import BucketServer

NOBODY = of(b"nobody knows me")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything be old."""
    monkeypatch.setattr(context, "GRACE", -60.0)


def codes(found: Fsck) -> list[str]:
    return [finding.code for finding in found.findings]


def quarantined(rig: Rig) -> list[str]:
    pages = obstore.list(rig.content._store, f"{rig.content._prefix}quarantine/")
    return sorted(one["path"].rpartition("/")[2] for page in pages for one in page)


def test_unknown_objects_are_set_aside(rig: Rig, at_once: None) -> None:  # noqa: ARG001
    rig.store.put(b"known")
    place = rig.content.fresh(NOBODY)
    rig._upload({place: b"nobody knows me", "blobs/stray": b"x", "blobs/sha256/../odd".replace("..", "dots"): b"y"})
    assert rig.store.orphans().keys() == {NOBODY}
    assert isinstance(rig.store.orphans()[NOBODY], FileSignature)
    assert sorted(codes(rig.store.fsck(progress=False))) == ["orphan", "stray", "stray"]
    repaired = rig.store.fsck(repair=True, progress=False)
    assert not repaired.left
    assert all(finding.action.startswith("moved to s3://shared/") for finding in repaired.findings)
    assert len(quarantined(rig)) == 3
    assert not rig.store.fsck(progress=False)
    rig.check()


def test_young_unknown_objects_stay(rig: Rig) -> None:
    rig._upload({rig.content.fresh(NOBODY): b"nobody knows me"})
    assert codes(rig.store.fsck(repair=True, progress=False)) == ["orphan"]
    assert len(rig.objects()) == 1


def test_what_is_on_its_way_stays_however_old(rig: Rig, at_once: None) -> None:  # noqa: ARG001
    """An upload in the making has an intent: a repair beside it moves nothing, and the put holds."""
    found: list[Fsck] = []

    def beside() -> None:
        rig._upload(dict.fromkeys(rig.sent, b"content"))  # as if the request had landed, and its answer had not
        found.extend(rig.other().fsck(repair=repair, progress=False) for repair in (False, True))

    rig.upload_with(beside)
    digest = rig.store.put(b"content").digest
    assert [codes(one) for one in found] == [[], []]
    assert all("1 unfinished" in "".join(one.notes) for one in found)
    assert quarantined(rig) == []
    assert rig.store.get(digest).read() == b"content"
    rig.check()


def test_damage_that_a_put_heals(rig: Rig, at_once: None) -> None:  # noqa: ARG001
    kept = [rig.store.put(b"blob %d" % number).digest for number in range(6)]
    places = rig.index.read(lambda tx: tx.places(kept))
    rig.content.delete([places[kept[0]]])
    rig._upload({places[kept[1]]: b"BLOB 1", places[kept[2]]: b"bl", places[kept[3]]: b""})
    quick = rig.store.fsck(content=False, progress=False)
    assert sorted(codes(quick)) == ["content-missing", "content-truncated", "content-truncated"]
    assert quick.checked == (6, 2), "what is of another size is read in any case"
    expected = ["content-corrupt", "content-missing", "content-truncated", "content-truncated"]
    assert sorted(codes(rig.store.fsck(progress=False))) == expected
    repaired = rig.store.fsck(repair=True, progress=False)
    assert [finding.code for finding in repaired.left] == ["content-missing"] * 4
    assert sorted(name.split(".")[-2] for name in quarantined(rig)) == ["corrupt", "truncated", "truncated"]
    for number in range(4):
        assert rig.store.put(b"blob %d" % number).refcount == 2
    assert not rig.store.fsck(progress=False)
    rig.check()


@pytest.mark.parametrize("seen_first", ["rows", "objects"])
def test_a_blob_that_comes_goes_or_moves_while_it_is_checked_is_no_finding(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    at_once: None,  # noqa: ARG001
    seen_first: str,
) -> None:
    one, two = (rig.store.put(data).digest for data in (b"one", b"two"))
    listed, rows, left = rig.content.listed, checking._rows, [1]

    def meanwhile() -> None:
        if left:
            left.clear()
            rig.store.deref_many([one, two])
            rig.store.sweep()
            rig.store.put_many([b"two", b"three"])

    def old_objects(after: object = None) -> object:
        found = list(listed(after))
        meanwhile()
        yield from found

    old = [rig.index.read(lambda tx: rows(None, tx))]
    if seen_first == "rows":
        meanwhile()
        monkeypatch.setattr(checking, "_rows", lambda *asked: old.pop() if old else rows(*asked))
    else:
        monkeypatch.setattr(rig.content, "listed", old_objects)
    found = rig.store.fsck(repair=True, progress=False)
    assert not left
    assert not found
    monkeypatch.undo()
    assert rig.store.get(two).read() == b"two"
    rig.check()


def test_many_pages_are_compared(rig: Rig, monkeypatch: pytest.MonkeyPatch, at_once: None) -> None:  # noqa: ARG001
    monkeypatch.setattr(checking, "PAGE", 7)
    found = rig.store.put_many([b"%d" % number for number in range(50)])
    found += rig.store.put_many([b"%d" % number for number in range(20)], algorithm="sha512")
    gone = sorted(one.digest for one in found)[::9]
    places = rig.index.read(lambda tx: tx.places(gone))
    rig.content.delete(list(places.values()))
    strangers = {rig.content.fresh(of(b"stranger %d" % number)): b"" for number in range(30)}
    rig._upload(strangers)
    checked = rig.store.fsck(progress=False)
    assert sorted(one.digest for one in checked.findings if one.code == "content-missing") == gone
    assert checked.counts == {"content-missing": len(gone), "orphan": 30}
    assert checked.checked.blobs == 70
    assert rig.store.fsck(repair=True, progress=False).counts == checked.counts
    assert rig.objects() == rig.places()


def test_unfinished_uploads_are_found_and_dropped(
    rig: Rig,
    bucket_server: BucketServer,
    at_once: None,  # noqa: ARG001
) -> None:
    client, key = bucket_server.client, f"{rig.content._prefix}{rig.content.fresh(NOBODY)}"
    for name in (key, f"{rig.content._prefix}blobs/stray"):
        begun = client.create_multipart_upload(Bucket="shared", Key=name)
        client.upload_part(Bucket="shared", Key=name, UploadId=begun["UploadId"], PartNumber=1, Body=b"x" * (5 << 20))
    assert codes(rig.store.fsck(progress=False)) == ["upload", "upload"]
    repaired = rig.store.fsck(repair=True, progress=False)
    assert [finding.action for finding in repaired.findings] == ["dropped", "dropped"]
    assert not rig.store.fsck(progress=False)


def test_an_upload_that_somebody_may_complete_is_left(
    rig: Rig,
    bucket_server: BucketServer,
    at_once: None,  # noqa: ARG001
) -> None:
    place = rig.content.fresh(NOBODY)
    key = f"{rig.content._prefix}{place}"
    rig.index.write(lambda tx: tx.intend([place]))
    begun = bucket_server.client.create_multipart_upload(Bucket="shared", Key=key)
    found = rig.store.fsck(repair=True, progress=False)
    assert not found
    assert "1 unfinished" in "".join(found.notes)
    bucket_server.client.upload_part(Bucket="shared", Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=b"x")


def test_nothing_is_asked_of_the_bucket_in_a_transaction(
    rig: Rig,
    bucket_server: BucketServer,
    at_once: None,  # noqa: ARG001
) -> None:
    bucket_server.client.create_multipart_upload(Bucket="shared", Key=rig.content._key(rig.content.fresh(NOBODY)))
    kept = [rig.store.put(b"blob %d" % number).digest for number in range(4)]
    places = rig.index.read(lambda tx: tx.places(kept))
    rig._upload({places[kept[1]]: b"BLOB 1", rig.content.fresh(NOBODY): b""})
    rig.content.delete([places[kept[0]]])
    asked = []
    for name in ("look", "delete", "set_aside", "stream", "unfinished", "abort"):
        act = getattr(rig.content, name)

        def outside(*arguments: object, _act: object = act, _name: str = name) -> object:
            asked.append(_name)
            assert not rig.index._owner
            return _act(*arguments)

        setattr(rig.content, name, outside)
    rig.store.fsck(repair=True, progress=False)
    assert {"look", "delete", "set_aside", "stream", "unfinished", "abort"} <= set(asked)
