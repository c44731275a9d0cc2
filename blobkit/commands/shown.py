"""Options that mean the same in every command, and the printing of results."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from blobkit.connect import facts

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["dumps", "json_option", "policy_option", "scanned", "watched"]

policy_option = click.option(
    "--policy", metavar="NAME", help="What counts as holding a blob (default: the store's own)."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for machines: bytes as numbers, full digests."
)


def scanned(address: str, policy: str | None) -> Snapshot:
    """Return the snapshot at an address."""
    return facts(address, policy=policy, progress=watched())


def watched() -> bool:
    """Return whether somebody watches progress."""
    return sys.stderr.isatty()


def dumps(value: object) -> str:
    """Return JSON."""
    return json.dumps(value, indent=1, default=str)
