"""A new index for a store whose own is broken, from the content and from index.json.

The new database is built under another name, beside the old one, and takes its place in two renames at the end: the
old one goes to quarantine, then the new one comes. Whatever dies on the way is begun anew by the next attempt; between
the two renames the store has no index, and says so. Other processes are kept out by SQLite's own lock on the old file.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from blobkit.content.directory import DirectoryContent
from blobkit.content.quarantine import move_aside
from blobkit.content.syncing import sync_directory
from blobkit.digest import matches as is_content
from blobkit.errors import BlobkitError, Hint, NotAStoreError, StoreBusyError, UnreadableStoreError
from blobkit.filehandle import FileHandle
from blobkit.index.handles import is_connected
from blobkit.index.readonly import ReadOnlyIndex
from blobkit.index.schema import check_version
from blobkit.index.sqlite import SqliteIndex
from blobkit.model import Arrival
from blobkit.progress import counted
from blobkit.render import count, in_shell, join_some
from blobkit.store.fsck.files import matches
from blobkit.store.fsck.report import Checked, Finding, Fsck
from blobkit.store.journal import entries
from blobkit.store.layout.adoption import Target, adopt_into
from blobkit.store.layout.layout import Layout
from blobkit.store.opening import index_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.transactions import Reading, Writing

__all__ = ["rebuild"]

CHUNK = 1_000
LOCKED = (512, 0x40000000)
"""Length and start of the bytes that SQLite locks in a database file: pending, reserved, shared."""


def rebuild(root: Path, *, progress: bool) -> Fsck:
    """Return what was done to give the store at `root` a new index; NotAStoreError, StoreTooNewError, StoreBusyError.

    Every blob is read and hashed. Tags and what they reach come from index.json; what they do not reach has one pin
    each. What no file knows is lost: other pins, links that were made by hand, media types that no manifest names.
    """
    path = index_path(root)
    if not path.parent.is_dir():
        msg = f"{root} is no blobkit store: it has no {path.parent.name}"
        python = f"blobkit.LocalStore({str(root)!r}, adopt=True) makes one of an OCI layout"
        shell = f"blobkit adopt {in_shell(root)} makes one of an OCI layout"
        raise NotAStoreError(msg, hint=Hint(python, shell))
    check_version(path)
    _restore(root, path)
    with _alone(path):
        content, layout = DirectoryContent(root), Layout(root, sync=True)
        content.lay_out()
        layout.lay_out()
        fresh = path.with_name(f"{path.name}.rebuild")
        _remove(fresh)
        index = SqliteIndex(fresh, durability="off")
        try:
            work = _Rebuilding(root, content, layout, index)
            work.adopt(progress=progress)
            work.add_the_rest(progress=progress)
        finally:
            index.close()
        content.sync()  # the new database with it
        places = _swap(root, path, fresh)
        return work.result(places)


def _restore(root: Path, path: Path) -> None:
    """Put in its place what a crash left absent or torn, as far as the journal of the old index can be read.

    Before the old index is locked: reading it, this process would drop its locks.
    """
    content = DirectoryContent(root)
    with suppress(BlobkitError, OSError), closing(ReadOnlyIndex(path)) as index:
        for entry in index.read(lambda rows: [found for found in entries(rows) if found.is_blob]):
            data = index.read(lambda rows, number=entry.number: rows.journal_content(number))  # type: ignore[misc]
            if data is not None and is_content(data, entry.digest):
                content.place(entry.digest, data)


@dataclass
class _Rebuilding:
    """A new index on its way."""

    root: Path
    content: DirectoryContent
    layout: Layout
    index: SqliteIndex
    findings: list[Finding] = field(default_factory=list)
    pinned: list[Digest] = field(default_factory=list)
    blobs: int = 0
    tags: int = 0
    read: int = 0

    def adopt(self, *, progress: bool) -> None:
        """Take in what index.json holds, as a store does that finds a foreign one."""
        target = Target(self.layout, self.content, self.index, self.index.writing, sync=None)
        try:
            adopted = adopt_into(target, progress=progress)
        except UnreadableStoreError as error:
            place = move_aside(self.root, "index.json", "unreadable", sync=True)
            action = f"moved to {place}: every blob is pinned instead, give names again with store.tag"
            self.findings.append(Finding("layout-unreadable", "", str(error), action))
            return
        self.tags, self.blobs, self.read = len(adopted.tags), len(adopted.blobs), adopted.bytes
        self.findings += [Finding("entry", "", f"index.json names {name}, but {why}") for name, why in adopted.damaged]

    def add_the_rest(self, *, progress: bool) -> None:
        """Give every blob that is not reached a pin; what is no blob though its name says so goes to quarantine."""
        total = sum(sum(self.content.sizes(page).values()) for page in self._unknown()) if progress else 0
        with counted(total, "verifying", show=progress) as advance:
            for page in self._unknown():
                arrivals = [new for digest in page if (new := self._verified(digest, advance))]
                self.index.write(partial(_add, arrivals))
                self.pinned += [new.digest for new in arrivals]
        self.blobs += len(self.pinned)

    def result(self, places: list[str]) -> Fsck:
        """Return what was done."""
        where = f"; the old one is in {join_some(places)}" if places else ""
        action = f"built anew from blobs/ and index.json: {count(self.blobs, 'blob')}, {count(self.tags, 'tag')}{where}"
        findings = [Finding("index-damaged", "", "the index could not be used", action), *self.findings]
        if self.pinned:
            message = f"no entry of index.json reaches {count(len(self.pinned), 'blob')}: {join_some(self.pinned, 3)}"
            findings.append(Finding("unreached", "", message, "pinned once each"))
        return Fsck(tuple(findings), Checked(self.blobs, self.read), address=str(self.root))

    def _unknown(self) -> Iterator[list[Digest]]:
        """Yield what has content and is not in the index yet."""
        digests = self.content.digests()
        while page := list(islice(digests, CHUNK)):
            known = self.index.read(partial(_counts, page))
            yield [digest for digest in page if digest not in known]

    def _verified(self, digest: Digest, advance: Callable[[int], object]) -> Arrival | None:
        stamp = self.content.signatures([digest]).get(digest)
        if stamp is None or not stamp.regular:
            return None
        try:
            good = matches(self.content, digest, advance)
        except OSError as error:
            message = f"its content cannot be read ({error.strerror})"
            self.findings.append(Finding("content-unreadable", digest, message))
            return None
        self.read += stamp.size
        if good:
            return Arrival(digest, stamp.size, "", datetime.fromtimestamp(stamp.since, UTC))
        place = self.content.set_aside([digest], "corrupt")[digest]
        self.findings.append(Finding("content-corrupt", digest, "its content has another hash", f"moved to {place}"))
        return None


def _add(arrivals: list[Arrival], rows: Writing) -> None:
    rows.add(arrivals)


def _counts(digests: list[Digest], rows: Reading) -> Mapping[Digest, int]:
    return rows.counts(digests)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep others from opening the index meanwhile; StoreBusyError where another process has it open.

    The locks are those that every connection to the database takes; those of one process do not exclude one another,
    so that its own connections are asked for.
    """
    if is_connected(path):
        msg = f"{path}: this process has the store open itself: close it, then try again"
        raise StoreBusyError(msg)
    try:
        with FileHandle(path.parent, os.O_DIRECTORY) as directory:
            fcntl.flock(directory.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)  # another rebuilding
            with _locked(path):
                yield
    except BlockingIOError:
        msg = f"{path}: another process has the store open: end it, then try again"
        raise StoreBusyError(msg) from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        handle = FileHandle(path, os.O_RDWR)
    except FileNotFoundError:
        yield
        return
    with handle:
        fcntl.lockf(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB, *LOCKED)
        yield


def _swap(root: Path, path: Path, fresh: Path) -> list[str]:
    """Put the new index in the place of the old one; return where that is, and its WAL.

    The file goes first: without its WAL it would seem to be an older state of itself.
    """
    old = [side for side in _sides(path) if side.exists()]
    places = [move_aside(root, str(side.relative_to(root)), "damaged", sync=True) for side in old]
    fresh.rename(path)
    sync_directory(path.parent)
    return places


def _remove(path: Path) -> None:
    for side in _sides(path):
        side.unlink(missing_ok=True)


def _sides(path: Path) -> list[Path]:
    """Return a database and the files that SQLite keeps beside it."""
    return [path, *(path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm", "-journal"))]
