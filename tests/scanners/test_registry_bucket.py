"""A registry in a bucket: what is seen there is what is seen of the same keys as files, and what its collector does."""

from __future__ import annotations

import os
import random
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("obstore")
pytest.importorskip("boto3")

from obstore.store import LocalStore, MemoryStore

import blobkit
import inventories
import registry_documents
import registry_links
from blobkit.buckets import client as bucket_client
from blobkit.buckets import objects as bucket_objects
from blobkit.buckets.keys import Key
from blobkit.buckets.objects import Objects
from blobkit.errors import AddressError, UnreadableStoreError
from blobkit.remotes import Remote
from blobkit.render import human_bytes
from blobkit.scanners import registry_bucket
from blobkit.scanners.registries import stored
from blobkit.scanners.scanned import completed
from blobkit.sources.kept import kept_in
from bucket_collector import dry_run
from commands import command
from effort import TORTURE
from far_stores import audited, check_same, check_same_answers, local, told
from layouts import Registry, codes, garbage, nowhere, sha
from live_registry import PROGRAM, needs
from random_registries import settled, sound
from registry_damage import DAMAGES
from remote_servers.buckets import SECRET, SHARED

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot
    from remote_servers.bucket_fixtures import FilledBucket
    from remote_servers.buckets import BucketServer

assert {*registry_links.UNREADABLE, *registry_documents.WRITERS}  # they make themselves known when they are imported
IN_THE_WAY = ("is-a-file", "file-in-tags", "is-a-directory", "what-is-a-file")
"""Damage that a bucket does not know: a file in the place of a directory, or the other way round."""
NOT_THERE = ("unreadable", "lost-and-found")
"""Damage that the client of directories does not see: modes, and names that end in `#12`."""
LATE = ("is gone before", "at a wrong path")
"""Stops of a collector that removes: a dry run does not come to them."""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def far(registry: Registry, **more: bool) -> Snapshot:
    return local(registry_bucket, "registry", registry.root, **more)


def near(registry: Registry) -> Snapshot:
    return blobkit.scan(f"registry:{registry.root}", progress=False, verify=True)


def damaged(number: int, *, without: tuple[str, ...] = ()) -> tuple[dict[str, bytes], list[str]]:
    """Files of a random registry below its root directory, and what is broken in them."""
    rng = random.Random(number)  # noqa: S311 (no secret)
    storage = sound(rng)
    names = [name for name in sorted(DAMAGES) if not any(one in name for one in without)]
    done = [name for name in rng.sample(names, rng.randint(0, 3)) if DAMAGES[name](rng, storage)]
    files = {f"docker/registry/v2/{path}": entry for path, entry in settled(storage.entries).items()}
    return {path: entry for path, entry in files.items() if isinstance(entry, bytes)}, done


def written(root: Path, files: dict[str, bytes]) -> Path:
    """Write files, without an empty one in the place of a blob: that is told otherwise in a bucket."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content or b"x" if name.endswith("/data") else content)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("number", range(25 * TORTURE))
def test_random_damaged_storage(quick_path: Path, number: int) -> None:
    files, done = damaged(number, without=IN_THE_WAY + NOT_THERE)
    root = written(quick_path, files)
    if not (root / "docker/registry/v2/repositories").exists():
        pytest.skip("a directory without repositories is no registry")
    here = blobkit.scan(f"registry:{root}", progress=False, verify=True)
    check_same(local(registry_bucket, "registry", root), here)
    usual = blobkit.scan(f"registry:{root}", progress=False, verify=True, every_file=False)
    check_same(local(registry_bucket, "registry", root, every_file=False), usual)
    assert isinstance(done, list)


@pytest.mark.slow
@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize("number", range(8 * TORTURE))
def test_the_real_collector_of_random_damaged_buckets(bucket_server: BucketServer, tmp_path: Path, number: int) -> None:
    needs(PROGRAM)
    files, done = damaged(number, without=(*NOT_THERE, "manifest-of-many", "elsewhere"))
    prefix = bucket_server.prefix()
    bucket_server.put(SHARED, {f"{prefix}{name}": content for name, content in files.items()})
    snapshot = scanned(bucket_server, prefix)
    for tool, untagged in (("registry", False), ("registry-m", True)):
        run = dry_run(bucket_server, SHARED, f"/{prefix}", tmp_path, untagged=untagged)
        found = blobkit.compare_gc(snapshot, tool)
        stops = [why for why in found.aborts if not any(one in why for one in LATE)]
        assert bool(stops) == bool(run.code), (done, stops, run.said)
        assert run.code or set(found.frame.index) == run.eligible, done


def scanned(server: BucketServer, prefix: str, **more: object) -> Snapshot:
    address = f"registry+s3://{SHARED}/{prefix}"
    return blobkit.scan(address, progress=False, storage_options=server.options, **more)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.usefixtures("signed")
def test_a_registry_that_a_real_program_wrote(filled_bucket: FilledBucket) -> None:
    here = blobkit.scan(filled_bucket.mirror, progress=False)
    there = blobkit.scan(filled_bucket.address, progress=False, storage_options=filled_bucket.server.options)
    check_same(there, here)
    check_same_answers(there, here)
    assert SECRET not in repr(there.notices.to_pylist()) + there.address
    facts = blobkit.scan(
        filled_bucket.address, progress=False, storage_options=filled_bucket.server.options, every_file=False
    )
    check_same_answers(facts, blobkit.scan(filled_bucket.mirror, progress=False, every_file=False), most=3)


@pytest.mark.slow
@pytest.mark.usefixtures("signed")
def test_the_real_collector_of_a_bucket(filled_bucket: FilledBucket, tmp_path: Path) -> None:
    """Where all tags of a repository are gone there is no folder of tags: with -m it stops, as in a directory."""
    server, prefix = filled_bucket.server, filled_bucket.server.prefix()
    server.upload(filled_bucket.mirror, prefix)
    for policy, untagged in (("gc", False), ("gc-m", True)):
        run = dry_run(server, SHARED, f"/{prefix}", tmp_path, untagged=untagged)
        assert run.code == 0
        assert garbage(scanned(server, prefix), policy) == run.eligible
        assert run.eligible or not untagged
    prefix, mirror = server.prefix(), tmp_path / "mirror"
    shutil.copytree(filled_bucket.mirror, mirror)
    shutil.rmtree(mirror / "docker/registry/v2/repositories/team1/app1/_manifests/tags")
    server.upload(mirror, prefix)
    snapshot = scanned(server, prefix)
    assert dry_run(server, SHARED, f"/{prefix}", tmp_path).eligible == garbage(snapshot, "gc")
    assert dry_run(server, SHARED, f"/{prefix}", tmp_path, untagged=True).code != 0
    assert "gc-m-no-tags" in codes(snapshot)


@pytest.mark.slow
@pytest.mark.usefixtures("signed")
def test_the_command_line(filled_bucket: FilledBucket) -> None:
    """Options of the address are text there; credentials and the endpoint come from the environment, too."""
    whole = blobkit.scan(filled_bucket.mirror, progress=False)
    environment = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "XDG_CACHE"))}
    given = ["-O", f"endpoint={filled_bucket.server.url}", "-O", "region=us-east-1", "-O", "at-once=8"]
    done = command("tags", filled_bucket.address, "--json", *given, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in blobkit.tags_frame(whole).index)
    environment["AWS_ENDPOINT_URL"] = filled_bucket.server.url
    done = command("audit", f"{filled_bucket.address}-not", **environment)
    assert done.returncode == 2
    assert "holds nothing" in done.stderr
    done = command("audit", filled_bucket.address, "-O", "endpont=x", **environment)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "did you mean endpoint?" in done.stderr


def shop(registry: Registry) -> str:
    """Two images of which one is tagged, a deleted one, an upload, a stray file."""
    kept = registry.push("shop/web", "1", "layer one", "layer two")
    registry.push("shop/web", "2", "layer one", "layer three")
    registry.tag("shop/web", "2", kept)
    registry.blob("garbage")
    registry.link("shop/web/_uploads/0a/data", "half a layer")
    registry.link("shop/web/_uploads/0a/startedat", "2026-01-02T00:00:00Z")
    (registry.root / "notes.txt").write_text("hello")
    (registry.v2 / "lost").write_text("and found")
    return kept


def test_uploads_and_other_files_are_counted_as_in_a_directory(registry: Registry) -> None:
    shop(registry)
    check_same(far(registry), near(registry))
    assert {"upload", "leftover"} <= codes(far(registry))


@pytest.mark.parametrize("every_file", [True, False])
def test_large_folders_are_listed_in_parts(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, *, every_file: bool
) -> None:
    """With pages of five keys, all that is listed one page after the other in small registries is listed in parts."""
    for number in range(6):
        registry.push("shop/web", str(number), f"layer {number}", "base")
        registry.push(f"team/{number}", "1", "base")
    registry.layer_512 = registry.blob("a layer", label="sha512")  # type: ignore[attr-defined]
    registry.link("shop/web/_layers/sha512/" + "0" * 128 + "/link", sha(b"base"))
    shop(registry)
    whole = blobkit.scan(f"registry:{registry.root}", progress=False, verify=True, every_file=every_file)
    for module in (bucket_objects, stored):
        monkeypatch.setattr(module, "PAGE", 5)
    monkeypatch.setattr(stored, "FEW", 1)
    check_same(far(registry, every_file=every_file), whole)


def test_a_file_with_the_name_of_a_folder_hides_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket may have both: all blobs below are listed, in small registries and in large ones."""
    import obstore  # noqa: PLC0415

    kept = shop(registry)
    store = MemoryStore()
    for path in registry.root.rglob("*"):
        if path.is_file():
            obstore.put(store, str(path.relative_to(registry.root)), path.read_bytes())
    below = registry.path(kept).relative_to(registry.root)
    for above in (below.parent.parent, below.parent.parent.parent):
        obstore.put(store, str(above), b"a file")
    obstore.put(store, "docker/registry/v2/repositories/shop", b"a file")
    for pages in (1000, 3):
        for module in (bucket_objects, stored):
            monkeypatch.setattr(module, "PAGE", pages)
        monkeypatch.setattr(stored, "FEW", 1)
        with Objects(store, at_once=2) as objects:
            there = Remote("registry", "s3", "bucket")
            facts = registry_bucket.facts_of(there, objects, None, progress=False, every_file=True)
        frame = blobkit.to_frame(completed(facts, "registry", there.address, None).snapshot())
        expected = blobkit.to_frame(near(registry))
        assert frame.drop(columns="modified").equals(expected.drop(columns="modified"))


def test_a_prefix_with_and_without_the_folders_of_the_driver(registry: Registry) -> None:
    """The root directory, `docker/registry/v2` itself, and a prefix above both are told apart."""
    shop(registry)
    with Objects(LocalStore(registry.root.parent)) as objects:
        for prefix in ("registry", "/registry/", "registry/docker/registry/v2"):
            there = Remote("registry", "s3", "bucket", prefix)
            facts = registry_bucket.facts_of(there, objects, kept_in(cache=False), progress=False, every_file=False)
            assert len(facts.stored_digests()) == len(near(registry).nodes) - 2
        with pytest.raises(UnreadableStoreError, match="is not a registry"):
            registry_bucket.facts_of(
                Remote("registry", "s3", "bucket"), objects, kept_in(cache=False), progress=False, every_file=False
            )
    with pytest.raises(AddressError, match="empty part"):
        registry_bucket.root_of(Remote("registry", "s3", "bucket", "a//b"))


def test_an_empty_object_in_the_place_of_a_blob_is_none(registry: Registry) -> None:
    """zot keeps empty objects for blobs that are in another repository: neither these nor garbage is known."""
    registry.push("shop/web", "1", "layer")
    registry.path(sha(b"layer")).write_bytes(b"")
    registry.blob(b"")
    snapshot = far(registry)
    frame = blobkit.to_frame(snapshot, absent=True)
    assert frame.loc[sha(b"layer"), "stored"] == "missing"
    assert frame.loc[sha(b""), "stored"] == "yes"
    assert {("placeholder", sha(b"layer")), ("unseen", sha(b"layer"))} <= {one[:2] for one in told(snapshot)}
    assert not {"missing", "damaged", "junk"} & audited(snapshot).keys()
    assert "placeholder" in audited(snapshot)
    manifest = registry.push("shop/web", "2", "other")
    registry.path(manifest).write_bytes(b"")
    registry.blob("garbage")
    status = blobkit.to_frame(far(registry))["status"]
    assert status[sha(b"garbage")] == "unknown"


def test_what_is_pushed_meanwhile_is_missing_and_keeps_everything(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blobs are listed first: the links of a push that comes between name a manifest that is not listed."""
    registry.push("shop/web", "1", "layer")
    registry.blob("garbage")
    before = stored.Stored.list_repositories

    def pushing(self: stored.Stored) -> None:
        registry.push("shop/web", "2", "new layer")
        before(self)

    monkeypatch.setattr(stored.Stored, "list_repositories", pushing)
    snapshot = far(registry, verify=False, twice=False)
    frame = blobkit.to_frame(snapshot, absent=True)
    assert frame.loc[sha(b"garbage"), "status"] == "unknown"
    assert "missing" in codes(snapshot)


def test_an_object_in_an_archive_class_cannot_be_read(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = registry.push("shop/web", "1", "layer")
    registry.blob("garbage")
    get = Objects.get

    def archived(self: Objects, key: str, limit: int) -> bytes:
        if manifest.partition(":")[2] in key and key.endswith("/data"):
            raise bucket_client.os_error(RuntimeError("403 <Code>InvalidObjectState</Code>"), key)
        return get(self, key, limit)

    monkeypatch.setattr(Objects, "get", archived)
    snapshot = far(registry, verify=False)
    assert any("archive" in one[3] for one in told(snapshot) if one[:2] == ("unreadable", manifest))
    frame = blobkit.to_frame(snapshot)
    assert frame.loc[manifest, "size"] == registry.path(manifest).stat().st_size
    assert frame.loc[sha(b"garbage"), "status"] == "unknown"


def test_a_folder_that_cannot_be_listed_hides_what_is_in_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push("shop/web", "1", "layer")
    registry.blob("garbage")
    pages = Objects.all

    def failing(self: Objects, prefix: str, *, after: str = "") -> object:
        if prefix.endswith("/repositories/"):
            raise OSError(121, "the service answers 500", prefix)
        return pages(self, prefix, after=after)

    monkeypatch.setattr(Objects, "all", failing)
    snapshot = far(registry, verify=False)
    assert garbage(snapshot, "tags") == garbage(snapshot, "gc") == set()
    assert {"unreadable", "gc-unreadable"} <= codes(snapshot)


@pytest.mark.parametrize("count", [1_000, 30_000, 400_000, 10_000_000])
def test_the_number_of_blobs_is_told_from_the_first_page(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [f"{at * (1 << 256) // count:064x}" for at in range(1_000)]
    rows = [(f"p/blobs/sha256/{one[:2]}/{one}/data", Key(1, 0)) for one in digests]
    found = stored.estimate(rows, "p/")
    assert abs(found / count - 1) < 0.01
    lines: list[str] = []
    monkeypatch.setattr(stored, "show_line", lines.append)
    with Objects(MemoryStore()) as objects:
        stored.Stored(objects, "p/", layers=False, show=True)._expect(count)
    assert lines == [f"about {count:,} blobs: {max(256, count // 1000):,} requests to list them"]


@pytest.mark.slow
@pytest.mark.usefixtures("signed")
def test_links_are_told_by_their_etag(filled_bucket: FilledBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only documents are fetched; where the ETag is no MD5, as with a key of one's own, links are fetched too."""
    asked: list[str] = []
    get = Objects.get

    def counted(self: Objects, key: str, limit: int) -> bytes:
        asked.append(key)
        return get(self, key, limit)

    monkeypatch.setattr(Objects, "get", counted)
    server = filled_bucket.server
    whole = scanned(server, filled_bucket.prefix)
    assert asked
    assert all(key.endswith("/data") for key in asked)
    assert len(asked) == len(set(asked))
    row = bucket_client._row
    monkeypatch.setattr(bucket_client, "_row", lambda meta: row(meta | {"e_tag": '"no md5"'}))
    check_same(scanned(server, filled_bucket.prefix), whole)
    assert any(key.endswith("/current/link") for key in asked)
    assert any("/revisions/" in key for key in asked)


@pytest.mark.slow
@pytest.mark.usefixtures("signed")
def test_small_objects_are_fetched_many_at_once(filled_bucket: FilledBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """No manifest, config or link is asked for alone, by the thread that waits for it."""
    alone: list[str] = []
    get = Objects.get

    def told_apart(self: Objects, key: str, limit: int) -> bytes:
        if threading.current_thread() is threading.main_thread():
            alone.append(key)
        return get(self, key, limit)

    monkeypatch.setattr(Objects, "get", told_apart)
    row = bucket_client._row
    monkeypatch.setattr(bucket_client, "_row", lambda meta: row(meta | {"e_tag": '"no md5"'}))
    scanned(filled_bucket.server, filled_bucket.prefix, cache=False)
    assert alone == []


def test_of_very_many_garbage_blobs_the_small_ones_are_opened(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.push("shop/web", "1", "layer")
    small = registry.manifest(registry.blob("garbage layer"))
    large = registry.manifest(annotations={"text": "x" * 20_000})
    assert blobkit.to_frame(far(registry, verify=False)).loc[[small, large], "kind"].tolist() == ["manifest"] * 2
    monkeypatch.setattr("blobkit.scanners.buckets.files.PEEKED", 2)
    snapshot = far(registry, verify=False)
    assert blobkit.to_frame(snapshot).loc[[small, large], "kind"].tolist() == ["manifest", "unknown"]
    assert any("1 blob of more than 16 KiB that nothing names" in one[3] for one in told(snapshot, frozenset()))


@pytest.mark.slow
@pytest.mark.usefixtures("signed")
def test_unfinished_uploads_and_old_versions_are_findings_with_bytes(
    filled_bucket: FilledBucket, bucket_server: BucketServer
) -> None:
    server, client = bucket_server, bucket_server.client
    bucket = server.bucket()
    server.upload(filled_bucket.mirror, "", bucket)
    address = f"registry+s3://{bucket}"
    key = "docker/registry/v2/repositories/shop/web/_uploads/0a0a/data"
    begun = client.create_multipart_upload(Bucket=bucket, Key=key)
    client.upload_part(Bucket=bucket, Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=b"x" * (5 << 20))
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=bucket, Key="notes", Body=b"a" * 100)
    client.put_object(Bucket=bucket, Key="notes", Body=b"b" * 10)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    listed = sum(one["Size"] for page in pages for one in page["Contents"])
    for versions in (True, None, False):
        more = {} if versions is None else {"versions": versions}
        snapshot = blobkit.scan(address, progress=False, storage_options=server.options | more)
        found = audited(snapshot)
        assert found["upload"] == (0, 5 << 20)
        assert found.get("noncurrent") == ((0, 100) if versions else None)
        check_total(snapshot, listed, 5 << 20, 100 if versions else 0)
        assert any("versions" in one[3] for one in told(snapshot, frozenset())) == (not versions)
    without = blobkit.scan(address, progress=False, storage_options=server.options | {"uploads": False})
    assert codes(without).isdisjoint({"upload", "upload-parts"})
    check_total(without, listed, 0, 0)


def check_total(snapshot: Snapshot, files: int, parts: int, old: int) -> None:
    """Check that the total of an audit has the keys, the uploads in parts and the old versions, each once."""
    audit = blobkit.audit(snapshot)
    assert audit.bytes == audit.to_dict()["all_bytes"] == files + parts + old
    assert "counted twice" not in str(audit)
    told = {"unfinished uploads in parts": parts, "versions that are not current": old}
    told = {what: size for what, size in told.items() if size}
    assert audit.to_dict()["beyond_files"] == told
    shown = [f"{human_bytes(size)} {what}" for what, size in {"files": files, **told}.items()]
    line = f"stored in all: {human_bytes(files + parts + old)}: {', '.join(shown)}"
    assert (line in str(audit)) == bool(told)


def test_a_bucket_without_repositories_stops_the_collector(registry: Registry) -> None:
    """A bucket has no empty folders: with the last repository the folder of all is gone."""
    registry.blob("garbage")
    snapshot = far(registry)
    assert "gc-no-repositories" in codes(snapshot)
    assert blobkit.compare_gc(snapshot, "registry").aborts
    assert garbage(snapshot, "tags") == {sha(b"garbage")}


def test_the_links_of_layers_share_one_folder() -> None:
    """A folder with anything else in it has one of its own, whatever the order of the keys."""
    top = f"p/repositories/shop/_layers/sha256/{'a' * 63}"
    link, short = Key(71, 5), Key(70, 5)
    rows = [(f"{top}0/link", link), (f"{top}1/link", link), (f"{top}1/link/_layers/sha256/{'b' * 64}/link", link)]
    rows += [(f"{top}2/link", short), (f"{top}3/link", link), (f"{top}3/other", link), (f"{top}4/link", link)]
    with Objects(MemoryStore()) as objects:
        held = stored.Stored(objects, "p/", layers=True)
        held._add(rows)
        labels = held.folders.at("repositories/shop/_layers/sha256")
        assert sorted(f"p/{path}" for path, _ in held.files()) == sorted(key for key, _ in rows)
    assert isinstance(labels, dict)
    assert [name[-1] for name, inside in labels.items() if inside is stored.LINKED] == ["0", "4"]
    assert stored.LINKED.keys() == {"link"}


def hostile(*keys: str) -> Snapshot:
    """A scan of a registry with one image, and these keys."""
    import obstore  # noqa: PLC0415

    store = MemoryStore()
    for key in ("docker/registry/v2/blobs/sha256/00/" + nowhere(0)[7:] + "/data", *keys):
        obstore.put(store, key, b"x")
    there = Remote("registry", "s3", "bucket")
    with Objects(store, at_once=2) as objects:
        facts = registry_bucket.facts_of(there, objects, kept_in(cache=False), progress=False, every_file=True)
    return completed(facts, "registry", there.address, None).snapshot()


def test_hostile_keys() -> None:
    top = "docker/registry/v2/"
    deep = "/".join("a" * 900)
    snapshot = hostile(
        f"{top}repositories/{deep}/_layers/x",
        f"{top}blobs/{deep}/data",
        f"{top}repositories/{'n' * 900}/_manifests/tags/1/current/link",
        f"{top}repositories/shop/_manifests/revisions/sha256/{'0' * 64}/link/below/link",
        f"{top}repositories/shop/_manifests/tags/\u202e/current/link",
        f"{top}blobs/sha256/00/{'0' * 64}/data/below",
    )
    assert garbage(snapshot, "tags") == garbage(snapshot, "revisions") == set()
    assert {"gc-name", "gc-data-crash", "damaged-revision", "damaged-tag"} <= codes(snapshot)


@pytest.mark.slow
@pytest.mark.usefixtures("signed")
def test_an_inventory_is_the_listing(filled_bucket: FilledBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is listed, and the snapshot has the time of the inventory; what came later is not seen as garbage."""
    server, prefix = filled_bucket.server, filled_bucket.server.prefix()
    pages = server.client.get_paginator("list_objects_v2").paginate(Bucket=SHARED, Prefix=f"{filled_bucket.prefix}/")
    rows = [one for page in pages for one in page["Contents"]]
    versions = [(one["Key"], one["Size"], one["ETag"].strip('"'), True, False) for one in rows]
    objects = inventories.written("Parquet", versions, bucket=SHARED, split=200)
    server.put(SHARED, {f"{prefix}{name}": data for name, data in _placed(objects, prefix).items()})
    where = f"s3://{SHARED}/{prefix}inventory/manifest.json"
    whole = blobkit.scan(filled_bucket.address, progress=False, storage_options=server.options)
    monkeypatch.setattr(bucket_client.obstore, "list", lambda *_: pytest.fail("a key is listed"))
    monkeypatch.setattr(bucket_client.obstore, "list_with_delimiter", lambda *_: pytest.fail("a key is listed"))
    address = f"{filled_bucket.address}?inventory={where}"
    snapshot = blobkit.scan(address, progress=False, storage_options=server.options)
    assert snapshot.time == inventories.TIME
    assert snapshot.address == filled_bucket.address
    columns = ["size", "kind", "status", "tags", "retained", "platform"]
    assert blobkit.to_frame(snapshot)[columns].equals(blobkit.to_frame(whole)[columns])
    with pytest.raises(AddressError, match=r"not the address of a manifest\.json"):
        blobkit.scan(f"{filled_bucket.address}?inventory=here", progress=False, storage_options=server.options)


def _placed(objects: dict[str, bytes], prefix: str) -> dict[str, bytes]:
    """Return the objects of an inventory that is below a prefix."""
    manifest = objects["inventory/manifest.json"].replace(b"inventory/data/", f"{prefix}inventory/data/".encode())
    return {**objects, "inventory/manifest.json": manifest}


@pytest.mark.slow
@pytest.mark.usefixtures("signed")
def test_documents_are_kept_for_the_next_scan(
    filled_bucket: FilledBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    get = Objects.get

    def counted(self: Objects, key: str, limit: int) -> bytes:
        asked.append(key)
        return get(self, key, limit)

    monkeypatch.setattr(Objects, "get", counted)
    numbers, snapshots = [], []
    for verify in (False, False, True):
        asked.clear()
        more = {"cache": tmp_path / "kept", "verify": verify, "storage_options": filled_bucket.server.options}
        snapshots.append(blobkit.scan(filled_bucket.address, progress=False, **more))
        numbers.append(len(asked))
    assert numbers[0] > numbers[1]
    assert numbers[1] < 20  # beginnings of blobs that nothing names
    assert numbers[2] > numbers[1]
    check_same(snapshots[1], snapshots[0])
    check_same(snapshots[2], snapshots[0])
