"""Two addresses make one store, and only if they belong together; whatever goes wrong shows no secret."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import pytest

import blobkit.demo
from blobkit.errors import (
    AddressError,
    BlobkitError,
    CredentialsError,
    MissingExtraError,
    NotAStoreError,
    StoreBusyError,
    StoreTooNewError,
    UnreadableStoreError,
)
from blobkit.index.memory_places import PlacedMemoryIndex
from blobkit.store.remote import opening
from blobkit.store.remote.store import RemoteStore
from remote_servers.buckets import KEY, SECRET, SHARED
from remote_servers.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from remote_servers.buckets import BucketServer
    from remote_servers.databases import DatabaseServer

PASSWORD = "pa55word-of-the-database"  # noqa: S105 (no database has it)
DATABASE = f"postgresql://owner:{PASSWORD}@db.example:5433/blobs?sslmode=require&password={PASSWORD}"


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> PlacedMemoryIndex:
    """The index that every database has here."""
    index = PlacedMemoryIndex()
    monkeypatch.setattr("blobkit.store.remote.store.open_index", lambda *_, **__: index)
    return index


@pytest.fixture
def opened(
    bucket_server: BucketServer,
    signed: None,  # noqa: ARG001
    rows: PlacedMemoryIndex,
    tmp_path: Path,
) -> Callable[..., RemoteStore]:
    """Open the store over a prefix, with a fresh index if that was closed."""
    base = bucket_server.prefix()

    def open_store(prefix: str = "", **options: object) -> RemoteStore:
        rows.closed = False
        address = f"s3://{SHARED}/{base}{prefix}"
        return RemoteStore(DATABASE, address, storage_options=bucket_server.options, spool=tmp_path, **options)

    return open_store


def test_a_store_is_opened_again_by_its_addresses(opened: Callable[..., RemoteStore]) -> None:
    with opened(create=True) as store:
        digest = store.put(b"hello", tag="t").digest
    with opened(create=False) as store:
        assert store.get(digest).read() == b"hello"
        assert store.usage(by="tag").bytes == 5
        assert re.fullmatch(r"RemoteStore\('postgresql://db\.example:5433/blobs s3://shared/test-\d+'\)", repr(store))
        assert "db.example" in store._repr_html_()


def test_what_dead_processes_staged_is_removed_and_nothing_else(
    opened: Callable[..., RemoteStore], tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("of the user")
    opened().close()
    (tmp_path / "blobkit-spool/left").write_text("of a dead process")
    opened().close()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_a_prefix_belongs_to_one_store(opened: Callable[..., RemoteStore], rows: PlacedMemoryIndex) -> None:
    opened().close()
    rows._state._meta["uuid"] = "another"
    with pytest.raises(NotAStoreError, match="belongs to another store than this database: give"):
        opened()


def test_an_index_with_blobs_needs_its_own_prefix(opened: Callable[..., RemoteStore]) -> None:
    with opened() as store:
        store.put(b"hello")
    with pytest.raises(NotAStoreError, match="holds no store, but the database has blobs"):
        opened("elsewhere/")


def test_nothing_is_made_where_something_else_is(
    opened: Callable[..., RemoteStore], bucket_server: BucketServer
) -> None:
    with pytest.raises(NotAStoreError, match="holds no store: give"):
        opened(create=False)
    bucket_server.put(SHARED, {f"{bucket_server.prefix()}x": b""})
    opened("store/").close()
    with pytest.raises(NotAStoreError, match="is no store and not empty"):
        opened()


@pytest.mark.parametrize("mark", [b"", b"[]", b"{}", b"\xff", b"[" * 9999, b'{"format": 1}'])
def test_a_mark_that_names_no_store(
    opened: Callable[..., RemoteStore], bucket_server: BucketServer, mark: bytes
) -> None:
    with opened() as store:
        content = store._places
    bucket_server.put(SHARED, {f"{content._prefix}blobkit-store.json": mark})
    with pytest.raises(NotAStoreError, match="names no store"):
        opened()


def test_a_store_of_a_newer_format(opened: Callable[..., RemoteStore], bucket_server: BucketServer) -> None:
    with opened() as store:
        content = store._places
    mark = json.dumps({"format": "2\x1b[31m", "store": "x"}).encode()
    bucket_server.put(SHARED, {f"{content._prefix}blobkit-store.json": mark})
    with pytest.raises(StoreTooNewError, match=r"format 2\\x1b\[31m, made by a newer"):
        opened()


def test_two_that_make_one_store_at_once_agree(opened: Callable[..., RemoteStore]) -> None:
    with opened() as store:
        mark = store._places.mark()
        assert store._places.set_mark(b"another") == mark


@pytest.mark.parametrize(
    ("index", "content", "said"),
    [
        (f"mysql://u:{PASSWORD}@h/d", "s3://b", "PostgreSQL database, not at mysql: give postgresql://HOST/DATABASE"),
        (f"host=db password={PASSWORD}", "s3://b", "not at what was given: give postgresql"),
        (DATABASE, f"gs://b/{PASSWORD}", "in a bucket of S3, not at gs: give s3://BUCKET/PREFIX"),
        (DATABASE, f"s3://key:{PASSWORD}@bucket", "contains a user or a password: leave that out"),
        (DATABASE, f"s3://bucket/p?inventory={PASSWORD}", "means nothing here"),
        (DATABASE, f"s3://bucket/p?x={PASSWORD}", "means nothing here"),
        (DATABASE, "s3://", "names no bucket"),
        (DATABASE, "s3://bucket/a/../b", "an empty part"),
        (None, "s3://b", "not at what was given"),
        (DATABASE, 3, "not at int"),
    ],
)
def test_what_is_no_address(index: str, content: str, said: str) -> None:
    with pytest.raises(AddressError) as caught:
        RemoteStore(index, content)
    assert said in str(caught.value)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 1e10, "1"])
def test_a_lease_and_a_timeout_are_numbers_of_seconds(seconds: float) -> None:
    for name in ("lease", "timeout"):
        with pytest.raises(ValueError, match=f"{name} .* is no number of seconds"):
            RemoteStore(DATABASE, "s3://bucket", **{name: seconds})


def test_an_extra_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "blobkit.index.postgres.index", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'blobkit\[remote\]'"):
        opening.open_index(DATABASE, schema="blobkit", timeout=1, create=True)


class Shown:
    """All that a failure shows: message, traceback with its causes, what was logged, what objects print as."""

    def __init__(self) -> None:
        self.log = io.StringIO()
        self.texts: list[str] = []
        handler = logging.StreamHandler(self.log)
        self.root, self.handler = logging.getLogger(), handler

    def __enter__(self) -> Self:
        self.root.addHandler(self.handler)
        self.level = self.root.level
        self.root.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        self.root.removeHandler(self.handler)
        self.root.setLevel(self.level)

    def fail(self, act: Callable[[], object], kind: type[Exception] = BlobkitError) -> str:
        with pytest.raises(kind) as caught:
            act()
        chained = "".join(traceback.format_exception(caught.value))
        self.texts += [str(caught.value), repr(caught.value), chained, repr(vars(caught.value))]
        return str(caught.value)

    def check(self, *secrets: str) -> None:
        shown = "".join(self.texts) + self.log.getvalue()
        assert shown
        assert [secret for secret in secrets if secret in shown] == []


def test_no_failure_shows_a_secret(
    opened: Callable[..., RemoteStore],
    bucket_server: BucketServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Keys and passwords are planted wherever a user may give them; then all that can fail does."""
    wrong = "wr0ng-secret-key-of-the-bucket"
    with Shown() as shown:
        store = opened()
        digest = store.put(b"hello").digest
        held = store._places
        shown.texts += [
            repr(store),
            store._repr_html_(),
            repr(held),
            repr(vars(store)),
            repr(vars(held)),
            repr(store._session),
        ]
        shown.texts.append(repr(vars(store._session)))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", wrong)
        assert "does not know these credentials" in shown.fail(opened, CredentialsError)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stranger")
        shown.fail(opened, CredentialsError)
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        assert "no credentials" in shown.fail(opened, CredentialsError)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)

        options = bucket_server.options
        nowhere = {**options, "endpoint": f"http://127.0.0.1:{free_port()}"}
        said = shown.fail(
            lambda: RemoteStore(DATABASE, f"s3://{SHARED}/x", storage_options=nowhere), UnreadableStoreError
        )
        assert "cannot be reached" in said
        said = shown.fail(
            lambda: RemoteStore(DATABASE, "s3://no-such-bucket/x", storage_options=options), UnreadableStoreError
        )
        assert "does not exist" in said

        held._store = denied_client(bucket_server)
        for act in (
            lambda: store.put(b"new"),
            lambda: store.get(digest).read(),
            lambda: store.open(digest),
            store.fsck,
            store.orphans,
            lambda: store.put_many([b"1", b"2"]),
        ):
            assert "the service answers 403" in shown.fail(act, CredentialsError)
        shown.check(PASSWORD, SECRET, wrong)
    out, err = capfd.readouterr()
    assert not [secret for secret in (PASSWORD, SECRET, wrong) if secret in out + err]


def denied_client(server: BucketServer) -> object:
    """Return a client whose credentials are known, and may do nothing."""
    from blobkit.buckets import client  # noqa: PLC0415 (an extra)

    keys = {"access_key_id": "stranger", "secret_access_key": SECRET, "token": None, "expires_at": None}
    return client.s3(SHARED, server.url, "us-east-1", lambda: keys)


def test_the_facade_has_it() -> None:
    assert blobkit.RemoteStore is RemoteStore


# With a real database


def test_one_store_on_two_hosts(
    database_server: DatabaseServer,
    bucket_server: BucketServer,
    signed: None,  # noqa: ARG001
    tmp_path: Path,
) -> None:
    addresses, schema = (database_server.url, f"s3://{SHARED}/{bucket_server.prefix()}"), database_server.schema()
    options = {"schema": schema, "storage_options": bucket_server.options, "spool": tmp_path}
    with pytest.raises(NotAStoreError, match="holds no blobkit store"):
        RemoteStore(*addresses, create=False, **options)
    with RemoteStore(*addresses, **options) as one, RemoteStore(*addresses, create=False, **options) as two:
        one._session._removals = 0  # so that it does not sweep by itself
        digest = one.put(b"hello", tag="greeting:1").digest
        assert two.get(digest).read() == b"hello"
        assert two.put(b"hello").refcount == 2
        assert one.import_(blobkit.demo.small(), progress=False).blobs == 33
        assert two.usage(by="tag").bytes == one.usage(by="tag").bytes > 0
        assert two.untag("greeting:1").digests == ()
        assert one.deref(digest).digests == (digest,)
        assert two.sweep() == 1
        assert not two.fsck(progress=False)
        assert one.identity == two.identity
    with pytest.raises(NotAStoreError, match="belongs to another store"):
        RemoteStore(*addresses, **{**options, "schema": database_server.schema()})


def test_no_failure_of_the_database_shows_a_secret(
    database_server: DatabaseServer,
    bucket_server: BucketServer,
    signed: None,  # noqa: ARG001
    tmp_path: Path,
) -> None:
    bucket, options = f"s3://{SHARED}/{bucket_server.prefix()}", bucket_server.options
    host = f"host={database_server.place}&password={PASSWORD}"
    addresses = {
        f"postgresql://locked@/postgres?{host}": CredentialsError,
        f"postgresql://owner@/nowhere?{host}": NotAStoreError,
        f"postgresql://owner:{PASSWORD}@127.0.0.1:{free_port()}/postgres": StoreBusyError,
        f"postgresql://owner@/postgres?{host}&no_such_word={PASSWORD}": AddressError,
    }
    with Shown() as shown:
        for address, kind in addresses.items():
            shown.fail(lambda: RemoteStore(address, bucket, storage_options=options, spool=tmp_path), kind)  # noqa: B023
        url = f"postgresql://owner:{PASSWORD}@/postgres?host={database_server.place}"
        schema = database_server.schema()
        store = RemoteStore(url, bucket, schema=schema, storage_options=options, spool=tmp_path)
        store.put(b"hello")
        shown.texts += [repr(store), repr(vars(store)), repr(store._index), store._repr_html_(), str(store.fsck())]
        store.close()
        shown.fail(lambda: store.put(b"more"))
        shown.check(PASSWORD, SECRET)


def test_the_facade_loads_no_driver() -> None:
    code = 'import sys, blobkit; blobkit.RemoteStore; print({*sys.modules} & {"psycopg", "obstore", "boto3"})'
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
