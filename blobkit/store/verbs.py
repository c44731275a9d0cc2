"""The verbs as functions over a transaction: each computes its plan by the rules, then makes it true.

A store opens a transaction for each verb, a batch has one open for all of them (`blobkit.store.session`,
`blobkit.store.batch`). Content is moved by neither of these functions: they say what is to be published.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.store import rules
from blobkit.store.ingest import described_all, record
from blobkit.store.layout.preserved import is_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.model import Change, Descriptor, Freed
    from blobkit.store.ingest import StagedBlob
    from blobkit.transactions import Reading, Writing

__all__ = ["Work", "change", "link", "take_in"]


@dataclass(slots=True)
class Work:
    """An open transaction, and what the verbs in it leave to do for whoever commits it.

    `whole` returns which of the recorded blobs, given with their sizes, have their content. `staged` and `small` are to
    be published: content by its token, and small content itself. `is_shown` says that a tag changed, or what other
    programs see of it. `anew` says that a sync failed, so that all content that comes is published, also where it is
    here.
    """

    tx: Writing
    whole: Callable[[Mapping[Digest, int]], Collection[Digest]]
    anew: bool = False
    is_shown: bool = False
    staged: dict[Digest, str] = field(default_factory=dict)
    small: dict[Digest, bytes] = field(default_factory=dict)


def change(work: Work, plan: Callable[[Reading], Change]) -> Freed:
    """Make a plan true that may remove something or change tags; return what goes."""
    planned = plan(work.tx)
    work.is_shown |= is_shown(work.tx, planned)
    work.tx.apply(planned)
    return planned.freed


def link(work: Work, pairs: Collection[tuple[Digest, Digest]], *, transfer: bool) -> int:
    """Link each pair (to, from); return how many there are."""
    tx = work.tx
    at_once = rules.links(tx, pairs, transfer=transfer) if len(pairs) > 1 else None
    if at_once is not None:
        tx.apply(at_once)
    else:
        for to, from_ in pairs:
            tx.apply(rules.link(tx, to, from_, transfer=transfer))
    return len(pairs)


def take_in(work: Work, came: Sequence[StagedBlob]) -> Sequence[Descriptor]:
    """Record content that came; have that published which is absent or truncated here. Return what is then known."""
    tx = work.tx
    known = tx.records({new.digest for new in came})
    relied = known if not work.anew else {}
    here = work.whole({digest: blob.size for digest, blob in relied.items()}) if relied else ()
    shown, plain = record(tx, came, known)
    work.is_shown |= shown
    for new in came:
        if new.digest in here:
            continue
        if new.data is None:
            work.staged[new.digest] = new.token
        else:
            work.small[new.digest] = new.data
    return plain or described_all(tx, [new.digest for new in came])
