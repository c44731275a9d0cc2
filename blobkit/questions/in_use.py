"""Names that a tool leaves, because a container uses their image: the last ones of each image in use."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from blobkit.render import join_some
from blobkit.snapshot.lookups import rows_on_any
from blobkit.snapshot.pins import count_named, pin_labels
from blobkit.snapshot.roles import FOLLOWS, NAMES, USES
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import KINDS, codes, ids, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Ints = NDArray[np.int64]
    Names = list[tuple[int, bool, str]]
    """Names of one image, in the order of their removal: row, whether it is a digest, repository."""

__all__ = ["left_in_use"]

USERS_TOLD = 3


def left_in_use(snapshot: Snapshot, rows: Ints, number: Ints, along: frozenset[int]) -> dict[int, str]:
    """Return the rows among these dropped pins that stay because a container uses their image, with the containers.

    A container that is dropped too uses nothing. `along`: rows that the tool only drops with others, as it would drop
    digests with the last tag. Cost: the links, and the names of the dropped images in use.
    """
    source, target = _uses(snapshot, _held(snapshot, rows, number))
    node = ids(snapshot.pins["node"])
    asked = np.isin(target, node[rows])
    if not asked.any():
        return {}
    users, going = defaultdict(list), set(rows.tolist()) - along
    for user, image in zip(source[asked].tolist(), target[asked].tolist(), strict=True):
        users[image].append(user)
    found: dict[int, str] = {}
    for image, by in users.items():
        names = _names(snapshot, image)
        left = _refused(names, going, along) if names else rows[node[rows] == image].tolist()
        found |= dict.fromkeys(left, _labels(snapshot, by))
    return found


def _held(snapshot: Snapshot, rows: Ints, number: Ints) -> NDArray[np.bool_]:
    """Return whether each node has a pin that holds it after these pins are dropped."""
    holds = snapshot.holding.copy()
    holds[rows[number >= numbers(snapshot.pins["count"])[rows]]] = False
    held = np.zeros(snapshot.nodes.num_rows, np.bool_)
    held[ids(snapshot.pins["node"])[holds]] = True
    return held


def _uses(snapshot: Snapshot, held: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the links from containers that stay to the images that they use."""
    is_image = codes(snapshot.nodes["kind"]) == KINDS.index("image")
    uses = USES[codes(snapshot.links["kind"])] & is_image[ids(snapshot.links["target"])]
    source, target = (ids(snapshot.links[end])[uses] for end in ("source", "target"))
    return source[held[source]], target[held[source]]


def _names(snapshot: Snapshot, image: int) -> Names:
    """Return the names of an image: digests first, then by name."""
    kind = codes(snapshot.pins["kind"])
    rows = rows_on_any(snapshot, np.array([image]))
    rows = rows[(NAMES | FOLLOWS)[kind[rows]] & (rows < count_named(snapshot))]
    digest, group = FOLLOWS[kind[rows]].tolist(), snapshot.pins["group"].take(rows).to_pylist()
    found = [(row, is_digest, name or "") for row, is_digest, name in zip(rows.tolist(), digest, group, strict=True)]
    return sorted(found, key=lambda one: not one[1])


def _refused(names: Names, going: set[int], along: frozenset[int]) -> Iterator[int]:
    """Yield the rows that stay when the names of one image in use are dropped in order."""
    left = names
    for one in names:
        if one[0] in going and one in left:
            if _is_single(left):
                yield one[0]
                continue
            left = [other for other in left if other != one]
            if not any(not is_digest and group == one[2] for _, is_digest, group in left):
                left = [other for other in left if one[1] or not (other[1] and other[2] == one[2])]
    yield from (row for row, _, _ in left if row in along)


def _is_single(names: Names) -> bool:
    """Return whether names count as one: at most one tag, and digests of one repository, that of the tag.

    Source: moby 20.10 to 26.1, `daemon/images/image_delete.go: isSingleReference`.
    """
    tags = [one for one in names if not one[1]]
    return len(tags) <= 1 and len({group for _, _, group in names}) == 1


def _labels(snapshot: Snapshot, users: list[int]) -> str:
    """Return the names of containers."""
    rows = unique(rows_on_any(snapshot, np.array(users)))
    return join_some(sorted(set(pin_labels(snapshot, rows[snapshot.holding[rows]]))), USERS_TOLD)
