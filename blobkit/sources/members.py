"""The members of a tar archive in columns, by path."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from blobkit.sources.source import Is
from blobkit.sources.tar import TarError, members

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.sources.tar import Member, Stream

__all__ = ["LINK", "Index", "plain_path"]

KEPT = 32 << 20
"""Bytes of files that the index of a compressed archive keeps in memory."""
KEPT_EACH = 4 << 20
"""Bytes: a longer file is not kept."""
SMALL = 64 << 10
"""Bytes: files up to this size are kept, whatever they contain."""
LONGEST = 4_096
"""Bytes of a path, as on Linux; a longer name leads nowhere."""
MEMBER, MEMORY = 200, 2 << 30
"""Bytes of memory that a member takes beside its name, and all of them may take."""
NOTED = 1_000
"""Odd members that are noted one by one."""
FILE, LINK, SPARSE = map(ord, "02S")
_KINDS = {FILE: Is.FILE, SPARSE: Is.FILE, ord("5"): Is.DIRECTORY, LINK: Is.LINK}


class Index:
    """The members of an archive: columns with a row for each, and the row of each path in `rows`.

    `at` and `stored` are place and bytes of the data in the archive, as far as it has them; `size` is that of the
    file, `modified` -1 if unknown. `targets` has the target of each symbolic link, `links` the number of names of files
    with hard links. `kept` has the content of small files (`keeps`). `others`: bytes of members that no path leads to,
    with the reason; `extra`: those of more such members. `ends`: why the archive could not be read to its end, "" if it
    could.
    """

    def __init__(
        self, file: Stream, *, length: int = -1, keeps: bool = False, passed: Callable[[int], object] | None = None
    ) -> None:
        self.rows: dict[str, int] = {}
        self.at, self.stored, self.size, self.modified = (array("q") for _ in range(4))
        self.types = bytearray()
        self.targets: dict[int, str] = {}
        self.links: dict[int, int] = {}
        self.kept: dict[int, bytes] = {}
        self.others: list[tuple[str, str, int, int]] = []
        self.ends = ""
        self.extra = 0
        self._room = KEPT
        try:
            self._read(file, length, passed, keeps=keeps)
        except (TarError, OSError) as error:
            self.ends = getattr(error, "strerror", None) or str(error)
        if self.ends and length < 0 and self.types:
            self._clip(max(0, file.tell() - self.at[-1]))

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self.types)

    def kind(self, row: int) -> Is:
        """Return the type of a member."""
        return _KINDS.get(self.types[row], Is.OTHER)

    def is_sparse(self, row: int) -> bool:
        """Return whether the data of a member are not its content."""
        return self.types[row] == SPARSE

    def _read(self, file: Stream, length: int, passed: Callable[[int], object] | None, *, keeps: bool) -> None:
        reported, room = 0, MEMORY
        rows, types = self.rows, self.types
        ats, storeds, sizes, times = self.at.append, self.stored.append, self.size.append, self.modified.append
        for member in members(file):
            name, kind, at, stored, modified, _, size = member
            room -= MEMBER + len(name)
            if kind == "0" and name not in rows and len(name) <= LONGEST and not _may_be_odd(name):  # most members
                rows[name] = len(types)
                types.append(FILE)
                ats(at)
                storeds(stored)
                sizes(size)
                times(modified or -1)  # many programs write 0 into every member
            else:
                self._add(member)
            if -1 < length < at + stored:
                self._clip(max(0, length - at))
                msg = f"it ends at byte {length:,}, inside {name[:200]!r}"
                raise TarError(msg)
            if room < 0:
                msg = f"the names of its members take more than {MEMORY >> 30} GiB, the others are not read"
                raise TarError(msg)
            if keeps and kind == "0" and 0 < stored <= KEPT_EACH:
                self._keep(len(types) - 1, file, stored)
            if passed and at - reported > SMALL:
                passed(at - reported)
                reported = at

    def _clip(self, rest: int) -> None:
        """Give the last member no more bytes than the archive has."""
        self.stored[-1], self.size[-1] = min(rest, self.stored[-1]), min(rest, self.size[-1])

    def _add(self, member: Member) -> None:
        """Add a member."""
        name = plain_path(member.name) if _may_be_odd(member.name) or len(member.name) > LONGEST else member.name
        row = len(self.types)
        if member.type == "1":
            self._add_hard_link(name, member)
            return
        self.types.append(ord(member.type) & 0xFF)
        self.at.append(member.at)
        self.stored.append(member.stored)
        self.size.append(member.size)
        self.modified.append(member.modified or -1)
        if member.type == "2":
            self.targets[row] = member.target[:LONGEST]
        if name is None:
            if member.type != "5":
                self._note(member.name, "a name that leads out of the archive or nowhere", row)
            return
        self._replace(name)
        self.rows[name] = row

    def _replace(self, name: str) -> None:
        """Note that a path leads to a later member now, unless the earlier one has other names."""
        before = self.rows.get(name)
        if before is None or self.kind(before) is Is.DIRECTORY:
            return
        if self.links.get(before, 1) > 1:
            self.links[before] -= 1
        else:
            self._note(name, "replaced by a later member of the same name", before)

    def _add_hard_link(self, name: str | None, member: Member) -> None:
        """Give another name to an earlier member."""
        row = self.rows.get(plain_path(member.target) or "", -1)
        if name is None or row < 0:
            self._note(member.name, f"a hard link to {member.target[:200]!r}, which is no earlier member", -1)
        elif self.rows.get(name) != row:
            self._replace(name)
            self.links[row] = self.links.get(row, 1) + 1
            self.rows[name] = row

    def _keep(self, row: int, file: Stream, size: int) -> None:
        """Keep the content of a file that is small or looks like JSON, while there is room."""
        if size > self._room:
            return
        data = file.read(size)
        if len(data) == size and (size <= SMALL or data[:1] in b"{[ \t\r\n"):
            self.kept[row] = data
            self._room -= size

    def _note(self, name: str, why: str, row: int) -> None:
        size = self.size[row] if row >= 0 and self.kind(row) is not Is.LINK else 0
        if len(self.others) < NOTED:
            self.others.append((name[:LONGEST], why, size, self.modified[row] if row >= 0 else -1))
        else:
            self.extra += size


def _may_be_odd(name: str) -> bool:
    """Return whether a path may have a part that is empty, `.` or `..`."""
    return "/." in name or "//" in name or name[:1] in "./" or name[-1:] == "/"


def plain_path(name: str) -> str | None:
    """Return the path of a member without empty parts and `.`; None if it leads out or nowhere, or is the root."""
    if name.startswith("/") or "\0" in name or len(name) > LONGEST:
        return None
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return None if ".." in parts or not parts else "/".join(parts)
