"""The whole index as numpy columns: what `blobkit.index.postgres.sliced` reads, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.index.columns import put_together
from blobkit.index.positions import Positions
from blobkit.index.postgres.sliced import Sliced
from blobkit.model import LINK_KINDS
from blobkit.snapshot.packing import sorted_links

if TYPE_CHECKING:
    from blobkit.index.postgres.connecting import Connection
    from blobkit.model import Facts

__all__ = ["facts"]


def facts(db: Connection) -> Facts:
    """Return everything that the index holds, in the transaction that is open; blobs in the order of digests."""
    reader = Sliced(db)
    slices = list(reader.blobs("id", "size", "created", "media_type", "pins"))
    digests = np.concatenate([np.empty(0, "S1"), *(texts for texts, _ in slices)])
    none = [np.empty(0, np.int64)] * 5
    ids, *blobs = map(np.concatenate, zip(none, *(found for _, found in slices), strict=True))
    places = Positions(ids)
    source, target, kind = map(np.concatenate, zip(none[:3], *reader.links(), strict=True))
    positions = places.of(source), places.of(target), kind.astype(np.int8)
    links = sorted_links(positions, len(ids), len(LINK_KINDS))
    tables = reader.media_types(), reader.expected(), reader.all_tags()
    return put_together(digests, places, blobs, links, *tables)
