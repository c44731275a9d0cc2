"""Choose the certificates that servers are checked with.

The file or directory that SSL_CERT_FILE names, else REQUESTS_CA_BUNDLE, else SSL_CERT_DIR, else those of the system.
For one host alone there are also the `*.crt` files that docker and podman take: `/etc/docker/certs.d/HOST[:PORT]`,
`/etc/containers/certs.d/HOST[:PORT]` and `~/.config/containers/certs.d/HOST[:PORT]`.
"""

from __future__ import annotations

import os
import ssl
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blobkit.errors import UnreadableStoreError
from blobkit.render import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PLACES", "Trust", "untrusted"]

VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR")
SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Places of the system's certificates, for a Python that was built elsewhere and looks elsewhere."""
PLACES = ("/etc/docker/certs.d", "/etc/containers/certs.d", "~/.config/containers/certs.d")
HINT = "name the certificate of its CA: SSL_CERT_FILE=ca.crt, or put it into /etc/docker/certs.d/{}/ca.crt"


def untrusted(host: str, why: str) -> UnreadableStoreError:
    """Return the error for a certificate that nobody trusts."""
    return UnreadableStoreError(
        f"the certificate of {host} is not trusted ({why or 'unknown'})", hint=HINT.format(host)
    )


class Trust:
    """The certificates that servers are checked with, read once for each host."""

    def __init__(self, environ: Mapping[str, str] = os.environ, places: tuple[str, ...] = PLACES) -> None:
        self._named = next(((name, environ[name]) for name in VARIABLES if environ.get(name)), None)
        self._places = places
        self._shared: ssl.SSLContext | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    def context(self, url: str) -> ssl.SSLContext | bool:
        """Return the context for a URL; True for one without TLS. UnreadableStoreError if its files are unreadable."""
        if url.startswith("http:"):
            return True
        host = urlsplit(url).netloc.lower()
        if host not in self._contexts:
            self._contexts[host] = self._for(host)
        return self._contexts[host]

    def _for(self, host: str) -> ssl.SSLContext:
        own = [path for place in self._places for path in _certificates(Path(place).expanduser() / host)]
        if own:
            return _with(_base(self._named), own)
        self._shared = self._shared or _base(self._named)
        return self._shared


def _certificates(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.crt"))


def _base(named: tuple[str, str] | None) -> ssl.SSLContext:
    """Return a new context with the certificates that are for all hosts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if named:
        return _with(context, [Path(named[1])], f", which {named[0]} names,")
    context.set_default_verify_paths()
    return context if _has_any() else _with(context, [Path(path) for path in SYSTEM if Path(path).exists()][:1])


@cache
def _has_any() -> bool:
    """Return whether there is something at the places where this Python looks."""
    paths = ssl.get_default_verify_paths()
    return any(path and Path(path).exists() for path in (paths.cafile, paths.capath))


def _with(context: ssl.SSLContext, paths: list[Path], by: str = "") -> ssl.SSLContext:
    for path in paths:
        try:
            context.load_verify_locations(**{"capath" if path.is_dir() else "cafile": os.fspath(path)})
        except OSError as error:
            msg = f"the certificates in {printable(str(path))}{by} cannot be read ({error.strerror or error})"
            raise UnreadableStoreError(msg) from None
    return context
