"""An image, or any blob, with all that it links to, as an OCI image layout or an archive of one.

Every hash is verified on the way. A new layout and an archive are made beside their place and renamed into it, whole;
in a layout that is there, blobs come first and index.json last, so that it never names what is not there yet.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import tarfile
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.content.syncing import sync_directory, sync_files
from blobkit.digest import blob_path, is_digest, parse, split
from blobkit.errors import BlobkitError, ContentMissingError, ExportError, Hint, TagNotFoundError, UnreadableStoreError
from blobkit.filehandle import FileHandle
from blobkit.oci.documents import DOCUMENT_LIMIT, is_document, read_document
from blobkit.oci.index import (
    LAYOUT,
    IndexFile,
    check_writable,
    entry_for,
    hidden_images,
    load_index,
    name_of,
    render_index,
)
from blobkit.oci.untrusted import DocumentError
from blobkit.oci.walk import levels
from blobkit.remotes import image_at, is_elsewhere, reading
from blobkit.render import abbreviate, in_shell, printable
from blobkit.store import rules
from blobkit.store.transfer.results import Exported
from blobkit.store.transfer.verifying import verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.model import Record
    from blobkit.oci.documents import Document
    from blobkit.oci.untrusted import Json
    from blobkit.transactions import Index, Reading

__all__ = ["export"]

PIECE = 1 << 20


def export(index: Index, opened: Callable[[Digest], BinaryIO], what: str, target: str | os.PathLike[str]) -> Exported:
    """Write a tag or digest, with all that it links to, to a layout or archive; return what was written.

    TagNotFoundError, BlobNotFoundError, ContentMissingError where content is damaged, ExportError for a target that
    cannot be written to. After an error the target is as it was, but for blobs that a layout may have more.
    """
    is_archive, path = _target(os.fspath(target))
    name, digest, records = index.read(lambda tx: _closure(tx, what))
    job = _Job(name, digest, records, opened)
    try:
        return (_into if os.path.lexists(path) else _to_new)(job, path, is_archive=is_archive)
    except OSError as error:
        if isinstance(error, BlobkitError):
            raise
        msg = f"{printable(str(path))} cannot be written ({error.strerror or error}): give another place"
        raise ExportError(msg) from error


def _target(target: str) -> tuple[bool, Path]:
    """Return whether a target is an archive, and its path; `oci:` and `oci-archive:` say it, else `.tar` does."""
    kind, colon, rest = target.partition(":")
    prefixed = bool(colon) and kind in ("oci", "oci-archive")
    path = rest if prefixed else target
    if not path:
        msg = f"the path of {target!r} is empty: give oci:DIRECTORY or oci-archive:FILE.tar"
        raise ExportError(msg)
    if is_elsewhere(path):
        msg = (
            f"{printable(reading(path))} is on another machine: an export writes to a directory or archive on this one"
        )
        copying = f"skopeo copy --all oci:DIR:TAG {in_shell(image_at(path))}"
        raise ExportError(msg, hint=f"export to a directory DIR, and copy from there ({copying})")
    return (kind == "oci-archive" if prefixed else path.endswith(".tar")), Path(path).absolute()


def _closure(tx: Reading, what: str) -> tuple[str, Digest, dict[Digest, Record]]:
    """Return the name and digest that are meant, and what is recorded of all that it links to, itself included."""
    found = tx.tags([what])
    if not found and not is_digest(what):
        msg = f"no tag {printable(what)!r:.300} in this store, and no digest"
        raise TagNotFoundError(msg, hint=Hint("see store.tags()", "see blobkit tags"))
    digest = parse(found.get(what, what))
    records = dict(rules.held(tx, [digest]))
    for level in levels([digest], lambda level: chain.from_iterable(tx.targets(level).values())):
        records.update(tx.records(level))
    return (what if found else ""), digest, records


@dataclass(frozen=True)
class _Job:
    """The subject of an export: a blob, the name it gets, its closure."""

    name: str
    digest: Digest
    records: Mapping[Digest, Record]
    opened: Callable[[Digest], BinaryIO]

    def entry(self) -> Json:
        """Return the descriptor for index.json."""
        record = self.records[self.digest]
        document = self._document(self.digest)
        media_type = record.media_type or (document.media_type if document else "")
        return entry_for(self.name, self.digest, record.size, media_type)

    def notices(self) -> tuple[str, ...]:
        """Return that skopeo cannot read it, and which blobs its manifests name that an image stores and it lacks."""
        hidden = hidden_images([(self.name or self.digest, str(self.entry()["mediaType"]))])
        found = {hidden: None} if hidden else {}
        for digest, record in sorted(self.records.items()):
            document = self._document(digest) if is_document(record.media_type) or digest == self.digest else None
            for named in document.references if document else ():
                if named.digest not in self.records and named.inline is None and not named.foreign:
                    found[
                        f"{named.digest} is not linked here, though {abbreviate(digest)} names it as {named.kind}"
                    ] = None
        return tuple(found)

    def _document(self, digest: Digest) -> Document | None:
        record = self.records[digest]
        if record.size > DOCUMENT_LIMIT:
            return None
        with self.opened(digest) as file, contextlib.suppress(DocumentError):
            return read_document(file.read(), record.media_type if is_document(record.media_type) else "")
        return None

    @contextlib.contextmanager
    def verified(self, digest: Digest) -> Iterator[_Hashed]:
        """Give the content of a blob to read; ContentMissingError at the end where it is not what the digest says."""
        with self.opened(digest) as file:
            yield (content := _Hashed(file, digest))
        if content.state.hexdigest() != split(digest)[1]:
            msg = f"the content of {digest} is damaged, nothing was exported: put it again to heal it"
            raise ContentMissingError(msg, digest=digest)

    def result(self, path: Path, new: list[Digest]) -> Exported:
        """Return what was written."""
        return Exported(
            target=str(path),
            digest=self.digest,
            name=self.name,
            blobs=len(new),
            bytes=sum(self.records[digest].size for digest in new),
            there=len(self.records) - len(new),
            notices=self.notices(),
        )


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: BinaryIO, digest: Digest) -> None:
        self._file = file
        self.state = hashlib.new(split(digest)[0])

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, none at the end."""
        piece = self._file.read(size)
        self.state.update(piece)
        return piece


def _to_new(job: _Job, path: Path, *, is_archive: bool) -> Exported:
    """Make a new archive or layout, whole or not at all."""
    with _beside(path) as partial:
        if is_archive:
            _write_archive(job, partial)
        else:
            partial.mkdir()
            (partial / "oci-layout").write_bytes(LAYOUT)
            _add(job, partial)
        partial.rename(path)
    sync_directory(path.parent)
    return job.result(path, list(job.records))


def _write_archive(job: _Job, path: Path) -> None:
    """Write an archive, durably; the same blobs give the same bytes."""
    with path.open("xb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            _fill(tar, job)
        file.flush()
        os.fsync(file.fileno())


def _fill(tar: tarfile.TarFile, job: _Job) -> None:
    small = {"index.json": render_index([job.entry()], {}), "oci-layout": LAYOUT}
    blobs = {blob_path(digest): digest for digest in job.records}
    folders = {"blobs", *(name.rpartition("/")[0] for name in blobs)}
    for name in sorted({*small, *blobs, *folders}):
        member = tarfile.TarInfo(name)
        if name in folders:
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        elif name in small:
            member.size = len(small[name])
            tar.addfile(member, BytesIO(small[name]))
        else:
            member.size = job.records[blobs[name]].size
            with job.verified(blobs[name]) as file:
                tar.addfile(member, file)


def _into(job: _Job, path: Path, *, is_archive: bool) -> Exported:
    """Add to a layout that is there, or fill an empty directory; other exports into it wait."""
    if is_archive:
        msg = f"{printable(str(path))} exists: give a new file, for an archive is never added to"
        raise ExportError(msg)
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else {"a file"}
    if ".blobkit" in names:
        msg = f"{printable(str(path))} is a blobkit store: open it and use import_, which keeps its index right"
        raise ExportError(msg)
    if names and not names & {"oci-layout", "index.json"}:
        msg = f"{printable(str(path))} is no OCI image layout and not empty: give another directory, or a file .tar"
        raise ExportError(msg)
    with _locked(path):
        if not names:
            (path / "oci-layout").write_bytes(LAYOUT)
        return job.result(path, _add(job, path))


def _add(job: _Job, root: Path) -> list[Digest]:
    """Make the blobs durable in a layout, then name them in its index.json; return those that were not there."""
    index = _index(root / "index.json")
    scratch = root / f".export-{secrets.token_hex(8)}"
    paths = {digest: root / blob_path(digest) for digest in job.records}
    try:
        scratch.mkdir()
        stored = {digest: verified(lambda blob: paths[blob].open("rb"), digest) for digest in paths}
        new = [digest for digest, size in stored.items() if isinstance(size, str)]
        for digest in new:
            paths[digest].parent.mkdir(parents=True, exist_ok=True)
            partial = scratch / split(digest)[1]
            with partial.open("xb") as to, job.verified(digest) as file:
                shutil.copyfileobj(file, to, PIECE)
            partial.replace(paths[digest])
        _sync(root, [paths[digest] for digest in new])
        partial = scratch / "index.json"
        partial.write_bytes(render_index(_merged(index, job.entry()), index.rest))
        _sync(root, [partial])
        partial.replace(root / "index.json")
        sync_directory(root)
    finally:
        _remove(scratch)
    return new


def _remove(scratch: Path) -> None:
    """Remove a directory and the files in it; an interrupt in `shutil.rmtree` may become another error."""
    with contextlib.suppress(OSError):
        for path in scratch.iterdir():
            path.unlink()
        scratch.rmdir()


def _index(path: Path) -> IndexFile:
    """Return what an index.json holds, nothing where there is none; ExportError where it cannot be read."""
    if not os.path.lexists(path):
        return IndexFile(b"")
    try:
        return load_index(path, advice="restore it first", check=check_writable)
    except UnreadableStoreError as error:
        raise ExportError(str(error)) from error


def _merged(index: IndexFile, entry: Json) -> list[object]:
    """Return the entries of an index with this one, in the place of one of that name or that is the same."""
    name = name_of(entry)
    kept = [one.raw for one in index.entries if one.raw != entry and (not name or one.name != name)]
    return [*kept, entry]


def _sync(root: Path, paths: Sequence[Path]) -> None:
    """Make these files in a layout durable, and their directories."""
    with FileHandle(root, os.O_DIRECTORY) as handle:
        sync_files(handle.fileno(), list(map(str, paths)))
    for folder in sorted({path.parent for path in paths}):
        sync_directory(folder)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a name beside `path` for what is to be renamed into its place; nothing stays there after an error."""
    partial = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")
    try:
        yield partial
    except BaseException:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a directory against other exports."""
    with FileHandle(path, os.O_DIRECTORY) as handle:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX)
        yield
