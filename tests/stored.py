"""Random snapshots of every kind of fact, for tests of what is saved and of engines that read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from blobkit.snapshot.kinds import STORES
from blobkit.snapshot.references import LINK_KINDS, PIN_KINDS
from blobkit.snapshot.snapshot import build
from blobkit.snapshot.tables import KINDS
from graphs import key

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NAMES = st.none() | st.sampled_from(("a", "b", "c:1")) | TEXTS
TIMES = st.integers(0, 4_000_000_000_000_000)


@st.composite
def facts(draw: st.DrawFn, kind: str = "registry", largest: int = 14) -> Snapshot:
    """A snapshot of anything: blobs and virtual nodes in any order, all kinds of links and pins, odd texts.

    Most links and pins are of the kinds that policies of this kind of store count, and few nodes are opaque.
    """
    policies = STORES[kind].policies
    link_kinds = sorted({name for policy in policies for name in policy.links})
    pin_kinds = sorted({name for policy in policies for name in policy.pins})
    types = sorted({name for policy in policies for name in policy.sources})
    n = draw(st.integers(0, largest))
    virtual = [draw(st.booleans()) and i % 3 == 0 for i in range(n)]
    names = draw(st.permutations(range(n)))
    some = st.lists(
        st.tuples(*[st.integers(0, max(n - 1, 0))] * 2, st.sampled_from(link_kinds) | st.sampled_from(LINK_KINDS)),
        max_size=3 * n,
    )
    links = draw(some) if n else []
    held = st.tuples(
        st.integers(0, max(n - 1, 0)),
        NAMES,
        st.sampled_from(pin_kinds) | st.sampled_from(PIN_KINDS),
        NAMES,
        st.integers(0, 3),
        TIMES,
    )
    pins = draw(st.lists(held, max_size=2 * n)) if n else []
    each = {"min_size": n, "max_size": n}
    few = draw(st.sampled_from((2, 10, 1000)))
    columns = {
        "key": [f"r@{key(i)}" if virtual[i] else key(i) for i in names],
        "size": [0 if virtual[i] else draw(st.integers(0, 1 << 40)) for i in names],
        "stored": ["virtual" if virtual[i] else "yes" for i in names],
        "kind": draw(st.lists(st.sampled_from(KINDS), **each)),
        "media_type": draw(st.lists(st.sampled_from(["", "x", *types]), **each)),
        "platform": draw(st.lists(st.sampled_from(("", "linux/amd64")), **each)),
        "created": draw(st.lists(st.none() | TIMES, **each)),
        "opaque": draw(st.lists(st.sampled_from((False,) * few + (True,)), **each)),
        **({"disk": draw(st.lists(st.integers(0, 99), **each))} if draw(st.booleans()) else {}),
    }
    return build(
        kind,
        "/somewhere",
        nodes=columns,
        links=dict(zip(("source", "target", "kind"), zip(*links, strict=True), strict=True))
        if links
        else {"source": [], "target": [], "kind": []},
        pins=dict(zip(("node", "name", "kind", "group", "count", "modified"), zip(*pins, strict=True), strict=True))
        if pins
        else {"node": []},
        notices=draw(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), max_size=3)),
    )


def same_rows(a: Snapshot, b: Snapshot) -> bool:
    """Whether two snapshots hold the same facts, though the words of their dictionaries may be in another order."""
    names = ("nodes", "links", "pins", "notices")
    rows = all(getattr(a, name).to_pydict() == getattr(b, name).to_pydict() for name in names)
    types = all(getattr(a, name).schema.equals(getattr(b, name).schema) for name in names)
    return rows and types and (a.kind, a.address, a.time, a.policy) == (b.kind, b.address, b.time, b.policy)
