"""Snapshots as data frames: one row for each blob, tag or link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.dominators import retained
from blobkit.analysis.firsts import first_rows, saved
from blobkit.analysis.named import frees_named
from blobkit.analysis.reach import closure_sizes, depth, live
from blobkit.protocols import as_snapshot
from blobkit.questions.columns import categorical, categories, keys, links_of, tags, times, words
from blobkit.questions.inputs.ages import parse_age
from blobkit.questions.inputs.masks import tag_index
from blobkit.questions.listing import STATUS, exclusive, judged, named_platforms, reaching, same_digest
from blobkit.snapshot.pins import named_nodes, tag_rows, versions
from blobkit.snapshot.references import LINK_KINDS
from blobkit.snapshot.tables import STORED, codes, ids, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from pandas.core.arrays.string_ import BaseStringArray as TextArray

    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.inputs.ages import Age
    from blobkit.snapshot.snapshot import Snapshot

    Column = Callable[[Snapshot, NDArray[np.int32]], object]

__all__ = ["STATUS", "frame_of", "links_frame", "status_codes", "tags_frame", "to_frame"]

_YES, _VIRTUAL = STORED.index("yes"), STORED.index("virtual")


def to_frame(  # noqa: PLR0913 (what to show is keyword-only)
    x: SupportsSnapshot | Address,
    *,
    columns: str | Sequence[str] | None = None,
    links: bool = False,
    absent: bool = False,
    virtual: bool = False,
    min_age: Age | None = None,
    storage_options: StorageOptions | None = None,
) -> pd.DataFrame:
    """Return one row for each stored blob, by digest (index `digest`, str, unique, sorted). Sizes are bytes.

    - `size refcount pins links_in links_out retained frees`: int64. `pins` and links are those that count under the
      policy; refcount = pins + links_in. `retained`: bytes that only this blob keeps, itself included (0 for garbage
      of a mark-and-sweep store); `frees`: bytes freed if all pins on it are dropped
    - `reachable`: bool; `depth`: int32, the fewest links from a root, -1 if none reaches it
    - `kind`: categorical; `status`: categorical (live, garbage, fresh, unknown); garbage is `fresh` if it is younger
      than `min_age` at the time of the snapshot ("24h"; by default this is not judged), and `unknown` if a manifest in
      use is unreadable
    - `platform`, `media_type`: str, "" unknown; `created` (what the image claims), `modified` (file or link):
      datetime64[us, UTC], NaT unknown; `tags`: tuple of the names on it, sorted

    - `disk`: int64, bytes that its files take on disk (blocks in use); only for stores whose nodes are files or
      directories with files (containerd, docker, containers-storage, huggingface, ollama)

    `columns` selects columns (only these are computed). Two more can be selected; they are not in the default:

    - `first_tag`: a name for a blob: among the names that reach it, the one with the smallest closure, ties by name; ""
      if no name reaches it
    - `saved`: bytes that sharing saves: the size of a layer, for each reachable manifest that uses it after the first
      (int64)

    `links` adds `links`: a tuple of the digests linked to. `absent` adds nodes that are referenced but not stored,
    `virtual` virtual nodes; both add the column `stored`. If `x` is an answer, return its main table. `storage_options`
    as in `scan`. Cost: nodes + links; 1M blobs and 8M links take about a second.

    >>> frame = blobkit.to_frame(demo.small())
    >>> frame.nlargest(2, "retained")["tags"].tolist()
    [('shop/worker:1',), ()]
    """
    frame = getattr(x, "frame", None)
    if isinstance(frame, pd.DataFrame):
        return frame
    snapshot = as_snapshot(x, storage_options=storage_options)
    stored = codes(snapshot.nodes["stored"])
    included = (stored == _YES) | ((stored == _VIRTUAL) if virtual else False)
    if absent:
        included |= (stored != _YES) & (stored != _VIRTUAL)
    nodes = np.flatnonzero(included).astype(np.int32)
    return frame_of(snapshot, nodes, columns, ["links"] * links + ["stored"] * (absent or virtual), min_age)


def frame_of(
    snapshot: Snapshot,
    nodes: NDArray[np.int32],
    columns: str | Sequence[str] | None = None,
    more: Sequence[str] = (),
    min_age: Age | None = None,
) -> pd.DataFrame:
    """Return the rows of these nodes, in this order, as `to_frame` does; ValueError for an unknown column."""
    known = _COLUMNS | {"status": lambda snapshot, nodes: categorical(status_codes(snapshot, nodes, min_age), STATUS)}
    if "disk" in snapshot.nodes.column_names:
        known = {"size": known["size"], "disk": _disk, **known}
    names = list(known) if columns is None else [columns] if isinstance(columns, str) else list(columns)
    names += [name for name in more if name not in names]
    available = known | {"first_tag": _first_tag, "saved": saved, "links": links_of, "stored": _stored}
    odd = [name for name in names if name not in available]
    if odd:
        msg = f"to_frame has no column {', '.join(map(repr, odd))}: it has {', '.join(available)}"
        raise ValueError(msg)
    index = pd.Index(keys(snapshot, nodes), name="digest")
    return pd.DataFrame({name: available[name](snapshot, nodes) for name in names}, index=index)


def tags_frame(x: SupportsSnapshot | Address, *, storage_options: StorageOptions | None = None) -> pd.DataFrame:
    """Return one row for each tag, by its full name (index `tag`, str, sorted; a name given twice has two rows).

    - `repo` (repository, "" for a plain tag), `version` (the rest of the full name), `digest`: str;
      `kind`: categorical; `platforms`: tuple of str; `created`, `modified` (of the tag, else of the blob). A blob
      with several names has several rows; `name` is the older name of `version`
    - `closure`: bytes that the tag reaches under the policy; `exclusive`: bytes freed if this name is dropped;
      `same_digest`: how many other names name the same digest: int64

    `storage_options` as in `scan`. Cost: the closures of different digests.

    >>> tags = blobkit.tags_frame(demo.small())
    >>> tags.loc["shop/web:1.0", ["closure", "exclusive"]].tolist()
    [6903, 1669]
    """
    snapshot = as_snapshot(x, storage_options=storage_options)
    pins = snapshot.pins
    rows = tag_rows(snapshot)
    node = named_nodes(snapshot)[rows]
    index = tag_index(snapshot)
    repo = pins["group"].take(rows).fill_null("").to_pandas().astype("str")
    version = pd.array(versions(index.tolist(), repo.tolist()), dtype="str")
    return pd.DataFrame(
        {
            "repo": repo.array,
            "version": version,
            "name": version,
            "digest": keys(snapshot, node),
            "kind": categories(snapshot, "kind", node),
            "platforms": named_platforms(snapshot, node),
            "created": times(snapshot, "created", node),
            "modified": _modified(snapshot, rows, node),
            "closure": closure_sizes(snapshot.graph, reaching(snapshot, rows)),
            "exclusive": exclusive(snapshot, rows),
            "same_digest": same_digest(snapshot, rows),
        },
        index=index.view(),  # the names, with a name of its own to change
    )


def links_frame(x: SupportsSnapshot | Address, *, storage_options: StorageOptions | None = None) -> pd.DataFrame:
    """Return one row for each link that counts under the policy: `source`, `target` (str), `kind` (categorical).

    Virtual nodes are sources too, if the policy counts their links. If a manifest names a blob in two positions (as
    config and as layer), there is a row for each. Sorted by source, target, kind. `storage_options` as in `scan`.
    Cost: links.

    >>> blobkit.links_frame(demo.small())["kind"].value_counts().head(3).to_dict()
    {'layer': 29, 'config': 10, 'child': 2}
    """
    snapshot = as_snapshot(x, storage_options=storage_options)
    kind = codes(snapshot.links["kind"])
    counts = snapshot.counted
    source, target = (ids(snapshot.links[end])[counts] for end in ("source", "target"))
    return pd.DataFrame(
        {
            "source": keys(snapshot, source),
            "target": keys(snapshot, target),
            "kind": categorical(kind[counts], LINK_KINDS),
        }
    )


def status_codes(snapshot: Snapshot, nodes: NDArray[np.int32], min_age: Age | None) -> NDArray[np.int64]:
    """Return live, garbage, fresh or unknown, as positions in STATUS; nothing is fresh if no age is given."""
    status = judged(snapshot, nodes)
    if min_age is not None:
        oldest = pd.Timestamp(snapshot.time) - parse_age(min_age)
        status[(status == 1) & np.asarray(times(snapshot, "modified", nodes) > oldest)] = 2
    return status


def _disk(snapshot: Snapshot, nodes: NDArray[np.int32]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = numbers(snapshot.nodes["disk"])[nodes]
    return found


def _stored(snapshot: Snapshot, nodes: NDArray[np.int32]) -> pd.Categorical[str]:
    return categories(snapshot, "stored", nodes)


_COLUMNS: dict[str, Column] = {
    "size": lambda snapshot, nodes: snapshot.graph.size[nodes],
    "refcount": lambda snapshot, nodes: (snapshot.graph.pins + snapshot.graph.links_in)[nodes],
    "pins": lambda snapshot, nodes: snapshot.graph.pins[nodes].astype(np.int64),
    "links_in": lambda snapshot, nodes: snapshot.graph.links_in[nodes],
    "links_out": lambda snapshot, nodes: np.diff(snapshot.graph.indptr)[nodes].astype(np.int64),
    "retained": lambda snapshot, nodes: retained(snapshot.graph)[nodes],
    "frees": lambda snapshot, nodes: frees_named(snapshot)[nodes],
    "reachable": lambda snapshot, nodes: live(snapshot.graph)[nodes],
    "depth": lambda snapshot, nodes: depth(snapshot.graph)[nodes],
    "kind": lambda snapshot, nodes: categories(snapshot, "kind", nodes),
    "platform": lambda snapshot, nodes: words(snapshot, "platform", nodes),
    "media_type": lambda snapshot, nodes: words(snapshot, "media_type", nodes),
    "created": lambda snapshot, nodes: times(snapshot, "created", nodes),
    "modified": lambda snapshot, nodes: times(snapshot, "modified", nodes),
    "tags": tags,
}


def _first_tag(snapshot: Snapshot, nodes: NDArray[np.int32]) -> TextArray[None]:
    names: TextArray[None] = pd.array(snapshot.pins["name"].to_pandas(), dtype="str")
    return names.take(first_rows(snapshot)[nodes], allow_fill=True, fill_value="")


def _modified(snapshot: Snapshot, rows: NDArray[np.int64], node: NDArray[np.int32]) -> pd.DatetimeIndex:
    """Return the time when each tag was set, if the store records it; else when its blob was modified."""
    own = pd.Series(pd.DatetimeIndex(snapshot.pins["modified"].take(rows).to_pandas()))
    return pd.DatetimeIndex(own.fillna(pd.Series(times(snapshot, "modified", node))))
