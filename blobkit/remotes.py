"""Addresses of stores on other machines: `KIND+TRANSPORT://PLACE[/PREFIX]`, and `docker://HOST/REPOSITORY`.

No network is used here. An address holds no secret: one with a user or a password is refused, and not shown.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from blobkit.errors import AddressError
from blobkit.render import alike, in_shell, printable

__all__ = [
    "BUCKETS",
    "WEB",
    "Remote",
    "has_scheme",
    "image_at",
    "in_full",
    "is_elsewhere",
    "read_remote",
    "reading",
    "whole",
]

WEB = ("https", "http")
BUCKETS = ("s3", "gs", "az")
HUB = "docker.io"
"""The host of Docker Hub in names of images, which leave it out."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")
_OTHER_NAMES = {"gcs": "gs", "abfs": "az", "abfss": "az", "azure": "az"}
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ASKED = frozenset({"inventory"})
"""What may follow the `?` of an address."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A place on another machine: the kind of its store, the transport, host (with port) or bucket, the path below it.

    `prefix` has no slash at its ends, "" means everything. `asked`: what follows the `?`, by name.

    >>> from blobkit.remotes import read_remote
    >>> read_remote("registry+https://registry.example:5000/team", {"registry": ("https",)})
    Remote(kind='registry', transport='https', place='registry.example:5000', prefix='team', asked=())
    """

    kind: str
    transport: str
    place: str
    prefix: str = ""
    asked: tuple[tuple[str, str], ...] = ()

    @property
    def address(self) -> str:
        """The address, as a snapshot keeps it."""
        return f"{self.kind}+{self.transport}://{self.place}{f'/{self.prefix}' if self.prefix else ''}"

    @property
    def base(self) -> str:
        """The URL of a host, without a path."""
        return f"{self.transport}://{self.place}"


def has_scheme(address: str) -> bool:
    """Return whether an address has the form of a URL, `scheme://...`."""
    return _SCHEME.match(address) is not None


def is_elsewhere(path: str | os.PathLike[str]) -> bool:
    """Return whether a text is an address on another machine: a URL, unless a path of this name exists."""
    return has_scheme(os.fspath(path)) and not Path(path).exists()


def reading(address: str | os.PathLike[str]) -> str:
    """Return the address that reads what a URL is about, without what may be a secret.

    >>> from blobkit.remotes import reading
    >>> reading("https://user:secret@registry.example/team?key=secret")
    'registry+https://registry.example/team'
    """
    scheme, _, rest = re.split(r"[?#]", os.fspath(address), maxsplit=1)[0].partition("://")
    place, slash, below = rest.partition("/")
    bare = f"{place.rpartition('@')[2]}{slash}{below}"
    if scheme in (*WEB, *BUCKETS):
        return f"registry+{scheme}://{bare}"
    return f"{scheme}://{bare}" if "+" in scheme or scheme == "docker" else f"registry+https://{bare}"


def in_full(text: str, there: Remote) -> str:
    """Return a text in which an address of the same host also has the path of a place.

    Who speaks to a host knows no path: its advice to use another transport names the host alone.

    >>> from blobkit.remotes import Remote, in_full
    >>> in_full("give registry+http://localhost:5000", Remote("registry", "https", "localhost:5000", "team/app"))
    'give registry+http://localhost:5000/team/app'
    """
    if not there.prefix:
        return text
    address = re.compile(rf"({re.escape(there.kind)}\+(?:{'|'.join(WEB)})://{re.escape(there.place)})(?![\w/:.-])")
    return address.sub(lambda found: f"{found[1]}/{printable(there.prefix)}", text)


def image_at(address: str | os.PathLike[str]) -> str:
    """Return the name, as skopeo takes it, of an image in what a URL is about.

    >>> from blobkit.remotes import image_at
    >>> image_at("registry+https://registry.example/team/app")
    'docker://registry.example/team/app:TAG'
    """
    scheme, _, rest = reading(address).partition("://")
    place, _, below = rest.strip("/").partition("/")
    if scheme != "docker" and scheme.rpartition("+")[2] not in WEB:
        return "docker://HOST/REPOSITORY:TAG"
    repository = re.split("[:@]", below, maxsplit=1)[0] or "REPOSITORY"
    return f"docker://{place}/{repository}:TAG"


def whole(address: str) -> str:
    """Return the address of a whole registry or bucket: the URL without its path.

    >>> from blobkit.remotes import whole
    >>> whole("registry+https://registry.example:5000/team/app")
    'registry+https://registry.example:5000'
    """
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def read_remote(address: str, reached: dict[str, tuple[str, ...]]) -> Remote:
    """Return the place that a URL names; `reached`: the transports of each kind of store.

    AddressError, with the form that is right, if the URL has another form, or contains a user or a password.
    """
    scheme = address.partition("://")[0]
    if "@" in re.split(r"[/?#]", address.partition("://")[2], maxsplit=1)[0]:
        msg = f"an address {scheme}://... contains a user or a password"
        raise AddressError(msg, hint="leave that out: credentials are those of docker login, or of the environment")
    kind, _, transport = scheme.rpartition("+")
    if scheme == "docker":
        return _image(address)
    transport = _OTHER_NAMES.get(transport, transport)
    if transport not in reached.get(kind, ()):
        raise _unknown(address, kind, transport, reached)
    parts = urlsplit(address)
    if transport in WEB and _HOST.fullmatch(parts.netloc) is None:
        msg = f"{printable(address)} names no host"
        raise AddressError(msg, hint=f"give {kind}+{transport}://HOST[:PORT][/PREFIX]")
    if not parts.netloc:
        msg = f"{printable(address)} names no bucket"
        raise AddressError(msg, hint=f"give {kind}+{transport}://BUCKET[/PREFIX]")
    asked = tuple(parse_qsl(parts.query, keep_blank_values=True))
    _check_rest(address, transport, {name for name, _ in asked}, parts.fragment)
    prefix = unquote(parts.path) if transport in WEB else parts.path
    if transport in WEB and re.search("[:@]", prefix):
        bare = re.split("[:@]", prefix, maxsplit=1)[0].strip("/")
        msg = f"{printable(address)} names one image"
        raise AddressError(msg, hint=f"give its repository, {in_shell(f'{kind}+{transport}://{parts.netloc}/{bare}')}")
    return Remote(kind, transport, parts.netloc, prefix.strip("/"), asked)


def _image(address: str) -> Remote:
    """Return the registry and repository of a name of an image, as skopeo writes it."""
    name = address.removeprefix("docker://").strip("/")
    host, slash, path = name.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        repository = path if host != HUB or "/" in path else f"library/{path}"
    else:
        host, repository = HUB, name if slash else f"library/{name}"
    if "@" in repository or ":" in repository:
        bare = re.split(r"[:@]", repository, maxsplit=1)[0]
        msg = f"{printable(address)} names one image"
        raise AddressError(msg, hint=f"give its repository, {in_shell(f'docker://{host}/{bare}')}")
    if not repository.rpartition("/")[2] or _HOST.fullmatch(host) is None:
        msg = f"{printable(address)} names no repository"
        raise AddressError(msg, hint="give docker://HOST/REPOSITORY, or registry+https://HOST for all of them")
    return Remote("registry", "https", host, repository)


def _check_rest(address: str, transport: str, asked: set[str], fragment: str) -> None:
    """Raise AddressError if something follows the path that means nothing."""
    odd = sorted(asked - (_ASKED if transport in BUCKETS else frozenset()))
    if odd or fragment:
        bare = re.split(r"[?#]", address, maxsplit=1)[0]  # what follows may be a secret
        part = f"?{odd[0]}=" if odd else "#"
        msg = f"{printable(bare)} is followed by {printable(part)}..., which means nothing here"
        raise AddressError(msg, hint="leave that out: credentials are those of docker login, or of the environment")


def _unknown(address: str, kind: str, transport: str, reached: dict[str, tuple[str, ...]]) -> AddressError:
    """Return the error about a scheme that leads to no store, with the nearest that does."""
    address = re.split(r"[?#]", address, maxsplit=1)[0]  # what follows may be a secret
    shown, rest = printable(address), address.partition("://")[2]
    right = [f"{name}+{one}" for name, known in reached.items() for one in known]
    fitting = [one for one in right if one.endswith(f"+{transport}")]
    if fitting:
        why = f"no {printable(kind)} store is reached by {transport}" if kind else "it does not say which kind of store"
        hints = " or ".join(in_shell(f"{one}://{rest}") for one in fitting)
        return AddressError(f"{shown} is not an address: {why}", hint=f"give {hints}")
    if not kind and transport in reached:
        hints = " or ".join(in_shell(f"{transport}+{one}://{rest}") for one in reached[transport])
        return AddressError(f"{shown} is not an address: it does not say how it is reached", hint=f"give {hints}")
    near = alike(f"{kind}+{transport}" if kind else transport, right)
    guess = f"did you mean {printable(f'{near}://{rest}')}? Known are " if near else "use one of "
    return AddressError(f"{shown} is not an address", hint=f"{guess}{', '.join(f'{one}://' for one in right)}")
