"""blobkit: what uses the space in a blob store, why it is there, and exactly what would go.

Small values are here at once; every other name loads its module on first use (PEP 562), so that `import blobkit` loads
the standard library only. Errors and warnings are in `blobkit.errors`; `blobkit.SomeError` is the same class.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from blobkit import errors
from blobkit.digest import hash_for_label
from blobkit.methods import answer_with
from blobkit.model import Descriptor, Freed
from blobkit.protocols import (
    draw_answers_with,
    open_addresses_with,
    open_sources_with,
    summarise_with,
    survey_with,
    write_scripts_with,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from matplotlib.axes import Axes

    from blobkit.connect import scan
    from blobkit.errors import *  # noqa: F403 (all of them, as `__getattr__` gives them)
    from blobkit.present.sections import SupportsSections
    from blobkit.protocols import Address, Source, StorageOptions, SupportsSnapshot
    from blobkit.questions.audit import Audit, audit
    from blobkit.questions.collecting import Collected
    from blobkit.questions.comparison import Comparison, compare_gc
    from blobkit.questions.diff import Diff, diff
    from blobkit.questions.frame import links_frame, tags_frame, to_frame
    from blobkit.questions.growth import growth
    from blobkit.questions.plan import Plan, plan
    from blobkit.questions.preview import Preview, simulate_deref
    from blobkit.questions.reach import reach
    from blobkit.questions.sharing import Sharing, sharing
    from blobkit.questions.untagged import untagged_frame
    from blobkit.questions.usage import Usage, usage
    from blobkit.questions.what_if import WhatIf, what_if
    from blobkit.questions.why import Why, why
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.store.batch import Batch
    from blobkit.store.blob import Blob
    from blobkit.store.fsck.report import Fsck
    from blobkit.store.local import LocalStore
    from blobkit.store.remote.store import RemoteStore
    from blobkit.store.store import Store
    from blobkit.store.transfer.results import Adopted, Exported, Imported
    from blobkit.store.writer import BlobWriter
    from blobkit.views import plots as plot
    from blobkit.views.explorer.widget import explore
    from blobkit.views.graph import graph_view, to_graph
    from blobkit.views.report.report import Report, report
    from blobkit.views.styled import human

__version__ = "0.2.0.dev0"

__all__ = [
    "Adopted",
    "Audit",
    "Batch",
    "Blob",
    "BlobWriter",
    "Collected",
    "Comparison",
    "Descriptor",
    "Diff",
    "Exported",
    "Freed",
    "Fsck",
    "Imported",
    "LocalStore",
    "Plan",
    "Preview",
    "RemoteStore",
    "Report",
    "Sharing",
    "Snapshot",
    "Store",
    "Usage",
    "WhatIf",
    "Why",
    "audit",
    "compare_gc",
    "diff",
    "explore",
    "graph_view",
    "growth",
    "hash_for_label",
    "human",
    "links_frame",
    "plan",
    "plot",
    "reach",
    "report",
    "scan",
    "sharing",
    "simulate_deref",
    "tags_frame",
    "to_frame",
    "to_graph",
    "untagged_frame",
    "usage",
    "what_if",
    "why",
]

_HOMES = {
    "Adopted": "blobkit.store.transfer.results",
    "Audit": "blobkit.questions.audit",
    "Batch": "blobkit.store.batch",
    "Blob": "blobkit.store.blob",
    "BlobWriter": "blobkit.store.writer",
    "Collected": "blobkit.questions.collecting",
    "Comparison": "blobkit.questions.comparison",
    "Diff": "blobkit.questions.diff",
    "Exported": "blobkit.store.transfer.results",
    "Fsck": "blobkit.store.fsck.report",
    "Imported": "blobkit.store.transfer.results",
    "LocalStore": "blobkit.store.local",
    "Plan": "blobkit.questions.plan",
    "Preview": "blobkit.questions.preview",
    "RemoteStore": "blobkit.store.remote.store",
    "Report": "blobkit.views.report.report",
    "Sharing": "blobkit.questions.sharing",
    "Snapshot": "blobkit.snapshot.snapshot",
    "Store": "blobkit.store.store",
    "Usage": "blobkit.questions.usage",
    "WhatIf": "blobkit.questions.what_if",
    "Why": "blobkit.questions.why",
    "audit": "blobkit.questions.audit",
    "compare_gc": "blobkit.questions.comparison",
    "diff": "blobkit.questions.diff",
    "explore": "blobkit.views.explorer.widget",
    "graph_view": "blobkit.views.graph",
    "growth": "blobkit.questions.growth",
    "human": "blobkit.views.styled",
    "links_frame": "blobkit.questions.frame",
    "plan": "blobkit.questions.plan",
    "plot": "blobkit.views.plots",
    "reach": "blobkit.questions.reach",
    "report": "blobkit.views.report.report",
    "scan": "blobkit.connect",
    "sharing": "blobkit.questions.sharing",
    "simulate_deref": "blobkit.questions.preview",
    "tags_frame": "blobkit.questions.frame",
    "to_frame": "blobkit.questions.frame",
    "to_graph": "blobkit.views.graph",
    "untagged_frame": "blobkit.questions.untagged",
    "usage": "blobkit.questions.usage",
    "what_if": "blobkit.questions.what_if",
    "why": "blobkit.questions.why",
}


def __getattr__(name: str) -> object:
    """Return a public name, loading its module on first use; `plot` is a module itself."""
    if name in errors.__all__:
        return getattr(errors, name)
    if name not in _HOMES:
        msg = f"module 'blobkit' has no attribute {name!r}"
        raise AttributeError(msg)
    home = import_module(_HOMES[name])
    value = globals()[name] = home if name == "plot" else getattr(home, name)
    return value


def __dir__() -> list[str]:
    """Return the names that one calls, and the home of the errors."""
    return [*__all__, "__version__", "errors"]


def _open(address: Address, options: StorageOptions | None) -> Snapshot:
    return import_module("blobkit.connect").facts(address, storage_options=options)  # type: ignore[no-any-return]


def _source(address: Address) -> AbstractContextManager[Source]:
    return import_module("blobkit.connect").source(address)  # type: ignore[no-any-return]


def _script(preview: object, tool: str | None, *, heading: Sequence[str] = ()) -> str:
    return import_module("blobkit.scripts.script").script(preview, tool, heading=heading)  # type: ignore[no-any-return]


def _draw(answer: object, ax: Axes | None) -> Axes:
    return import_module("blobkit.views.plots").draw(answer, ax)  # type: ignore[no-any-return]


def _survey(x: SupportsSnapshot | Address, options: StorageOptions | None) -> Snapshot:
    return import_module("blobkit.connect").surveyed(x, options)  # type: ignore[no-any-return]


def _summary(x: SupportsSnapshot) -> SupportsSections:
    return import_module("blobkit.questions.summary").summary(x)  # type: ignore[no-any-return]


def _question(name: str) -> Callable[..., Any]:
    return getattr(import_module(_HOMES[name]), name)  # type: ignore[no-any-return]


answer_with(_question)
summarise_with(_summary)
open_addresses_with(_open)
survey_with(_survey)
open_sources_with(_source)
write_scripts_with(_script)
draw_answers_with(_draw)
