"""Find the cache directory of this user, and check that nobody else may write what is read from there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NoReturn

__all__ = ["cache_directory", "check_private", "refuse"]

OTHERS = stat.S_IWGRP | stat.S_IWOTH


def cache_directory(cache: bool | str | os.PathLike[str] | None) -> Path:  # noqa: FBT001 (or a path)
    """Return the directory of cache files; `cache` names another one than `~/.cache/blobkit` (`$XDG_CACHE_HOME`)."""
    if cache is not None and not isinstance(cache, bool):
        return Path(cache).absolute()
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path("~/.cache").expanduser()) / "blobkit"


def check_private(info: os.stat_result) -> None:
    """Raise ValueError if others may write here."""
    if info.st_uid != os.geteuid() or info.st_mode & OTHERS:
        refuse("others may write it, or it belongs to another user")


def refuse(why: str) -> NoReturn:
    """Raise ValueError: a file of the cache is not used, and why."""
    raise ValueError(why)
