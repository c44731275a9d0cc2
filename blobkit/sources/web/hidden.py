"""Text that no message, log or traceback shows."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["Hidden"]


class Hidden(str):
    """A secret, as text: its repr hides it, and it is not pickled. All that is made out of it has to be hidden again.

    >>> Hidden("password")
    <hidden>
    >>> {"Authorization": Hidden("Basic QTpC")}
    {'Authorization': <hidden>}
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a word that tells nothing, not even the length."""
        return "<hidden>"

    def __reduce__(self) -> NoReturn:
        """Raise TypeError: a secret is not saved."""
        msg = "a secret is not saved"
        raise TypeError(msg)
