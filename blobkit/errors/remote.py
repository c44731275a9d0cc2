"""Errors of registries that are read over HTTP, and of extras that are not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.errors.asking import UnreadableStoreError
from blobkit.errors.base import BlobkitError, Hint

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["REMOTE_EXTRA", "CredentialsError", "MissingExtraError", "NotListableError", "RateLimitedError"]

REMOTE_EXTRA = "pip install 'blobkit[remote]'"
"""The command that installs what stores on other machines are read with."""


class CredentialsError(UnreadableStoreError):
    """A registry that refuses the credentials, or wants some (401, 403); the message names its host.

    `looked_at` names the files that credentials were looked for in. `is_login` tells a login that failed, after which
    nothing is asked with these credentials, from a login that is good and does not permit this.

    >>> raise blobkit.CredentialsError("registry.example wants a login", hint="docker login registry.example")
    Traceback (most recent call last):
    blobkit.errors.CredentialsError: registry.example wants a login: docker login registry.example
    """

    def __init__(
        self,
        message: str,
        *,
        hint: Hint | str | None = None,
        host: str = "",
        looked_at: tuple[str, ...] = (),
        is_login: bool = False,
    ) -> None:
        """Keep the one-line message, the hint, and the host and files as data."""
        super().__init__(message, hint=hint)
        self.host = host
        self.looked_at = looked_at
        self.is_login = is_login


class RateLimitedError(UnreadableStoreError):
    """A registry that answers no more requests for a while (429); `resume_at` is the time (UTC) to go on.

    >>> from datetime import UTC, datetime
    >>> try:
    ...     raise blobkit.RateLimitedError("too many requests", resume_at=datetime(2026, 1, 2, 15, tzinfo=UTC))
    ... except blobkit.RateLimitedError as error:
    ...     print(error.resume_at)
    2026-01-02 15:00:00+00:00
    """

    def __init__(self, message: str, *, hint: Hint | str | None = None, resume_at: datetime | None = None) -> None:
        """Keep the one-line message, the hint, and the time as data; None if nothing is known of it."""
        super().__init__(message, hint=hint)
        self.resume_at = resume_at


class NotListableError(UnreadableStoreError):
    """A registry that does not list its repositories, as most hosted ones: they have to be named.

    >>> raise blobkit.NotListableError("registry.example does not list its repositories")
    Traceback (most recent call last):
    blobkit.errors.NotListableError: registry.example does not list its repositories
    """


class MissingExtraError(BlobkitError, ImportError):
    """A package that this needs, and that comes with an extra of blobkit only.

    >>> raise blobkit.MissingExtraError("aiohttp is not installed", hint="pip install 'blobkit[remote]'")
    Traceback (most recent call last):
    blobkit.errors.MissingExtraError: aiohttp is not installed: pip install 'blobkit[remote]'
    """
