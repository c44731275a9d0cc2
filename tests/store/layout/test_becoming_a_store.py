"""When the change of another program is said, and how a layout becomes a store."""

from __future__ import annotations

import shutil
import time
import warnings
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import (
    LayoutChangedWarning,
    NotAdoptedError,
    NotAStoreError,
    UnreadableStoreError,
)
from blobkit.store.local import LocalStore, open_read_only
from blobkit.store.transfer.results import Adopted
from foreign import Foreign, check, names
from layouts import nowhere
from patience import Clock

if TYPE_CHECKING:
    from pathlib import Path

    Entry = dict[str, object]


# The warning


def test_it_is_said_before_anything_is_done_and_shows_the_line_of_the_caller(root: Path, other: Foreign) -> None:
    with LocalStore(root, durability="off") as store:
        blob = store.put(b"x").digest
        for verb in (
            lambda: store.ref(blob),
            lambda: store.put(b"y", tag="y"),
            lambda: store.put_many([b"z"]),
            lambda: store.batch().__enter__(),
        ):
            other.write(annotations={"now": str(time.monotonic())})
            with pytest.warns(LayoutChangedWarning, match=r"store\.adopt\(\)") as said:
                verb() if verb is not None else None
            assert [warning.filename for warning in said] == [__file__]
        count = len(store)
        other.write(annotations={"now": "at last"})
        with pytest.raises(LayoutChangedWarning):
            store.deref(blob)  # warnings are errors in these tests
        assert (len(store), store.get(blob).pins) == (count, 2)
        assert not store.deref(blob)
        (root / "index.json").write_bytes((root / "index.json").read_bytes())
        store.ref(blob)  # the same bytes again are no news
        store.adopt()
        store.put(b"z", tag="z")


def test_an_opening_says_it_and_adopt_true_needs_no_word(root: Path, other: Foreign) -> None:
    with LocalStore(root, durability="off"):
        pass
    image = other.image("a", b"one")
    other.write(other.entry(image, "t"))
    with pytest.warns(LayoutChangedWarning) as said:
        LocalStore(root).close()
    assert [warning.filename for warning in said] == [__file__]
    with LocalStore(root, adopt=True) as store:
        assert store.adopted.tags == ("t",)
    with LocalStore(root) as store:
        assert store.adopted is None
        assert store.tags() == {"t": image}


def test_one_that_cannot_be_read_is_waited_for_and_then_said(
    root: Path, other: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalStore(root, durability="off") as store:
        store.put(b"x", tag="x")
        ours = (root / "index.json").read_bytes()
        (root / "index.json").write_bytes(ours[:20])
        clock = Clock(monkeypatch, 0.3, lambda: (root / "index.json").write_bytes(ours))
        store.put(b"y")  # no word: it was only being written
        assert 0.3 <= clock.now < 0.4
        (root / "index.json").write_bytes(ours[:20])
        with pytest.warns(LayoutChangedWarning, match="cannot be read as an image index"):
            store.put(b"z")
        (root / "index.json").unlink()
        store.put(b"z", tag="z")
        assert names(other) == store.tags()


def test_tag_changes_of_another_process_are_no_foreign_change(root: Path) -> None:
    with LocalStore(root, durability="off") as one, LocalStore(root, durability="off") as two:
        for number in range(20):
            one.put(b"%d" % number, tag=f"a{number}")
            two.put(b"%d" % number, tag=f"b{number}")


# A layout that becomes a store


def test_a_plain_layout_becomes_a_store_and_loses_nothing(plain: Foreign) -> None:
    image = plain.image("a", b"one")
    stray = plain.blob(b"stray")
    (plain.root / "notes.txt").write_text("dear")
    plain.write(plain.entry(image, "v1"), plain.entry(image, "a b"))
    with pytest.raises(NotAdoptedError, match="adopt=True"):
        LocalStore(plain.root)
    assert not (plain.root / ".blobkit").exists()
    with LocalStore(plain.root, adopt=True) as store:
        assert store.adopted.tags == ("v1",)
        assert store.tags() == {"v1": image}
        check(store)
        assert stray not in store
    assert sorted(path.name for path in plain.root.iterdir()) == sorted(
        ["oci-layout", "index.json", "blobs", ".blobkit", "notes.txt"]
    )
    assert plain.path(stray).exists()
    with LocalStore(plain.root) as store:
        assert store.tags() == {"v1": image}
    with open_read_only(plain.root) as frozen:
        assert frozen.snapshot().notices.num_rows == 0


def test_adopt_true_makes_a_store_where_nothing_is_but_not_of_anything_else(root: Path) -> None:
    with LocalStore(root, adopt=True) as store:
        assert store.adopted == Adopted()
    shutil.rmtree(root)
    root.mkdir()
    (root / "index.json").write_text("{}")
    with pytest.raises(NotAStoreError):
        LocalStore(root, adopt=True)
    assert [path.name for path in root.iterdir()] == ["index.json"]


@pytest.mark.parametrize("fault", ["half", "missing", "version", "blobs", "folder"])
def test_what_cannot_be_adopted_is_left_as_it_is(plain: Foreign, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    Clock(monkeypatch)
    index = plain.root / "index.json"
    if fault == "half":
        index.write_bytes(b'{"manif')
    elif fault == "missing":
        index.unlink()
    elif fault == "version":
        (plain.root / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    else:
        moved = plain.root / "blobs" / ("sha256" if fault == "folder" else "")
        outside = plain.root.parent / "outside"
        moved.rename(outside)
        moved.symlink_to(outside)
    before = sorted(plain.root.rglob("*"))
    expected = UnreadableStoreError if fault in ("half", "missing") else NotAdoptedError
    with pytest.raises(expected):
        LocalStore(plain.root, adopt=True)
    assert sorted(plain.root.rglob("*")) == before


def test_the_mode_of_index_json_stays(plain: Foreign) -> None:
    (plain.root / "index.json").chmod(0o600)
    with LocalStore(plain.root, adopt=True) as store:
        store.put(b"x", tag="x")
    assert (plain.root / "index.json").stat().st_mode & 0o777 == 0o600


def test_opening_it_again_says_nothing(root: Path, other: Foreign) -> None:
    LocalStore(root, durability="off").close()
    other.write(other.entry(nowhere(1), "gone"), other.entry(other.image("a", b"one"), "t"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LocalStore(root, adopt=True).close()
        LocalStore(root).close()
