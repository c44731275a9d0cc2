"""Obstacles on the way to a path, a mode or a symbolic link, told in one line with what to type."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from pathlib import Path
from typing import NamedTuple

__all__ = ["Denial", "denial", "is_denied", "reason", "refusal", "to_follow", "user_name"]

DENIED = frozenset({errno.EACCES, errno.EPERM})


class Denial(NamedTuple):
    """A `path` that `user`, who runs this program, may not read: it belongs to `owner` and has this `mode` (octal)."""

    path: str
    owner: str
    mode: str
    user: str

    def __str__(self) -> str:
        """Return it as part of a sentence."""
        return f"no permission: {self.path} belongs to {self.owner}, mode {self.mode}; this is user {self.user}"


def is_denied(error: OSError) -> bool:
    """Return whether an error is about permission, not about damage."""
    return error.errno in DENIED


def user_name(uid: int) -> str:
    """Return the name of a user, or `#uid`, as sudo takes it, where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def denial(path: str | os.PathLike[str]) -> Denial:
    """Return who may read `path`, or the first directory above it that this user may not enter."""
    whole = Path(path).absolute()
    barred = next((one for one in (*reversed(whole.parents), whole) if _is_barred(one, inside=one != whole)), whole)
    user = user_name(os.geteuid())
    try:
        info = barred.stat()
    except OSError:
        return Denial(str(barred), "another user", "unknown", user)
    return Denial(str(barred), user_name(info.st_uid), f"{stat.S_IMODE(info.st_mode):04o}", user)


def reason(error: OSError, path: str | os.PathLike[str]) -> str:
    """Return why a path could not be read: for want of permission, who may, and else what the system says."""
    return str(denial(path)) if is_denied(error) else str(error.strerror)


def refusal(*paths: Path) -> str:
    """Return why this user may not read one of these files, or not enter one of these directories; "" for none.

    It ends in what to type. What is not there bars nobody.
    """
    for path in paths:
        if any(_is_barred(one, inside=True) for one in (*path.parents, path)):
            where, owner, mode, user = denial(path)
            return (
                f"{where} cannot be read by user {user}: it belongs to {owner}, mode {mode}; "
                f"run blobkit as a user who may read it: sudo -u {shlex.quote(owner)} blobkit ..."
            )
    return ""


def to_follow(link: str, target: str, kind: str, root: str) -> str:
    """Return what to type so that a store is scanned with what a symbolic link in it leads to.

    Where it leads to a directory, that can also be mounted; `target` is "" where it leads to a file.
    """
    copy = f"scan a copy that has it (cp -aL {shlex.quote(root)} COPY && blobkit audit {kind}:COPY)"
    if not target:
        return copy
    link, target = shlex.quote(link), shlex.quote(target)
    return (
        f"{copy}, or put a mount in the place of the link (rm {link} && mkdir {link} && mount --bind {target} {link})"
    )


def _is_barred(path: Path, *, inside: bool) -> bool:
    """Return whether this user may not read a file, or not list and enter a directory (`inside`: only enter it)."""
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return False
    need = os.R_OK if not is_directory else os.X_OK if inside else os.R_OK | os.X_OK
    return not os.access(path, need, effective_ids=True)
