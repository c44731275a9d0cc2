"""A store with something wrong: how each kind of damage is planted, and an independent look at a store."""
# ruff: noqa: S608 (statements over numbers and names of these tests)

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.digest import Digest, of
from blobkit.store.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
VICTIMS = 40
ORPHAN, GRAVE = b"nobody knows me", b"removed, but still here"


def packed(digest: str) -> bytes:
    return b"\1" + bytes.fromhex(digest.partition(":")[2])


def victim(number: int) -> bytes:
    return b"victim %d" % number


def name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def build(root: Path) -> None:
    """Fill a store: an image with a tag and an absent layer, a linked tree, and victims with one pin each."""
    with LocalStore(root) as made, made.batch() as store:
        layers = [store.put(b"layer %d" % i).digest for i in range(3)]
        entries = [{"mediaType": "x/layer", "digest": digest, "size": 7} for digest in (*layers, of(b"absent"))]
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": entries[0], "layers": entries[1:]}
        store.put(json.dumps(body).encode(), media_type=MANIFEST, tag="image:1")
        leaf = store.put(b"leaf", algorithm="sha512").digest
        store.put(b"tree", links=[leaf], tag="tree:1")
        for number in range(VICTIMS):
            store.put(victim(number))
        for number in range(3):
            store.tag(f"victim:{number}", of(victim(number)), transfer=True)


@dataclass
class Place:
    """The directory of a closed store, and its database."""

    root: Path

    def blob(self, content: bytes) -> Path:
        return self.root / "blobs" / "sha256" / name_of(content)

    def rewrite(self, content: bytes, new: bytes) -> None:
        path = self.blob(content)
        path.unlink(missing_ok=True)
        path.write_bytes(new)
        path.chmod(0o444)

    def run(self, *statements: str | tuple[str, tuple[object, ...]]) -> None:
        with closing(sqlite3.connect(self.root / ".blobkit/index.sqlite")) as db, db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            for statement in statements:
                db.execute(*([statement] if isinstance(statement, str) else statement))

    def ident(self, content: bytes) -> int:
        with closing(sqlite3.connect(self.root / ".blobkit/index.sqlite")) as db:
            return int(db.execute("SELECT id FROM blobs WHERE digest = ?", (packed(of(content)),)).fetchone()[0])

    def update(self, what: str, content: bytes) -> None:
        self.run((f"UPDATE blobs SET {what} WHERE digest = ?", (packed(of(content)),)))


def _link(place: Place, *pairs: tuple[int, int]) -> None:
    for source, target in pairs:
        place.run(
            ("INSERT INTO links VALUES (?, ?, 0)", (place.ident(victim(source)), place.ident(victim(target)))),
            ("UPDATE blobs SET refcount = refcount + 1 WHERE id = ?", (place.ident(victim(target)),)),
        )


def _unindexed(place: Place) -> None:
    """Give a tag to a blob while the index over tags is not there, so that it does not know of it."""
    with closing(sqlite3.connect(place.root / ".blobkit/index.sqlite")) as db, db:
        row = db.execute("SELECT * FROM sqlite_master WHERE name = 'tags_of'").fetchone()
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_master WHERE name = 'tags_of'")
    place.run(("INSERT INTO tags VALUES ('unindexed', ?)", (place.ident(victim(30)),)))
    place.update("pins = 2, refcount = 2", victim(30))
    with closing(sqlite3.connect(place.root / ".blobkit/index.sqlite")) as db, db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)


def _foreign(place: Place) -> None:
    path = place.root / "index.json"
    body = json.loads(path.read_bytes())
    body["manifests"].append({"mediaType": "x/y", "digest": of(victim(31)), "size": len(victim(31))})
    path.write_text(json.dumps(body))


def _orphan(place: Place) -> None:
    place.blob(ORPHAN).write_bytes(ORPHAN)
    place.blob(ORPHAN).chmod(0o444)


def _grave(place: Place) -> None:
    place.blob(GRAVE).write_bytes(GRAVE)
    place.run(("INSERT INTO tombstones VALUES (?)", (packed(of(GRAVE)),)))


def _expected_here(place: Place) -> None:
    values = (packed(of(victim(14))), place.ident(victim(15)))
    place.run(("INSERT INTO missing_links VALUES (?, ?, 2, 'x/y')", values))


def _typed_with_bytes(place: Place) -> None:
    place.run("INSERT INTO media_types VALUES (778, x'7aff')")
    place.update("media_type = 778", victim(29))


def _journalled_number(place: Place) -> None:
    """Let the journal hold a number as the content of a blob whose file is gone."""
    place.blob(victim(27)).unlink()
    place.run(("INSERT INTO journal(digest, content) VALUES (?, ?)", (packed(of(victim(27))), 10**18)))


def _write(path: str, content: bytes) -> Callable[[Place], None]:
    return lambda place: (place.root / path).write_bytes(content) and None


PLANTS: dict[str, tuple[str, Callable[[Place], object]]] = {
    "missing": ("content-missing", lambda p: p.blob(victim(4)).unlink()),
    "truncated": ("content-truncated", lambda p: p.rewrite(victim(5), b"vic")),
    "longer": ("content-truncated", lambda p: p.rewrite(victim(6), victim(6) * 2)),
    "corrupt": ("content-corrupt", lambda p: p.rewrite(victim(7), b"VICTIM 7")),
    "size": ("size", lambda p: p.update("size = 12345", victim(8))),
    "orphan": ("orphan", _orphan),
    "stray": ("stray", _write("blobs/sha256/notes.txt", b"junk")),
    "stray-top": ("stray", _write("blobs/README", b"more junk")),
    "stray-link": ("stray", lambda p: (p.root / "blobs/sha256" / ("0" * 64)).symlink_to("/etc/passwd")),
    "stray-directory": ("stray", lambda p: (p.root / "blobs/md5").mkdir()),
    "temp": ("temp", _write(".blobkit/tmp/1-dead", b"half")),
    "tombstone": ("tombstone", _grave),
    "refcount": ("refcount", lambda p: p.update("refcount = 9", victim(10))),
    "negative": ("refcount", lambda p: p.update("refcount = -3, pins = -5", victim(11))),
    "unheld": ("refcount", lambda p: p.update("refcount = 0, pins = 0", victim(12))),
    "pins": ("pins", lambda p: p.update("pins = 0", victim(0))),
    "link-from-nowhere": (
        "dangling-link",
        lambda p: p.run(f"INSERT INTO links VALUES (9999, {p.ident(victim(13))}, 0)"),
    ),
    "link-to-nowhere": ("dangling-link", lambda p: p.run(f"INSERT INTO links VALUES ({p.ident(victim(13))}, 9998, 0)")),
    "links-through-nowhere": (
        "dangling-link",
        lambda p: p.run(
            f"INSERT INTO links VALUES ({p.ident(victim(24))}, 9995, 0), (9995, {p.ident(victim(24))}, 0)",
        ),
    ),
    "expected-from-nowhere": (
        "dangling-expected",
        lambda p: p.run(("INSERT INTO missing_links VALUES (?, 9997, 1, '')", (packed(of(b"never")),))),
    ),
    "tag-of-nothing": ("dangling-tag", lambda p: p.run("INSERT INTO tags VALUES ('evil\x1b[31m', 9996)")),
    "link-from-text": ("dangling-link", lambda p: p.run(f"INSERT INTO links VALUES ('x', {p.ident(victim(25))}, 0)")),
    "link-to-fraction": ("dangling-link", lambda p: p.run(f"INSERT INTO links VALUES ({p.ident(victim(25))}, 1.5, 0)")),
    "name-of-bytes": ("bad-name", lambda p: p.run(f"INSERT INTO tags VALUES (x'7aff', {p.ident(victim(26))})")),
    "name-of-nothing": ("bad-name", lambda p: p.run(f"INSERT INTO tags VALUES ('', {p.ident(victim(28))})")),
    "journal-of-number": ("content-missing", _journalled_number),
    "expected-here": ("expected-here", _expected_here),
    "media-type": ("media-type", lambda p: p.update("media_type = 777", victim(16))),
    "media-type-of-bytes": ("media-type", _typed_with_bytes),
    "buried-alive": (
        "buried-alive",
        lambda p: p.run(("INSERT INTO tombstones VALUES (?)", (packed(of(victim(17))),))),
    ),
    "cycle": ("cycle", lambda p: _link(p, (18, 19), (19, 20), (20, 18))),
    "self-link": ("cycle", lambda p: _link(p, (21, 21))),
    "no-digest": ("bad-digest", lambda p: p.update("digest = x'07ff'", victim(22))),
    "no-number": ("bad-row", lambda p: p.update("refcount = 'many', created = -1", victim(23))),
    "no-kind": (
        "bad-row",
        lambda p: p.run("UPDATE links SET kind = 99 WHERE from_id = (SELECT max(from_id) FROM links)"),
    ),
    "lookup": ("lookup", _unindexed),
    "layout-gone": ("layout-stale", lambda p: (p.root / "index.json").unlink()),
    "layout-dirty": ("layout-stale", lambda p: p.run("INSERT INTO meta VALUES ('layout_dirty', '1')")),
    "layout-behind": ("layout-stale", lambda p: p.run("DELETE FROM tags WHERE name = 'victim:2'")),
    "oci-layout-gone": ("layout-stale", lambda p: (p.root / "oci-layout").unlink()),
    "layout-foreign": ("layout-foreign", _foreign),
    "layout-unreadable": ("layout-unreadable", _write("index.json", b'{"manifests": [')),
}
"""How each kind of damage is planted, with the code that it is found under. No two touch the same blob."""

FOREIGN = {"layout-foreign", "layout-unreadable"}
LEFT = {"content-missing", "cycle"} | FOREIGN
"""What no repair can mend."""
LEFT_BESIDE_FOREIGN = LEFT | {"tombstone", "stray", "orphan", "layout-stale"}
"""While another program is at work nothing that is on disk is moved or rewritten."""


def is_about_index_json(name: str) -> bool:
    return name.startswith("layout-")


def contents(root: Path) -> list[str]:
    """Return the hash of each file that is among the blobs or in quarantine."""
    found = [p for top in ("blobs", ".blobkit/quarantine") for p in (root / top).rglob("*")]
    return sorted(hashlib.sha256(p.read_bytes()).hexdigest() for p in found if p.is_file() and not p.is_symlink())


def faults(root: Path) -> set[str]:
    """Return what is wrong with the references and the files of a store, by statements of its own."""
    with closing(sqlite3.connect(f"file:{root}/.blobkit/index.sqlite?mode=ro", uri=True)) as db:
        blobs = {row[0]: row[1:] for row in db.execute("SELECT id, digest, size, refcount, pins FROM blobs")}
        links = db.execute("SELECT from_id, to_id FROM links").fetchall()
        tags = db.execute("SELECT blob_id FROM tags").fetchall()
        graves = {row[0] for row in db.execute("SELECT digest FROM tombstones")}
        wrong = {"sqlite"} if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)] else set()
    wrong |= {"dangling" for pair in links if not set(pair) <= blobs.keys()}
    wrong |= {"tag" for (blob,) in tags if blob not in blobs}
    for ident, (digest, size, refcount, pins) in blobs.items():
        held = sum(target == ident for _, target in links)
        named = sum(blob == ident for (blob,) in tags)
        wrong |= {"counts"} if refcount != pins + held or pins < named or refcount < 1 else set()
        wrong |= {"buried"} if digest in graves else set()
        label = {1: "sha256", 2: "sha384", 3: "sha512"}[digest[0]]
        path = root / "blobs" / label / digest[1:].hex()
        if not path.is_file() or path.is_symlink():
            wrong.add("missing")
        elif hashlib.new(label, path.read_bytes()).digest() != digest[1:] or path.stat().st_size != size:
            wrong.add("content")
    return wrong


def healthy(store: LocalStore) -> dict[Digest, tuple[object, ...]]:
    """Return all that is known of the blobs that nothing is planted on, and their bytes."""
    contents = [b"layer 0", b"layer 1", b"layer 2", b"tree", victim(1), victim(3), victim(9)]
    found = [store.get(of(content)) for content in contents] + [store.get(of(b"leaf", "sha512"))]
    return {b.digest: (b.size, b.refcount, b.pins, b.links, b.media_type, b.tags, b.read()) for b in found}
