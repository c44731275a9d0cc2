"""The files of a store that must stay as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from blobkit.content.directory import DirectoryContent
from blobkit.errors import ReadOnlyStoreError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ReadOnlyContent"]


class ReadOnlyContent(DirectoryContent):
    """The files of one layout, to be read; whatever would write raises ReadOnlyStoreError."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, sync=False)
        self._place = root

    def stage(self) -> NoReturn:
        """Refuse."""
        self._refuse()

    def area(self) -> NoReturn:
        """Refuse."""
        self._refuse()

    def publish(self, _staged: object) -> NoReturn:
        """Refuse."""
        self._refuse()

    def place(self, _digest: object, _data: object, *, durable: bool = False) -> NoReturn:  # noqa: ARG002 (a protocol's parameter)
        """Refuse."""
        self._refuse()

    def delete(self, _digests: object) -> NoReturn:
        """Refuse."""
        self._refuse()

    def reclaim(self) -> NoReturn:
        """Refuse."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        msg = f"{self._place} is open for reading only: open it with blobkit.LocalStore to write"
        raise ReadOnlyStoreError(msg)
