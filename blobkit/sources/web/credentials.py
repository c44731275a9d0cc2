"""Find the credentials that docker and podman keep for a registry.

Files, the first that has some wins: `$REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json` (else
`~/.docker/config.json`), `$XDG_RUNTIME_DIR/containers/auth.json` (else `/run/containers/UID/auth.json`),
`${XDG_CONFIG_HOME:-~/.config}/containers/auth.json`. In a file: `credHelpers`, `credsStore`, `auths`
(docker-config(5), containers-auth.json(5)).
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from blobkit.oci.untrusted import DocumentError, parse_json
from blobkit.render import printable
from blobkit.sources.web.credential import Credential, from_entry
from blobkit.sources.web.helpers import ask_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blobkit.oci.untrusted import Json

__all__ = ["ANONYMOUS", "HUB", "Credential", "Credentials", "Given", "Kept", "find", "looked_at"]

HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
"""Hosts of Docker Hub; the last is its registry."""
HUB_KEY = "https://index.docker.io/v1/"
LONGEST = 16 << 20
"""Bytes of a file that are read."""


class Credentials(Protocol):
    """A way to find the credentials for one registry."""

    def find(self, repository: str) -> Credential | None:
        """Return the credentials for a repository, for the registry itself if it is "". None if there are none."""
        ...

    @property
    def looked_at(self) -> tuple[str, ...]:
        """The places that credentials came from, else those that were looked at, for messages."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """The same credentials for all repositories."""

    credential: Credential | None = field(default=None, repr=False)
    looked_at: tuple[str, ...] = ()

    def find(self, repository: str) -> Credential | None:  # noqa: ARG002 (the same for all)
        """Return the credentials."""
        return self.credential


ANONYMOUS = Given()


def find(host: str, repository: str = "", *, environ: Mapping[str, str] = os.environ) -> Credential | None:
    """Return the credentials for a repository of a registry; None if there are none."""
    return Kept(host, environ).find(repository)


def looked_at(*, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the files that credentials are looked for in, whether they are there or not."""
    return _shown(_files(environ))


class Kept:
    """The credentials for one registry as docker and podman keep them. Files are read once, helpers asked once."""

    def __init__(self, host: str, environ: Mapping[str, str] = os.environ) -> None:
        host = host.lower()
        self._hosts = HUB if host in HUB else (host,)
        self._files = _files(environ)
        self._ask: Callable[[str, str], Credential | str] = lambda name, key: ask_helper(name, key, environ)
        self._read: list[_File] | None = None
        self._asked: dict[tuple[str, str], Credential | str] = {}
        self._origins: dict[str, None] = {}
        self._lock = threading.Lock()

    def find(self, repository: str) -> Credential | None:
        """Return the credentials for a repository; podman keeps some for a path, then the longest path counts."""
        with self._lock:
            if self._read is None:
                self._read = [_File(path) for path in self._files]
            keys = [*self._keys(repository)]
            found = (self._helped(file, keys) or self._plain(file, keys) for file in self._read)
            return next((credential for credential in found if credential), None)

    @property
    def looked_at(self) -> tuple[str, ...]:
        """The files and helpers that credentials came from.

        If none came: all files, each with the reason if it could not be read, and the helpers that had nothing.
        """
        if self._origins:
            return tuple(self._origins)
        files = tuple(file.shown for file in self._read or ()) or _shown(self._files)
        said = tuple(dict.fromkeys(said for said in [*self._asked.values()] if isinstance(said, str)))
        return files + said

    def _keys(self, repository: str) -> Iterator[str]:
        """Yield the keys for a repository, the longest first: host/team/app, host/team, host."""
        parts = repository.split("/") if repository else []
        for length in range(len(parts), -1, -1):
            yield from ("/".join((host, *parts[:length])) for host in self._hosts)
        if self._hosts == HUB:
            yield HUB_KEY

    def _helped(self, file: _File, keys: list[str]) -> Credential | None:
        for name, key in file.helpers(keys, HUB_KEY if self._hosts == HUB else self._hosts[0]):
            if (name, key) not in self._asked:
                self._asked[name, key] = self._ask(name, key)
            found = self._asked[name, key]
            if isinstance(found, Credential):
                self._origins[f"docker-credential-{printable(name)}"] = None
                return found
        return None

    def _plain(self, file: _File, keys: list[str]) -> Credential | None:
        found = file.plain(keys, self._hosts)
        if found:
            self._origins[file.shown] = None
        return found


class _File:
    """The content of one file of credentials, empty if it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.shown = printable(os.fspath(path))
        self._auths: dict[str, Credential] = {}
        self._helpers: dict[str, str] = {}
        self._store = ""
        try:
            with path.open("rb") as file:
                self._take(parse_json(file.read(LONGEST), frozenset()))
        except FileNotFoundError:
            pass
        except OSError as error:
            self.shown += f" ({error.strerror})"
        except DocumentError:
            self.shown += " (not JSON)"

    def helpers(self, keys: list[str], host: str) -> Iterator[tuple[str, str]]:
        """Yield the names of helpers to ask, each with the key to ask for."""
        yield from ((self._helpers[key], key) for key in keys if key in self._helpers)
        if self._store:
            yield self._store, host

    def plain(self, keys: list[str], hosts: tuple[str, ...]) -> Credential | None:
        """Return the credentials in the file itself; a key may be the URL of a host, as docker wrote it once."""
        urls = [key for key in self._auths if "://" in key and _host(key) in hosts]
        return next((self._auths[key] for key in (*keys, *urls) if key in self._auths), None)

    def _take(self, content: Json) -> None:
        """Keep what there is of the expected types."""
        auths, helpers = _object(content, "auths"), _object(content, "credHelpers")
        found = ((key, from_entry(entry)) for key, entry in auths.items() if isinstance(entry, dict))
        self._auths = {key: credential for key, credential in found if credential}
        self._helpers = {key: name for key, name in helpers.items() if isinstance(name, str) and name}
        store = content.get("credsStore")
        self._store = store if isinstance(store, str) else ""


def _files(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("HOME") or Path.home())
    docker = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    podman = runtime / "containers" if environ.get("XDG_RUNTIME_DIR") else runtime
    own = environ.get("REGISTRY_AUTH_FILE")
    files = [docker / "config.json", podman / "auth.json", config / "containers/auth.json"]
    return [Path(own), *files] if own else files


def _shown(files: list[Path]) -> tuple[str, ...]:
    return tuple(printable(os.fspath(path)) for path in files)


def _object(inside: Mapping[str, object], name: str) -> Json:
    value = inside.get(name)
    return value if isinstance(value, dict) else {}


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]
