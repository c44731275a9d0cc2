"""Columns of a snapshot's nodes as pandas arrays; wide columns stay in Arrow or numpy, without a Python loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.questions.listing import tags_of as tags
from blobkit.snapshot.columns import combine

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray
    from pandas.core.arrays.string_ import BaseStringArray as TextArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = [
    "categorical",
    "categories",
    "keys",
    "level_sums",
    "levels_frame",
    "links_of",
    "objects",
    "tags",
    "times",
    "words",
]


def keys(snapshot: Snapshot, nodes: NDArray[np.int32]) -> TextArray[None]:
    """Return the keys of these nodes as an array of str."""
    text: TextArray[None] = pd.array(_take(snapshot, "key", nodes), dtype="str")
    return text


def words(snapshot: Snapshot, column: str, nodes: NDArray[np.int32]) -> TextArray[None]:
    """Return a column with few distinct words as an array of str."""
    coded = _take(snapshot, column, nodes)
    text: TextArray[None] = pd.array(coded.cast(coded.type.value_type), dtype="str")
    return text


def categories(snapshot: Snapshot, column: str, nodes: NDArray[np.int32]) -> pd.Categorical[str]:
    """Return a column with a fixed vocabulary as a categorical; all words are categories."""
    coded = _take(snapshot, column, nodes)
    return categorical(np.asarray(coded.indices), coded.dictionary.to_pylist())


def categorical(codes: NDArray[np.integer], vocabulary: Sequence[str]) -> pd.Categorical[str]:
    """Return a categorical from positions in a vocabulary; all words are categories."""
    found: pd.Categorical[str] = pd.Categorical.from_codes(codes, list(vocabulary))  # type: ignore[call-overload]
    return found


def times(snapshot: Snapshot, column: str, nodes: NDArray[np.int32]) -> pd.DatetimeIndex:
    """Return a column of times as datetime64[us, UTC], NaT where unknown."""
    return pd.DatetimeIndex(_take(snapshot, column, nodes).to_pandas())


def links_of(snapshot: Snapshot, nodes: NDArray[np.int32]) -> NDArray[np.object_]:
    """Return for each of these nodes the keys that it links to, sorted, as a tuple."""
    graph = snapshot.graph
    targets = keys(snapshot, graph.indices).to_numpy()
    result = np.empty(len(nodes), object)
    result[:] = [tuple(targets[graph.indptr[node] : graph.indptr[node + 1]]) for node in nodes.tolist()]
    return result


def levels_frame(snapshot: Snapshot, nodes: NDArray[np.int32], level: NDArray[np.int32]) -> pd.DataFrame:
    """Return one row for each of these blobs (index `digest`): size, level, kind, tags."""
    columns = {
        "size": snapshot.graph.size[nodes],
        "level": level.astype(np.int64),
        "kind": categories(snapshot, "kind", nodes),
        "tags": tags(snapshot, nodes),
    }
    return pd.DataFrame(columns, index=pd.Index(keys(snapshot, nodes), name="digest"))


def level_sums(level: NDArray[np.int32], size: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Return how many of these blobs each level has, and their bytes."""
    sizes = np.zeros(int(level.max(initial=-1)) + 1, np.int64)
    np.add.at(sizes, level, size)
    return tuple(zip(np.bincount(level).tolist(), sizes.tolist(), strict=True))


def objects(items: Sequence[object]) -> NDArray[np.object_]:
    """Return a column of Python objects, such as tuples, which pandas must not take apart."""
    column = np.empty(len(items), object)
    column[:] = items
    return column


def _take(snapshot: Snapshot, column: str, nodes: NDArray[np.int32]) -> pa.Array:
    whole = combine(snapshot.nodes[column])
    is_all = len(nodes) == len(whole) and bool((nodes[1:] > nodes[:-1]).all())
    return whole if is_all else whole.take(nodes)
