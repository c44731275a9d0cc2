"""Write and parse the messages of notices that an audit reads back.

A notice is a code, a key, a path and a message, also in a saved snapshot; all other data for an audit is in the
message. Messages also contain untrusted names, so each form is parsed from its fixed end only.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blobkit.access import Denial
from blobkit.digest import is_digest
from blobkit.render import human_bytes, join_some

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BEYOND",
    "NOT_VISIBLE",
    "PARTS",
    "SAID",
    "denied_in",
    "leftover",
    "not_followed",
    "not_followed_in",
    "recompressed",
    "recompressed_in",
    "shared",
    "shared_in",
    "upload",
    "upload_in",
]

LISTED = 1000
SAID = "said"
"""The code of notices about what a tool itself says; the key is the name of the collector that it is about."""
NOT_VISIBLE = frozenset({"untagged-unseen", "repositories-unseen", "referrers-unseen", "uploads-unseen"})
"""The codes of notices about what a registry does not list; the key and the path are the name of that part."""
PARTS = "upload-parts"
"""The code of notices about unfinished uploads in parts, whose bytes are in no listing of a bucket."""
BEYOND = {PARTS: "unfinished uploads in parts", "noncurrent": "versions that are not current"}
"""The codes of notices about bytes that are stored and are in no file of a store."""
_UPLOAD = re.compile(r"\((\d{1,18}) bytes\)(?:, last written (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ))?\Z", re.ASCII)
_DENIED = re.compile(r"\(no permission: (.*) belongs to (.*), mode (0[0-7]+|unknown); this is user (\S+)\)\Z", re.ASCII)
_LINK = re.compile(r" is a symbolic link to (.*?)(?: in the store (\S+))?: not followed\Z")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def recompressed(diff_id: str, layers: Sequence[str]) -> str:
    """Return the message that these layers are one content (with this diffID), compressed differently."""
    return f"{len(layers)} layers are one content (diffID {diff_id}): {join_some(layers, LISTED)}"


def recompressed_in(diff_id: str, message: str) -> list[str]:
    """Return the layers in a message of `recompressed`; it lists at most LISTED."""
    _, _, layers = message.partition(f"(diffID {diff_id}): ")
    return [name for name in (text.partition(" ")[0] for text in layers.split(", ")) if is_digest(name)]


def upload(what: str, size: int, modified: int) -> str:
    """Return the message that an unfinished file has `size` bytes; `modified` is in microseconds since 1970."""
    held = f"{what} holds {human_bytes(size)} ({size} bytes)"
    try:
        return f"{held}, last written {datetime.fromtimestamp(modified / 1e6, UTC):{_TIME}}"
    except (ValueError, OverflowError, OSError):  # a file may claim the year 60,000
        return held


def upload_in(message: str) -> tuple[int, datetime | None]:
    """Return the bytes and the time in a message of `upload`; 0 and None if they are absent."""
    found = _UPLOAD.search(message)
    if found is None:
        return 0, None
    try:
        return int(found[1]), datetime.strptime(found[2] or "", _TIME).replace(tzinfo=UTC)
    except ValueError:
        return int(found[1]), None


leftover = upload
"""Return the message that a file which is not part of the store has `size` bytes; `upload_in` parses it."""


def denied_in(message: str) -> Denial | None:
    """Return the missing permission in a message; None if the message is not about permission."""
    found = _DENIED.search(message)
    return Denial(*found.groups()) if found else None


def not_followed(what: str, target: str, store: str = "") -> str:
    """Return the message that a symbolic link is not followed; `store`: the address of the store that it leads into."""
    return f"{what} is a symbolic link to {target}{store and f' in the store {store}'}: not followed"


def not_followed_in(message: str) -> tuple[str, str] | None:
    """Return the target in a message of `not_followed`, and the address of the store there; None for other messages."""
    found = _LINK.search(message)
    return (found[1], found[2] or "") if found else None


def shared(digests: Sequence[str]) -> str:
    """Return the message that the files of these blobs have other names (hard links)."""
    noun = "blob is a file" if len(digests) == 1 else "blobs are files"
    return f"{len(digests):,} {noun} with other names (hard links): {join_some(digests, LISTED)}"


def shared_in(message: str) -> list[str]:
    """Return the blobs in a message of `shared`; it lists at most LISTED."""
    _, _, blobs = message.partition(" with other names (hard links): ")
    return [name for name in blobs.split(", ") if is_digest(name)]
