"""The projection of a store: what it shows to other programs, and what they may do beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blobkit.store.fsck.layoutcheck import LayoutCheck
    from blobkit.transactions import Reading, Writing

    Notice = tuple[str, str, str, str]

__all__ = ["Hidden", "Projection"]


class Projection(Protocol):
    """A place where a store shows its tags. The index is the truth; a projection is written anew from it."""

    @property
    def shows_tags(self) -> bool:
        """Whether other programs see the tags."""
        ...

    def look(self) -> None:
        """Warn, before a verb does anything, of what other programs did; StoreError as `check_place`."""
        ...

    def check_place(self) -> None:
        """Check that the store is where it was opened; StoreError where it was moved, removed or replaced."""
        ...

    def may_delete(self, rows: Reading) -> bool:
        """Return whether content may be deleted now: no other program can have built on it."""
        ...

    def announce(self, rows: Writing, *, durable: bool) -> None:
        """Record, in the transaction that changed tags, how they will be shown; `durable` says whether it is."""
        ...

    def show(self, rows: Writing) -> bool:
        """Show the tags, in a later transaction; False, with nothing done, where `announce` must come first."""
        ...

    def is_due(self, rows: Reading) -> bool:
        """Return whether the tags are not shown as they are."""
        ...

    def notices(self, rows: Reading) -> Sequence[Notice]:
        """Return what a snapshot should say beside the facts."""
        ...

    def check(self, show: Callable[[], None]) -> LayoutCheck | None:
        """Return the check of what is shown, for `fsck`; `show` shows the tags as they are."""
        ...


class Hidden:
    """The projection of a store that no other program sees."""

    shows_tags = False

    def look(self) -> None:
        """Do nothing: nobody else is there."""

    def check_place(self) -> None:
        """Do nothing: it has no place."""

    def may_delete(self, _rows: Reading) -> bool:
        """Return True."""
        return True

    def announce(self, _rows: Writing, *, durable: bool) -> None:
        """Do nothing: nobody looks."""

    def show(self, _rows: Writing) -> bool:
        """Return True."""
        return True

    def is_due(self, _rows: Reading) -> bool:
        """Return False."""
        return False

    def notices(self, _rows: Reading) -> Sequence[Notice]:
        """Return nothing."""
        return ()

    def check(self, _show: Callable[[], None]) -> None:
        """Return None: nothing is shown."""
