"""Bytes that names free together: the cover of names that may be dropped, and the error for impossible goals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.certainty import conservative_graph
from blobkit.analysis.covers import cover
from blobkit.analysis.dominators import leaked
from blobkit.analysis.reach import closure
from blobkit.errors import Hint, InfeasiblePlanError
from blobkit.present.cells import NAME_SHOWN
from blobkit.questions.hidden import hidden_in_use, to_see, unread_in_use
from blobkit.render import abbreviate, count, human_bytes, join_some, truncate
from blobkit.snapshot.sets import both, unique
from blobkit.snapshot.tables import ids, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from blobkit.analysis.covers import Cover
    from blobkit.questions.planning.candidates import Rules
    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.snapshot import Snapshot

    Bools = NDArray[np.bool_]

__all__ = ["cover_of", "infeasible"]

REASONS_TRIED = 20
REASONS_SHOWN = 3
_GIVEN_BY = {"not older than": "older_than", "among the last": "keep_last"}
"""The argument that a reason comes from, by the start of the reason; reasons of `keep` name it themselves."""


def cover_of(found: Rules, cost: NDArray[np.float64]) -> Cover:
    """Return the cover of the candidates; names that are spared are in no class."""
    names, candidates = found.names, found.candidates
    graph = conservative_graph(found.names.snapshot)
    number = np.where(candidates, np.diff(names.start), 0)
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(number)))
    return cover(graph, _alone(found, candidates, graph), start, names.roots_of(candidates), cost)


def _alone(found: Rules, dropped: Bools, graph: ReferenceGraph) -> Bools:
    """Return the nodes that only these names hold in a graph of the references."""
    snapshot = found.names.snapshot
    pins = snapshot.pins
    nameless = snapshot.holding & (numbers(pins["count"]) > 0) & np.asarray(pins["name"].is_null())
    held = [found.names.roots_of(~dropped), ids(pins["node"])[nameless], np.flatnonzero(leaked(snapshot.graph))]
    return closure(graph, unique(np.concatenate(held)).astype(np.int32)) < 0


def infeasible(
    found: Rules,
    needed: int,
    possible: int,
    is_over: Callable[[], bool] = lambda: False,
    say: Callable[[str], object] = lambda _: None,
) -> InfeasiblePlanError:
    """Return the error with the possible bytes, and the additional bytes without each of the strictest rules.

    Where something is hidden or unread whatever is dropped, these are upper bounds. Rules are tried until `is_over`;
    how many are not tried is told. `say` is called with a text for each.
    """
    say("no rules")
    every = np.ones(len(found.names.frame), np.bool_)
    freely, at_most = (_possible(found, every, certain=one) for one in (True, False))
    is_sure = freely == at_most
    bound = "" if is_sure else "at most "
    most = _possible(found, found.candidates, certain=False)
    held: list[tuple[int, str]] = []
    reasons = [reason for reason, which in found.spared.items() if len(which)]
    for reason in reasons[:REASONS_TRIED]:
        if is_over():
            break
        say(f"without rule {len(held) + 1} of {len(reasons)}")
        held.append((_without(found, reason, certain=is_sure) - (possible if is_sure else most), reason))
    untried = len(reasons) - len(held)
    costly = [(f"{bound}{human_bytes(more)} more", why) for more, why in sorted(held)[::-1] if more][:REASONS_SHOWN]
    spared = [f"not tried: {count(untried, 'rule')}"] if untried else []
    spared += [f"{bound}{human_bytes(at_most)} if nothing were spared"] if found.spared else []
    steps = [
        join_some([*(f"{more} without {_rule(why, shell=shell)}" for more, why in costly), *spared])
        for shell in (False, True)
    ]
    doubts = None if is_sure and most == possible else _doubts(found.names.snapshot)
    return _error(needed, possible, most, steps, doubts)


def _error(needed: int, possible: int, at_most: int, steps: list[str], doubts: Hint | None) -> InfeasiblePlanError:
    """Return the error with these steps in the words of Python and of the shell, the doubts first."""
    asked, sure, most = (f"{human_bytes(size)} ({size:,} bytes)" for size in (needed, possible, at_most))
    msg = f"{asked} cannot be freed: at most {most} can"
    if at_most > possible:
        doubtful = f"{asked} cannot be freed for certain: {sure} can, and at most {most}"
        msg = f"{msg}, {sure} for certain" if needed > at_most else doubtful
    before = (doubts.python, doubts.shell) if doubts else ("", "")
    steps = ["; ".join(filter(None, pair)) for pair in zip(before, steps, strict=True)]
    hint = Hint(*steps) if any(steps) else None
    return InfeasiblePlanError(msg, hint=hint, possible=possible, needed=needed, at_most=at_most)


def _doubts(snapshot: Snapshot) -> Hint:
    """Return why less is certain than possible, and what to do about it."""
    hidden, unread, see = hidden_in_use(snapshot), unread_in_use(snapshot), to_see(snapshot)
    why = [f"{join_some(hidden, 3)} may hold the same blobs"] if hidden else []
    why += [f"the links of {join_some([abbreviate(one) for one in unread], 3)} cannot be read"] if unread else []
    why = why or ["some sizes are estimates, which audit explains"]
    steps = zip((see.python, see.shell) if see else ("", ""), ("simulate_deref", "blobkit simulate"), strict=True)
    return Hint(
        *("; ".join([*why, *filter(None, [one]), f"{tool} shows what names free at most"]) for one, tool in steps)
    )


def _rule(why: str, *, shell: bool) -> str:
    """Return a reason to spare a name, and the argument or option that it comes from."""
    shown = f"'{truncate(why, NAME_SHOWN)}'"
    name = next((name for start, name in _GIVEN_BY.items() if why.startswith(start)), "")
    return f"{shown} ({f'--{name}'.replace('_', '-') if shell else name})" if name else shown


def _without(found: Rules, reason: str, *, certain: bool) -> int:
    """Return the bytes that are freed without a reason to spare names: certainly, or at most."""
    only = both(found.spared[reason], np.flatnonzero(found.number == 1))
    dropped = found.candidates
    dropped[only] = True
    return _possible(found, dropped, certain=certain)


def _possible(found: Rules, dropped: Bools, *, certain: bool = True) -> int:
    """Return the bytes that are freed when all these names are dropped: certainly, or at most."""
    snapshot = found.names.snapshot
    graph = conservative_graph(snapshot) if certain else snapshot.graph
    goes = _alone(found, dropped, graph) & (closure(graph, unique(found.names.roots_of(dropped))) >= 0)
    return int(graph.size[goes].sum())
