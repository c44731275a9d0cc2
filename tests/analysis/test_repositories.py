"""Reach within repositories against sets and repeated passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.analysis.repositories import levels, members, pack, referrers, repositories, spread
from blobkit.snapshot.snapshot import Snapshot, build
from layouts import nowhere

Links = set[tuple[int, int]]


def registry(kinds: list[str], child: Links, subject: Links, manifests: Links, tags: Links) -> Snapshot:
    """A registry of documents and layers: (repository, node) for each manifest and tag."""
    virtual = sorted(manifests)
    place = {pair: len(kinds) + i for i, pair in enumerate(virtual)}
    keys = [nowhere(node) for node in range(len(kinds))] + [f"r{repo}@{nowhere(node)}" for repo, node in virtual]
    links = [(a, b, "child") for a, b in child] + [(a, b, "subject") for a, b in subject]
    links += [(place[pair], pair[1], "revision") for pair in virtual]
    pins = [(place[pair], f"r{pair[0]}@{nowhere(pair[1])}", "revision", f"r{pair[0]}") for pair in virtual]
    pins += [(node, f"r{repo}:{node}", "tag", f"r{repo}") for repo, node in sorted(tags)]
    return build(
        "registry",
        "made",
        nodes={
            "key": keys,
            "size": [1] * len(kinds) + [0] * len(virtual),
            "kind": [*kinds, *["unknown"] * len(virtual)],
            "stored": ["yes"] * len(kinds) + ["virtual"] * len(virtual),
        },
        links=dict(zip(("source", "target", "kind"), map(list, zip(*links, strict=True)), strict=True))
        if links
        else {"source": [], "target": []},
        pins=dict(zip(("node", "name", "kind", "group"), map(list, zip(*pins, strict=True)), strict=True))
        if pins
        else {"node": []},
    )


@st.composite
def registries(draw: st.DrawFn) -> tuple[Snapshot, list[str], Links, Links, Links, Links]:
    kinds = draw(st.lists(st.sampled_from(["manifest", "index", "layer"]), min_size=1, max_size=7))
    nodes = st.integers(0, len(kinds) - 1)
    pairs, some = st.tuples(nodes, nodes), st.tuples(st.integers(0, 2), nodes)
    child, subject, manifests, tags = (draw(st.sets(one, max_size=9)) for one in (pairs, pairs, some, some))
    return registry(kinds, child, subject, manifests, tags), kinds, child, subject, manifests, tags


@pytest.mark.slow
@given(registries())
def test_what_is_reached_within_a_repository(case: tuple[Snapshot, list[str], Links, Links, Links, Links]) -> None:
    snapshot, kinds, child, subject, manifests, tags = case
    known = repositories(snapshot)
    named = {name: code for code, name in enumerate(known.names)}

    def packed(pairs: Links) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        code = np.array([named[f"r{repo}"] for repo, _ in sorted(pairs)], np.int64)
        return pack(code, np.array([snapshot.find(nowhere(node)) for _, node in sorted(pairs)], np.int64))

    assert set(known.pair.tolist()) == set(packed(manifests).tolist())
    rows = known.rows_of(packed(manifests)).tolist()
    assert [snapshot.pins["name"][row].as_py() for row in rows] == [f"r{r}@{nowhere(n)}" for r, n in sorted(manifests)]
    assert set(known.rows_of(packed(tags - manifests)).tolist()) <= {-1}
    documents = {node for node, kind in enumerate(kinds) if kind != "layer"} | {node for _, node in manifests}
    for within in (None, manifests):
        found = set(tags)
        while True:
            more = {(r, b) for r, n in found for a, b in child if a == n and b in documents}
            more |= {(r, a) for r, n in found for a, b in subject if b == n}
            more = {pair for pair in more if within is None or pair in within} - found
            if not more:
                break
            found |= more
        bound = None if within is None else packed(within)
        pairs, origin = spread(packed(tags), members(snapshot), referrers(snapshot), within=bound)
        assert len(pairs) == len(set(pairs.tolist()))
        known_too = {pair for pair in found if f"r{pair[0]}" in named}
        assert set(pairs.tolist()) == set(packed(known_too).tolist())
        assert all(0 <= at < len(tags) for at in origin.tolist())
        assert (pairs >> 32 == packed(tags)[origin] >> 32).all()


@pytest.mark.slow
@given(registries())
def test_parents_come_before_what_they_contain(case: tuple[Snapshot, list[str], Links, Links, Links, Links]) -> None:
    snapshot, _, child, _, manifests, _ = case
    forward = {(a, b) for a, b in child if a < b}
    snapshot = registry(["manifest"] * 7, forward, set(), manifests, set())
    pairs = repositories(snapshot).pair
    level = dict(zip(pairs.tolist(), levels(pairs, members(snapshot)).tolist(), strict=True))
    for pair, own in level.items():
        above = [
            level[other]
            for other in level
            if other >> 32 == pair >> 32
            and any(
                (snapshot.key(other & 0xFFFFFFFF), snapshot.key(pair & 0xFFFFFFFF)) == (nowhere(a), nowhere(b))
                for a, b in forward
            )
        ]
        assert own == max(above, default=-1) + 1
