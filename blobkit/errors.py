"""Every error that blobkit raises on purpose.

    BlobkitError
    |-- InvalidDigestError (ValueError)         not `alg:lowerhex` of a supported algorithm
    |-- HashNotSupportedError (ValueError)      the algorithm is not sha256, sha384 or sha512
    |-- InvalidTagError (ValueError)            not a name that an OCI layout allows
    |-- BlobNotFoundError (KeyError)            no such blob here
    |   `-- ContentMissingError (also FileNotFoundError)   indexed, but its bytes are gone
    |-- TagNotFoundError (KeyError)             no such name here
    |-- TagExistsError (ValueError)             the name names another blob
    |-- NotPinnedError (ValueError)             there is no pin that could be dropped or handed over
    |-- LinkCycleError (ValueError)             the link would close a cycle
    |-- MediaTypeConflictError (ValueError)     the blob is known under another media type
    |-- WriterClosedError (ValueError)          the writer was committed, cancelled or forked
    |-- BatchError (RuntimeError)               a batch inside a batch, or one that has ended or failed
    |-- StoreError (OSError)                    the directory or its index cannot serve as a store
    |   |-- NotAStoreError, NotAdoptedError, StoreTooNewError, StoreDamagedError
    |   `-- StoreBusyError, StoreClosedError, ReadOnlyStoreError
    |-- AddressError (ValueError)               not an address that can be scanned
    |-- ExportError (ValueError)                a place that nothing can be exported to
    |-- SourceError (ValueError)                what cannot be imported: unsound, itself, or without content
    |-- UnreadableStoreError (OSError)          a store of a known kind that cannot be read
    |-- UnknownPolicyError (ValueError)         this kind of store has no such policy
    |-- GroupingError (ValueError)              what nothing can be grouped by
    |   `-- ChoiceError                         what chooses no names: no mask over tags_frame, no pattern
    |-- AgeError (ValueError)                   not a length of time
    |-- SizeError (ValueError)                  not a number of bytes, or one with two readings
    |-- PlanError (ValueError)                  a plan that says too little, too much, or lacks a cost
    |   `-- InfeasiblePlanError                 so much cannot be freed
    |-- DiffError (ValueError)                  two snapshots that cannot be compared
    |-- ThresholdError (ValueError)             a threshold for what no audit finds
    |-- UnknownToolError (ValueError)           a tool that does not fit this kind of store
    |-- SnapshotFormatError (ValueError)        not a saved snapshot, or one that breaks its own rules
    `-- TargetError (LookupError)               a target that names nothing, or more than one thing
        |-- UnknownTargetError, AmbiguousTargetError
        `-- PatternError (ValueError)           what follows `re:` is no regular expression

    UserWarning
    |-- LayoutChangedWarning                    another program wrote into the layout of a store
    |-- LayoutBehindWarning                     index.json could not be written: it does not show the tags yet
    `-- LayoutTypeWarning                       an image of docker's media types gets a name: skopeo cannot read it

Each message is one line that names the thing. What to do next is its `hint`: `str(error)` has it in the words of
Python, the command line says it in the words of the shell.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AddressError",
    "AgeError",
    "AmbiguousTargetError",
    "BatchError",
    "BlobNotFoundError",
    "BlobkitError",
    "ChoiceError",
    "ContentMissingError",
    "DiffError",
    "ExportError",
    "GroupingError",
    "HashNotSupportedError",
    "InfeasiblePlanError",
    "InvalidDigestError",
    "InvalidTagError",
    "LayoutBehindWarning",
    "LayoutChangedWarning",
    "LayoutTypeWarning",
    "LinkCycleError",
    "MediaTypeConflictError",
    "NotAStoreError",
    "NotAdoptedError",
    "NotPinnedError",
    "PatternError",
    "PlanError",
    "ReadOnlyStoreError",
    "SizeError",
    "SnapshotFormatError",
    "SourceError",
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
    "WriterClosedError",
]


NO_STORE = "give the directory of a blobkit store; blobkit audit reads other stores"
"""The hint where a store of one's own is wanted, and none is there."""


def moved(root: object) -> str:
    """Return the message for a store whose directory is not at its path any more."""
    return f"{root} was moved, removed or replaced while it was open as a store: open it again where it is now"


@dataclass(frozen=True, slots=True)
class Hint:
    """The next step after an error, in the words of a call in Python and of a command in the shell."""

    python: str
    shell: str


class BlobkitError(Exception):
    """Root of all errors of blobkit; `digest` is the blob concerned, or "" where there is none.

    `message` says what is wrong, `hint` what to do about it (None where the message says all). `str()` gives both in
    the words of Python, `in_shell()` in those of the shell. `done` is, where it stopped work in bulk, how many items
    were done before.
    """

    done: int = 0

    def __init__(self, message: str, *, hint: Hint | str | None = None, digest: str = "") -> None:
        """Keep the one-line message, the hint and the digest as data; a hint may be the same text for both."""
        super().__init__(message)
        self.hint = Hint(hint, hint) if isinstance(hint, str) else hint
        self.digest = digest

    @property
    def message(self) -> str:
        """The message without the next step."""
        return str(self.args[0])

    def __str__(self) -> str:
        """Return the message and the hint in the words of Python (a KeyError would show it quoted)."""
        return self._with(self.hint.python if self.hint else "")

    def in_shell(self) -> str:
        """Return the message and the hint in the words of the shell."""
        return self._with(self.hint.shell if self.hint else "")

    def _with(self, step: str) -> str:
        return f"{self.message}{'; ' if ': ' in self.message else ': '}{step}" if step else self.message

    def is_blob_not_exists(self) -> bool:
        """Return whether this error says that a blob does not exist, as in the original package."""
        return False


class InvalidDigestError(BlobkitError, ValueError):
    """Not `alg:lowerhex` of a supported algorithm."""

    def is_blob_not_exists(self) -> bool:
        """Return True: for the original package, what is no digest is just a missing one."""
        return True


class HashNotSupportedError(BlobkitError, ValueError):
    """The algorithm is not sha256, sha384 or sha512."""


class InvalidTagError(BlobkitError, ValueError):
    """Not a name that an OCI layout allows."""


class BlobNotFoundError(BlobkitError, KeyError):
    """No such blob in this store."""

    def is_blob_not_exists(self) -> bool:
        """Return True."""
        return True


class ContentMissingError(BlobNotFoundError, FileNotFoundError):
    """The blob is indexed, but its bytes are gone or damaged."""

    def is_blob_not_exists(self) -> bool:
        """Return False: the blob exists, its bytes do not."""
        return False


class TagNotFoundError(BlobkitError, KeyError):
    """No such tag in this store."""


class TagExistsError(BlobkitError, ValueError):
    """The tag names another blob, and `move=True` was not given."""


class NotPinnedError(BlobkitError, ValueError):
    """There is no pin on the blob that could be dropped or handed over."""


class LinkCycleError(BlobkitError, ValueError):
    """The link would close a cycle."""


class MediaTypeConflictError(BlobkitError, ValueError):
    """The blob is known under another media type."""


class WriterClosedError(BlobkitError, ValueError):
    """The writer was committed or cancelled already, or belongs to another process."""


class BatchError(BlobkitError, RuntimeError):
    """A batch inside a batch, or one that has ended, has failed, or belongs to another thread."""


class StoreError(BlobkitError, OSError):
    """The directory or its index cannot serve as a store."""


class NotAStoreError(StoreError):
    """The directory is no blobkit store and cannot become one."""


class NotAdoptedError(StoreError):
    """The directory is an OCI layout that blobkit does not own yet."""


class StoreTooNewError(StoreError):
    """The store was written by a newer blobkit."""


class StoreDamagedError(StoreError):
    """The index cannot be read as a database."""


class StoreBusyError(StoreError):
    """Another process held the write lock for longer than the time-out."""


class StoreClosedError(StoreError):
    """The store was closed."""


class ReadOnlyStoreError(StoreError):
    """The store is open for reading only."""


class AddressError(BlobkitError, ValueError):
    """Not an address that can be scanned."""


class ExportError(BlobkitError, ValueError):
    """A place that nothing can be exported to."""


class SourceError(BlobkitError, ValueError):
    """The source cannot be imported: it is not sound, it is the store itself, or it has no content."""


class UnreadableStoreError(BlobkitError, OSError):
    """A store of a known kind that cannot be read."""


class UnknownPolicyError(BlobkitError, ValueError):
    """The kind of store has no such policy."""


class GroupingError(BlobkitError, ValueError):
    """Nothing can be grouped by this: an unknown word, or a Series that is not about the tags."""


class ChoiceError(GroupingError):
    """Something that chooses no names: neither a mask over `tags_frame` nor names or patterns."""


class AgeError(BlobkitError, ValueError):
    """Not a length of time; the message names the forms."""


class SizeError(BlobkitError, ValueError):
    """Not a number of bytes, or one with two readings ("20G"); the message names the forms."""


class PlanError(BlobkitError, ValueError):
    """No plan can be made: no goal or two, a missing or impossible cost, an unknown rule."""


class InfeasiblePlanError(PlanError):
    """So much cannot be freed: `possible` bytes can, with what the plan may drop; `needed` were asked for."""

    def __init__(self, message: str, *, hint: Hint | str | None = None, possible: int = 0, needed: int = 0) -> None:
        """Keep the one-line message, the hint, and the bytes as data."""
        super().__init__(message, hint=hint)
        self.possible = possible
        self.needed = needed


class DiffError(BlobkitError, ValueError):
    """Two snapshots that cannot be compared: of different kinds of store, or under different policies."""


class ThresholdError(BlobkitError, ValueError):
    """A threshold for what no audit finds; the message names what there is."""


class UnknownToolError(BlobkitError, ValueError):
    """A tool that does not fit this kind of store; the message names those that do."""


class SnapshotFormatError(BlobkitError, ValueError):
    """Not a saved snapshot, or one that breaks its own rules."""


class TargetError(BlobkitError, LookupError):
    """A target that names nothing, or more than one thing."""


class UnknownTargetError(TargetError):
    """A target that names nothing."""


class PatternError(TargetError, ValueError):
    """A pattern over names that is none: what follows `re:` is no regular expression, or it is too long."""


class AmbiguousTargetError(TargetError):
    """A target that could be more than one thing; the message lists the candidates."""


class LayoutChangedWarning(UserWarning):
    """Another program wrote into the layout of a store: index.json is left alone, and no file is removed."""


class LayoutBehindWarning(UserWarning):
    """The verb is done, but index.json could not be written: it shows the tags with the next change or opening."""


class LayoutTypeWarning(UserWarning):
    """An image of docker's media types gets a name: the store keeps it, and skopeo cannot read it in the layout."""
