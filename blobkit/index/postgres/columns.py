"""The whole index as numpy columns: what `blobkit.index.postgres.sliced` reads, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import unpack
from blobkit.index.positions import Positions
from blobkit.index.postgres.sliced import Sliced
from blobkit.model import LINK_KINDS, Facts
from blobkit.snapshot.packing import sorted_links

if TYPE_CHECKING:
    from blobkit.index.postgres.connecting import Connection

__all__ = ["facts"]


def facts(db: Connection) -> Facts:
    """Return everything that the index holds, in the transaction that is open; blobs in the order of digests."""
    reader = Sliced(db)
    slices = list(reader.blobs("id", "size", "created", "media_type", "pins"))
    digests = np.concatenate([np.empty(0, "S1"), *(texts for texts, _ in slices)])
    none = [np.empty(0, np.int64)] * 5
    ids, sizes, created, media_type, pins = map(np.concatenate, zip(none, *(found for _, found in slices), strict=True))
    at = Positions(ids)
    types, expected, tags = reader.media_types(), reader.expected(), reader.all_tags()
    tagged = at.of_rows(tags)
    source, target, kind = map(np.concatenate, zip(none[:3], *reader.links(), strict=True))
    links = at.of(source), at.of(target), kind.astype(np.int8)
    sources, targets, kinds = sorted_links(links, len(ids), len(LINK_KINDS))
    return Facts(
        digests=digests,
        sizes=sizes,
        created=created,
        media_types=[name for _, name in types],
        media_type=Positions(np.array([number for number, _ in types], np.int64)).of(media_type),
        anonymous=pins - np.bincount(tagged, minlength=len(ids)),
        sources=sources,
        targets=targets,
        kinds=kinds,
        expected=[
            (place, unpack(packed), LINK_KINDS[kind], name)
            for place, (_, packed, kind, name) in zip(at.of_rows(expected).tolist(), expected, strict=True)
        ],
        tags=[(name, place) for place, (_, name) in zip(tagged.tolist(), tags, strict=True)],
    )
