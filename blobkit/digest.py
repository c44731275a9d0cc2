"""Digests: `alg:lowerhex` for sha256, sha384 and sha512, checked before anything else sees them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NewType, cast

from blobkit.errors import HashNotSupportedError, InvalidDigestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from hashlib import _Hash
    from typing import BinaryIO

__all__ = [
    "ALGORITHMS",
    "FORM",
    "Algorithm",
    "Digest",
    "algorithm",
    "are_digests",
    "are_sha256",
    "blob_path",
    "hash_for_label",
    "is_digest",
    "matches",
    "of",
    "pack",
    "parse",
    "parse_all",
    "read_through",
    "split",
    "unpack",
    "unpack_column",
]

Digest = NewType("Digest", str)
"""A checked digest, `alg:lowerhex`."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A hash algorithm: its label, the length of its hash in bytes, and how to start one."""

    label: str
    size: int
    code: int
    new: Callable[..., _Hash]


ALGORITHMS = {
    a.label: a
    for a in (
        Algorithm("sha256", 32, 1, hashlib.sha256),
        Algorithm("sha384", 48, 2, hashlib.sha384),
        Algorithm("sha512", 64, 3, hashlib.sha512),
    )
}
_CODES = {a.label: bytes((a.code,)) for a in ALGORITHMS.values()}
_PREFIXES = {a.code: f"{a.label}:" for a in ALGORITHMS.values()}
FORM = "|".join(f"{a.label}:[0-9a-f]{{{2 * a.size}}}" for a in ALGORITHMS.values())
"""A regular expression for exactly one digest, for those who look through whole columns."""
_PATTERN = re.compile(FORM)
_SHA256, _LENGTH = re.compile("(?:sha256:[0-9a-f]{64})+"), 71
"""Several sha256 digests one after the other, and the length of one."""


def hash_for_label(label: str) -> Algorithm | None:
    """Return the algorithm with exactly this label, or None when it is not supported.

    >>> blobkit.hash_for_label("sha512").label
    'sha512'
    """
    return ALGORITHMS.get(label)


def algorithm(label: str) -> Algorithm:
    """Return the algorithm with this label; HashNotSupportedError names those that are supported."""
    found = hash_for_label(label)
    if found is None:
        msg = f"hash algorithm {label!r} is not supported: use one of {', '.join(ALGORITHMS)}"
        raise HashNotSupportedError(msg)
    return found


def is_digest(text: object) -> bool:
    """Return whether `text` is a digest of a supported algorithm, in lower case and of full length."""
    return isinstance(text, str) and _PATTERN.fullmatch(text) is not None


def are_sha256(texts: Sequence[object]) -> bool:
    """Return whether all texts are sha256 digests, and there is at least one; cheaper than a look at each.

    >>> are_sha256(["sha256:" + "0" * 64, "sha256:" + "1" * 64]), are_sha256(["sha512:" + "0" * 128])
    (True, False)
    """
    try:
        joined = "".join(cast("Sequence[str]", texts))
    except TypeError:
        return False
    return set(map(len, cast("Sequence[str]", texts))) == {_LENGTH} and _SHA256.fullmatch(joined) is not None


def are_digests(texts: Sequence[object]) -> bool:
    """Return whether all texts are digests of supported algorithms."""
    return are_sha256(texts) or all(map(is_digest, texts))


def parse(text: object) -> Digest:
    """Return `text` as a Digest; InvalidDigestError for anything that is not exactly one."""
    if isinstance(text, str) and _PATTERN.fullmatch(text):
        return Digest(text)
    msg = f"{text!r:.100} is not a digest: expected sha256:, sha384: or sha512: and 64, 96 or 128 lower-case hex digits"
    raise InvalidDigestError(msg)


def blob_path(text: object) -> str:
    """Return the path of a digest's blob in an OCI layout, `blobs/<algorithm>/<hex>`; InvalidDigestError for no digest.

    Nothing but a checked digest may become a path: whoever made a snapshot, its keys come from a stranger.

    >>> blob_path("sha256:" + "0" * 64) == "blobs/sha256/" + "0" * 64
    True
    """
    return f"blobs/{parse(text).replace(':', '/')}"


def parse_all(texts: Iterable[object]) -> list[Digest]:
    """Return each of the texts as a Digest; TypeError where they are one text, which would be taken apart."""
    if isinstance(texts, str):
        msg = f"one text is given where many digests are: {texts!r:.100}: give a list"
        raise TypeError(msg)
    return [parse(text) for text in texts]


def of(content: bytes, label: str = "sha256") -> Digest:
    """Return the digest of this content under the algorithm with this label."""
    return Digest(f"{label}:{algorithm(label).new(content).hexdigest()}")


def split(digest: str) -> tuple[str, str]:
    """Return the label of the algorithm and the hash in hex.

    >>> split("sha256:00ab")
    ('sha256', '00ab')
    """
    label, _, hexa = digest.partition(":")
    return label, hexa


def matches(content: bytes, digest: Digest) -> bool:
    """Return whether this is the content that the digest says."""
    return of(content, split(digest)[0]) == digest


def read_through(file: BinaryIO, digest: Digest, each: Callable[[bytes], object]) -> bool:
    """Read a file to its end, hand each MiB of it to `each`; return whether its content is what the digest says."""
    state = algorithm(split(digest)[0]).new()
    while piece := file.read(1 << 20):
        state.update(piece)
        each(piece)
    return digest.endswith(f":{state.hexdigest()}")


def pack(digest: Digest) -> bytes:
    """Return one byte for the algorithm and the raw hash: 33, 49 or 65 bytes that sort like the digest."""
    label, hexa = split(digest)
    return _CODES[label] + bytes.fromhex(hexa)


def unpack(packed: bytes) -> Digest:
    """Return the digest that `pack` packed."""
    return Digest(_PREFIXES[packed[0]] + packed[1:].hex())


def unpack_column(rows: Iterable[tuple[bytes]]) -> list[Digest]:
    """Return the digests of rows that hold one packed digest each: half as much again as fetching the rows."""
    return cast("list[Digest]", [_PREFIXES[packed[0]] + packed[1:].hex() for (packed,) in rows])
