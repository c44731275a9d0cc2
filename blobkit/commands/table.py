"""The commands by group, each with its short help and its module: `--help` imports no command."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "GROUPS", "Command"]


class Command(NamedTuple):
    """The module of a command in `blobkit.commands`, and its short help: the first line of its docstring."""

    module: str
    help: str


GROUPS: dict[str, dict[str, Command]] = {
    "Look into a store": {
        "audit": Command("auditing", "Show the content and the problems of a store, with advice."),
        "ls": Command("listing", "List the blobs, the biggest first."),
        "tags": Command("listing", "List the tags, with the bytes that each needs and alone keeps."),
        "usage": Command("reading", "Show what uses the space: by tag, repository, kind or month."),
        "sharing": Command("reading", "Show how many bytes repositories or tags share."),
        "untagged": Command("reading", "List the manifests that no tag names, and what needs them."),
        "report": Command("reporting", "Write a report about a store, one HTML page with pictures."),
        "scan": Command("scanning", "Save a snapshot of a store in a file, for use as an address."),
    },
    "Ask why, and what if": {
        "why": Command("reading", "Show why a blob is still stored: what references it, and how."),
        "simulate": Command("reading", "Show exactly what dropping tags together would free."),
        "compare-gc": Command("reading", "Show what the garbage collector of a tool would delete."),
        "diff": Command("auditing", "Show what changed from one store or snapshot to another."),
    },
    "Decide what to delete": {
        "plan": Command("planning", "Show the tags to drop to free a number of bytes."),
    },
    "Keep a store of your own": {
        "demo": Command("trying", "Build a small store of images to try the commands on."),
        "import": Command("keeping", "Copy the images of another store into a blobkit store."),
        "export": Command("keeping", "Copy an image of a blobkit store to an OCI layout or archive."),
        "adopt": Command("keeping", "Turn an OCI layout into a blobkit store, or take in new images."),
        "fsck": Command("keeping", "Check a blobkit store for damage, and repair it."),
        "sweep": Command("sweep", "Delete the content that removals left behind."),
    },
}
"""The commands in the order of the help: those that only read come first."""

COMMANDS = {name: command for commands in GROUPS.values() for name, command in commands.items()}
"""All commands by name."""
