"""Write the commands that carry out a preview, as text: blobkit itself deletes nothing in a foreign store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.errors import UnknownToolError
from blobkit.questions.collecting import freed_later
from blobkit.questions.deletion import drops
from blobkit.questions.headline import waits
from blobkit.questions.impact import broken_tags
from blobkit.render import choices, count, human_bytes, join_some
from blobkit.scripts.blobkit import with_blobkit
from blobkit.scripts.containerd import reasons, with_ctr
from blobkit.scripts.docker import with_docker
from blobkit.scripts.hosted import with_vendor
from blobkit.scripts.huggingface import with_hf
from blobkit.scripts.oci import by_hand, with_umoci
from blobkit.scripts.ollama import with_ollama
from blobkit.scripts.podman import with_podman
from blobkit.scripts.registry import with_api
from blobkit.scripts.shell import comment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blobkit.questions.deletion import Drop
    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

    Writer = Callable[[Preview, list[Drop]], list[str]]
    """A function that returns the commands of one tool for a preview and what it drops."""

__all__ = ["script"]

NAMES_SHOWN = 12


def script(preview: Preview, tool: str | None = None, *, heading: Sequence[str] = ()) -> str:
    """Return a POSIX shell script that carries out the preview with `tool`; the lines of `heading` come first.

    `tool` is one of the tools of the kind of store (such as curl, umoci, rm, docker, podman); None: the default one.
    UnknownToolError, with the list of tools that fit, if it does not fit. Every command first checks that the names
    still name the digest in the snapshot, else it is skipped; the last command is the collector, if there is one. No
    manifest is deleted while a tag that stays names it. If the collector would remove needed blobs, the script removes
    files one by one, or does not collect. Comments tell what each command frees.
    """
    tool = _fitting(preview.snapshot, tool)
    lines = [*heading, *_heading(preview)]
    if tool not in _AS_PROMISED:
        lines += _otherwise(preview)
    written = _writer(preview, tool)(preview, drops(preview.deletion))
    return "\n".join(["#!/bin/sh", *map(comment, lines), *written]) + "\n"


def _writer(preview: Preview, tool: str) -> Writer:
    """Return the function that writes the commands: that of the store's vendor, or of the tool."""
    server = preview.snapshot.store.server
    if server and server.vendor:
        return lambda _, wanted: with_vendor(server, wanted)
    return _TOOLS[_by_hand_of(preview) or tool]


def _by_hand_of(preview: Preview) -> str:
    """Return the tool that removes files one by one, where the collector would remove needed blobs; else ""."""
    return preview.snapshot.store.by_hand if preview.collection.by_hand else ""


def _umoci(preview: Preview, wanted: list[Drop]) -> list[str]:
    return with_umoci(preview, wanted, preview.collection.stops)


def _api(tool: str) -> Writer:
    """Return the writer for a tool that deletes through a registry's API."""

    def write(preview: Preview, wanted: list[Drop]) -> list[str]:
        found, server = preview.collection, preview.snapshot.store.server
        return with_api(tool, wanted, found.command, found.stops if len(found.harmed) else "", server)

    return write


def _hf(preview: Preview, wanted: list[Drop]) -> list[str]:
    found = preview.collection
    return with_hf(preview.snapshot.address, wanted, found.command, found.stops)


_TOOLS: dict[str, Writer] = {
    "blobkit": lambda preview, wanted: with_blobkit(preview.snapshot.address, wanted),
    "rm": by_hand,
    "umoci": _umoci,
    **{tool: _api(tool) for tool in ("curl", "crane", "skopeo", "regctl")},
    "ctr": lambda preview, wanted: with_ctr(wanted, reasons(preview)),
    "hf": _hf,
    "ollama": lambda preview, wanted: with_ollama(preview.snapshot.address, wanted),
    "podman": with_podman,
    "docker": with_docker,
}
"""The function that writes the commands of each tool; the names are those in the records of kinds."""
_AS_PROMISED = frozenset({"blobkit", "rm"})
"""Tools that free what the policy promises."""


def _fitting(snapshot: Snapshot, tool: str | None) -> str:
    fit = snapshot.store.tools
    if not fit:
        msg = f"no tool can drop references in a {snapshot.kind} store"
        raise UnknownToolError(msg, hint="import it into a blobkit store (blobkit import SOURCE STORE) and drop there")
    if tool is not None and tool not in fit:
        msg = f"{tool!r} does not fit stores of the kind {snapshot.kind}"
        raise UnknownToolError(msg, hint=choices(tool, fit))
    return tool or fit[0]


def _heading(preview: Preview) -> list[str]:
    """Return the lines that describe the preview."""
    done = preview.bytes if freed_later(preview.snapshot) else preview.collected.bytes
    size = (
        f"{preview.bytes} bytes" if done == preview.bytes else f"{done} bytes, where the policy frees {preview.bytes}"
    )
    lines = [preview.snapshot.caption(), f"{preview.title()} ({size})"]
    if not preview.exact:
        lines.append(f"not exact: at least {preview.certain_bytes} bytes are freed")
    if preview.also_untagged:
        lines.append(f"also untagged: {join_some(preview.also_untagged, NAMES_SHOWN)}")
    if preview.breaks:
        lines.append(f"these tags can no longer be pulled afterwards: {join_some(preview.breaks, NAMES_SHOWN)}")
    return [*lines, *preview.notices[:NAMES_SHOWN]]


def _otherwise(preview: Preview) -> list[str]:
    """Return comments on how the collector differs from the preview, or why it is not run."""
    found, done, policy = preview.collection, preview.collected, preview.snapshot.policy
    if later := freed_later(preview.snapshot):
        return [f"NOTE: {later} frees the bytes of what is deleted at a time of its own", *waits(preview)]
    if found.by_hand:
        return [f"NOTE: files are removed by hand, as policy {policy} says: {found.why_not}"]
    if done.stops:
        return [f"NOTE: nothing is collected: {done.stops}"]
    lines = []
    if set(done.digests) != set(preview.digests):
        size = f"{human_bytes(done.bytes)} ({done.bytes} bytes)"
        what = f"frees {count(len(done.digests), 'blob')}, {size}, beyond what it would collect already"
        rules = f"{found.command} works as policy {found.snapshot.policy} says, not {policy}: it"
        lines.append(f"NOTE: {rules if found.command else 'the script'} {what}")
    breaks = broken_tags(found.snapshot, preview.dropped, found.removal.nodes)
    if breaks and breaks != preview.breaks:
        lines.append(f"these tags can no longer be pulled afterwards: {join_some(breaks, NAMES_SHOWN)}")
    return lines
