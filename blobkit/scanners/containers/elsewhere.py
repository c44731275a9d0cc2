"""Read-only stores beside a root (`additionalimagestores`): a root may use their layers and images."""

from __future__ import annotations

import os
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.errors import UnreadableStoreError
from blobkit.scanners.containers.records import read_records
from blobkit.sources.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["additional_stores", "kept_elsewhere"]

CONFIG_LIMIT = 1 << 20
STORES_READ = 20


def additional_stores() -> list[str]:
    """Return the paths of the other stores that the configuration of podman names; of all files that it may read."""
    found: list[str] = []
    for path in _configurations():
        with suppress(OSError, ValueError, RecursionError), path.open("rb") as file:
            storage = tomllib.loads(file.read(CONFIG_LIMIT).decode()).get("storage")
            options = storage.get("options") if isinstance(storage, dict) else None
            named = options.get("additionalimagestores") if isinstance(options, dict) else None
            found += [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
            own = storage.get("imagestore") if isinstance(storage, dict) else None
            found += [own] if isinstance(own, str) and own else []
    return list(dict.fromkeys(found))[:STORES_READ]


def kept_elsewhere(driver: str) -> dict[str, str]:
    """Return the keys of the layers and images in the other stores, with the path of the store of each."""
    found: dict[str, str] = {}
    for path in additional_stores():
        with suppress(UnreadableStoreError, OSError):
            records = read_records(Directory(path), driver)
            for kind, some in (("layer", records.layers), ("image", records.images)):
                found |= {f"{kind}/{one}": path for one in some if f"{kind}/{one}" not in found}
    return found


def _configurations() -> Iterator[Path]:
    """Yield the files that podman may take its configuration from."""
    own = os.environ.get("CONTAINERS_STORAGE_CONF")
    if own:
        yield Path(own)
        return
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    yield Path(home) / "containers/storage.conf"
    yield Path("/etc/containers/storage.conf")
    yield Path("/usr/share/containers/storage.conf")
