"""The parts of a registry that it does not show and that count under the policy, and how to see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.analysis.reach import unknown
from blobkit.errors import Hint
from blobkit.questions.columns import keys
from blobkit.remotes import whole
from blobkit.render import in_shell, join_some
from blobkit.snapshot.lookups import hidden_parts, noticed

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["hidden_in_use", "not_visible", "to_see", "unread_in_use"]


def hidden_in_use(snapshot: Snapshot) -> list[str]:
    """Return the parts that are not shown, and that may hold any blob under the policy, such as other repositories."""
    hidden = hidden_parts(snapshot)
    return [one for one in keys(snapshot, unknown(snapshot.graph)) if one in hidden]


def unread_in_use(snapshot: Snapshot) -> list[str]:
    """Return the manifests and indexes in use that cannot be read; not what a registry does not show."""
    hidden = hidden_parts(snapshot)
    return [one for one in keys(snapshot, unknown(snapshot.graph)) if one not in hidden]


def _is_part(snapshot: Snapshot, parts: list[str]) -> bool:
    """Return whether all these parts are other repositories, which a scan of the whole registry shows."""
    return set(parts) <= set(noticed(snapshot, "repositories-unseen")[0].to_pylist())


def not_visible(needed: Snapshot, collected: Snapshot) -> list[str]:
    """Return notices on what is not shown: parts that may hold the same blobs, and parts that a collector removes."""
    held = hidden_in_use(collected)
    parts = list(dict.fromkeys([*held, *hidden_in_use(needed)]))
    where = "the whole registry" if _is_part(needed, parts) else "the registry's storage"
    same = f"are not visible, and may hold the same blobs: a scan of {where} shows what they hold"
    gone = [one for one in noticed(needed, "untagged-unseen")[0].unique().to_pylist() if one not in held]
    return [f"{join_some(parts, 3)} {same}"] * bool(parts) + [
        f"{one} are not visible: it removes them too, and what only they hold" for one in gone
    ]


def to_see(snapshot: Snapshot) -> Hint | None:
    """Return what to scan so that more is certain; None if nothing that is hidden counts under the policy."""
    parts = hidden_in_use(snapshot)
    if not parts:
        return None
    if not _is_part(snapshot, parts):
        return Hint(*["scan the registry's storage instead (a directory or a bucket), which has all"] * 2)
    every = whole(snapshot.address)
    if every != snapshot.address:
        return Hint(*[f"scan the whole registry, {in_shell(every)}, if it lists its repositories"] * 2)
    either = 'without storage_options["repositories"]', "without --repositories"
    return Hint(*[f"scan the whole registry {one}, if it lists them" for one in either])
