"""Record how `umoci gc` opens a layout and sweeps it: the rules of umoci 0.4.7, seen in real runs.

It walks blobs/sha256 in the order of names, and removes unmarked blobs, until it reaches a name that is not a digest.
It removes nothing if blobs/sha256 is a symbolic link or cannot be listed, and nothing of other algorithms.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blobkit.digest import is_digest
from blobkit.oci.spec import decode_layout
from blobkit.oci.untrusted import DocumentError
from blobkit.scanners.files import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from blobkit.scanners.facts import Facts

__all__ = ["check_layout", "check_path", "is_swept", "record_layout", "record_sweep_stop", "record_unswept"]

VERSION = "1.0.0"
LAYOUT_LIMIT = 4 << 20
ALGORITHM = "sha256:"
LAST = ALGORITHM + "f" * 64


def check_layout(root: Path, facts: Facts) -> None:
    """Record why umoci refuses to open this layout, if it does."""
    has_blobs = os.path.isdir(root / "blobs")
    record_layout(lambda: read(os.fspath(root / "oci-layout"), LAYOUT_LIMIT), os.fspath(root), facts, has_blobs)


def record_layout(fetch: Callable[[], bytes], root: str, facts: Facts, has_blobs: bool) -> None:  # noqa: FBT001
    """Record the same for a layout with these bytes in its file `oci-layout`, wherever it is."""
    why = _refusal(fetch)
    if why:
        facts.notice("layout-file", f"oci-layout {why}", "", f"{root}/oci-layout")
    if not has_blobs:
        facts.notice("layout-file", "blobs is not a directory", "", f"{root}/blobs")


def _refusal(fetch: Callable[[], bytes]) -> str:
    try:
        version = decode_layout(fetch())
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except DocumentError as error:
        return f"cannot be decoded: {error}"
    return "" if version == VERSION else f"is of version {version or 'none'}, not {VERSION}"


def record_sweep_stop(names: Iterable[tuple[str, bool]], above: str, facts: Facts) -> None:
    """Record the first entry of blobs/sha256, in the order of names, at which the sweep stops.

    `names`: of each entry, with whether it is a directory; `above`: the path of blobs/sha256.
    """
    last = ""
    for name, is_directory in sorted(names, key=lambda one: os.fsencode(one[0])):
        digest, path = ALGORITHM + name, f"{above}/{name}"
        if not is_digest(digest):
            facts.notice("sweep", f"{name} in blobs/sha256 is not named like a blob", last, path)
            return
        if is_directory and not _is_empty(path):
            facts.notice("sweep", f"{digest} is a directory that is not empty", last, path)
            return
        last = digest


def _is_empty(path: str) -> bool:
    try:
        return not os.listdir(path)
    except OSError:
        return False


def is_swept(root: Path) -> bool:
    """Return whether umoci lists blobs/sha256."""
    own = os.fspath(root / "blobs" / "sha256")
    return os.path.isdir(own) and not os.path.islink(own)


def record_unswept(facts: Facts, *, is_listed: bool) -> None:
    """Pin the stored blobs that umoci never removes, because it does not list them."""
    for key, node in list(facts.ids.items()):
        if facts.stored[node] == "yes" and not (is_listed and key.startswith(ALGORITHM)):
            facts.pin(node, None, "unswept")


def check_path(path: str, facts: Facts) -> None:
    """Record whether umoci stops after the sweep: it uses the path of the layout as a glob pattern."""
    parts = f"{path}/.umoci-*".split("/")
    if not all(_is_pattern("/".join(parts[:number])) for number in range(1, len(parts) + 1)):
        facts.notice("path", f"umoci uses {path} as a glob pattern, and it is not a valid one", LAST, path)


def _is_pattern(pattern: str) -> bool:
    """Return whether Go accepts a pattern: brackets are closed and not empty, and a backslash is not the end."""
    at = 0
    while at < len(pattern):
        at = _bracket(pattern, at + 1) if pattern[at] == "[" else at + 1 + (pattern[at] == "\\")
        if not 0 <= at <= len(pattern):
            return False
    return True


def _bracket(pattern: str, at: int) -> int:
    """Return the end of the bracket whose inside starts at `at`; -1 if it is not closed or not valid."""
    at += pattern.startswith("^", at)
    first = True
    while first or not pattern.startswith("]", at):
        at = _character(pattern, at)
        if at > 0 and pattern.startswith("-", at):
            at = _character(pattern, at + 1)
        if at < 0:
            return -1
        first = False
    return at + 1


def _character(pattern: str, at: int) -> int:
    """Return the end of the character at `at` inside a bracket; -1 if no valid character is there."""
    if at >= len(pattern) or pattern[at] in "-]":
        return -1
    at += pattern[at] == "\\"
    return at + 1 if at + 1 < len(pattern) else -1
