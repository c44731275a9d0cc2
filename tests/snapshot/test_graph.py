"""The graph of a policy against its links as a set of pairs, built in small pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.snapshot import sets
from blobkit.snapshot.snapshot import build
from layouts import nowhere

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

Links = list[tuple[int, int, str]]
N = 4
KINDS = ("config", "layer", "child", "mark", "revision")
links = st.lists(
    st.tuples(st.integers(0, N - 1), st.integers(0, N - 1), st.sampled_from(KINDS)), max_size=25, unique=True
)


def registry(some: Links, opaque: list[bool], pinned: list[int]) -> Snapshot:
    source, target, kind = ([link[part] for link in some] for part in range(3))
    return build(
        "registry",
        "x",
        nodes={"key": [nowhere(i) for i in range(N)], "size": [1] * N, "opaque": opaque},
        links={"source": source, "target": target} | ({"kind": kind} if kind else {}),
        pins={"node": pinned, "name": [f"r:{node}" for node in pinned], "kind": ["tag"] * len(pinned)}
        if pinned
        else {"node": []},
    )


@pytest.mark.slow
@given(
    links,
    st.lists(st.booleans(), min_size=N, max_size=N),
    st.lists(st.integers(0, N - 1), unique=True),
    st.integers(1, 30),
)
def test_the_links_of_a_policy_each_pair_once(some: Links, opaque: list[bool], pinned: list[int], piece: int) -> None:
    snapshot = registry(some, opaque, pinned)
    for policy in snapshot.policies:
        seen = snapshot.with_policy(policy)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sets, "_PIECE", piece)
            graph = seen.graph
        pairs = sorted({(a, b) for a, b, kind in some if kind in seen.rule.links})
        source = np.repeat(np.arange(N), np.diff(graph.indptr)).tolist()
        assert list(zip(source, graph.indices.tolist(), strict=True)) == pairs
        opened = {b for _, b, kind in some if kind in seen.rule.links - {"mark"} and not seen.rule.complete}
        held = set(pinned) if "tag" in seen.rule.pins else set()
        assert graph.opaque.tolist() == [opaque[node] and (node in held or node in opened) for node in range(N)]


def test_links_are_not_copied_where_all_of_them_count_once() -> None:
    plain = registry([(0, 1, "layer"), (0, 2, "layer")], [False] * N, [0])
    assert np.shares_memory(plain.graph.indices, np.asarray(plain.links["target"].chunk(0)))
    twice = registry([(0, 1, "layer"), (0, 1, "config")], [False] * N, [0])
    assert twice.graph.indices.tolist() == [1]
