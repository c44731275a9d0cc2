"""Bytes that names free together: the cover of names that may be dropped, and the error for impossible goals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.certainty import conservative_graph
from blobkit.analysis.covers import cover
from blobkit.analysis.dominators import leaked
from blobkit.analysis.reach import closure, unknown
from blobkit.errors import Hint, InfeasiblePlanError
from blobkit.present.cells import NAME_SHOWN
from blobkit.questions.columns import keys
from blobkit.render import count, human_bytes, join_some, truncate
from blobkit.snapshot.lookups import hidden_parts
from blobkit.snapshot.sets import both, unique
from blobkit.snapshot.tables import ids, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from blobkit.analysis.covers import Cover
    from blobkit.questions.planning.candidates import Rules

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
    return cover(graph, _alone(found, candidates), start, names.roots_of(candidates), cost)


def _alone(found: Rules, dropped: Bools) -> Bools:
    """Return the nodes that only these names hold."""
    snapshot = found.names.snapshot
    pins = snapshot.pins
    nameless = snapshot.holding & (numbers(pins["count"]) > 0) & np.asarray(pins["name"].is_null())
    held = [found.names.roots_of(~dropped), ids(pins["node"])[nameless], np.flatnonzero(leaked(snapshot.graph))]
    return closure(conservative_graph(snapshot), unique(np.concatenate(held)).astype(np.int32)) < 0


def infeasible(
    found: Rules,
    needed: int,
    possible: int,
    is_over: Callable[[], bool] = lambda: False,
    say: Callable[[str], object] = lambda _: None,
) -> InfeasiblePlanError:
    """Return the error with the possible bytes, and the additional bytes without each of the strictest rules.

    Rules are tried until `is_over`; how many are not tried is told. `say` is called with a text for each.
    """
    say("no rules")
    freely = _possible(found, np.ones(len(found.names.frame), np.bool_))
    held: list[tuple[int, str]] = []
    reasons = [reason for reason, which in found.spared.items() if len(which)]
    for reason in reasons[:REASONS_TRIED]:
        if is_over():
            break
        say(f"without rule {len(held) + 1} of {len(reasons)}")
        held.append((_more(found, reason, possible), reason))
    untried = len(reasons) - len(held)
    costly = [(f"{human_bytes(more)} more", why) for more, why in sorted(held)[::-1] if more][:REASONS_SHOWN]
    spared = [f"not tried: {count(untried, 'rule')}"] if untried else []
    spared += [f"{human_bytes(freely)} if nothing were spared"] if found.spared else []
    spared += _unseen(found)
    steps = [
        join_some([*(f"{more} without {_rule(why, shell=shell)}" for more, why in costly), *spared])
        for shell in (False, True)
    ]
    asked, can = (f"{human_bytes(size)} ({size:,} bytes)" for size in (needed, possible))
    msg = f"{asked} cannot be freed: at most {can} can"
    return InfeasiblePlanError(msg, hint=Hint(*steps) if spared else None, possible=possible, needed=needed)


def _unseen(found: Rules) -> list[str]:
    """Return what a registry does not show, so that no byte is certain."""
    snapshot = found.names.snapshot
    parts = [one for one in keys(snapshot, unknown(snapshot.graph)) if one in hidden_parts(snapshot)]
    return [f"only what is certain counts, and {join_some(parts, 3)} may hold the same blobs"] * bool(parts)


def _rule(why: str, *, shell: bool) -> str:
    """Return a reason to spare a name, and the argument or option that it comes from."""
    shown = f"'{truncate(why, NAME_SHOWN)}'"
    name = next((name for start, name in _GIVEN_BY.items() if why.startswith(start)), "")
    return f"{shown} ({f'--{name}'.replace('_', '-') if shell else name})" if name else shown


def _more(found: Rules, reason: str, possible: int) -> int:
    only = both(found.spared[reason], np.flatnonzero(found.number == 1))
    dropped = found.candidates
    dropped[only] = True
    return _possible(found, dropped) - possible


def _possible(found: Rules, dropped: Bools) -> int:
    """Return the bytes that are certainly freed when all these names are dropped."""
    graph = conservative_graph(found.names.snapshot)
    goes = _alone(found, dropped) & (closure(graph, unique(found.names.roots_of(dropped))) >= 0)
    return int(graph.size[goes].sum())
