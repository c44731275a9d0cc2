"""blobkit: what uses the space in a blob store, why it is there, and exactly what would go.

Every name here loads its module on first use, so that `import blobkit` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from blobkit.protocols import open_addresses_with

if TYPE_CHECKING:
    from blobkit.connect import scan
    from blobkit.protocols import Address
    from blobkit.questions.frame import links_frame, tags_frame, to_frame
    from blobkit.questions.preview import Preview, simulate_deref
    from blobkit.snapshot import Snapshot

__version__ = "0.1.0"

__all__ = [
    "Preview",
    "Snapshot",
    "links_frame",
    "scan",
    "simulate_deref",
    "tags_frame",
    "to_frame",
]

_HOMES = {
    "Preview": "blobkit.questions.preview",
    "Snapshot": "blobkit.snapshot",
    "links_frame": "blobkit.questions.frame",
    "scan": "blobkit.connect",
    "simulate_deref": "blobkit.questions.preview",
    "tags_frame": "blobkit.questions.frame",
    "to_frame": "blobkit.questions.frame",
}


def __getattr__(name: str) -> object:
    """Return a public name, loading its module on first use (PEP 562)."""
    if name not in _HOMES:
        msg = f"module 'blobkit' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__, "__version__"]


def _open(address: Address) -> Snapshot:
    from blobkit.connect import scan as scan_address  # noqa: PLC0415 (the facade loads nothing before it is needed)

    return scan_address(address)


open_addresses_with(_open)
