"""Read index.json and the names of blobs in a layout that is no directory: in an archive or a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.index import ADVICE, INDEX_LIMIT, read_index
from blobkit.oci.untrusted import DocumentError
from blobkit.render import printable
from blobkit.scanners.layouts.entries import top_of
from blobkit.snapshot.notices import not_followed
from blobkit.sources.source import LeavesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.scanners.facts import Facts
    from blobkit.scanners.layouts.entries import Top
    from blobkit.sources.source import Source

__all__ = ["blobs_in", "junk_in", "not_followed_in", "read_top"]


def read_top(source: Source) -> Top:
    """Return the entries of index.json; FileNotFoundError if there is none, UnreadableStoreError if it is no index."""
    where = f"{source.address}: index.json"
    try:
        return top_of(read_index(lambda: source.read("index.json", INDEX_LIMIT + 1), timeout=0))
    except FileNotFoundError:
        raise
    except OSError as error:
        msg = f"{where} cannot be read ({error.strerror}): {ADVICE}"
        raise UnreadableStoreError(printable(msg)) from error
    except DocumentError as error:
        msg = f"{where} cannot be read as an image index ({str(error)[:200]}): {ADVICE}"
        raise UnreadableStoreError(printable(msg)) from error


def blobs_in(source: Source, facts: Facts, target: Callable[[str], str]) -> Iterator[tuple[Digest, str]]:
    """Yield the files below blobs/ that are named like a digest; each other one gets a notice.

    `target` returns where a symbolic link leads.
    """
    for folder in _folders(source, facts, target):
        for entry in source.list(f"blobs/{folder}"):
            digest, path = f"{folder}:{entry.name}", f"blobs/{folder}/{entry.name}"
            if is_digest(digest):
                yield Digest(digest), path
            else:
                junk_in(source, facts, f"{digest} below blobs/ is not named like a blob", path, digest)


def _folders(source: Source, facts: Facts, target: Callable[[str], str]) -> Iterator[str]:
    """Yield the names of the directories in blobs/."""
    try:
        entries = source.list("blobs")
    except LeavesError:
        not_followed_in(source, facts, "blobs", target("blobs"))
        _behind_link(source, facts, "blobs", "all blobs lie")
        return
    except OSError:
        return
    for entry in entries:
        path = f"blobs/{entry.name}"
        try:
            source.list(path)
        except LeavesError:
            not_followed_in(source, facts, path, target(path))
            _behind_link(source, facts, path, f"{path} lies")
        except OSError:
            junk_in(source, facts, f"{entry.name} in blobs/ is not a directory", path, "")
        else:
            yield entry.name


def junk_in(source: Source, facts: Facts, message: str, path: str, key: str) -> None:
    """Record something that is stored in the place of a blob."""
    facts.notice("junk", message, key, f"{source.address}/{path}")


def not_followed_in(source: Source, facts: Facts, path: str, target: str, key: str = "") -> None:
    """Record a symbolic link out of the source: the blobs behind it are unknown."""
    facts.notice("symlink", not_followed(path, target), key, f"{source.address}/{path}")
    facts.behind_links.update([key] if key else ())
    facts.unseen(f"{source.address}/{path}")


def _behind_link(source: Source, facts: Facts, path: str, what: str) -> None:
    """Record that all blobs below a directory are unknown."""
    facts.behind_links.add(path.removeprefix("blobs").removeprefix("/"))
    message = f"{what} behind a symbolic link that leaves the archive"
    facts.notice("behind-link", message, "", f"{source.address}/{path}")
