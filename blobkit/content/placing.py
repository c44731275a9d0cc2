"""Small content put in its place at once, without a sync: it appears there whole, or not at all."""

from __future__ import annotations

import errno
import os

from blobkit.content.appending import append
from blobkit.content.temporary import READ_ONLY, StagedFile
from blobkit.filehandle import Held, close, open_into

__all__ = ["place"]

NAMELESS = os.O_WRONLY | getattr(os, "O_TMPFILE", 0)
REFUSALS = frozenset(
    {
        errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.EPERM, errno.EACCES, errno.ENOSYS,
        errno.EXDEV, errno.EMLINK,
    }
)  # fmt: skip
"""The answers of systems that make no file without a name, have no /proc to give it one, or have no hard links."""


def place(tmp: str, path: str, data: bytes) -> bool:
    """Make a file with these bytes at `path`; return False where something is there, which is left as it is.

    `tmp` is a directory of the same file system. The file has no name before it is whole: whoever dies leaves nothing.
    """
    if hasattr(os, "O_TMPFILE"):
        try:
            _place_nameless(tmp, path, data)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
        else:
            return True
    return _place_renamed(tmp, path, data)


def _place_nameless(tmp: str, path: str, data: bytes) -> None:
    held = Held()
    try:
        open_into(held, tmp, NAMELESS, READ_ONLY)
        fd = held[0]
        if os.fstat(fd).st_mode & 0o777 != READ_ONLY:  # the umask
            os.fchmod(fd, READ_ONLY)
        append(fd, memoryview(data))
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd)  # given a descriptor, it follows the link
    finally:
        close(held)


def _place_renamed(tmp: str, path: str, data: bytes) -> bool:
    """Do the same with a name meanwhile. Where somebody makes the file at once, it is replaced by the same bytes.

    They are synced: what they replace may be durable, and relied upon.
    """
    if os.path.lexists(path):
        return False
    file = StagedFile(tmp, sync=True)
    try:
        file.write(memoryview(data))
        file.seal()
        os.rename(f"{tmp}/{file.token}", path)  # noqa: PTH104 (bulk)
    finally:
        file.discard()
    return True
