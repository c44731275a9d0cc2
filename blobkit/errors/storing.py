"""Errors of digests, blobs, references and stores, and the warnings of a store that is an OCI layout."""

from __future__ import annotations

from blobkit.errors.base import BlobkitError

__all__ = [
    "BatchError",
    "BlobNotFoundError",
    "ContentMissingError",
    "HashNotSupportedError",
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
    "ReadOnlyStoreError",
    "StoreBusyError",
    "StoreClosedError",
    "StoreDamagedError",
    "StoreError",
    "StoreTooNewError",
    "TagExistsError",
    "TagNotFoundError",
    "WriterClosedError",
]


class InvalidDigestError(BlobkitError, ValueError):
    """Not `alg:lowerhex` of a supported algorithm.

    >>> demo.small().get("sha256:abc")
    Traceback (most recent call last):
    blobkit.errors.InvalidDigestError: 'sha256:abc' is not a digest...
    """

    def is_blob_not_exists(self) -> bool:
        """Return True: for the original package, what is no digest is just a missing one."""
        return True


class HashNotSupportedError(BlobkitError, ValueError):
    """The algorithm is not sha256, sha384 or sha512.

    >>> demo.small().new_writer("md5")
    Traceback (most recent call last):
    blobkit.errors.HashNotSupportedError: hash algorithm 'md5' is not supported...
    """


class InvalidTagError(BlobkitError, ValueError):
    """Not a name that an OCI layout allows.

    >>> demo.small().put(b"hello", tag="no spaces")
    Traceback (most recent call last):
    blobkit.errors.InvalidTagError: 'no spaces' is no tag...
    """


class BlobNotFoundError(BlobkitError, KeyError):
    """No such blob in this store.

    >>> demo.small().get("sha256:" + 64 * "0")
    Traceback (most recent call last):
    blobkit.errors.BlobNotFoundError: no blob sha256:... in this store...
    """

    def is_blob_not_exists(self) -> bool:
        """Return True."""
        return True


class ContentMissingError(BlobNotFoundError, FileNotFoundError):
    """The blob is indexed, but its bytes are gone or damaged.

    >>> with blobkit.LocalStore("store") as store:
    ...     note = store.put(b"hello")
    >>> (store.root / "blobs" / note.digest.replace(":", "/")).unlink()
    >>> blobkit.LocalStore("store").get(note.digest).read()
    Traceback (most recent call last):
    blobkit.errors.ContentMissingError: the content of sha256:... is gone or truncated in .../store...
    """

    def is_blob_not_exists(self) -> bool:
        """Return False: the blob exists, its bytes do not."""
        return False


class TagNotFoundError(BlobkitError, KeyError):
    """No such tag in this store.

    >>> demo.small().untag("shop/web:9")
    Traceback (most recent call last):
    blobkit.errors.TagNotFoundError: no tag 'shop/web:9' in this store...
    """


class TagExistsError(BlobkitError, ValueError):
    """The tag names another blob, and `move=True` was not given.

    >>> store = demo.small()
    >>> store.tag("shop/web:1.0", store.tags()["shop/web:1.1"])
    Traceback (most recent call last):
    blobkit.errors.TagExistsError: the tag 'shop/web:1.0' names sha256:db9cc7eb28a3...
    """


class NotPinnedError(BlobkitError, ValueError):
    """There is no pin on the blob that could be dropped or handed over.

    >>> store = demo.small()
    >>> store.deref(store.tags()["shop/web:1.0"])  # held by a tag only: untag it
    Traceback (most recent call last):
    blobkit.errors.NotPinnedError: sha256:... has no anonymous pin to drop...
    """


class LinkCycleError(BlobkitError, ValueError):
    """The link would close a cycle.

    >>> store = demo.small()
    >>> note, text = store.put(b"hello"), store.put(b"world")
    >>> store.link(note.digest, text.digest)
    >>> store.link(text.digest, note.digest, transfer=False)
    Traceback (most recent call last):
    blobkit.errors.LinkCycleError: a link from sha256:2cf24dba5fb0 to sha256:486ea46224d1 would close a cycle...
    """


class MediaTypeConflictError(BlobkitError, ValueError):
    """The blob is known under another media type.

    >>> store = demo.small()
    >>> note = store.put(b"hello", media_type="text/plain")
    >>> store.put(b"hello", media_type="text/html")
    Traceback (most recent call last):
    blobkit.errors.MediaTypeConflictError: sha256:... is here...
    """


class WriterClosedError(BlobkitError, ValueError):
    """The writer was committed or cancelled already, or belongs to another process.

    >>> writer = demo.small().new_writer()
    >>> writer.cancel()
    >>> writer.write(b"hello")
    Traceback (most recent call last):
    blobkit.errors.WriterClosedError: this writer was cancelled already...
    """


class BatchError(BlobkitError, RuntimeError):
    """A batch inside a batch, or one that has ended, has failed, or belongs to another thread.

    >>> store = demo.small()
    >>> with store.batch(), store.batch():
    ...     pass
    Traceback (most recent call last):
    blobkit.errors.BatchError: this thread has a batch open on this store...
    """


class StoreError(BlobkitError, OSError):
    """The directory or its index cannot serve as a store.

    >>> try:
    ...     blobkit.LocalStore("nowhere", create=False)
    ... except blobkit.StoreError as error:
    ...     print(type(error).__name__)
    NotAStoreError
    """


class NotAStoreError(StoreError):
    """The directory is no blobkit store and cannot become one.

    >>> blobkit.LocalStore("nowhere", create=False)
    Traceback (most recent call last):
    blobkit.errors.NotAStoreError: .../nowhere does not exist...
    """


class NotAdoptedError(StoreError):
    """The directory is an OCI layout that blobkit does not own yet.

    >>> image = demo.small().export("shop/web:1.0", "layout")
    >>> blobkit.LocalStore("layout")
    Traceback (most recent call last):
    blobkit.errors.NotAdoptedError: .../layout is an OCI image layout...
    """


class StoreTooNewError(StoreError):
    """The store was written by a newer blobkit.

    >>> import contextlib, sqlite3
    >>> blobkit.LocalStore("store").close()
    >>> with contextlib.closing(sqlite3.connect("store/.blobkit/index.sqlite")) as index:
    ...     newer = index.execute("PRAGMA user_version = 999")
    >>> blobkit.LocalStore("store")
    Traceback (most recent call last):
    blobkit.errors.StoreTooNewError: .../store was written by a newer blobkit (schema 999)...
    """


class StoreDamagedError(StoreError):
    """The index cannot be read as a database.

    >>> blobkit.LocalStore("store").close()
    >>> with open("store/.blobkit/index.sqlite", "w") as index:
    ...     size = index.write("no database")
    >>> blobkit.LocalStore("store")
    Traceback (most recent call last):
    blobkit.errors.StoreDamagedError: .../store/.blobkit/index.sqlite...
    """


class StoreBusyError(StoreError):
    """Another process held the write lock for longer than the time-out.

    >>> import contextlib, sqlite3
    >>> with blobkit.LocalStore("store", timeout=0) as store:
    ...     with contextlib.closing(sqlite3.connect("store/.blobkit/index.sqlite")) as other:
    ...         locked = other.execute("BEGIN IMMEDIATE")
    ...         store.put(b"hello")
    Traceback (most recent call last):
    blobkit.errors.StoreBusyError: .../store/.blobkit/index.sqlite...
    """


class StoreClosedError(StoreError):
    """The store was closed.

    >>> store = blobkit.LocalStore("store")
    >>> store.close()
    >>> store.put(b"hello")
    Traceback (most recent call last):
    blobkit.errors.StoreClosedError: .../store...
    """


class ReadOnlyStoreError(StoreError):
    """The store is open for reading only.

    >>> from blobkit.store.local import open_read_only
    >>> with open_read_only(demo.images(unit=1)) as store:
    ...     store.put(b"hello")
    Traceback (most recent call last):
    blobkit.errors.ReadOnlyStoreError: .../store is open for reading only...
    """


class LayoutChangedWarning(UserWarning):
    """Another program wrote into the layout of a store: index.json is left alone, and no file is removed.

    >>> import warnings
    >>> warnings.simplefilter("error", blobkit.LayoutChangedWarning)  # stop where another program wrote
    """


class LayoutBehindWarning(UserWarning):
    """The verb is done, but index.json could not be written: it shows the tags with the next change or opening.

    >>> import warnings
    >>> warnings.simplefilter("error", blobkit.LayoutBehindWarning)
    """


class LayoutTypeWarning(UserWarning):
    """An image of docker's media types gets a name: the store keeps it, and skopeo cannot read it in the layout.

    >>> import warnings
    >>> warnings.simplefilter("ignore", blobkit.LayoutTypeWarning)  # no one reads this store with skopeo
    """
