"""Resolve the targets of a user (names, digests, patterns, lists, Series) to the pins to drop.

A text is tried in this order: a full digest of a known blob, an exact name (whatever it looks like), a pattern of names
(see `patterns`), a unique prefix of a digest. Nothing is guessed: a text that matches nothing, or several things, is an
error that lists the nearest ones.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from blobkit.errors import AmbiguousTargetError, BlobNotFoundError, Hint, NotPinnedError, UnknownTargetError
from blobkit.questions.inputs.keys import behind, by_prefix, is_key
from blobkit.questions.inputs.many import PinName, flattened, in_turn, named_in_turn
from blobkit.questions.inputs.patterns import is_pattern, rows_like
from blobkit.questions.inputs.selection import PinSelection
from blobkit.questions.inputs.unknown import nearest, not_pinned, refuse, refuse_group, refuse_pattern
from blobkit.render import abbreviate, count, join_some, printable
from blobkit.snapshot.columns import combine
from blobkit.snapshot.lookups import (
    dropped_with_last_tag,
    dropped_with_revisions,
    dropped_with_second_names,
    rows_of,
    twins,
)
from blobkit.snapshot.pins import count_named, resolve_aliases, revisions, rows_named, rows_of_group, rows_on
from blobkit.snapshot.roles import IS_ALIAS, IS_ALONE, IS_REVISION, NAMES
from blobkit.snapshot.sets import union, unique
from blobkit.snapshot.tables import codes, ids, numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from numpy.typing import NDArray

    from blobkit.questions.inputs.many import Run
    from blobkit.snapshot.snapshot import Snapshot

    Rows = list[int] | NDArray[np.int64]
    Targets = str | NDArray[np.bool_] | pd.Series | Iterable["Targets"]

__all__ = [
    "PinName",
    "Targets",
    "blob_of",
    "flattened",
    "nodes_of",
    "resolve",
    "resolve_names",
    "selected",
    "untagged",
]


def resolve(snapshot: Snapshot, targets: Targets, *, groups: Targets = (), all_pins: bool = False) -> PinSelection:
    """Return the pins of `targets` and of whole `groups`, each once, and the tags that a registry drops with them.

    UnknownTargetError, AmbiguousTargetError, InvalidDigestError, BlobNotFoundError or NotPinnedError name the target
    and the input to type instead.
    """
    dropped = selected(snapshot, targets, groups=groups, all_pins=all_pins)
    if not dropped.names and not dropped.groups:
        msg, what = "no target", "give a name, a digest, a pattern, or"
        raise UnknownTargetError(msg, hint=Hint(f"{what} groups=(repository,)", f"{what} --group REPOSITORY"))
    return untagged(snapshot, dropped)


def resolve_names(snapshot: Snapshot, numbers: NDArray[np.integer]) -> PinSelection:
    """Return the pins of the names with these numbers, as `resolve` does for the same names."""
    return untagged(snapshot, _selected(snapshot, named_in_turn(snapshot, numbers)))


def selected(snapshot: Snapshot, targets: Targets, *, groups: Targets = (), all_pins: bool = False) -> PinSelection:
    """Return the pins of `targets` and of whole `groups`, each once; none if nothing is given. Errors: as `resolve`."""
    return _selected(snapshot, in_turn(snapshot, targets), tuple(flattened(groups)), all_pins=all_pins)


def _selected(
    snapshot: Snapshot, runs: Iterable[Run], groups: tuple[str, ...] = (), *, all_pins: bool = False
) -> PinSelection:
    every = list(runs)

    def names() -> tuple[str, ...]:
        return tuple(dict.fromkeys(chain.from_iterable(run.all_texts(snapshot) for run in every)))

    dropped = PinSelection(names, groups)
    resolver = _Resolver(snapshot, dropped)
    for run in every:
        resolver.targets(run, all_pins=all_pins)
    for text in groups:
        resolver.group(text)
    return dropped


def untagged(snapshot: Snapshot, dropped: PinSelection) -> PinSelection:
    """Return the selection with the tags added that a registry drops with the dropped manifests."""
    _Resolver(snapshot, dropped).untag()
    return dropped


def blob_of(snapshot: Snapshot, text: str) -> int:
    """Return the node of one blob: by a digest, by a name on one blob, or by a unique prefix of a digest.

    BlobNotFoundError, InvalidDigestError, UnknownTargetError or AmbiguousTargetError name it and the input to type
    instead.
    """
    return _Resolver(snapshot, PinSelection()).blob(text)


def nodes_of(snapshot: Snapshot, targets: Targets) -> NDArray[np.int32]:
    """Return the nodes of targets, each once: of digests, and of all blobs that a name or a pattern names.

    Errors: as `blob_of`, except that a name on several blobs is valid here.
    """
    resolver = _Resolver(snapshot, PinSelection())
    texts = [text for run in in_turn(snapshot, (targets,)) for text in run.all_texts(snapshot)]
    if not texts:
        msg = "no target: give a name, a digest, a pattern, or a mask over tags_frame"
        raise UnknownTargetError(msg)
    return unique(np.array([node for text in texts for node in resolver.nodes(text)], np.int32))


class _Resolver:
    """A resolver of targets in one snapshot; every look-up is a binary search or one pass over the pins."""

    def __init__(self, snapshot: Snapshot, dropped: PinSelection) -> None:
        self.snapshot, self.dropped = snapshot, dropped
        pins = snapshot.pins
        self.names = combine(pins["name"])
        self.named = count_named(snapshot)
        self.node = ids(pins["node"])
        self.count = numbers(pins["count"])
        self.kind = codes(pins["kind"])

    def targets(self, run: Run, *, all_pins: bool) -> None:
        """Select the pins of all targets of a run, in order."""
        if len(run.names):
            self._name_rows(rows_of(self.snapshot, run.names), all_pins=all_pins)
        for text in run.texts:
            self.target(text, all_pins=all_pins)

    def target(self, text: str, *, all_pins: bool) -> None:
        """Select the pins of one target."""
        rows = self._named(text)
        if is_key(self.snapshot, text) and not (rows and self._is_name(text)):
            if rows:
                self.dropped.notices.append(f"{text} was taken as the digest; write tag:{text} for the name")
            self._digest(text, all_pins=all_pins)
            return
        found = [] if text.startswith("tag:") else by_prefix(self.snapshot, text.removeprefix("digest:"))
        if rows:
            if found:
                self.dropped.notices.append(f"{text} was taken as the name, not as the start of {abbreviate(found[0])}")
            self._by_name(text, rows, all_pins=all_pins)
        elif text.startswith(("tag:", "digest:")):
            self._forced(*text.split(":", 1), all_pins=all_pins)
        elif is_pattern(text):
            self._name_rows(rows_like(self.snapshot, text).tolist(), all_pins=all_pins)
        elif len(found) == 1:
            self._digest(found[0], all_pins=all_pins)
        else:
            refuse(self.snapshot, text, found)

    def blob(self, text: str) -> int:
        """Return the node of one blob."""
        is_forced = text.startswith("digest:") and not self._named(text)
        text = text.removeprefix("digest:") if is_forced else text
        if is_key(self.snapshot, text) and (is_forced or not (rows_named(self.snapshot, text) and self._is_name(text))):
            return self._found(text)
        named = [] if is_forced else self._keys(unique(self.node[self._tagged(text)]))
        if len(named) > 1:
            msg = f"{text} names {count(len(named), 'blob')}: give the digest of one: {join_some(named, 4)}"
            raise AmbiguousTargetError(msg)
        found = named or by_prefix(self.snapshot, text)
        if len(found) != 1:
            refuse_pattern(self.snapshot, text)
            refuse_group(self.snapshot, text, self._tagged(text))
            refuse(self.snapshot, text, found, one=True)
        return self.snapshot.find(found[0])

    def _keys(self, nodes: NDArray[np.int32]) -> list[str]:
        """Return the keys of the blobs that these nodes are or stand for."""
        return [key for key in self.snapshot.keys(unique(behind(self.snapshot, nodes))) if is_key(self.snapshot, key)]

    def nodes(self, text: str) -> list[int]:
        """Return the nodes of a digest, a name or a pattern."""
        rows = self._tagged(text)
        if not rows and is_pattern(text):
            rows = rows_like(self.snapshot, text).tolist()
        elif is_key(self.snapshot, text) and not self._is_name(text):
            rows = []
        return list(map(int, self.node[rows])) or [self.blob(text)]

    def _is_name(self, text: str) -> bool:
        """Return whether a text that is a digest and a name means the name: it is a PinName, or no blob has it."""
        node = self.snapshot.find(text)
        return isinstance(text, PinName) or node < 0 or not (self.snapshot.graph.blob[node] or self._holding_on(node))

    def group(self, text: str) -> None:
        """Select every pin of a repository or namespace."""
        rows = rows_of_group(self.snapshot, text)
        if not text or not len(rows):
            known = sorted(set(self.snapshot.pins["group"].unique().drop_null().to_pylist()))
            msg = f"no repository {text!r} here{nearest(text, known)}"
            raise UnknownTargetError(msg)
        self._drop(rows)

    def _forced(self, what: str, text: str, *, all_pins: bool) -> None:
        rows = self._named(text) if what == "tag" else []
        found = by_prefix(self.snapshot, text) if what == "digest" else []
        if is_key(self.snapshot, text) and what == "digest":
            self._digest(text, all_pins=all_pins)
        elif rows:
            self._by_name(text, rows, all_pins=all_pins)
        elif len(found) == 1:
            self._digest(found[0], all_pins=all_pins)
        else:
            refuse(self.snapshot, text, found)

    def _named(self, text: str) -> list[int]:
        """Return the rows with this name, else the pins behind this alias, which must be of one image."""
        rows = list(rows_named(self.snapshot, text))
        own = [row for row in rows if not IS_ALIAS[self.kind[row]]]
        if own or not rows:
            return own
        names, meant = resolve_aliases(self.snapshot, rows)
        if len(names) > 1:
            msg = f"{text} is the reference name of {count(len(names), 'image')}: give one of {join_some(names, 4)}"
            raise AmbiguousTargetError(msg)
        return meant

    def _tagged(self, text: str) -> list[int]:
        """Return the rows of a name that may have `tag:` before it; an exact name comes first."""
        return self._named(text) or self._named(text.removeprefix("tag:"))

    def _by_name(self, text: str, rows: list[int], *, all_pins: bool) -> None:
        """Select pins by one name, with a notice if it is on several blobs."""
        blobs = {int(self.node[row]) for row in rows if NAMES[self.kind[row]]}
        if len(blobs) > 1:
            both = f"{text} names {count(len(blobs), 'blob')}: all of them are dropped"
            self.dropped.notices.append(f"{both}; to drop one alone, give its digest")
        self._name_rows(rows, all_pins=all_pins)

    def _name_rows(self, rows: Rows, *, all_pins: bool) -> None:
        """Select pins by name."""
        if all_pins:
            nodes = unique(self.node[rows])
            rows = np.flatnonzero(np.isin(self.node, nodes))
        self._drop(rows)

    def untag(self) -> None:
        """Select with each revision every tag of its repository on that digest, after all targets are known.

        Also the pins that second names mean, and the second names of what is dropped.
        """
        rows = self.dropped.row
        along = dropped_with_revisions(self.snapshot, rows[IS_REVISION[self.kind[rows]]])
        along = np.concatenate((along, dropped_with_last_tag(self.snapshot, rows)))
        along = union(along, dropped_with_second_names(self.snapshot, rows))
        new = along[~np.isin(along, rows)]
        self.dropped.also_untagged.update(self.snapshot.pins["name"].take(new).drop_null().to_pylist())
        self._drop(new)

    def _digest(self, digest: str, *, all_pins: bool) -> None:
        """Select one anonymous pin of a blob; if it has none, see `_named_digest`."""
        node = self._found(digest)
        on_it = self._holding_on(node)
        anonymous = [row for row in on_it if row >= self.named and self.count[row] > 0]
        if all_pins and on_it:
            self._drop(on_it)
        elif anonymous:
            one = np.array([*anonymous[:1], *twins(self.snapshot, anonymous[:1])[0][:1].tolist()], np.int64)
            self.dropped.add(one, np.ones(len(one), np.int64))
        else:
            self._named_digest(digest, node, on_it)

    def _found(self, digest: str) -> int:
        node = self.snapshot.find(digest)
        if node < 0:
            msg = f"no blob {digest} here"
            raise BlobNotFoundError(msg, hint=Hint("see to_frame(x)", "see blobkit ls"), digest=digest)
        return node

    def _named_digest(self, digest: str, node: int, on_it: list[int]) -> None:
        """Select every name on the blob in a mark-and-sweep store; NotPinnedError if there is none, or elsewhere."""
        if on_it and self.snapshot.rule.counting:
            names = [printable(str(self.names[row])) for row in on_it]
            msg = f"{abbreviate(digest)} has no anonymous pin: {join_some(names)} holds it"
            hint = Hint("give the name, or all_pins=True", "give the name, or --all-pins")
            raise NotPinnedError(msg, hint=hint, digest=digest)
        virtual_nodes = revisions(self.snapshot).virtual_nodes(node)
        rows = on_it or [row for virtual_node in virtual_nodes for row in self._holding_on(virtual_node)]
        if not rows:
            raise not_pinned(self.snapshot, digest, node)
        self._name_rows(list(rows), all_pins=False)

    def _holding_on(self, node: int) -> list[int]:
        on_it = rows_on(self.snapshot, node)
        return [row for row in on_it if self.snapshot.holding[row] and not IS_ALONE[self.kind[row]]]

    def _drop(self, rows: Rows) -> None:
        rows = np.concatenate((np.asarray(rows, np.int64), twins(self.snapshot, rows)[0]))
        self.dropped.add(rows, self.count[rows])
