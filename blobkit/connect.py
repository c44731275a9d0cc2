"""Turn an address into a snapshot: find the kind of store at the path, and call its maker.

An address is a path, or `kind:path`. Only this module, the commands and the facade know both readers and makers; it
imports a maker when it needs it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack, cast, overload

from blobkit.addresses import OWN, SCANNERS, remote
from blobkit.errors import AddressError, Hint, SourceError, UnreadableStoreError
from blobkit.located import also, directory_at, located, root_at
from blobkit.log import log
from blobkit.protocols import as_snapshot, check_no_options
from blobkit.remotes import has_scheme, image_at, in_full
from blobkit.render import in_shell, join_some, printable
from blobkit.replacing import check_directory, replacing_directory
from blobkit.snapshot.kinds import STORES
from blobkit.snapshot.parts.layout import SNAPSHOT
from blobkit.snapshot.snapshot import Snapshot
from blobkit.snapshot.streamed import Saved
from blobkit.store.local import LocalStore, ReadOnlyStore, open_read_only
from blobkit.store.opening import index_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blobkit.digest import Digest
    from blobkit.protocols import Address, Source, SupportsSnapshot
    from blobkit.remotes import Remote
    from blobkit.scanners.scanned import Scanned

__all__ = ["facts", "scan", "source", "surveyed"]


OPTIONS = {"registry": ("every_file", "cache", "space"), "oci": ("space",)}
"""What scanners of local stores take, beside what all of them do."""


class Scanner(Protocol):
    """The functions of a scanner's module that are used here."""

    def scan(self, root: Path, *, policy: str | None, progress: bool, verify: bool, **more: object) -> Scanned:
        """Return the facts of the store in a directory."""
        ...

    def source(self, root: Path) -> Source:
        """Return an archive as a source for an import."""
        ...

    def path_of(self, root: Path) -> Callable[[Digest], str]:
        """Return a function from a digest to the path of its content."""
        ...


class _Asked(TypedDict, total=False):
    policy: str | None
    progress: bool
    verify: bool
    every_file: bool
    cache: bool | str | os.PathLike[str] | None
    storage_options: Mapping[str, object] | None


@overload
def scan(address: Address, *, out: None = None, **asked: Unpack[_Asked]) -> Snapshot: ...


@overload
def scan(address: Address, *, out: str | os.PathLike[str], **asked: Unpack[_Asked]) -> Saved: ...


def scan(  # noqa: PLR0913 (each is an independent choice, keyword-only)
    address: Address,
    *,
    policy: str | None = None,
    progress: bool = True,
    verify: bool = False,
    every_file: bool = True,
    cache: bool | str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, object] | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Snapshot | Saved:
    """Return a snapshot of the store at `address`, read-only: the scan writes, locks and changes nothing there.

    `address` is a path, whose kind is recognised; `kind:path`, with one of `blobkit.addresses.KINDS` (oci,
    registry, containerd, docker, podman, huggingface, ollama, docker-archive, ...); `docker`, `podman`,
    `containerd`, `huggingface` or `ollama` alone: the place where that tool keeps its store; or a store on another
    machine, `registry+https://HOST[/PREFIX]`, `registry+s3://BUCKET/PREFIX`, `oci+s3://...` (gs, az, too). `policy`
    chooses the policy in force (see `Snapshot.policies`). `verify` reads and hashes every blob; small ones are
    always verified. `progress` shows a bar for steps that take more than a second. Without `every_file`, a scan of
    a registry reads only what its collector reads: not the links of layers, which are more than a half of the
    files. All answers are the same but an audit, which needs every file (all files of other kinds are looked at
    anyway). With `cache`, a scan of a registry keeps what it read in `~/.cache/blobkit` (`$XDG_CACHE_HOME`; a path
    names another directory), and the next one reads only what is new: a blob whose size, time and inode are as at
    its last check is not read again, and its directory not listed. AddressError if the path does not exist or is
    not a store, UnreadableStoreError if the store cannot be read. Cost: one `stat` of each file, one read of each
    manifest. `storage_options` are for stores on other machines: `blobkit.scanners.registry_http` and
    `registry_bucket` tell which; a scan over HTTP keeps manifests in the cache unless `cache` is False. `out` is a
    directory to save the snapshot in, in parts, as `snapshot.save("out/")` does, and then `Saved` is returned (path and
    totals; `.snapshot()` loads it). Whether it can be written is checked before the scan. A blobkit store goes there
    range by range, with 13 bytes of memory a blob. The facts of a registry or layout are in files beside `out` until
    they are saved; other kinds are scanned into memory first.

    >>> image = demo.small().export("shop/web:1.0", "layout")
    >>> snapshot = blobkit.scan("layout")
    >>> snapshot.kind, snapshot.policies
    ('oci', ('dependent', 'strong', 'ignore'))
    """
    asked: dict[str, Any] = {"progress": progress, "verify": verify, "every_file": every_file, "cache": cache}
    if out is None:
        return _scanned(address, policy, storage_options, asked)
    check_directory(Path(out), SNAPSHOT)
    where = None if has_scheme(os.fspath(address)) else located(address)
    if where and where[0] == OWN:
        check_no_options(address, storage_options)
        return _save_own(where[1], policy, Path(out), verify=verify)
    if there := _remote(address, storage_options):
        return _save(partial(_scan_remote, there, policy, options=storage_options or {}, **asked), Path(out))
    where = where or located(address)
    if where[0] in SCANNERS:
        return _save(partial(_scan_local, *where, policy, **asked), Path(out))
    found = _scanned(address, policy, None, asked)
    found.save(os.path.join(out, ""))  # noqa: PTH118 (a Path would lose the slash)
    return Saved(Path(out), found.blobs, found.bytes, found.notices.num_rows)


def _scanned(
    address: Address, policy: str | None, options: Mapping[str, object] | None, asked: Mapping[str, Any]
) -> Snapshot:
    """Return the snapshot of the store at an address, wherever it is."""
    if there := _remote(address, options):
        return _in_memory(_scan_remote(there, policy, options=options or {}, **asked))
    return _snapshot_of(address, policy, files=True, **asked)


def _save(scan_in: Callable[..., Scanned], out: Path) -> Saved:
    """Save what a scan finds, whose facts are in files meanwhile: `scan_in` takes the space for these."""
    from blobkit.scanners.saving import save  # noqa: PLC0415 (rarely needed)
    from blobkit.scanners.spaces.space import Scratch  # noqa: PLC0415 (rarely needed)

    with replacing_directory(out, SNAPSHOT) as whole, Scratch(whole.with_name("facts")) as space:
        scanned = scan_in(space=space)
        return Saved(out, *save(scanned, whole), len(scanned.facts.notices))


def facts(
    address: Address,
    *,
    policy: str | None = None,
    progress: bool = True,
    storage_options: Mapping[str, object] | None = None,
) -> Snapshot:
    """Return a snapshot as `scan` does, but for a blobkit store from its index only, without a `stat` of each file.

    Only an audit needs more.
    """
    if there := _remote(address, storage_options):
        asked = {"every_file": False, "cache": None, "options": storage_options or {}}
        return _in_memory(_scan_remote(there, policy, progress=progress, verify=False, **asked))
    return _snapshot_of(address, policy, progress=progress, verify=False, files=False, every_file=False)


def _remote(address: Address, options: Mapping[str, object] | None) -> Remote | None:
    """Return the place on another machine that an address names; None for a path, which takes no options."""
    there = remote(os.fspath(address))
    if there is None and options:
        msg = f"{printable(os.fspath(address))} is a local path, which takes no options of stores on other machines"
        raise AddressError(msg, hint=_without(sorted(options)))
    return there


def _without(options: list[str]) -> Hint:
    """Return the advice to leave out options, as they are given in Python and in the shell."""
    typed = ["--repositories" if name == "repositories" else f"-O {in_shell(name)}" for name in options]
    other = "or give an address such as registry+https://HOST"
    names = join_some([printable(name) for name in options])
    return Hint(f"leave out storage_options ({names}), {other}", f"leave out {join_some(typed)}, {other}")


def _scan_remote(there: Remote, policy: str | None, **asked: object) -> Scanned:
    """Return the facts of a store on another machine."""
    log.info("reading %s", there.address)
    module = import_module(STORES[there.kind].remote[there.transport])
    try:
        found: Scanned = module.scan(there, policy=policy, **asked)
    except UnreadableStoreError as error:
        error.hint = error.hint and Hint(in_full(error.hint.python, there), in_full(error.hint.shell, there))
        raise
    return found


def _scan_local(kind: str, path: Path, others: list[str], policy: str | None, **asked: Any) -> Scanned:  # noqa: ANN401
    """Return the facts of a store of another kind in a directory or file."""
    log.info("reading %s (%s)", path, kind)
    taken = ("progress", "verify", *OPTIONS.get(kind, ()))
    asked["cache"] = asked.get("cache") or False  # None is for stores on other machines
    chosen = {name: value for name, value in asked.items() if name in taken}
    found = _scanner(kind).scan(root_at(kind, path), policy=policy, **chosen)
    found.facts.notices += [also(other, path) for other in others]
    return found


def _snapshot_of(
    address: Address, policy: str | None, *, progress: bool, verify: bool, files: bool, **more: object
) -> Snapshot:
    """Return the snapshot of the store at this address."""
    kind, path, others = located(address)
    if kind in SCANNERS:
        return _in_memory(_scan_local(kind, path, others, policy, progress=progress, verify=verify, **more))
    log.info("reading %s (%s)", path, kind)
    found = _scan_own(path, policy, verify=verify, files=files) if kind == OWN else _load_snapshot(path, policy)
    found = found.with_notices([also(other, path) for other in others])
    _log_rows(found)
    return found


def _in_memory(scanned: Scanned) -> Snapshot:
    """Return the facts of a store as a snapshot."""
    found = scanned.snapshot()
    _log_rows(found)
    return found


def _log_rows(found: Snapshot) -> None:
    rows = (found.blobs, found.links.num_rows, found.pins.num_rows, found.notices.num_rows)
    log.info("%s: %d blobs, %d links, %d pins, %d notices; policy %s", found.address, *rows, found.policy)


@contextmanager
def source(address: Address) -> Iterator[Source]:
    """Open the store at `address` as a source for an import, read-only; the `with` block closes it.

    SourceError for a saved snapshot, because it has no content, and for a store on another machine; AddressError as in
    `scan`.
    """
    if there := remote(os.fspath(address)):
        msg = f"{there.address} is on another machine: only what it holds is read, not its content"
        copying = f"skopeo copy --all {in_shell(image_at(there.address))} oci:DIR:TAG"
        raise SourceError(msg, hint=f"copy images here ({copying}), and import DIR")
    kind, path, _ = located(address)
    if kind == OWN:
        with open_read_only(directory_at(path)) as store:
            yield store
    elif kind in SCANNERS:
        from blobkit.scanners.foreign import ForeignStore  # noqa: PLC0415 (for imports only)

        root = root_at(kind, path)
        if STORES[kind].is_file:
            yield _scanner(kind).source(root)
            return
        path_of = getattr(_scanner(kind), "path_of", None)
        if path_of is None:
            msg = f"a {kind} store does not keep its content as blobs, so nothing can be imported from it"
            hint = "if it has images, copy them to an OCI layout (skopeo copy, docker save), and import that"
            raise SourceError(msg, hint=hint)
        yield ForeignStore(root, lambda root: scan(f"{kind}:{root}", progress=False), path_of(root))
    else:
        msg = f"{printable(os.fspath(address))} is a saved snapshot, which has no content"
        raise SourceError(msg, hint="give the store itself")


def surveyed(x: SupportsSnapshot | Address, storage_options: Mapping[str, object] | None = None) -> Snapshot:
    """Return the snapshot of a store, a snapshot or an address; for a store on disk, with all its files counted."""
    if isinstance(x, str | os.PathLike):
        return scan(x, storage_options=storage_options)
    check_no_options(x, storage_options)
    return _with_files(x) if isinstance(x, LocalStore | ReadOnlyStore) else as_snapshot(x)


def _with_files(store: LocalStore | ReadOnlyStore) -> Snapshot:
    """Return the snapshot of a store with its files counted; content that is recorded meanwhile is not an orphan."""
    from blobkit.scanners.survey import survey  # noqa: PLC0415 (for audits only)

    orphans = store.orphans()
    snapshot = store.snapshot()
    left = {digest: stamp for digest, stamp in orphans.items() if snapshot.find(digest) < 0}
    return snapshot.with_files(*survey(store.root, left))


def _scan_own(path: Path, policy: str | None, *, verify: bool, files: bool) -> Snapshot:
    _check_index_only(path, verify=verify)
    with open_read_only(directory_at(path)) as store:
        log.info("its index %s is read%s", index_path(path), ", and each file looked at" if files else "")
        snapshot = _with_files(store) if files else store.snapshot()
    return snapshot if policy is None else snapshot.with_policy(policy)


def _save_own(path: Path, policy: str | None, out: Path, *, verify: bool) -> Saved:
    """Save the snapshot of a blobkit store without holding all of it."""
    from blobkit.scanners.survey import survey  # noqa: PLC0415 (rarely needed)

    _check_index_only(path, verify=verify)
    with open_read_only(directory_at(path)) as store:
        log.info("its index %s is read in ranges, and each file looked at", index_path(path))
        return store.save_snapshot(out, partial(survey, store.root), policy)


def _check_index_only(path: Path, *, verify: bool) -> None:
    if verify:
        msg = f"{printable(os.fspath(path))} is a blobkit store, of which only the index is read"
        raise AddressError(msg, hint=f"verify its blobs as {in_shell(f'oci:{path}')}")


def _load_snapshot(path: Path, policy: str | None) -> Snapshot:
    if not path.exists():
        msg = f"{printable(os.fspath(path))} does not exist"
        raise AddressError(msg, hint="give a file that `blobkit scan -o` or `save` made")
    snapshot = Snapshot.from_parquet(path) if path.is_dir() else Snapshot.load(path)
    return snapshot if policy is None else snapshot.with_policy(policy)


def _scanner(kind: str) -> Scanner:
    return cast("Scanner", import_module(SCANNERS[kind]))
