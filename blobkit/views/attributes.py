"""Attributes of the nodes and links of a graph: plain int, bool and str, which JSON and GraphML can hold."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blobkit.questions.frame import to_frame
from blobkit.snapshot.columns import combine
from blobkit.snapshot.references import LINK_KINDS
from blobkit.snapshot.tables import codes, ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Row = Iterator[tuple[str, object]]
    Column = tuple[NDArray[np.generic], list[str] | None]
    """An array, or codes with the words that they encode."""

__all__ = ["Attributes", "kind_names", "kinds", "plain"]

_NUMBERS = ("size", "refcount", "pins", "retained", "frees", "reachable", "depth")
_WORDS = ("kind", "media_type", "platform", "status", "stored")
_TIMES = ("created", "modified")
_FACTS = tuple(name for name in _WORDS if name != "status")
_NAMES = (*_NUMBERS, *_WORDS, *_TIMES, "tags")
_NOT_IN_XML = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Attributes:
    """The attributes of the nodes of a snapshot. They are computed when first read, at the cost of `to_frame`."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def of(self, nodes: NDArray[np.int32]) -> Iterator[Row]:
        """Yield the names and values of each of these nodes."""
        values = [
            column[nodes].tolist() if words is None else [words[code] for code in column[nodes].tolist()]
            for column, words in self._columns
        ]
        *others, created, modified, tags = values
        others += [map(_iso, created), map(_iso, modified), (plain(",".join(names)) for names in tags)]
        return (zip(_NAMES, row, strict=True) for row in zip(*others, strict=True))

    @cached_property
    def _columns(self) -> list[Column]:
        facts = self._snapshot.nodes
        columns = [*_NUMBERS, "status", *_TIMES, "tags"]
        frame = to_frame(self._snapshot, columns=columns, absent=True, virtual=True)
        status = frame["status"].cat
        words = {
            name: (np.asarray(combine(facts[name]).indices), combine(facts[name]).dictionary.to_pylist())
            for name in _FACTS
        }
        words["status"] = (status.codes.to_numpy(), status.categories.tolist())
        return [
            *((frame[name].to_numpy(), None) for name in _NUMBERS),
            *((words[name][0], [plain(word) for word in words[name][1]]) for name in _WORDS),
            *((frame[name].to_numpy("datetime64[us]"), None) for name in _TIMES),
            (frame["tags"].to_numpy(), None),
        ]


def kind_names(bits: int) -> str:
    """Return the kinds of links in a set, given as bits, joined by commas."""
    return ",".join(kind for bit, kind in enumerate(LINK_KINDS) if bits >> bit & 1)


def kinds(snapshot: Snapshot) -> NDArray[np.unsignedinteger]:
    """Return for each link of `snapshot.graph` the set of kinds that it has, as bits."""
    kind = codes(snapshot.links["kind"])
    counts = snapshot.counted
    wide = np.min_scalar_type((1 << len(LINK_KINDS)) - 1).type
    bits: NDArray[np.unsignedinteger] = wide(1) << kind[counts].astype(wide)
    if len(bits) == len(snapshot.graph.indices):
        return bits
    source, target = (ids(snapshot.links[end])[counts] for end in ("source", "target"))
    new = np.flatnonzero(np.append(True, (source[1:] != source[:-1]) | (target[1:] != target[:-1])))
    joined: NDArray[np.unsignedinteger] = np.bitwise_or.reduceat(bits, new)
    return joined


def _iso(moment: datetime | int | None) -> str:
    """Return a time as ISO 8601; a time that Python cannot represent (a number) as numpy writes it."""
    if moment is None:
        return ""
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=UTC).isoformat()
    return f"{np.datetime64(moment, 'us')}+00:00"


def plain(text: str) -> str:
    """Return the text with characters that XML 1.0 forbids as backslash escapes: one would make the file invalid."""
    return _NOT_IN_XML.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
