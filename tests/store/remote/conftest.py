"""What tests of a store over content with places share: an index with a clock of its own, and a real S3 server."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from blobkit.index.memory_places import PlacedMemoryIndex
from blobkit.store.remote import session as remote_session
from blobkit.store.remote.store import PlacedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blobkit.content.s3 import S3Content

LEASE = 100.0


@dataclass
class Rig:
    """A store, its parts, and the time that its index goes by."""

    content: S3Content
    now: float = 0.0

    def __post_init__(self) -> None:
        self.index = PlacedMemoryIndex(lambda: self.now)
        self.store = self.other()
        self.sent: list[str] = []
        self._upload = self.content.upload

    def other(self) -> PlacedStore:
        """Return the same store, as another process has it."""
        return PlacedStore(self.content, self.index, lease=LEASE)

    def places(self) -> set[str]:
        """Return the places of all blobs."""
        return set(self.index.read(lambda tx: tx.places(tx.digests())).values())

    def objects(self) -> set[str]:
        """Return the objects that are where blobs belong."""
        return {one.place for one in self.content.listed()}

    def check(self) -> None:
        """Check that once leases have run out and a sweep is done, there is an object for each blob, and no other."""
        for _ in range(3):
            self.now += 10 * LEASE
            self.store.sweep()
        assert self.objects() == self.places()
        assert not self.index._state._intents
        assert not self.index._state._graves

    def upload_with(self, before: Callable[[], object], *, times: int = 1) -> None:
        """Do something before each of so many uploads, then upload."""
        left = times

        def upload(sources: Mapping[str, str | bytes]) -> None:
            nonlocal left
            assert not self.index._owner, "content is sent while a transaction is open"
            self.sent += sources
            if left and sources:
                left -= 1
                before()
            self._upload(sources)

        self.content.upload = upload  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def first_removals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sixteenth removal of each store sweep, not any of them."""
    monkeypatch.setattr(remote_session, "random", SimpleNamespace(randrange=lambda _: 0))


@pytest.fixture
def rig(s3_content: S3Content) -> Iterator[Rig]:
    found = Rig(s3_content)
    found.upload_with(bool)
    yield found
    found.content.upload = found._upload  # type: ignore[method-assign]
