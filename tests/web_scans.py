"""Compare what a registry shows over HTTP with the scan of its storage directory."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

import blobkit

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from blobkit.snapshot.snapshot import Snapshot

EXACT = ("tags", "gc-m", "dependent")
"""Policies under which what is visible decides; `dependent` where referrers are listed."""
COLUMNS = ["size", "kind", "media_type", "status", "reachable", "retained", "frees", "tags"]
CLAIMED = ["created", "platform"]
"""Columns that come from configs."""
UNSEEN = {"untagged-unseen", "uploads-unseen", "referrers-unseen"}
"""Notices of every scan over HTTP of a registry without a referrers API."""


def over_http(url: str, prefix: str = "", *, cache: Path | bool = False, **more: object) -> Snapshot:
    """Return the scan of a registry at a URL; other arguments than those of `scan` are storage options."""
    own = {name: more.pop(name) for name in ("policy", "verify") if name in more}
    address = f"registry+{url}{prefix and f'/{prefix}'}"
    return blobkit.scan(address, progress=False, cache=cache, storage_options=more, **own)  # type: ignore[arg-type]


def check_same(own: Snapshot, seen: Snapshot, columns: list[str], policies: tuple[str, ...] = ("tags", "gc-m")) -> None:
    """Check that all that is visible has the same columns, and that only unreached blobs are not visible."""
    for policy in policies:
        whole, part = (blobkit.to_frame(one.with_policy(policy)) for one in (own, seen))
        assert set(part.index) <= set(whole.index)
        hidden = whole.drop(part.index)
        assert not hidden["reachable"].any(), policy
        for name in columns:
            want, got = whole.loc[part.index, name], part[name]
            differ = [d for d in part.index if not _same(want[d], got[d])]
            assert differ == [], (policy, name, [(d, want[d], got[d]) for d in differ[:3]])


def _same(one: object, other: object) -> bool:
    return one == other or (one is other) or (str(one) == str(other) == "NaT")


def check_previews(
    own: Snapshot, seen: Snapshot, *, most: int = 25, policies: tuple[str, ...] = ("tags", "gc-m")
) -> None:
    """Check that dropping tags frees the same, and that under policies about revisions nothing is called exact."""
    names = list(blobkit.tags_frame(seen).index)
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, min(most, len(names))).astype(int)]
    for policy in policies:
        one, other = own.with_policy(policy), seen.with_policy(policy)
        for name in chosen:
            want, got = blobkit.simulate_deref(one, name), blobkit.simulate_deref(other, name)
            assert (got.digests, got.bytes, got.levels) == (want.digests, want.bytes, want.levels), (policy, name)
            assert got.exact
            for digest in got.digests[:2]:
                assert blobkit.why(other, digest).tags == blobkit.why(one, digest).tags
    for policy in ("revisions", "gc"):
        assert not blobkit.simulate_deref(seen.with_policy(policy), chosen[0]).exact


def reached(snapshot: Snapshot, policy: str = "tags") -> dict[str, int]:
    """The bytes of each blob that is reached."""
    frame = blobkit.to_frame(snapshot.with_policy(policy), columns=["size", "reachable"])
    return {str(digest): int(size) for digest, size in frame[frame["reachable"]]["size"].items()}


def requests(caplog: pytest.LogCaptureFixture) -> Counter[str]:
    """The requests that the last scan told in the log, by purpose."""
    line = [one.getMessage() for one in caplog.records if one.getMessage().startswith("requests: ")][-1]
    return Counter({what: int(number.replace(",", "")) for number, what in re.findall(r"([\d,]+) ([a-z ]+\w)", line)})
