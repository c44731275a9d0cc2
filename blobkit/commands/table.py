"""The commands by group, each with its short help and the module that has it: `--help` imports no command."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "GROUPS", "Command"]


class Command(NamedTuple):
    """The module of a command below `blobkit.commands`, and its short help: the first line of its docstring."""

    module: str
    help: str


GROUPS: dict[str, dict[str, Command]] = {
    "Look into a store": {
        "audit": Command("auditing", "Show what a store holds, what is wrong in it, and what to do."),
        "ls": Command("listing", "List the blobs, the biggest first."),
        "tags": Command("listing", "List the tags: what each reaches, and what it alone keeps."),
        "usage": Command("reading", "Show what uses the space: by tag, repository, kind or month."),
        "sharing": Command("reading", "Show which repositories or tags share how much."),
        "untagged": Command("reading", "List the manifests that no tag names, and what needs them."),
        "scan": Command("scanning", "Save a snapshot of a store in a file: an address like others."),
    },
    "Ask why, and what if": {
        "why": Command("reading", "Show why a blob is still there: what reaches it, and how."),
        "simulate": Command("reading", "Show exactly what would go if tags were dropped together."),
        "compare-gc": Command("reading", "Show what the garbage collector of a tool would delete."),
        "diff": Command("auditing", "Show what changed from one store or snapshot to another."),
    },
    "Decide what to delete": {
        "plan": Command("planning", "Show which tags to drop to free so many bytes."),
    },
    "Keep a store of your own": {
        "demo": Command("trying", "Build a small store of images to try the commands on."),
        "import": Command("keeping", "Copy what another store holds into a blobkit store."),
        "export": Command("keeping", "Copy an image of a blobkit store to an OCI layout or archive."),
        "adopt": Command("keeping", "Make an OCI layout a blobkit store, or take in new images."),
        "fsck": Command("keeping", "Check a blobkit store for damage, and repair it."),
    },
}
"""In the order of the help: what only reads comes first."""

COMMANDS = {name: command for commands in GROUPS.values() for name, command in commands.items()}
"""All commands by name."""
