"""The words of the explorer: the same as those of other pictures."""

from __future__ import annotations

import blobkit
from blobkit.analysis.tree import tree
from blobkit.questions.places import places_of
from blobkit.snapshot.snapshot import Snapshot, build
from blobkit.views.explorer.words import Words


def made(*names: str) -> Snapshot:
    nodes = {"key": [f"sha256:{i:064x}" for i in range(len(names))], "size": [1000] * len(names)}
    pins = {"node": list(range(len(names))), "name": list(names), "kind": "tag"}
    pins["group"] = [name.rpartition(":")[0] for name in names]
    return build("registry", "/x", nodes=nodes, links={"source": [], "target": []}, pins=pins)


def test_places_without_a_name_are_called_as_in_the_icicle() -> None:
    snapshot = made("app:1", "team/app:1", "team/web:1")
    words, places, all_of_them = Words(blobkit.what_if(snapshot)), places_of(snapshot), tree(snapshot)
    shown = [words.short(place) for place in range(len(all_of_them.parent))]
    assert shown == [places.name(place) for place in range(len(all_of_them.parent))]
    assert {"everything in use", "(no namespace)", "team/"} <= set(shown)
