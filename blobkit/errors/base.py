"""The root of all errors, and the next step that an error tells."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "NO_STORE",
    "BlobkitError",
    "Hint",
    "moved",
]


NO_STORE = "give the directory of a blobkit store; blobkit audit reads other stores"
"""The hint where a store of one's own is wanted, and none is there."""


def moved(root: object) -> str:
    """Return the message for a store whose directory is not at its path any more."""
    return f"{root} was moved, removed or replaced while it was open as a store: open it again where it is now"


@dataclass(frozen=True, slots=True)
class Hint:
    """The next step after an error, in the words of a call in Python and of a command in the shell."""

    python: str
    shell: str


class BlobkitError(Exception):
    """Root of all errors of blobkit; `digest` is the blob concerned, or "" where there is none.

    `message` says what is wrong, `hint` what to do about it (None where the message says all). `str()` gives both in
    the words of Python, `in_shell()` in those of the shell. `done` is, where it stopped work in bulk, how many items
    were done before.

    >>> try:
    ...     blobkit.simulate_deref(demo.small(), "shop/web:9")
    ... except blobkit.BlobkitError as error:
    ...     print(type(error).__name__)
    UnknownTargetError
    """

    done: int = 0

    def __init__(self, message: str, *, hint: Hint | str | None = None, digest: str = "") -> None:
        """Keep the one-line message, the hint and the digest as data; a hint may be the same text for both."""
        super().__init__(message)
        self.hint = Hint(hint, hint) if isinstance(hint, str) else hint
        self.digest = digest

    @property
    def message(self) -> str:
        """The message without the next step."""
        return str(self.args[0])

    def __str__(self) -> str:
        """Return the message and the hint in the words of Python (a KeyError would show it quoted)."""
        return self._with(self.hint.python if self.hint else "")

    def in_shell(self) -> str:
        """Return the message and the hint in the words of the shell."""
        return self._with(self.hint.shell if self.hint else "")

    def _with(self, step: str) -> str:
        return f"{self.message}{'; ' if ': ' in self.message else ': '}{step}" if step else self.message

    def is_blob_not_exists(self) -> bool:
        """Return whether this error says that a blob does not exist, as in the original package."""
        return False
