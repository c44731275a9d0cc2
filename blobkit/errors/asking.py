"""Errors of addresses, snapshots, questions and their arguments, import and export."""

from __future__ import annotations

from blobkit.errors.base import BlobkitError, Hint

__all__ = [
    "AddressError",
    "AgeError",
    "AmbiguousTargetError",
    "ChoiceError",
    "DiffError",
    "EngineLimitError",
    "ExportError",
    "GroupingError",
    "InfeasiblePlanError",
    "PatternError",
    "PlanError",
    "SizeError",
    "SnapshotFormatError",
    "SourceError",
    "TargetError",
    "ThresholdError",
    "UnknownPolicyError",
    "UnknownTargetError",
    "UnknownToolError",
    "UnreadableStoreError",
]


class AddressError(BlobkitError, ValueError):
    """Not an address that can be scanned.

    >>> blobkit.scan("nowhere")
    Traceback (most recent call last):
    blobkit.errors.AddressError: nowhere does not exist...
    """


class ExportError(BlobkitError, ValueError):
    """A place that nothing can be exported to.

    >>> demo.small().export("shop/web:1.0", "no/such/directory/web.tar")
    Traceback (most recent call last):
    blobkit.errors.ExportError: .../no/such/directory/web.tar cannot be written (No such file or directory)...
    """


class SourceError(BlobkitError, ValueError):
    """The source cannot be imported: it is not sound, it is the store itself, or it has no content.

    >>> store = demo.small()
    >>> store.import_(store)
    Traceback (most recent call last):
    blobkit.errors.SourceError: memory cannot be imported into itself...
    """


class UnreadableStoreError(BlobkitError, OSError):
    """A store of a known kind that cannot be read.

    >>> image = demo.small().export("shop/web:1.0", "layout")
    >>> blobkit.scan("registry:layout")
    Traceback (most recent call last):
    blobkit.errors.UnreadableStoreError: .../layout is not a registry...
    """


class UnknownPolicyError(BlobkitError, ValueError):
    """The kind of store has no such policy.

    >>> demo.small().snapshot().with_policy("gc")
    Traceback (most recent call last):
    blobkit.errors.UnknownPolicyError: no policy 'gc' for blobkit stores...
    """


class GroupingError(BlobkitError, ValueError):
    """Nothing can be grouped by this: an unknown word, or a Series that is not about the tags.

    >>> blobkit.usage(demo.small(), by="colour")
    Traceback (most recent call last):
    blobkit.errors.GroupingError: cannot group by 'colour'...
    """


class ChoiceError(GroupingError):
    """Something that chooses no names: neither a mask over `tags_frame` nor names or patterns.

    >>> blobkit.usage(demo.small(), where=3)
    Traceback (most recent call last):
    blobkit.errors.ChoiceError: where is a int...
    """


class AgeError(BlobkitError, ValueError):
    """Not a length of time; the message names the forms.

    >>> blobkit.audit(demo.small(), min_age="soon")
    Traceback (most recent call last):
    blobkit.errors.AgeError: 'soon' is not an age...
    """


class SizeError(BlobkitError, ValueError):
    """Not a number of bytes, or one with two readings ("20G"); the message names the forms.

    >>> blobkit.plan(demo.small(), free="20G")
    Traceback (most recent call last):
    blobkit.errors.SizeError: '20G' can be read in two ways...
    """


class PlanError(BlobkitError, ValueError):
    """No plan can be made: no goal or two, a missing or impossible cost, an unknown rule.

    >>> blobkit.plan(demo.small())
    Traceback (most recent call last):
    blobkit.errors.PlanError: no goal...
    """


class InfeasiblePlanError(PlanError):
    """So much cannot be freed: `possible` bytes certainly can, with what the plan may drop; `needed` were asked for.

    `at_most` is the upper bound of what can be freed: more than `possible` if something cannot be read or is not shown.

    >>> try:
    ...     blobkit.plan(demo.small(), free="1GiB")
    ... except blobkit.InfeasiblePlanError as error:
    ...     print(error.possible, error.needed)
    28112 1073741824
    """

    def __init__(
        self, message: str, *, hint: Hint | str | None = None, possible: int = 0, needed: int = 0, at_most: int = 0
    ) -> None:
        """Keep the one-line message, the hint, and the bytes as data."""
        super().__init__(message, hint=hint)
        self.possible = possible
        self.needed = needed
        self.at_most = max(possible, at_most)


class DiffError(BlobkitError, ValueError):
    """Two snapshots that cannot be compared: of different kinds of store, or under different policies.

    >>> image = demo.small().export("shop/web:1.0", "layout")
    >>> blobkit.diff(demo.small(), "layout")
    Traceback (most recent call last):
    blobkit.errors.DiffError: ...blobkit and oci cannot be compared...
    """


class EngineLimitError(BlobkitError, ValueError):
    """A question that an engine does not answer: it would take too many rows or steps, or is asked in memory only.

    >>> raise blobkit.EngineLimitError("links form a cycle", hint="load the snapshot (Snapshot.load)")
    Traceback (most recent call last):
    blobkit.errors.EngineLimitError: links form a cycle: load the snapshot (Snapshot.load)
    """


class ThresholdError(BlobkitError, ValueError):
    """A threshold for what no audit finds; the message names what there is.

    >>> blobkit.audit(demo.small()).exceeds({"dust": "1MiB"})
    Traceback (most recent call last):
    blobkit.errors.ThresholdError: 'dust' is not a finding...
    """


class UnknownToolError(BlobkitError, ValueError):
    """A tool that does not fit this kind of store; the message names those that do.

    >>> blobkit.simulate_deref(demo.small(), "shop/web:1.0").script("umoci")
    Traceback (most recent call last):
    blobkit.errors.UnknownToolError: 'umoci' does not fit stores of the kind blobkit...
    """


class SnapshotFormatError(BlobkitError, ValueError):
    """Not a saved snapshot, or one that breaks its own rules.

    >>> import pathlib
    >>> size = pathlib.Path("today.blobkit").write_text("no snapshot")
    >>> blobkit.Snapshot.load("today.blobkit")
    Traceback (most recent call last):
    blobkit.errors.SnapshotFormatError: today.blobkit is not a saved snapshot, or is damaged...
    """


class TargetError(BlobkitError, LookupError):
    """A target that names nothing, or more than one thing.

    >>> try:
    ...     blobkit.simulate_deref(demo.small(), "shop/web:9")
    ... except blobkit.TargetError as error:
    ...     print(type(error).__name__)
    UnknownTargetError
    """


class UnknownTargetError(TargetError):
    """A target that names nothing.

    >>> blobkit.simulate_deref(demo.small(), "shop/web:9")
    Traceback (most recent call last):
    blobkit.errors.UnknownTargetError: nothing here is named 'shop/web:9'...
    """


class PatternError(TargetError, ValueError):
    """A pattern over names that is none: what follows `re:` is not a regular expression, or it is too long.

    >>> blobkit.simulate_deref(demo.small(), "re:shop/(web")
    Traceback (most recent call last):
    blobkit.errors.PatternError: 'shop/(web' is not a regular expression (missing )...
    """


class AmbiguousTargetError(TargetError):
    """A target that could be more than one thing; the message lists the candidates.

    >>> store = demo.small()
    >>> twins = store.put_many([b"4163", b"8864"])  # their digests begin with the same six digits
    >>> blobkit.simulate_deref(store, "95d436")
    Traceback (most recent call last):
    blobkit.errors.AmbiguousTargetError: 95d436 is the start of 2 digests...
    """
