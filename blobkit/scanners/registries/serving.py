"""Read prefixes for another process: the program of `blobkit.scanners.registries.ahead`.

It writes GREETING, then reads one request a line, a JSON object: `prefixes` (path, algorithm, prefix), and whether the
directory of each blob is to be `listed`. The answer is a JSON object on a line, and the columns as bytes.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

from blobkit.digest import ALGORITHMS
from blobkit.scanners.registries.prefixes import Prefix, read_prefix
from blobkit.scanners.registries.reading import Contents
from blobkit.sources.walking import GREETING

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator

    Packed = tuple[dict[str, Any], bytes]

__all__ = ["answered", "parts", "serve", "unpacked"]

FIELDS = ("path", "label", "several", "unusual", "stamp")


def serve() -> None:
    """Greet, then answer requests until standard input ends; an interrupt is for the process that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    sys.stdout.buffer.write(GREETING)
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        sys.stdout.buffer.writelines(answered(json.loads(line)))
        sys.stdout.buffer.flush()


def answered(request: dict[str, Any]) -> list[bytes]:
    """Return the pieces of an answer; a prefix that cannot be listed is left out."""
    heads: list[dict[str, Any]] = []
    pieces: list[bytes] = []
    for path, label, prefix in request["prefixes"]:
        try:
            found = read_prefix(path, label, prefix, listed=request["listed"])
        except OSError:
            continue
        columns = ["".join(found.names).encode(), *(column.tobytes() for column in _columns(found))]
        pieces += columns
        texts = found.contents.texts if found.contents else {}
        fields = {name: getattr(found, name) for name in FIELDS}
        heads.append(fields | {"texts": texts, "columns": [len(column) for column in columns]})
    return [json.dumps({"prefixes": heads, "bytes": sum(map(len, pieces))}).encode() + b"\n", *pieces]


def parts(head: dict[str, Any], body: bytes) -> Iterator[tuple[str, Packed]]:
    """Yield the path of each prefix of an answer, and what `unpacked` takes."""
    at = 0
    for one in head["prefixes"]:
        end = at + sum(one["columns"])
        yield one["path"], (one, body[at:end])
        at = end


def unpacked(packed: Packed) -> Prefix:
    """Return a prefix of an answer."""
    head, body = packed
    found = Prefix(**{name: head[name] for name in FIELDS})
    found.stamp, found.contents = tuple(head["stamp"]), Contents(head["texts"])
    at, *sizes = head["columns"]
    names, width = body[:at].decode(), 2 * ALGORITHMS[found.label].size
    found.names = [names[start : start + width] for start in range(0, at, width)]
    for column, size in zip(_columns(found), sizes, strict=True):
        column.frombytes(body[at : at + size])
        at += size
    return found


def _columns(found: Prefix) -> list[array[int]]:
    contents = found.contents.columns.values() if found.contents else ()
    return [found.sizes, found.modified, found.inodes, *contents]
