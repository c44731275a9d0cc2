"""Explain in one line why a path cannot be read (permission, symbolic link), and what to type."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from pathlib import Path
from typing import NamedTuple

__all__ = ["Denial", "denial", "how_to_include", "is_denied", "reason", "user_name", "why_unreadable"]

DENIED = frozenset({errno.EACCES, errno.EPERM})


class Denial(NamedTuple):
    """A `path` that `user`, the user of this process, cannot read: it belongs to `owner` and has `mode` (octal)."""

    path: str
    owner: str
    mode: str
    user: str

    def __str__(self) -> str:
        """Return the denial as part of a sentence."""
        return f"no permission: {self.path} belongs to {self.owner}, mode {self.mode}; this is user {self.user}"


def is_denied(error: OSError) -> bool:
    """Return whether an error is about permission, not about damage."""
    return error.errno in DENIED


def user_name(uid: int) -> str:
    """Return the name of a user; `#uid`, which sudo accepts, if there is no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def denial(path: str | os.PathLike[str]) -> Denial:
    """Return the owner and mode of `path`, or of the first directory above it that this user cannot enter."""
    whole = Path(path).absolute()
    barred = next((one for one in (*reversed(whole.parents), whole) if _is_barred(one, inside=one != whole)), whole)
    user = user_name(os.geteuid())
    try:
        info = barred.stat()
    except OSError:
        return Denial(str(barred), "another user", "unknown", user)
    return Denial(str(barred), user_name(info.st_uid), f"{stat.S_IMODE(info.st_mode):04o}", user)


def reason(error: OSError, path: str | os.PathLike[str]) -> str:
    """Return why a path could not be read: the missing permission, else the message of the system."""
    return str(denial(path)) if is_denied(error) else str(error.strerror)


def why_unreadable(*paths: Path) -> str:
    """Return why this user cannot read one of these files or enter one of these directories, and what to type; or "".

    An absent path is not an obstacle.
    """
    for path in paths:
        if any(_is_barred(one, inside=True) for one in (*path.parents, path)):
            where, owner, mode, user = denial(path)
            return (
                f"{where} cannot be read by user {user}: it belongs to {owner}, mode {mode}; "
                f"run blobkit as a user who may read it: sudo -u {shlex.quote(owner)} blobkit ..."
            )
    return ""


def how_to_include(link: str, target: str, kind: str, root: str) -> str:
    """Return what to type to scan a store together with the target of a symbolic link in it.

    A target directory can also be mounted; `target` is "" if it is a file.
    """
    copy = f"scan a copy that has it (cp -aL {shlex.quote(root)} COPY && blobkit audit {kind}:COPY)"
    if not target:
        return copy
    link, target = shlex.quote(link), shlex.quote(target)
    return (
        f"{copy}, or put a mount in the place of the link (rm {link} && mkdir {link} && mount --bind {target} {link})"
    )


def _is_barred(path: Path, *, inside: bool) -> bool:
    """Return whether this user cannot read a file, or cannot list and enter a directory (`inside`: cannot enter it)."""
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return False
    need = os.R_OK if not is_directory else os.X_OK if inside else os.R_OK | os.X_OK
    return not os.access(path, need, effective_ids=True)
