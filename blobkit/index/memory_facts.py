"""The facts of an index in memory, as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.model import LINK_KINDS, Facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from blobkit.digest import Digest
    from blobkit.model import Link, Record

__all__ = ["facts"]


def facts(
    records: Mapping[Digest, Record],
    targets: Mapping[Digest, Mapping[Digest, str]],
    expected: Mapping[Digest, Mapping[Link, str]],
    tags: Mapping[str, Digest],
) -> Facts:
    """Return the columns of blobs by digest, links by source, expected links by target, and tags."""
    blobs = list(records.items())
    at = {blob: position for position, (blob, _) in enumerate(blobs)}
    media_types = sorted({record.media_type for _, record in blobs})
    links = [(at[s], at[t], LINK_KINDS.index(kind)) for s, found in targets.items() for t, kind in found.items()]
    return Facts(
        digests=[blob for blob, _ in blobs],
        sizes=[record.size for _, record in blobs],
        created=[_microseconds(record.created) for _, record in blobs],
        media_types=media_types,
        media_type=[media_types.index(record.media_type) for _, record in blobs],
        anonymous=[record.anonymous for _, record in blobs],
        sources=[source for source, _, _ in links],
        targets=[target for _, target, _ in links],
        kinds=[kind for _, _, kind in links],
        expected=[
            (at[link.source], link.target, link.kind, media_type)
            for found in expected.values()
            for link, media_type in found.items()
        ],
        tags=[(name, at[blob]) for name, blob in tags.items()],
    )


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
