"""Find the credentials that docker and podman keep for a registry: in files, and in programs that those files name."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.sources.web.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ANONYMOUS", "Credential", "Credentials", "find", "kept", "looked_at"]


@dataclass(frozen=True, slots=True)
class Credential:
    """A user with a password; without a user a token: `identity` is exchanged for others, `registry` is sent as it is."""

    secret: Hidden = field(repr=False)
    user: Hidden = field(repr=False, default=Hidden(""))
    kind: str = "password"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials for one registry: `find` returns those for a repository of it ("": for the registry itself).

    `looked_at` names the files that they were looked for in.
    """

    find: Callable[[str], Credential | None] = field(repr=False)
    looked_at: tuple[str, ...] = ()


ANONYMOUS = Credentials(lambda _: None)


def kept(host: str, *, environ: Mapping[str, str] = os.environ) -> Credentials:
    """Return the credentials for a registry as docker and podman keep them; its files are read once."""
    return Credentials(lambda repository: find(host, repository, environ=environ), looked_at(environ=environ))


def find(host: str, repository: str = "", *, environ: Mapping[str, str] = os.environ) -> Credential | None:
    """Return the credentials for a repository of a registry; None if there are none."""
    return None


def looked_at(*, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the files that credentials are looked for in, whether they are there or not."""
    return ()
