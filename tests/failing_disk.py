"""Programs that use a store on a disk that really fails; each prints what it saw, as JSON.

python tests/failing_disk.py full PLACE        in a small file system of its own, which it fills
python tests/failing_disk.py linkless PLACE    where hard links are refused
python tests/failing_disk.py gap PLACE         where each sync fails as long as the file FAILING exists
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from blobkit.digest import of
from blobkit.store.local import LocalStore
from faulty import die, file, held, killed_in

SMALL, LARGE = b"s" * 60_000, b"l" * 300_000
ROOM = 36 << 10
"""Bytes that are left in the full file system: enough for the index, too little for the small content."""
MANY = 300

PRELOADED = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int real(const char *name, int fd) {
    const char *flag = getenv("FAILING");
    if (flag && !access(flag, F_OK)) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}
int fsync(int fd) { return real("fsync", fd); }
int fdatasync(int fd) { return real("fdatasync", fd); }
"""
"""A library in C that stands before the syncs of the system."""


def full(place: Path) -> dict[str, object]:
    """Kill a writer before it placed a file, fill the disk, open the store and remove something."""
    root = place / "store"
    with LocalStore(root) as store:
        store.put(LARGE)

    def put() -> None:
        store = LocalStore(root)
        store._content.place = die
        store.put(SMALL)

    killed_in(put, place / "trouble")
    fill(place / "filler")
    with LocalStore(root) as store:
        is_read, was_there = store.get(of(SMALL)).read() == SMALL, file(root, of(SMALL)).exists()
        freed = store.deref(of(LARGE)).bytes
    return {"read": is_read, "was there": was_there, "freed": freed, "is there": file(root, of(SMALL)).exists()}


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    os.truncate(path, (path.stat().st_size - ROOM) // 4096 * 4096)


def linkless(place: Path) -> dict[str, object]:
    """Put small content, so much that it is drained; see that all of it has files."""
    found = {}
    for durability in ("full", "off"):
        root = place / durability
        with LocalStore(root, durability=durability) as store:
            digests = [store.put(b"%d" % number).digest for number in range(MANY)]
            found[durability] = [len(held(store)), sum(file(root, digest).exists() for digest in digests)]
    return found


def gap(place: Path) -> dict[str, object]:
    """Let the sync of a commit fail behind one that none has synced; then put, and copy what a disk may hold then.

    The pages of the earlier commit are taken out of the copy, unless they were written anew: they are what was lost.
    """
    root, failing = place / "store", Path(os.environ["FAILING"])
    wal, sizes = root / ".blobkit/index.sqlite-wal", []
    store = LocalStore(root)
    digests = [store.put(b"before").digest]
    clean_up = store._session._clean_up
    store._session._clean_up = lambda **how: (sizes.append(wal.stat().st_size), clean_up(**how))
    store.deref(store.put(b"removed").digest)  # its second transaction is to become durable later
    start, end = *sizes, wal.stat().st_size
    lost = wal.read_bytes()[start:end]
    failing.touch()
    raised = False
    try:
        store.put(b"raises")
    except OSError:
        raised = True
    failing.unlink()
    digests += [store.put(content).digest for content in (b"acknowledged", b"and another")]
    image = place / "image"
    shutil.copytree(root, image)
    (image / ".blobkit/index.sqlite-shm").unlink()
    with (image / ".blobkit/index.sqlite-wal").open("r+b") as copy:
        copy.seek(start)
        if copy.read(end - start) == lost:
            copy.seek(start)
            copy.write(bytes(end - start))
    return {"raised": raised, "lost": len(lost), "digests": digests}


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"full": full, "linkless": linkless, "gap": gap}[sys.argv[1]](Path(sys.argv[2]))))
