"""The reference rules: each verb as a plan. A verb computes the plan and applies it, a dry run only computes it.

A reference is a pin (anonymous, or named: a tag) or a link; refcount = pins + links to the blob, always.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NoReturn

from blobkit.cascade import cascade
from blobkit.errors import BlobNotFoundError, Hint, LinkCycleError, NotPinnedError, TagExistsError, TagNotFoundError
from blobkit.model import Change, Freed, Link
from blobkit.render import abbreviate, count, join_some, printable
from blobkit.store.layout.names import check_name, is_legal
from blobkit.store.reachability import reaches

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from blobkit.digest import Digest
    from blobkit.model import Record
    from blobkit.transactions import Reading

__all__ = [
    "arrived",
    "check_held",
    "deref",
    "held",
    "link",
    "links",
    "links_of_put",
    "referred",
    "tag",
    "unlink",
    "untag",
]


def arrived(tx: Reading, unresolved: Collection[Link]) -> Change:
    """Return the plan of links that waited for their targets: each takes a reference of its own."""
    return _planned(tx, linked=unresolved)


def referred(
    tx: Reading,
    *,
    pins: Mapping[Digest, int] | None = None,
    linked: Collection[Link] = (),
    named: Mapping[str, Digest] | None = None,
) -> Change:
    """Return the plan of references as they are given: no link may close a cycle, and `pins` count those of names."""
    return _planned(tx, pins=pins, linked=linked, named=named)


def deref(tx: Reading, digests: Collection[Digest]) -> Change:
    """Return the plan of dropping one anonymous pin for each of these; NotPinnedError where there are not as many."""
    drops = Counter(digests)
    _check_pinned(tx, drops, "drop")
    return _planned(tx, pins={digest: -number for digest, number in drops.items()})


def link(tx: Reading, to: Digest, from_: Digest, *, transfer: bool) -> Change:
    """Return the plan of a link, to which the caller's pin on `to` goes if `transfer`, surplus or not.

    Else the link takes a reference of its own. NotPinnedError, LinkCycleError.
    """
    records = held(tx, [to, from_])
    if to == from_:
        _refuse_cycle(to, from_)
    if transfer:
        _check_pinned(tx, {to: 1}, "hand over")
    new = Link(from_, to)
    exists = bool(tx.linked([new]))
    if not exists and records[from_].refcount > records[from_].pins and reaches(tx, [to], from_):
        _refuse_cycle(to, from_)
    return _planned(tx, pins={to: -1} if transfer else {}, linked=[] if exists else [new])


def links(tx: Reading, pairs: Collection[tuple[Digest, Digest]], *, transfer: bool) -> Change | None:
    """Return the plan of links between these pairs (to, from_), or None where it is not plain that none closes a cycle.

    It is plain where nothing links to any source. NotPinnedError, BlobNotFoundError.
    """
    wanted = [Link(from_, to) for to, from_ in pairs]
    records = held(tx, {blob for link in wanted for blob in link[:2]})
    sources = {link.source for link in wanted}
    if any(link.target in sources for link in wanted) or any(records[s].refcount > records[s].pins for s in sources):
        return None
    given = Counter(link.target for link in wanted) if transfer else Counter()
    _check_pinned(tx, given, "hand over")
    exist = set(tx.linked(wanted))
    new = [link for link in dict.fromkeys(wanted) if link not in exist]
    return _planned(tx, pins={target: -number for target, number in given.items()}, linked=new)


def unlink(tx: Reading, to: Digest, from_: Digest) -> Change:
    """Return the plan of dropping a link; an empty one where there is no such link."""
    held(tx, [to, from_])
    gone = tx.linked([Link(from_, to)])
    return _planned(tx, unlinked=gone) if gone else Change()


def links_of_put(tx: Reading, digest: Digest, links: Collection[Link]) -> Change:
    """Return the plan of the links of a blob that is put, to targets that exist.

    Each target gives up one anonymous pin if it has one, else the link takes its own reference; LinkCycleError.
    """
    targets = {new.target for new in links}
    if digest in targets:
        _refuse_cycle(digest, digest)
    records = tx.records({*targets, digest})
    exist = {old.target for old in tx.linked(links)}
    new = [added for added in links if added.target not in exist]
    if new and records[digest].refcount > records[digest].pins and reaches(tx, [n.target for n in new], digest):
        _refuse_cycle(join_some([abbreviate(n.target) for n in new]), digest)
    return _planned(tx, pins={target: -1 for target in targets if records[target].anonymous > 0}, linked=new)


def tag(tx: Reading, name: str, digest: Digest, *, move: bool, transfer: bool) -> Change:
    """Return the plan of `name` naming `digest`, with a pin of its own or, if `transfer`, with the caller's.

    A name that names it already needs no pin: the caller's is surplus, as with a link. TagExistsError where it names
    another blob and may not move; what the move frees is in the plan.
    """
    check_name(name)
    held(tx, [digest])
    if transfer:
        _check_pinned(tx, {digest: 1}, "hand over")
    old = tx.tags([name]).get(name)
    if old not in (None, digest) and not move:
        msg = f"the tag {name!r} names {abbreviate(str(old))}: give move=True to make it name {abbreviate(digest)}"
        raise TagExistsError(msg, digest=str(old))
    pins = Counter({digest: -int(transfer)})
    if old != digest:
        pins[digest] += 1
        pins.update({old: -1} if old is not None else {})
    return _planned(tx, pins=pins, named={} if old == digest else {name: digest})


def untag(tx: Reading, name: str) -> Change:
    """Return the plan of dropping a tag and its pin; TagNotFoundError where there is none."""
    blob = tx.tags([name]).get(name) if is_legal(name) else None
    if blob is None:
        msg = f"no tag {printable(str(name))!r:.300} in this store"
        raise TagNotFoundError(msg, hint=Hint("see store.tags()", "see blobkit tags"))
    return _planned(tx, pins={blob: -1}, unnamed=[name])


def held(tx: Reading, digests: Collection[Digest]) -> Mapping[Digest, Record]:
    """Return the records of these blobs; BlobNotFoundError where one is not here."""
    records = tx.records(digests)
    check_held(records, digests)
    return records


def check_held(records: Mapping[Digest, Record], digests: Collection[Digest]) -> None:
    """Check that there is a record of each of these blobs; BlobNotFoundError."""
    for digest in digests:
        if digest not in records:
            msg = f"no blob {digest} in this store"
            raise BlobNotFoundError(msg, hint=Hint("see store.list()", "see blobkit ls"), digest=digest)


def _planned(  # noqa: PLR0913 (the parts of a plan)
    tx: Reading,
    *,
    pins: Mapping[Digest, int] | None = None,
    linked: Collection[Link] = (),
    unlinked: Collection[Link] = (),
    named: Mapping[str, Digest] | None = None,
    unnamed: Collection[str] = (),
) -> Change:
    """Return the plan with its consequences: what goes, and the count of everything touched that stays.

    References that are gained enter the cascade as negative drops, so that a tag that moves from a blob to one that
    only the first one held keeps it.
    """
    drops: Counter[Digest] = Counter()
    drops.subtract(pins or {})
    drops.subtract(new.target for new in linked)
    drops.update(gone.target for gone in unlinked)
    levels, refcounts = cascade(tx, drops)
    return Change(pins or {}, refcounts, linked, unlinked, named or {}, unnamed, _freed(tx, levels))


def _freed(tx: Reading, levels: list[list[Digest]]) -> Freed:
    """Return these levels, each sorted, with their bytes."""
    if not levels:
        return Freed()
    sizes = tx.sizes([digest for level in levels for digest in level])
    totals = tuple((len(level), sum(map(sizes.__getitem__, level))) for level in levels)
    digests = tuple(digest for level in levels for digest in sorted(level))
    return Freed(digests, sum(size for _, size in totals), totals)


def _check_pinned(tx: Reading, wanted: Mapping[Digest, int], act: str) -> None:
    """Check that each blob has as many anonymous pins as are wanted."""
    records = held(tx, wanted)
    for digest, number in wanted.items():
        if records[digest].anonymous < number:
            _refuse(tx, digest, records[digest], number, act)


def _refuse(tx: Reading, digest: Digest, record: Record, wanted: int, act: str) -> NoReturn:
    """Raise NotPinnedError, which names who holds the blob beside anonymous pins and what to type instead."""
    pins = max(record.anonymous, 0)
    releases = _releases(tx, digest)
    more = record.refcount - pins - len(releases)
    by = join_some([*releases, *([f"{count(more, 'more reference')}"] if more > 0 else [])])
    release = next(iter(releases.values()), "" if pins else "store.snapshot() to look at")
    times = f" {wanted - pins} times" if wanted - pins > 1 else ""
    take = f'use store.ref("{digest}"){times} or transfer=False'
    if pins:
        has = f"{count(pins, 'anonymous pin')} and not {wanted} to {act}"
        rest = f"it is also held by {by}" if by else "nothing else holds it"
        most = f"give it {count(pins, 'time')} at most"
        drop = f"{most}, and use {release}" if release else most
    else:
        has, rest, drop = f"no anonymous pin to {act}", f"it is held by {by}", f"use {release}"
    msg = f"{digest} has {has}, {rest}: {drop if act == 'drop' else take}"
    raise NotPinnedError(msg, digest=digest)


def _releases(tx: Reading, digest: Digest) -> dict[str, str]:
    """Return tags and links that hold a blob, a few of the links, each with the call that releases it."""
    found = {f"tag {name!r}": f"store.untag({name!r})" for name in tx.names([digest]).get(digest, ())}
    for holder in tx.holders([digest], 3).get(digest, ()):
        found[f"a link from {abbreviate(holder)}"] = f'store.unlink("{digest}", "{holder}")'
    return found


def _refuse_cycle(to: str, from_: Digest) -> None:
    msg = f"a link from {abbreviate(from_)} to {abbreviate(to)} would close a cycle, which could never be freed"
    raise LinkCycleError(msg, digest=from_)
