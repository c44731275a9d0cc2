"""blobkit: what uses the space in a blob store, why it is there, and exactly what would go.

Errors and small values are here at once; every other name loads its module on first use (PEP 562), so that
`import blobkit` loads the standard library only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from blobkit.digest import hash_for_label
from blobkit.errors import (
    AddressError,
    AgeError,
    AmbiguousTargetError,
    BatchError,
    BlobkitError,
    BlobNotFoundError,
    ChoiceError,
    ContentMissingError,
    DiffError,
    ExportError,
    GroupingError,
    HashNotSupportedError,
    InfeasiblePlanError,
    InvalidDigestError,
    InvalidTagError,
    LayoutBehindWarning,
    LayoutChangedWarning,
    LayoutTypeWarning,
    LinkCycleError,
    MediaTypeConflictError,
    NotAdoptedError,
    NotAStoreError,
    NotPinnedError,
    PatternError,
    PlanError,
    ReadOnlyStoreError,
    SizeError,
    SnapshotFormatError,
    SourceError,
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreTooNewError,
    TagExistsError,
    TagNotFoundError,
    TargetError,
    ThresholdError,
    UnknownPolicyError,
    UnknownTargetError,
    UnknownToolError,
    UnreadableStoreError,
    WriterClosedError,
)
from blobkit.model import Descriptor, Freed
from blobkit.protocols import (
    open_addresses_with,
    open_sources_with,
    summarise_with,
    survey_with,
    write_scripts_with,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from blobkit.connect import scan
    from blobkit.present.sections import SupportsSections
    from blobkit.protocols import Address, Source, SupportsSnapshot
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
    from blobkit.questions.why import Why, why
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.store.batch import Batch
    from blobkit.store.blob import Blob
    from blobkit.store.fsck.report import Fsck
    from blobkit.store.layout.adopted import Adopted
    from blobkit.store.local import LocalStore
    from blobkit.store.store import Store
    from blobkit.store.transfer.exported import Exported
    from blobkit.store.transfer.imported import Imported
    from blobkit.store.writer import BlobWriter
    from blobkit.views import plots as plot
    from blobkit.views.graph import graph_view, to_graph
    from blobkit.views.styled import human

__version__ = "0.2.0.dev0"

__all__ = [
    "AddressError",
    "Adopted",
    "AgeError",
    "AmbiguousTargetError",
    "Audit",
    "Batch",
    "BatchError",
    "Blob",
    "BlobNotFoundError",
    "BlobWriter",
    "BlobkitError",
    "ChoiceError",
    "Collected",
    "Comparison",
    "ContentMissingError",
    "Descriptor",
    "Diff",
    "DiffError",
    "ExportError",
    "Exported",
    "Freed",
    "Fsck",
    "GroupingError",
    "HashNotSupportedError",
    "Imported",
    "InfeasiblePlanError",
    "InvalidDigestError",
    "InvalidTagError",
    "LayoutBehindWarning",
    "LayoutChangedWarning",
    "LayoutTypeWarning",
    "LinkCycleError",
    "LocalStore",
    "MediaTypeConflictError",
    "NotAStoreError",
    "NotAdoptedError",
    "NotPinnedError",
    "PatternError",
    "Plan",
    "PlanError",
    "Preview",
    "ReadOnlyStoreError",
    "Sharing",
    "SizeError",
    "Snapshot",
    "SnapshotFormatError",
    "SourceError",
    "Store",
    "StoreBusyError",
    "StoreClosedError",
    "StoreDamagedError",
    "StoreError",
    "StoreTooNewError",
    "TagExistsError",
    "TagNotFoundError",
    "TargetError",
    "ThresholdError",
    "UnknownPolicyError",
    "UnknownTargetError",
    "UnknownToolError",
    "UnreadableStoreError",
    "Usage",
    "Why",
    "WriterClosedError",
    "audit",
    "compare_gc",
    "diff",
    "graph_view",
    "growth",
    "hash_for_label",
    "human",
    "links_frame",
    "plan",
    "plot",
    "reach",
    "scan",
    "sharing",
    "simulate_deref",
    "tags_frame",
    "to_frame",
    "to_graph",
    "untagged_frame",
    "usage",
    "why",
]

_HOMES = {
    "Adopted": "blobkit.store.layout.adopted",
    "Audit": "blobkit.questions.audit",
    "Batch": "blobkit.store.batch",
    "Blob": "blobkit.store.blob",
    "BlobWriter": "blobkit.store.writer",
    "Collected": "blobkit.questions.collecting",
    "Comparison": "blobkit.questions.comparison",
    "Diff": "blobkit.questions.diff",
    "Exported": "blobkit.store.transfer.exported",
    "Fsck": "blobkit.store.fsck.report",
    "Imported": "blobkit.store.transfer.imported",
    "LocalStore": "blobkit.store.local",
    "Plan": "blobkit.questions.plan",
    "Preview": "blobkit.questions.preview",
    "Sharing": "blobkit.questions.sharing",
    "Snapshot": "blobkit.snapshot.snapshot",
    "Store": "blobkit.store.store",
    "Usage": "blobkit.questions.usage",
    "Why": "blobkit.questions.why",
    "audit": "blobkit.questions.audit",
    "compare_gc": "blobkit.questions.comparison",
    "diff": "blobkit.questions.diff",
    "graph_view": "blobkit.views.graph",
    "growth": "blobkit.questions.growth",
    "human": "blobkit.views.styled",
    "links_frame": "blobkit.questions.frame",
    "plan": "blobkit.questions.plan",
    "plot": "blobkit.views.plots",
    "reach": "blobkit.questions.reach",
    "scan": "blobkit.connect",
    "sharing": "blobkit.questions.sharing",
    "simulate_deref": "blobkit.questions.preview",
    "tags_frame": "blobkit.questions.frame",
    "to_frame": "blobkit.questions.frame",
    "to_graph": "blobkit.views.graph",
    "untagged_frame": "blobkit.questions.untagged",
    "usage": "blobkit.questions.usage",
    "why": "blobkit.questions.why",
}


def __getattr__(name: str) -> object:
    """Return a public name, loading its module on first use; `plot` is a module itself."""
    if name not in _HOMES:
        msg = f"module 'blobkit' has no attribute {name!r}"
        raise AttributeError(msg)
    home = import_module(_HOMES[name])
    value = globals()[name] = home if name == "plot" else getattr(home, name)
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__, "__version__"]


def _open(address: Address) -> Snapshot:
    return import_module("blobkit.connect").facts(address)  # type: ignore[no-any-return]


def _source(address: Address) -> AbstractContextManager[Source]:
    return import_module("blobkit.connect").source(address)  # type: ignore[no-any-return]


def _script(preview: object, tool: str | None, *, heading: Sequence[str] = ()) -> str:
    return import_module("blobkit.scripts.script").script(preview, tool, heading=heading)  # type: ignore[no-any-return]


def _survey(x: SupportsSnapshot | Address) -> Snapshot:
    return import_module("blobkit.connect").surveyed(x)  # type: ignore[no-any-return]


def _summary(x: SupportsSnapshot) -> SupportsSections:
    return import_module("blobkit.questions.summary").summary(x)  # type: ignore[no-any-return]


summarise_with(_summary)
open_addresses_with(_open)
survey_with(_survey)
open_sources_with(_source)
write_scripts_with(_script)
