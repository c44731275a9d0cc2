"""Which thread has a batch open on a store: verbs beside it are refused there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from blobkit.errors import BatchError

if TYPE_CHECKING:
    from weakref import ref

__all__ = ["Nesting", "OpensOnce"]


class OpensOnce(Protocol):
    """A batch, as far as this is concerned."""

    @property
    def is_open(self) -> bool:
        """Whether its block goes on, in this thread."""
        ...


class Nesting:
    """The batch that each thread began last."""

    def __init__(self) -> None:
        self._here = threading.local()

    def begin(self, batch: ref[OpensOnce]) -> None:
        """Note that this thread has a batch open."""
        self._here.batch = batch

    def refuse(self) -> None:
        """Check that this thread has no batch open; BatchError."""
        batch = self._here.batch() if hasattr(self._here, "batch") else None
        if batch is not None and batch.is_open:
            msg = "this thread has a batch open on this store: use the verbs of the batch, or end it first"
            raise BatchError(msg)
