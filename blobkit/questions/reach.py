"""The blobs that a target reaches, one row for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.reach import closure
from blobkit.protocols import as_snapshot
from blobkit.questions.frame import frame_of
from blobkit.questions.inputs.targets import nodes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.inputs.targets import Targets

__all__ = ["reach"]


def reach(
    x: SupportsSnapshot | Address,
    target: Targets,
    *,
    columns: str | Sequence[str] | None = None,
    policy: str | None = None,
    storage_options: StorageOptions | None = None,
) -> pd.DataFrame:
    """Return the rows of `to_frame` that a target reaches by links that count, with `depth` from the target.

    `target` is a name, a digest, a unique prefix of one, a pattern of names, a list of them, or a mask; `depth` (int32)
    is the fewest links from any of them, 0 for the named blobs. Sorted by depth, then by digest (index `digest`). A
    target may be garbage. `columns` picks columns of `to_frame`; `depth` comes first, always. `storage_options` as in
    `scan`. Errors: as `scan`, UnknownTargetError, AmbiguousTargetError, PatternError, InvalidDigestError,
    BlobNotFoundError, ValueError for an unknown column. Cost: the reached nodes, and the columns.

    >>> blobkit.reach(demo.small(), "shop/web:1.0", columns=["size", "kind"])["depth"].tolist()
    [0, 1, 1, 1, 1]
    """
    snapshot = as_snapshot(x, policy, storage_options)
    distance = closure(snapshot.graph, nodes_of(snapshot, target))
    nodes = np.flatnonzero((distance >= 0) & snapshot.graph.blob).astype(np.int32)
    nodes = nodes[np.lexsort((nodes, distance[nodes]))]
    frame = frame_of(snapshot, nodes, columns)
    frame = frame.drop(columns="depth", errors="ignore")
    frame.insert(0, "depth", distance[nodes])
    return frame
