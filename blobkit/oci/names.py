"""Names of images: the grammars of their names, and the names of an entry of index.json, from its annotations.

`docker save` and BuildKit write only the tag into the reference name, and the full name into an annotation of
containerd; skopeo, umoci and podman write the full name into the reference name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "IMAGE_NAME",
    "REF_NAME",
    "REPOSITORY_NAME",
    "TAG_NAME",
    "UMOCI_NAME",
    "Named",
    "familiar",
    "is_umoci_name",
    "names_of",
]

REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"

_PART = "[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*"
UMOCI_NAME = f"{_PART}(?:/{_PART})*"
"""A regular expression for the reference names that umoci accepts."""
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY_NAME, TAG_NAME = rf"{_COMPONENT}(?:/{_COMPONENT})*", "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
"""Regular expressions for the names of repositories, of any length, and of tags (OCI distribution-spec 1.1)."""


class Named(NamedTuple):
    """The `name` that people use for an entry, and its reference name `ref`, which umoci uses; "" if it has none."""

    name: str
    ref: str


def names_of(annotations: Mapping[str, object]) -> Named:
    """Return the names in these annotations; `name` is the full name, else the reference name.

    >>> names_of({IMAGE_NAME: "docker.io/library/web:1.0", REF_NAME: "1.0"})
    Named(name='web:1.0', ref='1.0')
    >>> names_of({REF_NAME: "team/app:2"})
    Named(name='team/app:2', ref='team/app:2')
    """
    ref, whole = (_text(annotations.get(field)) for field in (REF_NAME, IMAGE_NAME))
    return Named(familiar(whole) or ref, ref)


def familiar(name: str) -> str:
    """Return a full image name as people write it: without the registry and the namespace that docker implies.

    >>> familiar("docker.io/library/web:1.0"), familiar("docker.io/team/app"), familiar("reg.example.org/library/x")
    ('web:1.0', 'team/app', 'reg.example.org/library/x')
    """
    return name.removeprefix("docker.io/").removeprefix("library/")


def is_umoci_name(name: str) -> bool:
    """Return whether umoci accepts a reference name: it must match the grammar of the OCI image-spec.

    >>> is_umoci_name("team/app:1.0"), is_umoci_name("-a"), is_umoci_name("a b"), is_umoci_name("")
    (True, False, False, False)
    """
    return re.fullmatch(UMOCI_NAME, name) is not None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
