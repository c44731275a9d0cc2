"""What a disk may hold after a loss of power, from the system calls that a process really made.

A file holds what it held at its last sync and any of the writes since, whole or torn at a sector; a directory has the
entries of its last sync and a prefix, in order, of what was done to it since or, in some images, any part of it; a
rename happens as a whole. Nothing else is assumed: syncing a file says nothing about its name, nor writing to one file
about writing to another.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator

CALLS = (
    "openat,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,copy_file_range,sendfile,"
    "splice,ioctl,"
    "mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,"
    "fsync,fdatasync,syncfs,sync,sync_file_range,msync"
)
SECTOR = 512
REORDERED = 0.3
"""How many of the images are of a file system that keeps no order among the changes to a directory."""


class Call(NamedTuple):
    """One system call that succeeded: its arguments as strace wrote them, the lines where it began and ended."""

    name: str
    arguments: str
    result: int
    began: int
    ended: int


def calls(trace: Path) -> Iterator[Call]:
    """Yield the calls of all threads in the order in which they ended."""
    begun: dict[str, tuple[str, int]] = {}
    with trace.open() as lines:
        for number, line in enumerate(lines):
            thread, _, rest = line.partition(" ")
            rest, began = rest.strip(), number
            if rest.endswith("<unfinished ...>"):
                begun[thread] = (rest.removesuffix("<unfinished ...>"), number)
                continue
            if rest.startswith("<... "):
                head, began = begun.pop(thread)
                rest = head + rest.partition(" resumed>")[2]
            found = re.fullmatch(r"(\w+)\((.*)\) += (\d+)(?:<.*>)?(?:\(deleted\))?(?: \(.*\))?", rest)
            if found:
                yield Call(found[1], found[2], int(found[3]), began, number)


def decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def paths(arguments: str) -> list[str]:
    """Return the paths among the arguments, each from its directory descriptor or the working directory on."""
    part = r"([\\x0-9a-f]*)"
    found = re.findall(rf'(?:(?:AT_FDCWD|\d+)<{part}>(?:\(deleted\))?, )?"{part}"', arguments)
    return [os.path.normpath(Path(*(os.fsdecode(decoded(part)) for part in pair))) for pair in found]


def on_descriptor(arguments: str) -> tuple[int, str]:
    """Return the number and the path of the first argument."""
    found = re.match(r"(\d+)<([\\x0-9a-f]*)>", arguments)
    return (int(found[1]), os.fsdecode(decoded(found[2]))) if found else (-1, "")


def described(arguments: str) -> list[str]:
    """Return the paths of all descriptors among the arguments."""
    return [os.fsdecode(decoded(path)) for path in re.findall(r"\b\d+<([\\x0-9a-f]*)>", arguments)]


@dataclass(eq=False)
class File:
    """Bytes as the process sees them, as they are on the disk for sure, and what was written since."""

    data: bytearray = field(default_factory=bytearray)
    safe: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, int, bytes | None]] = field(default_factory=list)

    def change(self, when: int, offset: int, data: bytes | None) -> None:
        _write(self.data, offset, data)
        self.pending.append((when, offset, data))

    def sync(self, began: int) -> None:
        for when, offset, data in self.pending:
            if when < began:
                _write(self.safe, offset, data)
        self.pending = [change for change in self.pending if change[0] >= began]

    def after(self, choice: random.Random) -> bytes:
        """Return bytes that may be on the disk."""
        data, odds = bytearray(self.safe), choice.choice([0.0, 0.5, 1.0])
        for _, offset, written in self.pending:
            if choice.random() < odds:
                torn = written is not None and odds < 1 and choice.random() < 0.2
                _write(data, offset, written[: choice.randrange(0, len(written) + 1, SECTOR)] if torn else written)
        return bytes(data)


def _write(target: bytearray, offset: int, data: bytes | None) -> None:
    """Write bytes, or cut at the offset where there are none; what lies between is zeros."""
    if data is None:
        del target[offset:]
    target.extend(bytes(max(0, offset - len(target))))
    if data is not None:
        target[offset : offset + len(data)] = data


@dataclass(eq=False)
class Directory:
    names: dict[str, Node] = field(default_factory=dict)
    safe: dict[str, Node] = field(default_factory=dict)
    pending: list[Move] = field(default_factory=list)

    def sync(self, began: int) -> None:
        for move in [move for move in self.pending if move.when < began]:
            move.settle()


Node = File | Directory


@dataclass(eq=False)
class Move:
    """Entries of one or two directories that change at once."""

    when: int
    changes: list[tuple[Directory, str, Node | None]]

    def do(self) -> None:
        for directory, name, node in self.changes:
            _enter(directory.names, name, node)
        for directory in {change[0] for change in self.changes}:
            directory.pending.append(self)

    def settle(self) -> None:
        """Make it safe, and before it what happened to the same names: a file that was renamed was made before."""
        for directory, name, node in self.changes:
            for earlier in directory.pending[: directory.pending.index(self)]:
                if any(change[:2] == (directory, name) for change in earlier.changes):
                    earlier.settle()
            _enter(directory.safe, name, node)
        for directory in {change[0] for change in self.changes}:
            directory.pending.remove(self)


def _enter(names: dict[str, Node], name: str, node: Node | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


class Disk:
    """The directory `place` (which is there for sure) and all below it; `heard` is what was appended to `log`."""

    def __init__(self, place: Path, log: Path) -> None:
        self.place = str(place)
        self.log = str(log)
        self.heard = b""
        self.root = Directory()
        self._files: dict[int, tuple[Node, int]] = {}
        self._copied: dict[tuple[int, str], int] = {}

    def apply(self, call: Call) -> None:
        """Let one call have its effect; NotImplementedError where it changes files in a way that is not modelled."""
        writes = call.name in {"write", "pwrite64"}  # what they write is long, and no path
        touched = [on_descriptor(call.arguments)[1]] if writes else [*described(call.arguments), *paths(call.arguments)]
        if f"{self.log}" in touched and call.name == "write":
            self.heard += _strings(call.arguments)[0]
        elif call.name in ACTS:
            if any(path == self.place or path.startswith(f"{self.place}/") for path in touched):
                ACTS[call.name](self, call)
        elif on_descriptor(call.arguments)[1].startswith(self.place) and call.name != "ioctl":
            msg = f"this model knows no {call.name}: {call.arguments[:200]}"
            raise NotImplementedError(msg)

    def open(self, call: Call) -> None:
        (path,) = paths(call.arguments)
        if "O_TMPFILE" in call.arguments:
            self._files[call.result] = (File(), 0)
            return
        directory, name = self._parent(path)
        node = self.root if path == self.place else directory.names.get(name)
        if node is None:
            node = File()
            Move(call.ended, [(directory, name, node)]).do()
        elif "O_TRUNC" in call.arguments and isinstance(node, File):
            node.change(call.ended, 0, None)
        self._files[call.result] = (node, 0)

    def append(self, call: Call) -> None:
        """Write at the position of the descriptor."""
        self._advance(call, _strings(call.arguments)[0][: call.result])

    def write_at(self, call: Call) -> None:
        node, _ = self._files[on_descriptor(call.arguments)[0]]
        offset = int(call.arguments.rpartition(",")[2])
        node.change(call.ended, offset, _strings(call.arguments)[0][: call.result])

    def copy(self, call: Call) -> None:
        """Write what the source of the copy holds, which nobody changes meanwhile."""
        source, _, target = call.arguments.split(", ")[:3]
        number = on_descriptor(source)[0]
        at = self._copied.get((number, target), 0)
        self._copied[number, target] = at + call.result
        with Path(on_descriptor(source)[1]).open("rb") as file:
            file.seek(at)
            self._advance(call._replace(arguments=target), file.read(call.result))

    def cut(self, call: Call) -> None:
        node, _ = self._files[on_descriptor(call.arguments)[0]]
        length = int(call.arguments.rpartition(",")[2])
        node.change(call.ended, length, None)

    def make_directory(self, call: Call) -> None:
        directory, name = self._parent(paths(call.arguments)[0])
        Move(call.ended, [(directory, name, Directory())]).do()

    def link(self, call: Call) -> None:
        """Give a name to an open file that has none, or another one to a file."""
        source, target = paths(call.arguments)
        directory, name = self._parent(target)
        number = re.fullmatch(r"/proc/self/fd/(\d+)", source)
        node = self._files[int(number[1])][0] if number else self._named(source)
        Move(call.ended, [(directory, name, node)]).do()

    def _named(self, path: str) -> Node:
        directory, name = self._parent(path)
        return directory.names[name]

    def rename(self, call: Call) -> None:
        (source, old), (target, new) = map(self._parent, paths(call.arguments))
        Move(call.ended, [(target, new, source.names[old]), (source, old, None)]).do()

    def unlink(self, call: Call) -> None:
        directory, name = self._parent(paths(call.arguments)[0])
        Move(call.ended, [(directory, name, None)]).do()

    def sync(self, call: Call) -> None:
        self._files[on_descriptor(call.arguments)[0]][0].sync(call.began)

    def sync_all(self, call: Call) -> None:
        for directory in self._directories():
            directory.sync(call.began)
            for node in directory.names.values():
                node.sync(call.began)

    def _parent(self, path: str) -> tuple[Directory, str]:
        """Return the directory as it is now, and the name in it."""
        node: Node = self.root
        *parents, name = path.removeprefix(self.place).strip("/").split("/")
        for parent in parents:
            node = node.names[parent]
        return node, name

    def _advance(self, call: Call, data: bytes) -> None:
        number = on_descriptor(call.arguments)[0]
        node, at = self._files[number]
        node.change(call.ended, at, data)
        self._files[number] = (node, at + len(data))

    def image(self, choice: random.Random) -> dict[str, bytes | None]:
        """Return what may be on the disk: paths with bytes, and None for a directory."""
        kept = {move for directory in self._directories() for move in some(directory.pending, choice)}
        names = {id(directory): dict(directory.safe) for directory in self._directories()}
        for move in sorted(kept, key=lambda move: move.when):
            for directory, name, node in move.changes:
                _enter(names.setdefault(id(directory), dict(directory.safe)), name, node)
        found: dict[str, bytes | None] = {}
        left: list[tuple[str, Node]] = [("", self.root)]
        while left:
            path, node = left.pop()
            if isinstance(node, File):
                found[path] = node.after(choice)
            else:
                found[path] = None
                entries = names.get(id(node), node.safe)
                left += [(f"{path}/{name}", entry) for name, entry in sorted(entries.items())]
        return found

    def _directories(self) -> Iterable[Directory]:
        found, left = [self.root], [self.root]
        while left:
            node = left.pop()
            inside = [*node.names.values(), *node.safe.values()]
            new = [entry for entry in inside if isinstance(entry, Directory) and entry not in found]
            found += new
            left += new
        return found


def some(pending: list[Move], choice: random.Random) -> list[Move]:
    """Return what reached the disk of what was done to a directory: a prefix or, where it reorders, any part."""
    if choice.random() < REORDERED:
        return [move for move in pending if choice.random() < 0.5]
    return pending[: choice.choice([0, choice.randint(0, len(pending)), None])]


def _strings(arguments: str) -> list[bytes]:
    return [decoded(text) for text in re.findall(r'"([\\x0-9a-f]*)"', arguments)]


ACTS: dict[str, Callable[[Disk, Call], None]] = {
    "openat": Disk.open,
    "write": Disk.append,
    "pwrite64": Disk.write_at,
    "copy_file_range": Disk.copy,
    "ftruncate": Disk.cut,
    "mkdir": Disk.make_directory,
    "mkdirat": Disk.make_directory,
    "link": Disk.link,
    "linkat": Disk.link,
    "rename": Disk.rename,
    "renameat": Disk.rename,
    "renameat2": Disk.rename,
    "unlink": Disk.unlink,
    "unlinkat": Disk.unlink,
    "rmdir": Disk.unlink,
    "fsync": Disk.sync,
    "fdatasync": Disk.sync,
    "syncfs": Disk.sync_all,
}


def build(image: dict[str, bytes | None], target: Path) -> None:
    """Make the directory `target` hold an image."""
    for path, data in image.items():
        place = f"{target}{path}"
        if data is None:
            os.mkdir(place)  # noqa: PTH102 (thousands of them)
        else:
            with open(place, "wb") as file:  # noqa: PTH123 (thousands of them)
                file.write(data)
