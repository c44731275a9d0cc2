"""The explorer without a page: it does what requests ask, and answers with what is visible."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from blobkit.errors import BlobkitError
from blobkit.questions.headline import as_promised
from blobkit.questions.inputs.exact import places_named
from blobkit.questions.inputs.sizes import parse_size
from blobkit.questions.plan import plan
from blobkit.questions.row_columns import RowColumns
from blobkit.questions.rows import Rows, Ticks
from blobkit.questions.what_if import Ticked, WhatIf
from blobkit.render import count, human_bytes, printable
from blobkit.views.explorer.ages import ages
from blobkit.views.explorer.code import call, commands
from blobkit.views.explorer.freeing import give_back
from blobkit.views.explorer.packing import packed
from blobkit.views.explorer.picture import Picture
from blobkit.views.explorer.protocol import RequestError
from blobkit.views.explorer.result import AT_ONCE, Chip, result_of
from blobkit.views.explorer.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from blobkit.questions.rows import View
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.views.explorer.protocol import Act, Request

    Reply = dict[str, object]

__all__ = ["Session"]

WARMED = 20_000
"""Names above which figures for sorting are found in the background, and memory is given back."""
PLAN_SECONDS = 5.0


class Session:
    """The ticks of one store, what they mean, and the goal."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.what_if = WhatIf(snapshot)
        self.words = Words(self.what_if)
        self.columns = RowColumns(snapshot)
        self.rows = Rows(self.columns)
        self.picture = Picture(self.what_if, self.words)
        self.goal: int | None = None
        self._planned: NDArray[np.bool_] | None = None
        self._chip: Chip | None = None
        self._searched = ""
        self._turn, self._of = 0, self.what_if.now
        self._warming: Thread | None = None
        self._is_warm = self.columns.tree.names <= WARMED

    @property
    def ticks(self) -> Ticks:
        """The state of the ticks, for the rows."""
        now = self.what_if.now
        if now is not self._of:
            self._turn, self._of = self._turn + 1, now
        return Ticks(now.names, now.owners.bytes, now.owners.owner, self._turn)

    def answer(self, request: Request) -> tuple[Reply, list[bytes]]:
        """Do the acts of a request, and return what is visible then; RequestError before anything is done."""
        self._check(request)
        before, reply = self.what_if.now, {"to": request.ask, "seq": request.seq}
        for act in request.acts:
            reply |= self._do(act, request.view)
        changed = before is not self.what_if.now
        if changed or request.zoom or any(act.name in {"effects", "goal"} for act in request.acts):
            reply |= self._result(request)
        if request.zoom:
            reply["picture"] = self.picture.drawn(request.zoom, request.pixels).to_json()
        window = self.rows.window(request.view, self.ticks, request.start, request.number)
        listing = self.rows.listing(request.view, self.ticks)
        marked = int(np.count_nonzero(listing.shown & self.what_if.now.names))
        reply["rows"] = {
            "start": request.start,
            "n": len(window.label),
            "rows": len(listing.label),
            "matching": int(np.count_nonzero(listing.shown)),
            "marked": marked,
        }
        is_flat = request.view.flat
        return reply, packed(window, self.words, self.ticks, self.rows.nodes_from, is_flat=is_flat)

    def warm(self) -> None:
        """Find in the background what sorting and naming need, in large stores."""
        if self._warming is None and self.columns.tree.names > WARMED:
            self._warming = Thread(target=self._warm, daemon=True)
            self._warming.start()

    def rest(self) -> None:
        """Give memory back after an answer, in large stores."""
        if self.columns.tree.names > WARMED:
            give_back()

    def _warm(self) -> None:
        self._preview_one()
        self._is_warm = True
        self.words.warm()
        self.columns.closure  # noqa: B018 (it is kept)
        self.columns.repository_closure  # noqa: B018 (the same)
        self.rest()

    def _preview_one(self) -> None:
        """Work out the real effect of one name, to find what all effects need; nothing of it is kept."""
        first = np.flatnonzero(self.columns.tree.holds)[:1]
        preview = Ticked.nothing(self.what_if.snapshot).toggled(first).preview
        if preview is not None:
            as_promised(preview)

    def _check(self, request: Request) -> None:
        """Check the labels of all acts against the store, before anything is done."""
        end = self.columns.tree.first_namespace
        for act in request.acts:
            wrong = [label for label in act.labels if label >= end]
            if act.name in {"tick", "range"} and wrong:
                msg = f"there is no row {wrong[0]:,} to tick"
                raise RequestError(msg)
        if request.zoom:
            self.picture.check(request.zoom)

    def _do(self, act: Act, view: View) -> Reply:
        """Do one act; return what only it adds to the reply."""
        if act.name in {"code", "script"}:
            is_code = act.name == "code"
            text = call(self.what_if, self.columns, self._searched) if is_code else commands(self.what_if)
            return {"code": text, "what": act.name}
        if act.name == "goal":
            return self._set_goal(act.text, view)
        steps: dict[str, Callable[[], object]] = {
            "undo": self.what_if.undo,
            "redo": self.what_if.redo,
            "planned": self._tick_planned,
        }
        if act.name in steps:
            steps[act.name]()
        elif act.name != "effects":
            self._tick(self._chosen(act), on=act.on)
        return {}

    def _chosen(self, act: Act) -> NDArray[np.bool_]:
        """Return the names that an act ticks or unticks."""
        if act.name == "tick":
            return self._names(np.array(act.labels, np.int64))
        if act.name == "clear":
            return self.what_if.now.names
        shown = self.rows.shown(act.view, self.ticks)
        if act.name == "range":
            return shown & self._names(self.rows.between(act.view, self.ticks, *act.labels))
        self._searched = act.view.search if act.on else ""
        return shown

    def _names(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the names that hold among these labels: names, and all names of repositories."""
        tree = self.columns.tree
        chosen = np.zeros(tree.first_namespace, np.bool_)
        chosen[labels] = True
        return (chosen[: tree.names] | chosen[tree.names :][tree.repository]) & tree.holds

    def _tick(self, names: NDArray[np.bool_], *, on: bool) -> None:
        self.what_if.toggle(np.flatnonzero(names & (self.what_if.now.names != on)))

    def _tick_planned(self) -> None:
        """Tick exactly the names of the plan."""
        if self._planned is not None:
            self.what_if.toggle(np.flatnonzero(self._planned != self.what_if.now.names))

    def _set_goal(self, text: str, view: View) -> Reply:
        """Set the goal, and find the fewest names that reach it; return the reason if there are none."""
        self.goal = self._planned = self._chip = None
        if not text.strip():
            return {}
        try:
            self.goal = parse_size(text.strip())
            older = None if view.older is None else f"{view.older}d"
            found = plan(
                self.what_if.snapshot,
                free=self.goal,
                older_than=older,
                keep_last=view.keep,
                time_limit=PLAN_SECONDS,
                progress=False,
            )
        except BlobkitError as error:
            return {"error": printable(str(error))}
        self._planned = places_named(self.what_if.snapshot, found.tags)
        words = (f"plan: {count(len(found.tags), self.words.noun)} free ", human_bytes(found.bytes), "")
        rules = "; the filters of age and of newest images hold" if older or view.keep is not None else ""
        self._chip = Chip(words, f"Tick these instead: the fewest that reach the goal{rules}", {"act": "planned"})
        return {}

    def _result(self, request: Request) -> Reply:
        most = inf if any(act.name == "effects" for act in request.acts) else AT_ONCE if self._is_warm else 0
        found = result_of(self.what_if, self.words, most=most)
        if self._chip and self._planned is not None and (self._planned != self.what_if.now.names).any():
            found = replace(found, chips=[*found.chips, self._chip])
        result = found.to_json() | {"goal": self.goal, "undo": self.what_if.can_undo, "redo": self.what_if.can_redo}
        if request.seq == 1:
            result["ages"] = ages(self.columns, self.words.noun)
        return {"result": result, "later": found.later}
