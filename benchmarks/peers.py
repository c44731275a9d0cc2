"""Other content-addressed stores of Python behind one face, each with its defaults, installed beside into a venv.

What cannot be installed is said and left out. Packages come from where pip is configured to look.
"""

from __future__ import annotations

import importlib.metadata
import io
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLACE = Path(tempfile.gettempdir(), f"blobkit-benchmark-peers-{sys.version_info.major}.{sys.version_info.minor}")


class DiskObjectStore:
    """Loose objects are fsync'ed; in bulk it writes packs."""

    def __init__(self, root: Path) -> None:
        from disk_objectstore import Container  # noqa: PLC0415 (installed by `available`)

        self._container = Container(str(root))
        self._container.init_container()
        self.add = self._container.add_object
        self.read = self._container.get_object_content
        self.close = self._container.close

    def add_many(self, items: Sequence[bytes]) -> Sequence[str]:
        return self._container.add_objects_to_pack(list(items))

    def list(self) -> Sequence[str]:
        return sorted(self._container.list_all_objects())


class HashFs:
    """It never calls fsync and has no bulk."""

    def __init__(self, root: Path) -> None:
        from hashfs import HashFS  # noqa: PLC0415 (installed by `available`)

        self._files = HashFS(str(root), depth=2, width=2, algorithm="sha256")

    def add(self, data: bytes) -> str:
        return self._files.put(io.BytesIO(data)).id

    def add_many(self, items: Sequence[bytes]) -> Sequence[str]:
        return [self.add(data) for data in items]

    def read(self, key: str) -> bytes:
        with self._files.open(key) as file:
            return file.read()

    def list(self) -> Sequence[str]:
        return sorted(self._files.files())

    def close(self) -> None:
        """Hold nothing open."""


class Dulwich:
    """Git's loose objects, compressed, without fsync; packs in bulk."""

    def __init__(self, root: Path) -> None:
        from dulwich.object_store import DiskObjectStore as Objects  # noqa: PLC0415 (installed by `available`)
        from dulwich.objects import Blob  # noqa: PLC0415 (the same)

        root.mkdir(parents=True)
        self._objects = Objects.init(str(root))
        self._blob = Blob.from_string
        self.close = self._objects.close

    def add(self, data: bytes) -> bytes:
        blob = self._blob(data)
        self._objects.add_object(blob)
        return blob.id

    def add_many(self, items: Sequence[bytes]) -> Sequence[bytes]:
        blobs = [self._blob(data) for data in items]
        self._objects.add_objects([(blob, None) for blob in blobs])
        return [blob.id for blob in blobs]

    def read(self, key: bytes) -> bytes:
        return self._objects[key].data

    def list(self) -> Sequence[bytes]:
        return sorted(self._objects)


class DvcData:
    """Named by md5, without fsync."""

    def __init__(self, root: Path) -> None:
        from dvc_data.hashfile.db.local import LocalHashFileDB  # noqa: PLC0415 (installed by `available`)
        from dvc_objects.fs.local import LocalFileSystem  # noqa: PLC0415 (the same)

        self._files = LocalHashFileDB(LocalFileSystem(), str(root))

    def add(self, data: bytes) -> str:
        import hashlib  # noqa: PLC0415 (this peer's own hash)

        key = hashlib.md5(data, usedforsecurity=False).hexdigest()
        self._files.add_bytes(key, data)
        return key

    def add_many(self, items: Sequence[bytes]) -> Sequence[str]:
        return [self.add(data) for data in items]

    def read(self, key: str) -> bytes:
        with self._files.fs.open(self._files.oid_to_path(key), "rb") as file:
            return file.read()

    def list(self) -> Sequence[str]:
        return sorted(self._files.all())

    def close(self) -> None:
        """Hold nothing open."""


PEERS: dict[str, Callable[[Path], object]] = {
    "disk-objectstore": DiskObjectStore,
    "hashfs": HashFs,
    "dulwich": Dulwich,
    "dvc-data": DvcData,
}


def available() -> dict[str, Callable[[Path], object]]:
    """Return the peers that can be used, named with their versions; they are installed at the first time."""
    if not PLACE.is_dir():
        venv.create(PLACE, with_pip=True)
    found = {}
    for name, peer in PEERS.items():
        try:
            packages = installed(name)
            if packages not in sys.path:
                sys.path.append(packages)  # behind blobkit's own
            with tempfile.TemporaryDirectory() as scratch:
                peer(Path(scratch, "peer")).close()  # type: ignore[attr-defined]
            found[f"{name} {importlib.metadata.version(name)}"] = peer
        except Exception as error:  # noqa: BLE001 (whatever a peer does, the others are measured)
            print(f"{name} is left out: {type(error).__name__}: {str(error).splitlines()[-1:]}", file=sys.stderr)
    return found


def installed(name: str) -> str:
    python = PLACE / "bin" / "python"
    packages = PLACE / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    if not list(packages.glob(f"{name.replace('-', '_')}-*.dist-info")):
        subprocess.run([python, "-m", "pip", "install", "-q", name], check=True, capture_output=True, timeout=300)
    return str(packages)
