"""Damage files as disks, crashes and strangers do: flipped bits, cut ends, wrong values in JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

__all__ = ["damaged"]

WRONG: tuple[object, ...] = (
    None,
    True,
    -1,
    1 << 63,
    1 << 80,
    1e308,
    4.5,
    "",
    "..",
    "../../../../etc/passwd",
    "/etc/passwd",
    "-rf",
    "\x00",
    "\x1b[31m<script>&'\"",
    "\ud800",
    "sha256:" + "0" * 64,
    "sha256:" + "g" * 64,
    "x" * 70_000,
    [],
    [[]] * 3,
    {},
    {"": {}},
    [None],
)
"""Values that a field of a document does not expect."""


def damaged(data: bytes, random: Random) -> bytes:
    """Return these bytes with one damage, chosen by `random`; JSON is damaged as JSON half of the time.

    >>> from random import Random
    >>> damaged(b"0123456789", Random(1)) != b"0123456789"
    True
    """
    if random.random() < 0.5 and data[:1] in b"[{":  # noqa: PLR2004 (half)
        try:
            return _other_json(json.loads(data), random)
        except (ValueError, RecursionError):
            pass
    found = random.choice(_DAMAGES)(bytearray(data), random)
    return found if found != data else data + b"\x00"


def _flip(data: bytearray, random: Random) -> bytes:
    for _ in range(random.choice((1, 1, 2, 8)) if data else 0):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def _cut(data: bytearray, random: Random) -> bytes:
    return bytes(data[: random.randrange(len(data) + 1)])


def _overwrite(data: bytearray, random: Random) -> bytes:
    if data:
        start, length = random.randrange(len(data)), random.choice((1, 2, 4, 8, 64, 4096))
        filled = random.choice((b"\x00", b"\xff", b"\x80", b"\x7f", random.randbytes(1)))
        data[start : start + length] = filled * len(data[start : start + length])
    return bytes(data)


def _move(data: bytearray, random: Random) -> bytes:
    """Return the data with one piece of it copied over another, as a torn write of a page leaves it."""
    if not data:
        return b"{}"
    length = random.choice((4, 16, 512, 4096))
    start, to = (random.randrange(0, len(data), 4) for _ in range(2))
    data[to : to + length] = data[start : start + length][: len(data) - to]
    return bytes(data)


def _insert(data: bytearray, random: Random) -> bytes:
    start = random.randrange(len(data) + 1)
    data[start:start] = random.randbytes(random.choice((1, 3, 4096)))
    return bytes(data)


_DAMAGES: tuple[Callable[[bytearray, Random], bytes], ...] = (_flip, _flip, _cut, _overwrite, _move, _insert)


def _other_json(document: object, random: Random) -> bytes:
    """Return a document with one value replaced, removed or repeated."""
    places = list(_places(document))
    if not places:
        return json.dumps(random.choice(WRONG)).encode()
    box, key = random.choice(places)
    change = random.random()
    if change < 0.2:  # noqa: PLR2004 (a fifth)
        del box[key]
    elif change < 0.4 and isinstance(box, list):  # noqa: PLR2004 (a fifth)
        box.append(box[key])
    else:
        box[key] = random.choice(WRONG)
    return json.dumps(document).encode()


def _places(document: object) -> Iterator[tuple[Any, Any]]:
    """Yield every object and array of a document with each of its keys."""
    todo = [document]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            yield from ((one, key) for key in one)
            todo += one.values()
        elif isinstance(one, list):
            yield from ((one, at) for at in range(len(one)))
            todo += one
