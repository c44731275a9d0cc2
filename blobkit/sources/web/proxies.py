"""Find the proxy for a URL, as the environment says: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

As docker and podman do it: this machine itself needs no proxy, and NO_PROXY may have networks (10.0.0.0/8).
"""

from __future__ import annotations

import base64
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from blobkit.errors import UnreadableStoreError
from blobkit.render import printable
from blobkit.sources.web.hidden import Hidden

__all__ = ["DIRECT", "Proxies", "Proxy"]

SCHEMES = ("http", "https")


class Proxy(NamedTuple):
    """The URL of a proxy without its user and password, and the headers for it; None, None where there is no proxy."""

    url: str | None = None
    headers: dict[str, str] | None = None


DIRECT = Proxy()


class Proxies:
    """The proxies of the environment; each host is looked up once."""

    def __init__(self) -> None:
        self._by_scheme = {scheme: Hidden(url) for scheme, url in getproxies().items() if scheme != "no"}
        self._near = getproxies().get("no", "").split(",")
        self._known: dict[tuple[str, str], Proxy] = {}

    def of(self, url: str) -> Proxy:
        """Return the proxy for a URL. UnreadableStoreError if it is one of a kind that cannot be used."""
        if not self._by_scheme:
            return DIRECT
        parts = urlsplit(url)
        place = (parts.scheme, parts.netloc)
        if place not in self._known:
            self._known[place] = self._found(*place)
        return self._known[place]

    def _found(self, scheme: str, netloc: str) -> Proxy:
        said = self._by_scheme.get(scheme) or self._by_scheme.get("all")
        return DIRECT if not said or proxy_bypass(netloc) or _is_near(netloc, self._near) else _proxy(said)


def _is_near(netloc: str, near: list[str]) -> bool:
    """Return whether a host is this machine, or in a network that is reached without a proxy."""
    host = urlsplit(f"//{netloc}").hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or any(address in network for network in map(_network, near) if network)


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text.strip(), strict=False) if "/" in text else None
    except ValueError:
        return None


def _proxy(said: str) -> Proxy:
    url = Hidden(said if "://" in said else f"http://{said}")
    scheme, place = urlsplit(url).scheme, urlsplit(url).netloc.rpartition("@")[2]
    if scheme not in SCHEMES:
        msg = f"a proxy of the kind {printable(scheme)} is not supported"
        raise UnreadableStoreError(msg, hint="name the registry in NO_PROXY, or give HTTPS_PROXY a proxy of HTTP")
    user = Hidden(urlsplit(url).netloc.rpartition("@")[0])
    return Proxy(f"{scheme}://{place}", {"Proxy-Authorization": _basic(user)} if user else None)


def _basic(userinfo: str) -> Hidden:
    return Hidden("Basic " + base64.b64encode(unquote(userinfo).encode()).decode())
