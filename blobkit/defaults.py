"""Find the stores that tools keep by default: `blobkit audit docker` needs no path.

The records of `blobkit.snapshot.kinds` list the places of a kind. A place is a path, in which `~` is the home directory
and `$NAME` a variable that must be set; `FILE#key.key` is the value of a key in a configuration file (TOML or JSON).
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.access import why_unreadable
from blobkit.errors import AddressError
from blobkit.log import log
from blobkit.recognising import kinds_at
from blobkit.render import in_shell
from blobkit.snapshot.kinds import STORES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS_BY_NAME", "default_path"]

KINDS_BY_NAME = {name: kind.name for kind in STORES.values() for name in (kind.name, *kind.aliases)}
"""The kind that each name in an address means."""
_CONFIGURED = 1 << 20
"""Bytes of a configuration file that are read."""


def default_path(name: str) -> Path:
    """Return the path where the tool of this kind keeps its store; AddressError says where it was looked for."""
    kind = STORES[KINDS_BY_NAME[name]]
    looked: list[Path] = []
    for path in _places(kind.places):
        if path not in looked:
            looked.append(path)
            if _is_one(path, kind.name):
                log.info("%s: found %s", name, path)
                return path
    where = ", ".join(in_shell(path) for path in looked)
    msg = f"no {name} store was found; looked in {where}"
    raise AddressError(msg, hint=f"give its path: {name}:PATH")


def _is_one(path: Path, kind: str) -> bool:
    """Return whether a store of this kind is here, or a directory that this user may not enter: the scan says so."""
    with suppress(OSError):
        if kind in kinds_at(path):
            return True
    return os.path.isdir(path) and bool(why_unreadable(path))  # noqa: PTH112 (`Path.is_dir` raises if it is barred)


def _places(places: tuple[str, ...]) -> Iterator[Path]:
    """Yield the paths that these places name, as far as variables and files give them."""
    for place in places:
        file, hash_, key = place.partition("#")
        expanded = _expanded(file)
        if expanded and not hash_:
            yield Path(expanded)
        elif expanded and (value := _configured(Path(expanded), key)):
            yield Path(value).expanduser()


def _expanded(place: str) -> str:
    """Return a path with variables and home directory filled in, "" if one of them is not set."""
    names = re.findall(r"\$(\w+)", place)
    if not all(os.environ.get(name) for name in names):
        return ""
    return os.fspath(Path(re.sub(r"\$(\w+)", lambda found: os.environ[found[1]], place)).expanduser().absolute())


def _configured(path: Path, key: str) -> str:
    """Return the text of a key in a configuration file, "" if there is none."""
    import tomllib  # noqa: PLC0415 (most commands name a path, and start 6 ms earlier)

    try:
        with path.open("rb") as file:
            text = file.read(_CONFIGURED).decode()
        found: object = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError):
        return ""
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""
