"""Rebuild a broken index from the content and from index.json.

The new database is built among the temporary files and takes its place in two renames at the end: the
old one goes to quarantine, then the new one comes. Whatever dies on the way is begun anew by the next attempt; between
the two renames the store has no index, and says so. Other processes are kept out by SQLite's own lock on the old file.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from blobkit.content.directory import DirectoryContent
from blobkit.content.quarantine import move_aside
from blobkit.content.syncing import sync_directory
from blobkit.digest import matches
from blobkit.errors import BlobkitError, Hint, NotAStoreError, StoreBusyError, UnreadableStoreError
from blobkit.filehandle import FileHandle
from blobkit.index.handles import is_connected
from blobkit.index.readonly import ReadOnlyIndex
from blobkit.index.schema import check_version
from blobkit.index.sqlite import SqliteIndex
from blobkit.model import NewBlob
from blobkit.progress import counted
from blobkit.render import count, in_shell, join_some
from blobkit.store.fsck.files import unknown_pages, verdict
from blobkit.store.fsck.report import Extent, Finding, Fsck
from blobkit.store.journal import entries
from blobkit.store.layout.adoption import Target, adopt_into
from blobkit.store.layout.layout import Layout
from blobkit.store.opening import index_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.digest import Digest

__all__ = ["rebuild"]

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
    content = DirectoryContent(root)
    content.lay_out()
    _restore(content, path)
    fresh = path.with_name("tmp") / "rebuild" / path.name
    fresh.parent.mkdir(exist_ok=True)
    with _alone(path, fresh.parent):
        for side in _sides(fresh):
            side.unlink(missing_ok=True)
        with closing(SqliteIndex(fresh, durability="off")) as index:
            findings, adopted = _adopt(root, content, index, progress=progress)
            unreached, read = _add_unreached(content, index, findings, progress=progress)
            blobs, tags = index.read(lambda tx: (tx.total(), len(tx.tags())))
        content.sync()  # the new database with it
        places = _swap(root, path, fresh)
    where = f"; the old one is in {join_some(places)}" if places else ""
    action = f"built anew from blobs/ and index.json: {count(blobs, 'blob')}, {count(tags, 'tag')}{where}"
    findings.insert(0, Finding("index-damaged", "", "the index could not be used", action))
    if unreached:
        some = f"{count(len(unreached), 'blob')}: {join_some(unreached, 3)}"
        findings.append(Finding("unreached", "", f"no entry of index.json reaches {some}", "pinned once each"))
    return Fsck(tuple(findings), Extent(blobs, adopted + read), address=str(root))


def _restore(content: DirectoryContent, path: Path) -> None:
    """Restore absent and torn files, as far as the journal of the old index can be read.

    Before the old index is locked: reading it, this process would drop its locks.
    """
    with suppress(BlobkitError, OSError), closing(ReadOnlyIndex(path)) as index:
        for entry in index.read(lambda tx: [found for found in entries(tx) if found.is_blob]):
            data = index.read(lambda tx, number=entry.number: tx.journal_content(number))  # type: ignore[misc]
            if data is not None and matches(data, entry.digest):
                content.place(entry.digest, data)


def _adopt(root: Path, content: DirectoryContent, index: SqliteIndex, *, progress: bool) -> tuple[list[Finding], int]:
    """Take in what index.json holds, as a store does that finds a foreign one; return findings, and the bytes read."""
    layout = Layout(root, sync=True)
    layout.lay_out()
    try:
        adopted = adopt_into(Target(layout, content, index, index.writing, sync=None), progress=progress)
    except UnreadableStoreError as error:
        place = move_aside(root, "index.json", "unreadable", sync=True)
        action = f"moved to {place}: every blob is pinned instead, give names again with store.tag"
        return [Finding("layout-unreadable", "", str(error), action)], 0
    return [Finding("entry", "", f"index.json names {name}, but {why}") for name, why in adopted.damaged], adopted.bytes


def _add_unreached(
    content: DirectoryContent, index: SqliteIndex, findings: list[Finding], *, progress: bool
) -> tuple[list[Digest], int]:
    """Give every blob that is not reached a pin; return these, and the bytes read. Damaged files give findings."""
    pinned: list[Digest] = []
    read = 0
    pages = partial(unknown_pages, content, index)
    total = sum(sum(content.sizes(page).values()) for page in pages()) if progress else 0
    with counted(total, "verifying", show=progress) as advance:
        for page in pages():
            good = []
            for digest, file in content.signatures(page).items():
                code, hashed = verdict(content.open, digest, file.size, file, hashing=True, advance=advance)
                read += hashed
                if not code:
                    good.append(NewBlob(digest, file.size, "", datetime.fromtimestamp(file.since, UTC)))
                elif file.regular:
                    findings.append(_damaged(content, digest, code))
            with index.writing() as tx:
                tx.add(good)
            pinned += [new.digest for new in good]
    return pinned, read


def _damaged(content: DirectoryContent, digest: Digest, code: str) -> Finding:
    """Move content with another hash to quarantine."""
    if code != "content-corrupt":
        return Finding(code, digest, "its content cannot be read")
    place = content.set_aside([digest], "corrupt")[digest]
    return Finding(code, digest, "its content has another hash", f"moved to {place}")


@contextmanager
def _alone(path: Path, work: Path) -> Iterator[None]:
    """Keep others from opening the index meanwhile, and from rebuilding it or clearing `work`; StoreBusyError.

    The locks are those that every connection to the database takes; those of one process do not exclude one another,
    so that its own connections are asked for.
    """
    if is_connected(path):
        msg = f"{path}: this process has the store open itself: close it, then try again"
        raise StoreBusyError(msg)
    with ExitStack() as held:
        try:
            directory = held.enter_context(FileHandle(work, os.O_DIRECTORY))
            fcntl.flock(directory.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                file = held.enter_context(FileHandle(path, os.O_RDWR))
                fcntl.lockf(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB, *LOCKED)
        except BlockingIOError:
            msg = f"{path}: another process has the store open: end it, then try again"
            raise StoreBusyError(msg) from None
        yield


def _swap(root: Path, path: Path, fresh: Path) -> list[str]:
    """Put the new index in the place of the old one; return where that is, and its WAL.

    The file goes first: without its WAL it would seem to be an older state of itself.
    """
    old = [side for side in _sides(path) if side.exists()]
    places = [move_aside(root, str(side.relative_to(root)), "damaged", sync=True) for side in old]
    fresh.rename(path)
    with suppress(OSError):
        fresh.parent.rmdir()
    sync_directory(path.parent)
    return places


def _sides(path: Path) -> list[Path]:
    """Return a database and the files that SQLite keeps beside it."""
    return [path, *(path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm", "-journal"))]
