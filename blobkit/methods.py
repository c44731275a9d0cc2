"""The questions of blobkit as methods of stores and snapshots, so that TAB finds them.

Each method is the function of the same name, `blobkit.usage(x)` for `x.usage()`, which has the whole documentation and
examples. The functions are above this file: whoever knows them says so with `answer_with`, and their modules are loaded
when they are called. A test compares signatures and first lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import networkx as nx
    import pandas as pd

    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.asking.ages import Age
    from blobkit.questions.asking.choosing import Where
    from blobkit.questions.asking.grouping import By
    from blobkit.questions.asking.sizes import Size
    from blobkit.questions.asking.targets import Targets
    from blobkit.questions.audit import Audit
    from blobkit.questions.comparison import Comparison
    from blobkit.questions.diff import Diff
    from blobkit.questions.plan import Plan
    from blobkit.questions.preview import Preview
    from blobkit.questions.sharing import Sharing
    from blobkit.questions.usage import Usage
    from blobkit.questions.why import Why

__all__ = ["Frames", "Previews", "Questions", "answer_with"]

_finders: list[Callable[[str], Callable[..., Any]]] = []


def answer_with(finder: Callable[[str], Callable[..., Any]]) -> None:
    """Make `finder` what finds the function that answers a question; methods know no other way to one."""
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
        """Return one row a stored blob, by digest (index `digest`, str, unique, sorted). Sizes are bytes.

        More in `help(blobkit.to_frame)`.
        """
        shown = {"links": links, "absent": absent, "virtual": virtual}
        frame: pd.DataFrame = _function("to_frame")(self, columns=columns, min_age=min_age, **shown)
        return frame

    def tags_frame(self) -> pd.DataFrame:
        """Return one row a tag, by its full name (index `tag`, str, sorted; a name given twice has two rows).

        More in `help(blobkit.tags_frame)`.
        """
        frame: pd.DataFrame = _function("tags_frame")(self)
        return frame

    def links_frame(self) -> pd.DataFrame:
        """Return one row a link that counts under the policy: `source`, `target` (keys, str), `kind` (categorical).

        More in `help(blobkit.links_frame)`.
        """
        frame: pd.DataFrame = _function("links_frame")(self)
        return frame

    def untagged_frame(self, *, min_age: Age = "24h") -> pd.DataFrame:
        """Return one row a stored manifest that no tag of its repository names, by repository, then by digest.

        More in `help(blobkit.untagged_frame)`.
        """
        frame: pd.DataFrame = _function("untagged_frame")(self, min_age=min_age)
        return frame

    def growth(self) -> pd.DataFrame:
        """Return one row a month (index `month`, a Period), from the first to the last in which a blob was modified.

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
        """Return what counts under the policy as a directed graph from each blob to what it links to.

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
    """The answers too, as methods."""

    def usage(self, by: By = "tag", *, where: Where | None = None, policy: str | None = None) -> Usage:
        """Return what uses the space, by group; the shares add up to the stored bytes, exactly.

        More in `help(blobkit.usage)`.
        """
        answer: Usage = _function("usage")(self, by, where=where, policy=policy)
        return answer

    def why(self, blob: str, *, policy: str | None = None) -> Why:
        """Return why a blob is still there: what holds it under the policy, and how to let it go.

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
        cost: pd.Series | None = None,
        policy: str | None = None,
        time_limit: float = 30.0,
        untagged: bool = False,
        groups: Targets = (),
        progress: bool = True,
    ) -> Plan:
        """Return the names that cost least to drop, so that at least `free` bytes go, or at most `until` stay stored.

        More in `help(blobkit.plan)`.
        """
        goal = {"free": free, "until": until, "cost": cost, "time_limit": time_limit}
        spared = {"keep": keep, "older_than": older_than, "keep_last": keep_last}
        what = {"untagged": untagged, "groups": groups, "policy": policy, "progress": progress}
        answer: Plan = _function("plan")(self, **goal, **spared, **what)
        return answer

    def sharing(self, by: By = "repo", *, policy: str | None = None) -> Sharing:
        """Return which groups share how much: bytes by the exact set of groups that reach them.

        More in `help(blobkit.sharing)`.
        """
        answer: Sharing = _function("sharing")(self, by, policy=policy)
        return answer

    def diff(self, after: SupportsSnapshot | Address, *, by: By = "tag", policy: str | None = None) -> Diff:
        """Return what changed from one snapshot to another of the same kind of store, under the same policy.

        More in `help(blobkit.diff)`.
        """
        answer: Diff = _function("diff")(self, after, by=by, policy=policy)
        return answer

    def audit(self, *, min_age: Age = "24h", top: int = 10, policy: str | None = None) -> Audit:
        """Return what is wrong in a store or takes space for nothing, the gravest first, with advice.

        More in `help(blobkit.audit)`.
        """
        answer: Audit = _function("audit")(self, min_age=min_age, top=top, policy=policy)
        return answer

    def compare_gc(self, tool: str) -> Comparison:
        """Return what the garbage collector of a tool removes, what of it a name still needs, which names would break.

        More in `help(blobkit.compare_gc)`.
        """
        answer: Comparison = _function("compare_gc")(self, tool)
        return answer


class Previews(Questions):
    """All of them, and the preview: a store has a verb of that name."""

    def simulate_deref(
        self,
        *targets: Targets,
        groups: Targets = (),
        all_pins: bool = False,
        untagged: bool = False,
        policy: str | None = None,
    ) -> Preview:
        """Return what would go if these references were dropped together; nothing is written anywhere.

        More in `help(blobkit.simulate_deref)`.
        """
        how = {"groups": groups, "all_pins": all_pins, "untagged": untagged, "policy": policy}
        answer: Preview = _function("simulate_deref")(self, *targets, **how)
        return answer
