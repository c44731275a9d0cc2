"""`explore`: the explorer as a widget. The only file that imports anywidget.

All state that matters, which names are ticked, is in Python; a page asks for what it shows (see `protocol.py`).
Nothing that grows with the store is synchronised.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import traitlets
from anywidget import AnyWidget
from ipywidgets import ValueWidget

from blobkit.errors import BlobkitError
from blobkit.protocols import as_snapshot
from blobkit.questions.inputs.exact import places_named
from blobkit.render import printable, truncate
from blobkit.views.explorer.assets import program, style
from blobkit.views.explorer.protocol import ID_LONGEST, MOST, RequestError, read
from blobkit.views.explorer.session import Session
from blobkit.views.explorer.static import static_html

if TYPE_CHECKING:
    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.what_if import Ticked, WhatIf

__all__ = ["Explorer", "explore"]

REASON_SHOWN = 300


class _Names(traitlets.TraitType[Any, Any]):
    """The ticked names: made when somebody reads them, because a store may have very many."""

    info_text = "names of the store"
    default_value = ()

    def get(self, obj: Any, cls: Any = None) -> Any:  # noqa: ANN401, ARG002 (traitlets calls it)
        """Return the ticked names."""
        return obj.what_if.ticked

    def set(self, obj: Any, value: Any) -> None:  # noqa: ANN401 (the same)
        """Tick exactly these names."""
        obj.tick_only(value)


class _Preview(traitlets.TraitType[Any, Any]):
    """The preview of the ticked names: made when somebody reads it."""

    read_only = True
    default_value = None

    def get(self, obj: Any, cls: Any = None) -> Any:  # noqa: ANN401, ARG002 (traitlets calls it)
        """Return the preview, None if nothing is ticked."""
        return obj.what_if.preview

    def set(self, obj: Any, value: Any) -> None:  # noqa: ANN401, ARG002 (the same)
        """Refuse: the preview follows from the names."""
        msg = "preview cannot be set: set value, the names that are ticked"
        raise traitlets.TraitError(msg)


class Explorer(AnyWidget, ValueWidget):  # type: ignore[misc]
    """A widget to tick tags and to see what dropping them frees, exactly; it deletes nothing.

    `value`: the ticked names, a sorted tuple; setting it ticks exactly these. `preview`: as `simulate_deref` returns it
    for them, None if nothing is ticked. `what_if`: the same ticks as an answer. `observe` works on `value` and
    `preview`; both are made only if somebody reads or observes them.
    """

    value = _Names()
    preview = _Preview()

    def __init__(self, snapshot: Any, **how: Any) -> None:  # noqa: ANN401 (a Snapshot; ipywidgets has no types)
        self._session = Session(snapshot)
        self._esm, self._css = program(), style()
        super().__init__(**how)
        self.on_msg(lambda _, message, __: self._asked(message))

    def __repr__(self) -> str:
        """Return the type and the answer in one line."""
        return f"<Explorer: {self.what_if.title()}>"

    @property
    def what_if(self) -> WhatIf:
        """The ticks as an answer; after changing them here, call `refresh`."""
        return self._session.what_if

    def tick_only(self, names: Any) -> None:  # noqa: ANN401 (checked here)
        """Tick exactly these names; UnknownTargetError, with the nearest names, for a name that does not exist."""
        found = isinstance(names, Iterable) and not isinstance(names, str)
        if not (found and all(isinstance(name, str) for name in names)):
            msg = "value takes names: a tuple or list of text"
            raise traitlets.TraitError(msg)
        before, wanted = self.what_if.now, places_named(self.what_if.snapshot, names)
        self.what_if.toggle((wanted != before.names).nonzero()[0])
        self._tell(before, "")

    def refresh(self) -> None:
        """Show in all pages what is ticked in `what_if`."""
        self.send({"changed": True, "by": ""})

    def _asked(self, message: object) -> None:
        """Answer a page; a message that cannot be one gets the reason and changes nothing."""
        before = self.what_if.now
        try:
            request = read(message)
            reply, buffers = self._session.answer(request)
        except (RequestError, BlobkitError) as error:
            self.send(_refusal(message, error))
            return
        if request.plain:
            reply["plain"], buffers = [base64.b64encode(buffer).decode() for buffer in buffers], []
        self.send(reply, buffers)
        self._session.warm()
        self._tell(before, request.ask)
        self._session.rest()

    def _tell(self, before: Ticked, by: str) -> None:
        """Tell observers and other pages, if the ticks changed."""
        now = self.what_if.now
        if now is before:
            return
        self.send({"changed": True, "by": by})
        if self._is_observed("value"):
            self._notify("value", before.pins.names, now.pins.names)
        if self._is_observed("preview"):
            self._notify("preview", before.preview, now.preview)

    def _notify(self, name: str, old: object, new: object) -> None:
        self.notify_change(traitlets.Bunch(name=name, old=old, new=new, owner=self, type="change"))

    def _is_observed(self, name: str) -> bool:
        kinds = [self._trait_notifiers.get(key, {}) for key in (name, traitlets.All)]
        return any(some for kind in kinds for some in kind.values())

    def _repr_mimebundle_(self, **how: Any) -> Any:  # noqa: ANN401 (as ipywidgets has it)
        """Return the widget, and for readers without Python the same as HTML."""
        bundle = super()._repr_mimebundle_(**how)
        if not bundle:
            return bundle
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/html": static_html(self._session)}, metadata


def _refusal(message: object, error: Exception) -> dict[str, object]:
    """Return the reply to a message that is refused, to the page that it names, if it names one."""
    found = message if isinstance(message, dict) else {}
    ask, seq = found.get("ask"), found.get("seq")
    to = ask if isinstance(ask, str) and len(ask) <= ID_LONGEST else ""
    number = seq if isinstance(seq, int) and not isinstance(seq, bool) and 0 <= seq <= MOST else 0
    return {"to": to, "seq": number, "error": truncate(printable(str(error)), REASON_SHOWN)}


def explore(
    x: SupportsSnapshot | Address, *, policy: str | None = None, storage_options: StorageOptions | None = None
) -> Explorer:
    """Return a widget to tick tags and to see what dropping them frees, exactly; it deletes nothing.

    It shows the bytes that go and stay, who keeps what stays, the names that free most in addition, an icicle of who
    alone keeps what, and all names as a tree to search, sort and filter. `.value` has the ticked names and can be set,
    `.preview` is the answer of `simulate_deref`; the buttons Code and Script show the call and the commands. For
    JupyterLab, Notebook 7, marimo and others with anywidget. `storage_options` as in `scan`. Errors: as `scan`,
    UnknownPolicyError. Cost: nodes + links at the start; then the nodes below the names that were ticked or unticked.

    >>> widget = blobkit.explore(demo.small())
    >>> widget.value = ("shop/web:1.0",)
    >>> widget.preview.bytes
    1669
    """
    snapshot = as_snapshot(x, storage_options=storage_options)
    return Explorer(snapshot if policy is None else snapshot.with_policy(policy))
