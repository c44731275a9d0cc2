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

    def check_foreign(self) -> None:
        """Warn, before a verb does anything, of what other programs did; StoreError as `check_place`."""
        ...

    def check_place(self) -> None:
        """Check that the store is where it was opened; StoreError where it was moved, removed or replaced."""
        ...

    def may_delete(self, tx: Reading) -> bool:
        """Return whether content may be deleted now: no other program can have built on it."""
        ...

    def announce(self, tx: Writing, *, durable: bool) -> None:
        """Record, in the transaction that changed tags, how they will be shown; `durable` says whether it is."""
        ...

    def show(self, tx: Writing) -> bool:
        """Show the tags, in a later transaction; False, with nothing done, where `announce` must come first."""
        ...

    def is_due(self, tx: Reading) -> bool:
        """Return whether the tags are not shown as they are."""
        ...

    def notices(self, tx: Reading) -> Sequence[Notice]:
        """Return what a snapshot should say beside the facts."""
        ...

    def check(self, show: Callable[[], None]) -> LayoutCheck | None:
        """Return the check of what is shown, for `fsck`; `show` shows the tags as they are."""
        ...


class Hidden:
    """The projection of a store that no other program sees."""

    shows_tags = False

    def check_foreign(self) -> None:
        """Do nothing: nobody else is there."""

    def check_place(self) -> None:
        """Do nothing: it has no place."""

    def may_delete(self, _tx: Reading) -> bool:
        """Return True."""
        return True

    def announce(self, _tx: Writing, *, durable: bool) -> None:
        """Do nothing: nobody looks."""

    def show(self, _tx: Writing) -> bool:
        """Return True."""
        return True

    def is_due(self, _tx: Reading) -> bool:
        """Return False."""
        return False

    def notices(self, _tx: Reading) -> Sequence[Notice]:
        """Return nothing."""
        return ()

    def check(self, _show: Callable[[], None]) -> None:
        """Return None: nothing is shown."""
