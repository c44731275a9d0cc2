"""The questions of blobkit as methods of stores and snapshots, so that TAB finds them.

Each method calls the function of the same name: `x.usage()` is `blobkit.usage(x)`. The function has the full
documentation and examples. `storage_options` are taken where another address is given: what has methods is no
address. This file may not import the functions: a module above registers a finder with
`answer_with`, and their modules are loaded when they are called. A test compares signatures and first lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    import networkx as nx
    import pandas as pd

    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.audit import Audit
    from blobkit.questions.comparison import Comparison
    from blobkit.questions.diff import Diff
    from blobkit.questions.inputs.ages import Age
    from blobkit.questions.inputs.choosing import Where
    from blobkit.questions.inputs.grouping import By
    from blobkit.questions.inputs.sizes import Size
    from blobkit.questions.inputs.targets import Targets
    from blobkit.questions.plan import Plan
    from blobkit.questions.preview import Preview
    from blobkit.questions.sharing import Sharing
    from blobkit.questions.usage import Usage
    from blobkit.questions.what_if import WhatIf
    from blobkit.questions.why import Why
    from blobkit.views.explorer.widget import Explorer
    from blobkit.views.report.report import Report

__all__ = ["Frames", "Previews", "Questions", "answer_with"]

_finders: list[Callable[[str], Callable[..., Any]]] = []


def answer_with(finder: Callable[[str], Callable[..., Any]]) -> None:
    """Register the `finder` that returns the function for a question; methods use only this."""
    _finders[:] = [finder]


def _function(name: str) -> Callable[..., Any]:
    return _finders[0](name)


class Frames:
    """The data frames and graphs of a store or snapshot as methods."""

    def to_frame(
        self,
        *,
        columns: str | Sequence[str] | None = None,
        links: bool = False,
        absent: bool = False,
        virtual: bool = False,
        min_age: Age | None = None,
    ) -> pd.DataFrame:
        """Return one row for each stored blob, by digest (index `digest`, str, unique, sorted). Sizes are bytes.

        More in `help(blobkit.to_frame)`.
        """
        shown = {"links": links, "absent": absent, "virtual": virtual}
        frame: pd.DataFrame = _function("to_frame")(self, columns=columns, min_age=min_age, **shown)
        return frame

    def tags_frame(self) -> pd.DataFrame:
        """Return one row for each tag, by its full name (index `tag`, str, sorted; a name given twice has two rows).

        More in `help(blobkit.tags_frame)`.
        """
        frame: pd.DataFrame = _function("tags_frame")(self)
        return frame

    def links_frame(self) -> pd.DataFrame:
        """Return one row for each link that counts under the policy: `source`, `target` (str), `kind` (categorical).

        More in `help(blobkit.links_frame)`.
        """
        frame: pd.DataFrame = _function("links_frame")(self)
        return frame

    def untagged_frame(self, *, min_age: Age = "24h") -> pd.DataFrame:
        """Return one row for each stored manifest that no tag of its repository names, by repository and digest.

        More in `help(blobkit.untagged_frame)`.
        """
        frame: pd.DataFrame = _function("untagged_frame")(self, min_age=min_age)
        return frame

    def growth(self) -> pd.DataFrame:
        """Return one row for each month (index `month`, a Period) from the first to the last modification of a blob.

        More in `help(blobkit.growth)`, which takes several snapshots too.
        """
        frame: pd.DataFrame = _function("growth")(self)
        return frame

    def reach(
        self, target: Targets, *, columns: str | Sequence[str] | None = None, policy: str | None = None
    ) -> pd.DataFrame:
        """Return the rows of `to_frame` that a target reaches by links that count, with `depth` from the target.

        More in `help(blobkit.reach)`.
        """
        frame: pd.DataFrame = _function("reach")(self, target, columns=columns, policy=policy)
        return frame

    def to_graph(self) -> nx.DiGraph[str]:
        """Return the blobs and the links that count under the policy as a directed graph.

        More in `help(blobkit.to_graph)`.
        """
        graph: nx.DiGraph[str] = _function("to_graph")(self)
        return graph

    def graph_view(self) -> nx.DiGraph[str]:
        """Return the same graph as `to_graph`, read-only, over the arrays of the snapshot.

        More in `help(blobkit.graph_view)`.
        """
        graph: nx.DiGraph[str] = _function("graph_view")(self)
        return graph


class Questions(Frames):
    """The answers, as methods."""

    def usage(self, by: By = "tag", *, where: Where | None = None, policy: str | None = None) -> Usage:
        """Return what uses the space, by group; the shares add up to the stored bytes, exactly.

        More in `help(blobkit.usage)`.
        """
        answer: Usage = _function("usage")(self, by, where=where, policy=policy)
        return answer

    def why(self, blob: str, *, policy: str | None = None) -> Why:
        """Return why a blob is still stored: what holds it under the policy, and how to free it.

        More in `help(blobkit.why)`.
        """
        answer: Why = _function("why")(self, blob, policy=policy)
        return answer

    def plan(  # noqa: PLR0913 (what is wanted is keyword-only)
        self,
        *,
        free: Size | None = None,
        until: Size | None = None,
        keep: Targets = (),
        older_than: Age | None = None,
        keep_last: int | None = None,
        age_by: str = "modified",
        cost: pd.Series | None = None,
        policy: str | None = None,
        time_limit: float = 30.0,
        untagged: bool = False,
        groups: Targets = (),
        progress: bool = True,
    ) -> Plan:
        """Return the cheapest names to drop that free at least `free` bytes, or leave at most `until` bytes stored.

        More in `help(blobkit.plan)`.
        """
        goal = {"free": free, "until": until, "cost": cost, "time_limit": time_limit}
        spared = {"keep": keep, "older_than": older_than, "keep_last": keep_last, "age_by": age_by}
        what = {"untagged": untagged, "groups": groups, "policy": policy, "progress": progress}
        answer: Plan = _function("plan")(self, **goal, **spared, **what)
        return answer

    def sharing(self, by: By = "repo", *, policy: str | None = None) -> Sharing:
        """Return the bytes that groups share: bytes by the exact set of groups that reach them.

        More in `help(blobkit.sharing)`.
        """
        answer: Sharing = _function("sharing")(self, by, policy=policy)
        return answer

    def diff(
        self,
        after: SupportsSnapshot | Address,
        *,
        by: By = "tag",
        policy: str | None = None,
        storage_options: StorageOptions | None = None,
    ) -> Diff:
        """Return the changes from one snapshot to another of the same kind of store, under the same policy.

        More in `help(blobkit.diff)`.
        """
        answer: Diff = _function("diff")(self, after, by=by, policy=policy, storage_options=storage_options)
        return answer

    def audit(self, *, min_age: Age = "24h", top: int = 10, policy: str | None = None) -> Audit:
        """Return the problems of a store and its wasted space, the most severe first, with advice.

        More in `help(blobkit.audit)`.
        """
        answer: Audit = _function("audit")(self, min_age=min_age, top=top, policy=policy)
        return answer

    def explore(self, *, policy: str | None = None) -> Explorer:
        """Return a widget to tick tags and to see what dropping them frees, exactly; it deletes nothing.

        More in `help(blobkit.explore)`.
        """
        widget: Explorer = _function("explore")(self, policy=policy)
        return widget

    def what_if(self, *, policy: str | None = None) -> WhatIf:
        """Return the names of a store to tick: what dropping them would free, and each other name in addition.

        More in `help(blobkit.what_if)`.
        """
        answer: WhatIf = _function("what_if")(self, policy=policy)
        return answer

    def report(  # noqa: PLR0913 (what is wanted is keyword-only)
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        policy: str | None = None,
        before: SupportsSnapshot | Address | None = None,
        min_age: Age = "24h",
        progress: bool = True,
        storage_options: StorageOptions | None = None,
    ) -> Report:
        """Return a report about a store; if `path` is given, written there as one HTML page.

        More in `help(blobkit.report)`.
        """
        how = {"policy": policy, "before": before, "min_age": min_age, "progress": progress}
        answer: Report = _function("report")(self, path, **how, storage_options=storage_options)
        return answer

    def compare_gc(self, tool: str) -> Comparison:
        """Return the blobs that the garbage collector of a tool removes, and the names that would break.

        More in `help(blobkit.compare_gc)`.
        """
        answer: Comparison = _function("compare_gc")(self, tool)
        return answer


class Previews(Questions):
    """All of them, and the preview (a store has its own verb of that name)."""

    def simulate_deref(
        self,
        *targets: Targets,
        groups: Targets = (),
        all_pins: bool = False,
        untagged: bool = False,
        policy: str | None = None,
    ) -> Preview:
        """Return the blobs that dropping these references together would free; nothing is written anywhere.

        More in `help(blobkit.simulate_deref)`.
        """
        how = {"groups": groups, "all_pins": all_pins, "untagged": untagged, "policy": policy}
        answer: Preview = _function("simulate_deref")(self, *targets, **how)
        return answer
