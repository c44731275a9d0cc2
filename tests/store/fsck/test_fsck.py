"""Every kind of damage is found, alone and in pairs; repair mends what can be, deletes nothing, and may be repeated."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import time
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import damage
from blobkit.digest import of
from blobkit.errors import ReadOnlyStoreError
from blobkit.index import readonly
from blobkit.oci import index
from blobkit.store.fsck import context
from blobkit.store.fsck.directory import fsck_directory, purge_quarantine
from blobkit.store.fsck.fsck import check
from blobkit.store.fsck.repair import repair_all
from blobkit.store.local import LocalStore, open_read_only
from damage import LEFT, LEFT_BESIDE_FOREIGN, PLANTS, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from blobkit.store.fsck.report import Fsck

    Planted = Callable[[Iterable[str]], Place]

BESIDE = {
    "negative": {"pins"},
    "pins": {"refcount"},
    "lookup": {"layout-stale"},
    "no-digest": {"orphan", "layout-stale"},
    "no-number": {"refcount", "pins"},
    "name-of-bytes": {"layout-stale"},
    "name-of-nothing": {"layout-stale"},
}
"""What else is found where this was planted."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "store"
    damage.build(root)
    return root


@pytest.fixture
def planted(template: Path, quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planted:
    """A function that plants damage in a fresh copy of a store. Nothing is too young, and nobody else is there."""
    monkeypatch.setattr(context, "GRACE", -60.0)
    monkeypatch.setattr(readonly, "TICK", 0.0)
    monkeypatch.setattr(index, "TIMEOUT", 0.0)
    numbers = itertools.count()

    def plant(names: Iterable[str]) -> Place:
        place = Place(quick_path / str(next(numbers)))
        shutil.copytree(template, place.root, symlinks=True)
        for name in names:
            PLANTS[name][1](place)
        return place

    return plant


def look(place: Place, *, repair: bool = False) -> Fsck:
    return fsck_directory(place.root, repair=repair, content=True, progress=False)


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Return all that is on disk, with modes and times."""
    found = {}
    for path in [root, *root.rglob("*")]:
        stat = path.lstat()
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (stat.st_mode, stat.st_mtime_ns, stat.st_ino, data)
    return found


def check_all(place: Place, names: tuple[str, ...]) -> None:
    """Find what was planted, repair it, and hold that nothing was lost and only what nobody can mend is left."""
    codes = {PLANTS[name][0] for name in names}
    beside = set().union(*(BESIDE.get(name, ()) for name in names))
    on_disk, bytes_before = tree(place.root), damage.contents(place.root)

    found = look(place)
    assert tree(place.root) == on_disk, "a check wrote something"
    assert not any(finding.action for finding in found.findings)
    if "no-digest" in names:
        assert "bad-digest" in found.counts
    else:
        assert codes <= found.counts.keys() <= codes | beside, str(found)

    repaired = look(place, repair=True)
    codes = {PLANTS[name][0] for name in names if name != "oci-layout-gone"}  # which opening a store mends
    beside |= {"layout-stale"} if "oci-layout-gone" in names else set()
    assert codes <= repaired.counts.keys() <= codes | beside | {"content-missing", "dangling-link", "dangling-tag"}
    assert set(bytes_before) <= set(damage.contents(place.root)) | {damage.name_of(damage.GRAVE)}, "bytes were lost"
    left = {finding.code for finding in repaired.left}
    assert left <= (LEFT_BESIDE_FOREIGN if codes & damage.FOREIGN else LEFT), str(repaired)

    again = look(place)
    assert again.counts.keys() == left, f"{repaired}\n{again}"
    assert len(again) == len(repaired.left)
    third = look(place, repair=True)
    assert third.counts == again.counts
    assert not any(finding.action for finding in third.findings), "a second repair found something to do"
    assert damage.faults(place.root) <= ({"missing"} if "content-missing" in left else set())


@pytest.mark.parametrize("name", PLANTS)
def test_each_kind_of_damage_is_found_and_repaired(planted: Planted, template: Path, name: str) -> None:
    place = planted([name])
    check_all(place, (name,))
    if PLANTS[name][0] not in damage.FOREIGN:
        with LocalStore(template) as before, LocalStore(place.root) as after:
            assert damage.healthy(before) == damage.healthy(after)


def agree(first: str, second: str) -> bool:
    """Whether each of the two can be told by a finding that the other one does not bring."""
    one, other = ({PLANTS[name][0], *BESIDE.get(name, ())} for name in (first, second))
    return not one & other and "no-digest" not in (first, second)


def crowds(pairs: list[tuple[str, str]], most: int = 6) -> Iterator[tuple[str, ...]]:
    """Yield kinds of damage so that every pair is together in one of them: two alone, or more that agree."""
    left = dict.fromkeys(pairs)
    while left:
        crowd = next(iter(left))
        for name in PLANTS if agree(*crowd) else ():
            new = sum((one, name) in left or (name, one) in left for one in crowd)
            if len(crowd) < most and new == len(crowd) and all(agree(one, name) for one in crowd):
                crowd += (name,)
        for pair in itertools.permutations(crowd, 2):
            left.pop(pair, None)
        yield tuple(sorted(crowd, key=list(PLANTS).index))


PAIRS = [
    (first, second)
    for first, second in itertools.combinations(PLANTS, 2)
    if not (damage.is_about_index_json(first) and damage.is_about_index_json(second))
]
PARTS = 8


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_any_two_kinds_of_damage_together(planted: Planted, part: int) -> None:
    for names in list(crowds(PAIRS))[part::PARTS]:
        place = planted(names)
        check_all(place, names)
        shutil.rmtree(place.root)


def test_every_pair_is_in_a_crowd() -> None:
    found = {pair for crowd in crowds(PAIRS) for pair in itertools.permutations(crowd, 2)}
    assert set(PAIRS) <= found <= {*PAIRS, *((second, first) for first, second in PAIRS)}


def test_all_kinds_of_damage_together(planted: Planted, template: Path) -> None:
    names = [name for name in PLANTS if not damage.is_about_index_json(name)]
    place = planted(names)
    check_all(place, tuple(names))
    with LocalStore(template) as before, LocalStore(place.root) as after:
        assert damage.healthy(before) == damage.healthy(after)


def test_a_sound_store_has_no_findings(planted: Planted) -> None:
    place = planted([])
    found = look(place)
    assert not found
    assert str(found).endswith("sound")
    assert found.checked.blobs == damage.VICTIMS + 6
    assert damage.faults(place.root) == set()
    assert not look(place, repair=True)


def test_content_that_was_moved_away_is_healed_by_the_next_put(planted: Planted) -> None:
    place = planted(["corrupt"])
    look(place, repair=True)
    with LocalStore(place.root) as store:
        store.put(damage.victim(7))
        assert store.get(of(damage.victim(7))).read() == damage.victim(7)
    assert not look(place)
    assert purge_quarantine(place.root) == (1, 8)
    assert purge_quarantine(place.root) == (0, 0)


def test_the_same_damage_twice_overwrites_nothing_in_quarantine(planted: Planted) -> None:
    place = planted(["corrupt"])
    look(place, repair=True)
    with LocalStore(place.root) as store:
        store.put(damage.victim(7))
    place.rewrite(damage.victim(7), b"victim ?")
    look(place, repair=True)
    moved = sorted((place.root / ".blobkit/quarantine").iterdir())
    assert [path.read_bytes() for path in moved] == [b"VICTIM 7", b"victim ?"]
    assert (place.root / ".blobkit/quarantine").stat().st_mode & 0o777 == 0o700


def test_young_orphans_stay(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    place = planted(["orphan"])
    monkeypatch.setattr(context, "GRACE", 3600.0)
    assert [finding.code for finding in look(place, repair=True).left] == ["orphan"]
    assert place.blob(damage.ORPHAN).exists()


def test_orphans_are_as_old_as_what_was_written(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    place = planted(["orphan"])
    monkeypatch.setattr(context, "GRACE", 3600.0)
    then = time.time() - 3700
    os.utime(place.blob(damage.ORPHAN), (then, then))
    assert not look(place, repair=True).left
    assert not place.blob(damage.ORPHAN).exists()
    assert [path.read_bytes() for path in (place.root / ".blobkit/quarantine").iterdir()] == [damage.ORPHAN]


def test_orphans_that_index_json_reaches_stay(planted: Planted) -> None:
    place = planted(["orphan", "layout-foreign"])
    path = place.root / "index.json"
    path.write_text(path.read_text().replace(of(damage.victim(31)), of(damage.ORPHAN)))
    assert "orphan" in {finding.code for finding in look(place, repair=True).left}
    assert place.blob(damage.ORPHAN).exists()


def test_a_blob_that_a_tombstone_names_is_not_swept(planted: Planted) -> None:
    place = planted(["buried-alive"])
    with LocalStore(place.root) as store:
        store.sweep()
        assert store.get(of(damage.victim(17))).read() == damage.victim(17)
        assert not store.fsck(progress=False)


def test_the_calls_of_a_cycle_break_it(planted: Planted) -> None:
    place = planted(["cycle", "self-link"])
    with LocalStore(place.root) as store:
        messages = [finding.message for finding in store.fsck(progress=False).findings]
        for message in messages:
            call = message.partition("break it with ")[2].partition(", after")[0]
            eval(call, {"store": store})  # noqa: S307 (what the message says to type)
        assert not store.fsck(progress=False)
        assert {of(damage.victim(number)) for number in (18, 19, 20, 21)} <= set(store)


def test_a_blob_that_links_to_itself_is_said_to_do_so(planted: Planted) -> None:
    (finding,) = look(planted(["self-link"])).findings
    blob = of(damage.victim(21))
    assert (finding.code, finding.digest) == ("cycle", blob)
    assert finding.message == (
        f'it links to itself, so that nothing frees it: break it with store.unlink("{blob}", "{blob}"), '
        "after store.ref if it is to stay"
    )


def test_a_link_from_nowhere_to_nowhere_is_one_finding(planted: Planted) -> None:
    place = planted([])
    place.run("INSERT INTO links VALUES (9990, 9991, 0)")
    assert look(place).counts == {"dangling-link": 1}
    assert not look(place, repair=True).left
    assert not look(place)


def test_modes_are_a_note(planted: Planted) -> None:
    place = planted([])
    place.blob(damage.victim(1)).chmod(0o600)
    found = look(place)
    assert not found
    assert "1 file" in found.notes[0]


def test_without_content_a_corrupt_blob_is_not_read(planted: Planted) -> None:
    place = planted(["corrupt", "truncated"])
    found = fsck_directory(place.root, repair=False, content=False, progress=False)
    assert found.counts == {"content-truncated": 1}
    assert found.checked.bytes == 3


def test_what_was_healed_meanwhile_is_not_moved(planted: Planted) -> None:
    place = planted(["corrupt", "truncated", "orphan"])
    with LocalStore(place.root) as store:
        seen = check(store._context(), [], content=True, progress=False)
        assert len(seen.candidates) == 3
        place.rewrite(damage.victim(7), damage.victim(7))
        place.rewrite(damage.victim(5), damage.victim(5))
        store.put(damage.ORPHAN)
        assert repair_all(store._context(), seen.candidates) == ({}, [])
        assert store.get(of(damage.victim(7))).read() == damage.victim(7)
        assert not store.fsck(progress=False)


def test_a_read_only_store_is_checked_and_not_repaired(planted: Planted) -> None:
    place = planted(["refcount"])
    with open_read_only(place.root) as store:
        assert store.fsck(progress=False).counts == {"refcount": 1}
        with pytest.raises(ReadOnlyStoreError):
            store.fsck(repair=True, progress=False)


def test_findings_are_rows_of_a_data_frame(planted: Planted) -> None:
    found = look(planted(["corrupt", "refcount"]))
    frame = pd.DataFrame(found.findings)
    assert list(frame.columns) == ["code", "digest", "message", "action"]
    assert set(frame["digest"]) == {of(damage.victim(7)), of(damage.victim(10))}


def test_hostile_names_are_shown_escaped(planted: Planted) -> None:
    place = planted(["tag-of-nothing"])
    (place.root / "blobs/<b>\x1b[2J\udcff").write_bytes(b"")
    found = look(place)
    assert "\x1b" not in str(found)
    assert "\x1b" not in json.dumps(found.to_dict(), ensure_ascii=False)
    str(found).encode()
    assert not look(place, repair=True).left
