"""From the columns of an index to a snapshot. Imported at the first snapshot only: it needs numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blobkit.model import LINK_KINDS
from blobkit.oci.documents import kind_of, repository
from blobkit.snapshot.references import LINK_KINDS as ALL_LINK_KINDS
from blobkit.snapshot.references import PIN_KINDS
from blobkit.snapshot.snapshot import build
from blobkit.snapshot.tables import KINDS, STORED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from blobkit.model import Facts
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.snapshot.tables import Columns

__all__ = ["kinds_of", "pin_columns", "to_snapshot"]


def to_snapshot(facts: Facts, address: str, notices: Sequence[tuple[str, str, str, str]]) -> Snapshot:
    """Return the snapshot of these facts. Blobs that are only expected are nodes that are not stored.

    `created` of a blob in the store, when it came in, is `modified` of a node, whose `created` is what an image claims.
    """
    links = _links(facts)
    absent = len({digest for _, digest, _, _ in facts.expected})
    return build(
        "blobkit", address, nodes=_nodes(facts, links, absent), links=links, pins=_pins(facts), notices=notices
    )


def _nodes(facts: Facts, links: Mapping[str, ArrayLike], absent: int) -> Columns:
    """Return the stored blobs, then the absent ones in the order in which they are expected first."""
    types = {digest: media_type for _, digest, _, media_type in facts.expected}
    names = list(dict.fromkeys([*facts.media_types, *types.values()]))
    media_type = _joined(facts.media_type, (names.index(name) for name in types.values()))
    stored = [STORED.index("yes"), STORED.index("missing")]
    digests = np.asarray(facts.digests, np.bytes_)
    return {
        "key": np.concatenate([digests, np.array(list(types), np.bytes_)]) if types else digests,
        "size": _joined(facts.sizes, [0] * absent),
        "kind": kinds_of(
            names, media_type, lambda kind: np.asarray(links["target"])[np.asarray(links["kind"]) == kind]
        ),
        "media_type": (media_type.astype(np.int32), names or [""]),
        "modified": _joined(facts.created, [-1] * absent),
        "stored": np.repeat(np.array(stored, np.int8), [len(facts.digests), absent]),
    }


def _links(facts: Facts) -> Mapping[str, ArrayLike]:
    """Return the links, those to absent blobs last; kinds as the codes of a snapshot."""
    absent = {digest: len(facts.digests) + i for i, digest in enumerate(dict.fromkeys(x[1] for x in facts.expected))}
    code = np.array([ALL_LINK_KINDS.index(kind) for kind in LINK_KINDS], np.int8)
    return {
        "source": _joined(facts.sources, (source for source, _, _, _ in facts.expected)),
        "target": _joined(facts.targets, (absent[digest] for _, digest, _, _ in facts.expected)),
        "kind": code[_joined(facts.kinds, (LINK_KINDS.index(kind) for _, _, kind, _ in facts.expected))],
    }


def kinds_of(
    names: Sequence[str], media_type: NDArray[np.integer], linked: Callable[[int], NDArray[np.integer]]
) -> NDArray[np.int8]:
    """Return the kind of each node: by its media type, else by its position in a manifest that links to it.

    `linked` returns the nodes that links of a kind lead to, by the code of that kind.
    """
    by_type = np.array([KINDS.index(kind_of(name)) for name in names], np.int8)
    kinds: NDArray[np.int8] = by_type[media_type]
    plain = kinds == KINDS.index("blob")
    for position in ("layer", "config"):
        here = linked(ALL_LINK_KINDS.index(position))
        kinds[here[plain[here]]] = KINDS.index(position)
    return kinds


def _pins(facts: Facts) -> Mapping[str, ArrayLike]:
    """Return a row for the anonymous pins of each blob that has any, and a row for each tag."""
    anonymous = np.asarray(facts.anonymous, np.int64)
    pinned = np.flatnonzero(anonymous)
    return pin_columns(pinned, anonymous[pinned], facts.tags)


def pin_columns(
    pinned: NDArray[np.integer], anonymous: NDArray[np.integer], tags: Sequence[tuple[str, int]]
) -> Mapping[str, NDArray[Any]]:
    """Return the rows of anonymous pins of these blobs, so many each, then those of tags."""
    kinds = [PIN_KINDS.index("pin"), PIN_KINDS.index("tag")]
    nameless = np.full(len(pinned), None)
    return {
        "node": _joined(pinned, (node for _, node in tags)),
        "name": np.concatenate([nameless, np.array([name for name, _ in tags], np.object_)]),
        "kind": np.repeat(np.array(kinds, np.int8), [len(pinned), len(tags)]),
        "group": np.concatenate([nameless, np.array([repository(name) for name, _ in tags], np.object_)]),
        "count": _joined(anonymous, [1] * len(tags)),
    }


def _joined(column: ArrayLike, more: Iterable[int]) -> NDArray[np.integer]:
    """Return a column with more values behind it, as narrow as it was; the column itself where there are none."""
    wide = np.asarray(column, None if isinstance(column, np.ndarray) else np.int64)
    rest = np.fromiter(more, wide.dtype)
    return np.concatenate([wide, rest]) if len(rest) else wide
