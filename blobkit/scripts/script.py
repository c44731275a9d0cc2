"""The commands that drop what a preview dropped, as text: blobkit itself deletes nothing in a foreign store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.analysis.collectors import would_abort
from blobkit.errors import UnknownToolError
from blobkit.questions.deletion import collected_as, drops
from blobkit.render import count, human_bytes, listed
from blobkit.scripts.blobkit import with_blobkit
from blobkit.scripts.oci import by_hand, with_umoci
from blobkit.scripts.registry import with_api
from blobkit.scripts.shell import comment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.questions.deletion import Drop
    from blobkit.questions.preview import Preview
    from blobkit.snapshot.kinds import Policy
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["script"]

NAMES_SHOWN = 12


def script(preview: Preview, tool: str | None = None, *, heading: Sequence[str] = ()) -> str:
    """Return a POSIX shell script that does with `tool` what the preview shows; the lines of `heading` come first.

    `tool` is crane, skopeo, regctl, curl, umoci, rm or blobkit; None takes what fits the kind of store.
    UnknownToolError where it does not fit, which names those that do. Every command checks first that the names still
    name the digest of the snapshot, and is skipped where they do not; the last one is the collector.
    """
    tool = _fitting(preview.snapshot, tool)
    wanted = drops(preview)
    lines = ["#!/bin/sh", *map(comment, [*heading, *_heading(preview)])]
    if tool == "rm":
        lines += by_hand(preview, wanted)
    elif tool == "umoci":
        lines += [*_otherwise(preview, "strong", wanted), *with_umoci(preview.snapshot.address, wanted)]
    elif tool == "blobkit":
        lines += with_blobkit(preview.snapshot.address, wanted)
    else:
        policy = _collected_under(preview.snapshot)
        lines += [*_otherwise(preview, policy.name, wanted), *with_api(tool, wanted, policy.tool)]
    return "\n".join(lines) + "\n"


def _collected_under(snapshot: Snapshot) -> Policy:
    """Return the policy that describes the collector with which scripts end under the policy in force."""
    collector = snapshot.store.collected_by[snapshot.policy]
    return next(p for p in snapshot.store.policies if p.collector and p.collector.name == collector)


def _fitting(snapshot: Snapshot, tool: str | None) -> str:
    fit = snapshot.store.tools
    if not fit:
        more = "import it into a blobkit store (blobkit import SOURCE STORE) and drop there"
        msg = f"no tool drops anything from a {snapshot.kind} store in place: {more}"
        raise UnknownToolError(msg)
    if tool is not None and tool not in fit:
        msg = f"{tool!r} does not fit stores of the kind {snapshot.kind}: use {', '.join(fit)}"
        raise UnknownToolError(msg)
    return tool or fit[0]


def _heading(preview: Preview) -> list[str]:
    """Return what the script is about, line by line."""
    lines = [preview.snapshot.caption(), f"{preview.title()} ({preview.bytes} bytes)"]
    if not preview.exact:
        lines.append(f"not exact: {preview.certain_bytes} bytes go for sure")
    if preview.also_untagged:
        lines.append(f"also untagged: {listed(preview.also_untagged, NAMES_SHOWN)}")
    if preview.breaks:
        lines.append(f"these tags will no longer pull: {listed(preview.breaks, NAMES_SHOWN)}")
    return [*lines, *preview.notices[:NAMES_SHOWN]]


def _otherwise(preview: Preview, policy: str, wanted: list[Drop]) -> list[str]:
    """Say what the collector at the end does otherwise than the preview, where its own policy is another one."""
    snapshot = preview.snapshot.with_policy(policy)
    if snapshot is preview.snapshot:
        return []
    really = preview.dropping(snapshot, collected_as(preview, policy, wanted))
    lines = list(would_abort(snapshot, really.removal.nodes.tolist()))
    if set(really.digests) != set(preview.digests):
        size = f"{human_bytes(really.bytes)} ({really.bytes} bytes)"
        what = f"frees {count(len(really), 'blob')}, {size}, beyond what it would collect already"
        lines.append(
            f"NOTE: {snapshot.rule.tool} works as policy {policy} says, not {preview.snapshot.policy}: it {what}"
        )
    if really.breaks:
        lines.append(f"these tags will no longer pull: {listed(really.breaks, NAMES_SHOWN)}")
    return list(map(comment, lines))
