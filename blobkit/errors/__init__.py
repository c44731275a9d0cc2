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
    |   |-- CredentialsError                    a registry that refuses the credentials, or wants some
    |   |-- RateLimitedError                    a registry that answers no more requests for a while
    |   `-- NotListableError                    a registry that does not list its repositories
    |-- MissingExtraError (ImportError)         a package that comes with an extra only
    |-- UnknownPolicyError (ValueError)         this kind of store has no such policy
    |-- GroupingError (ValueError)              what nothing can be grouped by
    |   `-- ChoiceError                         what chooses no names: no mask over tags_frame, no pattern
    |-- AgeError (ValueError)                   not a length of time
    |-- SizeError (ValueError)                  not a number of bytes, or one with two readings
    |-- PlanError (ValueError)                  a plan that says too little, too much, or lacks a cost
    |   `-- InfeasiblePlanError                 so much cannot be freed
    |-- DiffError (ValueError)                  two snapshots that cannot be compared
    |-- EngineLimitError (ValueError)           a question that an engine such as DuckDB does not answer
    |-- ThresholdError (ValueError)             a threshold for what no audit finds
    |-- UnknownToolError (ValueError)           a tool that does not fit this kind of store
    |-- SnapshotFormatError (ValueError)        not a saved snapshot, or one that breaks its own rules
    `-- TargetError (LookupError)               a target that names nothing, or more than one thing
        |-- UnknownTargetError, AmbiguousTargetError
        `-- PatternError (ValueError)           what follows `re:` is not a regular expression

    UserWarning
    |-- LayoutChangedWarning                    another program wrote into the layout of a store
    |-- LayoutBehindWarning                     index.json could not be written: it does not show the tags yet
    `-- LayoutTypeWarning                       an image of docker's media types gets a name: skopeo cannot read it

Each message is one line that names the thing. What to do next is its `hint`: `str(error)` has it in the words of
Python, the command line says it in the words of the shell.
"""

from __future__ import annotations

from blobkit.errors.asking import (
    AddressError,
    AgeError,
    AmbiguousTargetError,
    ChoiceError,
    DiffError,
    EngineLimitError,
    ExportError,
    GroupingError,
    InfeasiblePlanError,
    PatternError,
    PlanError,
    SizeError,
    SnapshotFormatError,
    SourceError,
    TargetError,
    ThresholdError,
    UnknownPolicyError,
    UnknownTargetError,
    UnknownToolError,
    UnreadableStoreError,
)
from blobkit.errors.base import NO_STORE as NO_STORE
from blobkit.errors.base import BlobkitError
from blobkit.errors.base import Hint as Hint
from blobkit.errors.base import moved as moved
from blobkit.errors.remote import CredentialsError, MissingExtraError, NotListableError, RateLimitedError
from blobkit.errors.storing import (
    BatchError,
    BlobNotFoundError,
    ContentMissingError,
    HashNotSupportedError,
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
    ReadOnlyStoreError,
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreError,
    StoreTooNewError,
    TagExistsError,
    TagNotFoundError,
    WriterClosedError,
)

__all__ = [
    "AddressError",
    "AgeError",
    "AmbiguousTargetError",
    "BatchError",
    "BlobNotFoundError",
    "BlobkitError",
    "ChoiceError",
    "ContentMissingError",
    "CredentialsError",
    "DiffError",
    "EngineLimitError",
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
    "MissingExtraError",
    "NotAStoreError",
    "NotAdoptedError",
    "NotListableError",
    "NotPinnedError",
    "PatternError",
    "PlanError",
    "RateLimitedError",
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

for _name in __all__:
    globals()[_name].__module__ = __name__  # where users find it, and tracebacks say it is
