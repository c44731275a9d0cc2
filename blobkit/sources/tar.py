"""Read the headers of a tar archive, one after the other, without its data.

Formats: POSIX.1-2001 (ustar, pax), GNU (long names, numbers in base 256, sparse files), as `tar`, docker and the
libraries of skopeo and podman write them. The bytes are untrusted. `tarfile` of the standard library reads the same;
it takes five times as long for many small members, keeps what a header says whatever its size, and several of its
versions loop on hostile headers (CVE-2024-6232, CVE-2025-8194). It is the oracle of the tests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol
from zlib import adler32

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BLOCK", "EXTENDED_LIMIT", "Member", "Stream", "TarError", "members", "starts_like_tar"]

BLOCK = 512
EXTENDED_LIMIT = 1 << 20
"""Bytes: a longer extended header (long name, pax) is an error."""
DIGITS = 64
"""Characters of a number that are read."""
_NOTHING = bytes(BLOCK)
_MODULUS = 65_521
"""The modulus of Adler-32, whose low half is one more than the sum of the bytes."""
REGULAR, GLOBAL, SPARSE = map(ord, "0gS")
_FILES = frozenset(b"\x0007")
LOW = 0xFFFF
_tuple = tuple.__new__
_WITHOUT_DATA = frozenset(b"123456")
_EXTENDED = frozenset(b"xgXLK")
_WANTED = frozenset((b"path", b"linkpath", b"size", b"mtime", b"GNU.sparse.name", b"GNU.sparse.realsize"))
_SPARSE = (b"GNU.sparse.major", b"GNU.sparse.map", b"GNU.sparse.size", b"GNU.sparse.numblocks")
_LENGTH = re.compile(rb"(\d{1,7}) ")
_TIME = re.compile(rb"(\d{1,11})(?:\.(\d{0,64}))?")
_MOST = 1 << 62

Fields = dict[bytes, bytes]


class TarError(ValueError):
    """The archive cannot be read from here on."""


class Stream(Protocol):
    """Bytes to read from the beginning to the end."""

    def block(self, place: int, /) -> bytes:
        """Return BLOCK bytes at a place that is not behind, fewer only at the end."""
        ...

    def read(self, size: int, /) -> bytes:
        """Return this many of the next bytes, fewer only at the end."""
        ...

    def tell(self) -> int:
        """Return the place reached."""
        ...


class Member(NamedTuple):
    """A member: its name as it stands there, type (one letter, `0` for a file), and the place and bytes of its data.

    `modified`: microseconds since 1970, -1 if unknown. `target`: of a link. `size`: bytes of the file; a sparse one
    (type `S`) has other data than its content.
    """

    name: str
    type: str
    at: int
    stored: int
    modified: int
    target: str
    size: int


def starts_like_tar(block: bytes) -> bool:
    """Return whether these first bytes of a file are a header of tar, or an archive without members."""
    return len(block) >= BLOCK and (_is_sound(block[:BLOCK]) or block.count(0) == len(block))


def members(file: Stream) -> Iterator[Member]:
    """Yield the members in their order; `file` is then at the data, and may be read up to its end by the caller.

    TarError where a header is not sound or the archive ends without its end mark. Cost: one read a member.
    """
    at, before = 0, b""
    lasting: Fields = {}
    own: Fields = {}
    block = file.block
    while True:
        header = block(at)
        at += BLOCK
        member = None if lasting or own else _usual(header, at)
        if member is None:
            if not _is_sound(header):
                if _is_end(header, before, at):
                    return
                before = header
                continue
            letter = header[156]
            if letter in _EXTENDED:
                at = _read_extended(file, header, at, lasting if letter == GLOBAL else own)
                continue
            if letter == SPARSE:
                at = _past_sparse(file, header, at)
            member = _member(header, letter, at, {**lasting, **own})
            own = {}
        before = b""
        yield member
        at += (member.stored + BLOCK - 1) // BLOCK * BLOCK


def _usual(header: bytes, at: int) -> Member | None:
    """Return the member of a header as most files have it; None for any other one. It only saves time."""
    if len(header) < BLOCK or header[156] != REGULAR or header[345] or header[135] or header[147]:
        return None
    try:
        sums, size, moment = int(header[148:154], 8), int(header[124:135], 8), int(header[136:147], 8)
        name = header[:100].partition(b"\0")[0].decode()
    except ValueError:
        return None
    if size < 0 or moment < 0 or (sums - 256 + (adler32(header[148:156]) & LOW)) % _MODULUS != adler32(header) & LOW:
        return None
    return _tuple(Member, (name, "0", at, size, moment * 1_000_000, "", size))


def _is_sound(header: bytes) -> bool:
    """Return whether the check sum of a header is right; some old programs sum signed characters."""
    field = header[148:156]
    try:
        given = int(field[:6], 8) if field[6:] == b"\0 " else int(field.rstrip(b" \0") or b"0", 8)
    except ValueError:
        return False
    others = 256 - sum(field)
    if (given - others + 1) % _MODULUS == adler32(header) & LOW:
        return len(header) == BLOCK and given > 0
    negative = sum(byte >> 7 for byte in (*header[:148], *header[156:]))
    return bool(given == sum(header) + others - 256 * negative)


def _is_end(header: bytes, before: bytes, at: int) -> bool:
    """Return whether the archive ends here: at two blocks of zeros, as `tar` sees it; TarError if it is cut or bad."""
    if header == _NOTHING:
        return before == _NOTHING
    if not header and before == _NOTHING:
        return True
    if len(header) < BLOCK:
        msg = f"it ends at byte {at - BLOCK + len(header):,} without the mark of its end"
        raise TarError(msg)
    msg = f"byte {at - BLOCK:,} begins no member"
    raise TarError(msg)


def _member(header: bytes, letter: int, at: int, fields: Fields) -> Member:
    name, kind = _text(header[:100]), chr(letter)
    if header[257:263] == b"ustar\0" and header[345]:
        name = f"{_text(header[345:500])}/{name}"
    size = 0 if letter in _WITHOUT_DATA else _number(header[124:136])
    modified = _number(header[136:148], default=-1)
    modified = modified * 1_000_000 if -1 < modified < _MOST // 1_000_000 else -1
    if letter in _FILES:
        kind = "5" if name.endswith("/") and not letter else "0"  # as in the oldest format
        size = 0 if kind == "5" else size
    whole = _number(header[483:495]) if kind == "S" else size
    member = Member(name, kind, at, size, modified, _text(header[157:257]), whole)
    return _with_fields(member, fields) if fields else member


def _with_fields(member: Member, fields: Fields) -> Member:
    """Return the member with what extended headers say of it."""
    name, kind, at, stored, modified, target, size = member
    if b"size" in fields and ord(kind) not in _WITHOUT_DATA:
        stored = size = _number(fields[b"size"], base=10)
    if any(field in fields for field in _SPARSE):
        kind, size = "S", _number(fields.get(b"GNU.sparse.realsize") or fields.get(b"GNU.sparse.size", b""), base=10)
    name = _text(fields.get(b"GNU.sparse.name") or fields.get(b"path", b"")) or name
    target = _text(fields.get(b"linkpath", b"")) or target
    modified = _moment(fields[b"mtime"]) if b"mtime" in fields else modified
    return Member(name, kind, at, stored, modified, target, size)


def _read_extended(file: Stream, header: bytes, at: int, fields: Fields) -> int:
    """Read an extended header into `fields`; return the place after it."""
    size = _number(header[124:136])
    if size > EXTENDED_LIMIT:
        msg = f"byte {at - BLOCK:,} begins an extended header of {size:,} bytes, which is not read"
        raise TarError(msg)
    data = file.read(size)
    if len(data) < size:
        msg = f"it ends at byte {at + len(data):,}, inside an extended header"
        raise TarError(msg)
    letter = header[156]
    if letter in b"LK":
        fields[b"path" if letter == ord("L") else b"linkpath"] = data.partition(b"\0")[0]
    else:
        _read_pax(data, at, fields)
    return at + -(-size // BLOCK) * BLOCK


def _read_pax(data: bytes, at: int, fields: Fields) -> None:
    """Read the records `LENGTH KEY=VALUE` of a pax header, those that count here."""
    start = 0
    while start < len(data) and data[start]:
        length = _LENGTH.match(data, start)
        end = start + int(length[1]) if length else 0
        if length is None or end <= length.end() or end > len(data):
            msg = f"byte {at:,} has a pax header that cannot be read"
            raise TarError(msg)
        key, _, value = data[length.end() : end - 1].partition(b"=")
        if key in _WANTED or key in _SPARSE:
            fields[key] = value
        start = end


def _past_sparse(file: Stream, header: bytes, at: int) -> int:
    """Return where the data of an old sparse file of GNU begin, after the further blocks of its map."""
    more = header[482]
    while more:
        block = file.block(at)
        at += BLOCK
        more = block[504] if len(block) == BLOCK else 0
    return at


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(field: bytes, *, base: int = 8, default: int | None = None) -> int:
    """Return the number in a field: in digits, or in base 256 if the first bit is set."""
    try:
        if field[:1] == b"\x80":
            value = int.from_bytes(field[1:], "big")
        else:
            value = int(field.partition(b"\0")[0][:DIGITS].strip() or b"0", base)
    except ValueError:  # also a negative number in base 256
        value = -1
    if 0 <= value < _MOST:
        return value
    if default is None:
        msg = f"a header has no valid size ({field[:24]!r})"
        raise TarError(msg)
    return default


def _moment(field: bytes) -> int:
    """Return a time in seconds, with or without a fraction, as microseconds since 1970; -1 if it is not one."""
    found = _TIME.fullmatch(field)
    return int(found[1]) * 1_000_000 + int((found[2] or b"").ljust(6, b"0")[:6]) if found else -1
