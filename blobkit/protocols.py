"""The interfaces between folders: stores for readers, and openers of addresses.

Those of a store and its backends are `blobkit.contents` (bytes by digest) and `blobkit.transactions` (counts, links,
tags).
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from blobkit.contents import Area, Content, Inspected, Staged
from blobkit.errors import AddressError, SourceError
from blobkit.remotes import has_scheme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from matplotlib.axes import Axes

    from blobkit.digest import Digest
    from blobkit.present.sections import SupportsSections
    from blobkit.snapshot.snapshot import Snapshot

    Address = str | os.PathLike[str]
    StorageOptions = Mapping[str, object]
    """Options for stores on other machines, by name."""

__all__ = [
    "SUMMED",
    "Area",
    "Content",
    "Inspected",
    "Source",
    "Staged",
    "SupportsSnapshot",
    "as_snapshot",
    "as_snapshots",
    "as_source",
    "as_surveyed",
    "check_no_options",
    "draw_answer",
    "draw_answers_with",
    "open_addresses_with",
    "open_sources_with",
    "options_of_each",
    "summarise_with",
    "summary_of",
    "survey_with",
    "write_script",
    "write_scripts_with",
]

T = TypeVar("T")


@runtime_checkable
class SupportsSnapshot(Protocol):
    """Anything that can be analysed: a store, a foreign store, a snapshot itself."""

    def snapshot(self) -> Snapshot:
        """Return an immutable picture of the facts at one moment."""
        ...


_openers: list[Callable[[Address, StorageOptions | None], Snapshot]] = []
_surveyors: list[Callable[[SupportsSnapshot | Address, StorageOptions | None], Snapshot]] = []
_writers: list[Callable[..., str]] = []
_drawers: list[Callable[[object, Axes | None], Axes]] = []
_summarisers: list[Callable[[SupportsSnapshot], SupportsSections]] = []


def open_addresses_with(opener: Callable[[Address, StorageOptions | None], Snapshot]) -> None:
    """Set the function that turns an address into a snapshot, so that readers need not import makers."""
    _openers[:] = [opener]


def as_snapshot(
    x: SupportsSnapshot | Address, policy: str | None = None, storage_options: StorageOptions | None = None
) -> Snapshot:
    """Return the snapshot of `x` (a snapshot, an answer, anything with `.snapshot()`, or an address) under a policy.

    None: the policy that the snapshot has. TypeError for anything else; errors from opening an address are passed on.
    AddressError if `storage_options` are given and `x` is not the address of a store on another machine.
    """
    if isinstance(x, str | os.PathLike):
        snapshot = _openers[0](x, storage_options)
    elif isinstance(x, SupportsSnapshot):
        check_no_options(x, storage_options)
        found: Any = x.snapshot  # an answer has it as a field
        snapshot = found() if callable(found) else found
    else:
        step = "give a store, a snapshot or an address (a path, or kind:path)"
        msg = f"an object of type {type(x).__name__} cannot be audited: {step}"
        raise TypeError(msg)
    return snapshot if policy is None else snapshot.with_policy(policy)


def check_no_options(x: object, storage_options: StorageOptions | None) -> None:
    """Raise AddressError if there are options for an address, and `x` is something else."""
    if storage_options:
        msg = f"storage_options are for the address of a store on another machine, which a {type(x).__name__} is not"
        raise AddressError(msg, hint="give them to the scan of it")


def as_snapshots(
    several: Iterable[SupportsSnapshot | Address],
    policy: str | None = None,
    storage_options: StorageOptions | None = None,
) -> list[Snapshot]:
    """Return the snapshot of each as `as_snapshot` does; the options are for those on other machines among them."""
    if not storage_options:
        return [as_snapshot(one, policy) for one in several]
    each = list(several)
    pairs = zip(each, options_of_each(each, storage_options), strict=True)
    return [as_snapshot(one, policy, options) for one, options in pairs]


def options_of_each(
    several: Sequence[SupportsSnapshot | Address], storage_options: StorageOptions | None
) -> list[StorageOptions | None]:
    """Return the options for each: those given for stores on other machines, None for the others.

    If there is no such store among them, the first one gets them: to open it is the error that says so.
    """
    far = [isinstance(one, str | os.PathLike) and has_scheme(os.fspath(one)) for one in several]
    far[:1] = [far[0] or not any(far)] if far else []
    return [storage_options if is_far else None for is_far in far]


def survey_with(surveyor: Callable[[SupportsSnapshot | Address, StorageOptions | None], Snapshot]) -> None:
    """Set the function that also counts the files of a store, so that readers need not import makers."""
    _surveyors[:] = [surveyor]


def as_surveyed(x: SupportsSnapshot | Address, storage_options: StorageOptions | None = None) -> Snapshot:
    """Return the snapshot of `x` as `as_snapshot` does; for a store on disk, with all its files counted."""
    return _surveyors[0](x, storage_options)


def write_scripts_with(writer: Callable[..., str]) -> None:
    """Set the function that turns a preview into a script, so that questions need not import scripts."""
    _writers[:] = [writer]


def write_script(preview: object, tool: str | None, heading: Sequence[str] = ()) -> str:
    """Return the script that carries out a preview with `tool`; the lines of `heading` come first."""
    return _writers[0](preview, tool, heading=heading)


def draw_answers_with(drawer: Callable[[object, Axes | None], Axes]) -> None:
    """Set the function that draws an answer, so that questions need not import views."""
    _drawers[:] = [drawer]


def draw_answer(answer: object, ax: Axes | None) -> Axes:
    """Return the axes with the picture of an answer: `ax`, or those of a new figure."""
    return _drawers[0](answer, ax)


SUMMED = 200_000
"""The most blobs, or nodes, to analyse for the repr of a store or snapshot, which must appear at once."""


def summarise_with(summariser: Callable[[SupportsSnapshot], SupportsSections]) -> None:
    """Set the function that summarises a store, so that stores and snapshots need not import analyses."""
    _summarisers[:] = [summariser]


def summary_of(x: SupportsSnapshot) -> SupportsSections:
    """Return the summary of a store: live blobs, garbage, biggest blobs, tags."""
    return _summarisers[0](x)


@runtime_checkable
class Source(Protocol):
    """A store that can be imported: facts and content.

    Imports remember it by its `identity` (text) if it has one, else by the kind and address of its snapshot.
    """

    def snapshot(self) -> Snapshot:
        """Return an immutable picture of the facts at one moment."""
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """Return the content of a blob as a file to read; FileNotFoundError if it is absent."""
        ...


_source_openers: list[Callable[[Address], AbstractContextManager[Source]]] = []


def open_sources_with(opener: Callable[[Address], AbstractContextManager[Source]]) -> None:
    """Set the function that turns an address into a source for an import."""
    _source_openers[:] = [opener]


def as_source(x: Source | Address) -> AbstractContextManager[Source]:
    """Return `x` as a source for an import, for a `with` block; the block closes a store opened from an address.

    SourceError for a snapshot, because it has no content; TypeError for anything else that is not a source.
    """
    if isinstance(x, str | os.PathLike):
        return _source_openers[0](x)
    if isinstance(x, Source):
        return nullcontext(x)
    if isinstance(x, SupportsSnapshot):
        msg = "a snapshot has facts and no content"
        raise SourceError(msg, hint="import from the store itself, or its address")
    step = "give a store or an address (a path, or kind:path)"
    msg = f"an object of type {type(x).__name__} cannot be imported: {step}"
    raise TypeError(msg)
