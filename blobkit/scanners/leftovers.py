"""Count the regular files of a store, each inode once: blobs, metadata, and untracked files (leftovers).

While a scanner lists directories, it passes their entries to a `Ledger`; at the end the ledger walks the directories
that the scanner did not list. So no directory is listed twice, and every file below the root is counted.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from blobkit.access import reason
from blobkit.render import count, to_utf8
from blobkit.scanners.tallies import RANKS, Group, Inode
from blobkit.snapshot.disk import Disk
from blobkit.snapshot.notices import leftover, shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from blobkit.scanners.facts import Facts
    from blobkit.scanners.places import Place

    Members = Callable[[], Iterable[tuple[str, str, int, int]]]
    """Yield role ("": that of its path), path in the archive, bytes and time of each file of an archive."""

__all__ = ["Ledger"]

LISTED_ALONE = 1_000
"""Leftovers with a notice of their own, the largest ones; all others share one notice."""
NAMED = 9
"""Names of metadata files that are recorded; `snapshot.disk` accepts one more."""
PACKED = 1_000
"""Digests in one notice."""
NOT_BLOBS = frozenset({"damaged", "junk"})
"""Notices about files at the path of a blob; the ledger adds the bytes of these files."""
NOT_SEEN = frozenset({"damaged", "symlink", "unreadable"})
"""Notices that say why the blob of a digest cannot be seen."""


class Ledger:
    """Counts the files below `root`; paths are absolute, and those that lead through a symbolic link are skipped.

    The target of such a link is counted under its own path, if that is below the root. `blobs`: no scanner reports
    blobs, so the ledger counts their files too. `members` yields the files of an archive, which is not walked.
    """

    totals = True

    def __init__(self, root: str, place: Place, *, blobs: bool = False, members: Members | None = None) -> None:
        self._blobs, self._members = blobs, members
        self.root, self.place = root.rstrip("/") or "/", place
        self._base = self.root.rstrip("/") + "/"
        self._real = os.path.realpath(root).rstrip("/") + "/"
        self._listed: set[str] = set()
        self._pending: set[str] = set()
        self._walked: set[str] = set()
        self._counted: set[str] = set()
        self._links: set[str] = set()
        self._followed: set[str] = set()
        self._aliases: dict[str, str] = {}
        self._loose: list[tuple[str, os.stat_result]] = []
        self._inodes: dict[tuple[int, int], Inode] = {}
        self._groups: dict[str, Group] = {}
        self._unseen: dict[str, str] = {}
        self._uploads: set[str] = set()
        self._not_blobs: dict[str, Group] = {}
        self._denied: list[tuple[str, OSError]] = []
        self._files = self._bytes = 0
        self._metadata = 0
        self._described: dict[str, tuple[int, str]] = {}

    def listed(self, path: str, entries: Iterable[os.DirEntry[str]]) -> None:
        """Record the entries of a directory that a scanner has just listed."""
        if not self._is_own(path):
            return
        if path in self._pending:
            self._pending.discard(path)
        else:
            self._listed.add(path)
        again = path in self._counted
        for entry in entries:
            with suppress(OSError):
                self._entry(path, entry, again=again)

    def unseen(self, path: str) -> None:
        """Record that the blobs at or below a path cannot be seen."""
        relative = path[len(self._base) :] if path.startswith(self._base) else ""
        start = self.place.behind(relative)
        if start is not None:
            self._unseen.setdefault(start, relative)

    def blob(self, digest: str, path: str, info: os.stat_result, *, linked: bool) -> None:
        """Count the file of a blob; `linked`: `path` is a symbolic link, so count its target."""
        if linked:
            self._followed.add(path)
            if self._role(self._target(path)) != "blob":  # else its own name counts it
                self._inode(info, "blob", path).digests.append(digest)
        elif info.st_nlink > 1:
            inode = self._inode(info, "blob", path)
            inode.names += 1
            inode.digests.append(digest)
        else:
            self._files, self._bytes = self._files + 1, self._bytes + info.st_size

    def blobs(self, sizes: Sequence[int]) -> None:
        """Count the files of many blobs, each a regular file with one name."""
        self._files, self._bytes = self._files + len(sizes), self._bytes + sum(sizes)

    def links(self, first: str, sizes: Sequence[int]) -> None:
        """Count link files, each a regular file with one name; none behind a symbolic link. `first`: path of one."""
        if self._is_own(os.path.dirname(first)):
            self._add("metadata", first, sum(sizes), -1, files=len(sizes))

    def finish(self, facts: Facts) -> Disk | None:
        """Do as `close` if `totals` are wanted; else record only what is known about blobs, and return None."""
        if self.totals:
            return self.close(facts)
        self._record_shared(facts)
        self._record_unseen(facts)
        return None

    def close(self, facts: Facts) -> Disk:
        """Walk the directories that are left, record the notices, and return the totals."""
        self._uploads = {path for code, _, path, _ in facts.notices if code == "upload"}
        self._not_blobs = {path: Group() for code, _, path, _ in facts.notices if code in NOT_BLOBS}
        for path in self._unlisted():
            self._walk(path)
        for role, path, size, modified in self._members() if self._members else ():
            self._add(role or self._unreported(path), self._base + path, size, modified)
        for path, info in self._loose:
            self._name(path, info)
        for inode in self._inodes.values():
            self._add(inode.role, inode.path, inode.size, inode.modified)
        for path, error in self._denied:
            facts.unreadable(f"{path[len(self._base) :]}/ cannot be listed", error, path)
        self._complete(facts)
        self._record_leftovers(facts)
        self._record_shared(facts)
        self._record_unseen(facts)
        described = self._described
        names = (f"{many:,} files called {name}" if many > 1 else path for name, (many, path) in described.items())
        number = sum(number for number, _ in described.values())
        return Disk(self._files, self._bytes, number, self._metadata, tuple(map(to_utf8, names)))

    def _entry(self, path: str, entry: os.DirEntry[str], *, again: bool) -> None:
        """Record one entry of a directory that a scanner lists; blobs come through `blob`."""
        if entry.is_dir(follow_symlinks=False):
            self._pending.add(entry.path)
        elif entry.is_symlink():
            self._links.add(entry.path)
        elif not again and (role := self._role(entry.path)) != "blob":
            self._counted.add(path)
            info = entry.stat(follow_symlinks=False)
            if role == "metadata":
                self._name(entry.path, info)
            else:
                self._loose.append((entry.path, info))  # a blob may turn out to be a link to it

    def _is_own(self, path: str) -> bool:
        """Return whether a directory is below the root, and the path to it has no symbolic link."""
        if path == self.root:
            return True
        if not path.startswith(self._base):
            return False
        if path not in self._pending:  # the directories above it were not listed
            self._links.update(above for above in self._above(path) if os.path.islink(above))
        link = next((above for above in self._above(path) if above in self._links), "") if self._links else ""
        if link:
            self._followed.add(link)
            self._aliases[self._target(link)] = link
        return not link

    def _target(self, link: str) -> str:
        """Return the path below the root that a link leads to, "" if it leads out of the root."""
        real = os.path.realpath(link)
        return self._base + real[len(self._real) :] if real.startswith(self._real) else ""

    def _above(self, path: str) -> Iterator[str]:
        """Yield a path and the directories above it, down from the root."""
        while len(path) > len(self._base):
            yield path
            path = os.path.dirname(path)

    def _role(self, path: str) -> str:
        """Return the role of the file at a path for the store, which may reach its directory through a link."""
        if not path.startswith(self._base):
            return "leftover"
        role = self.place.role(path[len(self._base) :])
        if role == "leftover" and self._aliases:
            role = self.place.role(self._as_seen(path)[len(self._base) :])
        return role

    def _as_seen(self, path: str) -> str:
        """Return the path under which the scanner sees a file or directory, through links if there are any."""
        real = next((above for above in self._above(path) if above in self._aliases), None)
        return path if real is None else self._aliases[real] + path[len(real) :]

    def _unlisted(self) -> Iterator[str]:
        """Yield the directories that were neither listed nor walked."""
        if self._members:
            return
        if self.root not in self._listed:
            yield self.root
        for path in sorted(self._pending):
            if path not in self._walked:
                yield path

    def _walk(self, top: str) -> None:
        """Count the files at and below a directory; do not enter other file systems and links."""
        todo, device = [top], None
        while todo:
            path = todo.pop()
            self._walked.add(path)
            try:
                here = os.stat(path, follow_symlinks=False).st_dev
                device = here if device is None else device
                if here != device:
                    self._group(path).unread = "another file system"
                    continue
                with os.scandir(path) as entries:
                    inside = list(entries)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._unread(path, error)
                continue
            todo += self._step(path, inside)

    def _step(self, path: str, inside: list[os.DirEntry[str]]) -> list[str]:
        """Count the files in one directory; return the directories in it to walk next."""
        found, again = [], path in self._counted
        for entry in inside:
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    found += [entry.path] * (entry.path not in self._listed)
                elif entry.is_symlink():
                    self._links.add(entry.path)
                elif not again:
                    self._name(entry.path, entry.stat(follow_symlinks=False))
        return found

    def _unread(self, path: str, error: OSError) -> None:
        """Record a directory that could not be read; if it is not part of the store, only in its group."""
        if self.place.is_part(self._as_seen(path)[len(self._base) :]):
            self._denied.append((path, error))
        else:
            self._group(path).unread = reason(error, path)

    def _unreported(self, path: str) -> str:
        """Return the role of a file that no scanner reported as a blob."""
        role = self.place.role(path)
        return role if role == "metadata" else "leftover"

    def _inode(self, info: os.stat_result, role: str, path: str) -> Inode:
        """Return the record of a file with several names, with the best role so far."""
        key = info.st_dev, info.st_ino
        inode = self._inodes.get(key)
        if inode is None:
            inode = self._inodes[key] = Inode(info.st_size, info.st_mtime_ns // 1000, info.st_nlink, role, path)
        elif RANKS.index(role) > RANKS.index(inode.role):
            inode.role, inode.path = role, path
        return inode

    def _name(self, path: str, info: os.stat_result) -> None:
        """Count one name of a file that is not a blob."""
        role = self._role(path)
        if not stat.S_ISREG(info.st_mode) or (role == "blob" and not self._blobs):
            return
        if role == "upload" and to_utf8(path) not in self._uploads:
            role = "leftover"
        if info.st_nlink > 1 or (self._inodes and (info.st_dev, info.st_ino) in self._inodes):
            inode = self._inode(info, role, path)
            inode.names += 1
            inode.digests += [self.place.behind(path[len(self._base) :]) or ""] * (role == "blob")
        else:
            self._add(role, path, info.st_size, info.st_mtime_ns // 1000)

    def _add(self, role: str, path: str, size: int, modified: int, *, files: int = 1) -> None:
        """Add the bytes of one file, or of several at similar paths, to the totals."""
        self._files, self._bytes = self._files + files, self._bytes + size
        if role == "metadata":
            name = os.path.basename(path)
            name = name if name in self._described or len(self._described) < NAMED else "otherwise"
            number, first = self._described.get(name, (0, path[len(self._base) :]))
            self._described[name] = number + files, first
            self._metadata += size
        elif role == "leftover":
            group = self._group(path)
            group.size, group.files = group.size + size, group.files + 1
            group.modified = max(group.modified, modified)

    def _group(self, path: str) -> Group:
        """Return the group of a leftover: the highest directory above it that is not part of the format, or itself.

        If a notice is already about one of these, that is the group.
        """
        if self._not_blobs:
            known = next((above for above in self._above(path) if to_utf8(above) in self._not_blobs), None)
            if known is not None:
                return self._not_blobs[to_utf8(known)]
        for above in reversed(list(self._above(path))):
            if above != path and self.place.is_part(self._as_seen(above)[len(self._base) :]):
                continue
            return self._groups.setdefault(above[len(self._base) :], Group())
        return self._groups.setdefault("", Group())

    def _complete(self, facts: Facts) -> None:
        """Add their bytes to the notices about files at the paths of blobs."""
        for at, (code, key, path, message) in enumerate(facts.notices):
            group = self._not_blobs.get(path) if code in NOT_BLOBS else None
            if group is not None and group.size:
                facts.notices[at] = (code, key, path, leftover(f"{message}: it", group.size, group.modified))
                del self._not_blobs[path]  # a second notice about it has no bytes

    def _record_leftovers(self, facts: Facts) -> None:
        """Record a notice for each of the largest groups, and one for all others."""
        found = ((path, group) for path, group in self._groups.items() if group.size or group.unread)
        largest = sorted(found, key=lambda item: (-item[1].size, item[0]))
        for path, group in largest[:LISTED_ALONE]:
            what = f"{path or '.'}, {count(group.files, 'file')}{group.unread and f' ({group.unread})'},"
            facts.notice("leftover", leftover(what, group.size, group.modified), "", path or ".")
        rest = [group for _, group in largest[LISTED_ALONE:]]
        if rest:
            size, newest = sum(group.size for group in rest), max(group.modified for group in rest)
            facts.notice("leftover", leftover(f"{len(rest):,} more files and directories", size, newest))

    def _record_shared(self, facts: Facts) -> None:
        """Record which blobs are files with other names, here or outside."""
        found = sorted(
            digest for inode in self._inodes.values() if inode.links > 1 and inode.digests for digest in inode.digests
        )
        for at in range(0, len(found), PACKED):
            facts.notice("shared-inode", shared(found[at : at + PACKED]))

    def _record_unseen(self, facts: Facts) -> None:
        """Record where unseen blobs may be; if these can hold other blobs, nothing that they may hold is garbage."""
        for link in sorted(self._links - self._followed):
            if os.path.isdir(link):
                self.unseen(link)
        known = {key for code, key, _, _ in facts.notices if code in NOT_SEEN}
        for start, path in sorted(self._unseen.items()):
            if start not in known or not start:
                message = f"the blobs in {path} cannot be seen: none of them is known to be missing, or to be free"
                facts.notice("unseen", message, start, path)
            node = facts.ids.get(start)
            if self.place.holders and (node is None or facts.kind[node] == "unknown"):
                facts.mark_unknown(path, self.place.holders)
