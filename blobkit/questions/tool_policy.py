"""The policy with the rules of a tool's collector, or the error that tells which tools there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.errors import UnknownToolError
from blobkit.render import choices
from blobkit.snapshot.kinds import collectors

if TYPE_CHECKING:
    from blobkit.snapshot.records import Kind, Policy

__all__ = ["policy_of_tool"]


def policy_of_tool(store: Kind, kind: str, tool: str) -> Policy:
    """Return the policy with the rules of a tool's collector in a store of this kind; UnknownToolError."""
    if tool not in collectors():
        msg = f"no collector is known by the name {tool!r}"
        raise UnknownToolError(msg, hint=choices(tool, collectors(), use="use one of"))
    policy = store.policy_for(tool)
    if policy is None:
        raise UnknownToolError(_no_policy(store, kind, tool))
    return policy


def _no_policy(store: Kind, kind: str, tool: str) -> str:
    """Return the reason why a tool cannot be compared on this store, and the tools that can."""
    known = [one.name for one in store.collectors]
    instead = f"use {' or '.join(known)}" if known else "no tool's collector is known for it"
    layout = "; its directory is an OCI layout too: scan oci:PATH for umoci" if store.shown else ""
    return f"{tool} collects nothing in stores of the kind {kind}: {instead}{layout}"
