"""Tag names: what the OCI image-spec allows as the reference name of an entry of index.json."""

from __future__ import annotations

from typing import TypeGuard

from blobkit.digest import is_digest
from blobkit.errors import InvalidTagError
from blobkit.oci.names import is_umoci_name

__all__ = ["check_name", "is_legal"]

LONGEST = 255


def is_legal(name: object) -> TypeGuard[str]:
    """Return whether `name` can be a tag."""
    return isinstance(name, str) and len(name) <= LONGEST and is_umoci_name(name) and not is_digest(name)


def check_name(name: object) -> None:
    """Check that `name` is a name for a tag; InvalidTagError says why not. A digest is none: it names itself."""
    if is_digest(name):
        msg = f"{name!r} is a digest, which needs no tag: use store.ref to keep the blob"
        raise InvalidTagError(msg)
    if not is_legal(name):
        msg = f"{name!r:.100} is no tag: letters and digits joined by one of - . _ : @ + / or by --, up to {LONGEST}"
        raise InvalidTagError(msg)
