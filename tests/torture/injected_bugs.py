"""Bugs to inject into a separate process, each by one patch: the torture tests must find them."""

from __future__ import annotations

import os
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from blobkit.content.directory import DirectoryContent
from blobkit.index.sqlite import SqliteIndex
from blobkit.store.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.transactions import Writing


def no_sync_of_directories() -> None:
    """Rename content to its name and trust that the name stays."""
    _unsynced(stat.S_ISDIR)


def no_sync_of_content() -> None:
    """Publish content whose bytes may still be in memory only."""
    _unsynced(stat.S_ISREG)


def _unsynced(which: Callable[[int], bool]) -> None:
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)
        setattr(os, name, lambda fd, real=real: None if which(os.fstat(fd).st_mode) else real(fd))
    DirectoryContent.sync = lambda _: None


def no_durable_commits() -> None:
    """Unlink files after a commit that a loss of power may take back."""
    real = SqliteIndex.writing

    @contextmanager
    def weak(index: SqliteIndex, **_: bool) -> Iterator[Writing]:
        with real(index) as rows:
            yield rows

    SqliteIndex.writing = weak


def as_long_again(start: float | None) -> None:
    """Wait for as long as it is since then: others do as much meanwhile on a slow machine as on a fast one."""
    if start is not None:
        time.sleep(time.monotonic() - start)


def no_seal() -> None:
    """Let a stronger store trust what a weaker one wrote."""
    DirectoryContent.sync = lambda _: None


def a_drain_without_a_sync() -> None:
    """Drop what the journal holds while the files may still be in memory only."""
    real = Journal.drain

    def drain(journal: Journal) -> None:
        sync, journal._content.sync = journal._content.sync, lambda: None
        try:
            real(journal)
        finally:
            journal._content.sync = sync

    Journal.drain = drain


def placing_before_the_commit() -> None:
    """Give small content its name before its commit is durable: half a file may stay that no row knows."""
    real_enter = Journal.enter

    def enter(journal: Journal, rows: Writing, blobs: Mapping[Digest, bytes], *, durable: bool) -> int:
        for digest, content in blobs.items():
            journal._content.place(digest, content)
        return real_enter(journal, rows, blobs, durable=durable)

    Journal.enter = enter


def unlinking_without_the_lock() -> None:
    """Unlink files after the transaction that looked for tombstones, while others put the same content again."""
    real_delete, real_writing, due = DirectoryContent.delete, SqliteIndex.writing, {}

    def later(content: DirectoryContent, digests: Collection[Digest]) -> Sequence[Digest]:
        due[content._root] = (content, list(digests))
        return list(digests)

    @contextmanager
    def writing(index: SqliteIndex, **how: bool) -> Iterator[Writing]:
        start = time.monotonic()
        with real_writing(index, **how) as rows:
            yield rows
        as_long_again(start if due else None)
        for content, digests in due.values():
            real_delete(content, digests)
        due.clear()

    DirectoryContent.delete, SqliteIndex.writing = later, writing


def publishing_after_the_commit() -> None:
    """Give content its name only once the blob is recorded."""
    real_publish, real_writing, due = DirectoryContent.publish, SqliteIndex.writing, []

    @contextmanager
    def writing(index: SqliteIndex, **how: bool) -> Iterator[Writing]:
        start = time.monotonic()
        with real_writing(index, **how) as rows:
            yield rows
        as_long_again(start if due else None)
        while due:
            real_publish(*due.pop())

    DirectoryContent.publish = lambda content, staged: due.append((content, staged))
    SqliteIndex.writing = writing


BUGS = {
    bug.__name__: bug
    for bug in (
        no_sync_of_directories,
        no_sync_of_content,
        no_durable_commits,
        no_seal,
        a_drain_without_a_sync,
        placing_before_the_commit,
        unlinking_without_the_lock,
        publishing_after_the_commit,
    )
}
