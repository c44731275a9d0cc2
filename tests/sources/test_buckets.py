"""Buckets as sources: the keys of a real S3 server, and of obstore's own stores."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("obstore")
pytest.importorskip("boto3")

import obstore
from botocore.credentials import RefreshableCredentials
from obstore.store import LocalStore, MemoryStore

from blobkit.buckets.account import Account, _no_credentials
from blobkit.buckets.connecting import check_not_empty, connected
from blobkit.buckets.keys import Folders, Key, file_at, files_below
from blobkit.buckets.objects import Objects
from blobkit.buckets.options import Options, read_options, to_give
from blobkit.errors import AddressError, CredentialsError, Hint, MissingExtraError, UnreadableStoreError
from blobkit.remotes import Remote
from blobkit.sources.buckets.bucket import Bucket
from blobkit.sources.source import Is
from blobkit.testing.source import NAMES, SourceSuite
from remote_servers.buckets import SECRET, SHARED
from remote_servers.scripted import Reply, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from remote_servers.buckets import BucketServer

pytestmark = pytest.mark.usefixtures("signed")


class TestLocalStore(SourceSuite):
    """obstore's own store of a directory keeps times."""

    has_links = has_pipes = False
    names = ("plain", "with blank", "naïve-日本", "-rf", "..hidden", "...")

    @pytest.fixture(autouse=True)
    def _closed(self) -> Iterator[None]:
        self.opened: list[Objects] = []
        yield
        for one in self.opened:
            one.__exit__()

    def make(self, root: Path) -> Bucket:
        self.opened.append(Objects(LocalStore(root), at_once=4))
        return Bucket(self.opened[-1], "", "local")


@pytest.mark.slow
class TestServer(SourceSuite):
    """A real server; boto3 reads keys that obstore cannot express."""

    has_links = has_pipes = has_times = False
    names = tuple(name for name in NAMES if name.isprintable() and name != os.fsdecode(b"not-utf8-\xff\xfe"))

    @pytest.fixture(autouse=True)
    def _server(self, bucket_server: BucketServer) -> Iterator[None]:
        self.server, self.opened = bucket_server, list[Objects]()
        yield
        for one in self.opened:
            one.__exit__()

    def make(self, root: Path) -> Bucket:
        prefix = self.server.prefix()
        self.server.upload(root, prefix)
        for path in root.rglob("*"):
            if path.is_dir() and not any(path.iterdir()):
                self.server.marker(f"{prefix}{path.relative_to(root)}/")
        self.opened.append(exact(self.server))
        return Bucket(self.opened[-1], prefix, f"s3://{SHARED}/{prefix}")

    def test_nothing_is_written_and_every_file_is_closed(self, root: Path) -> None:
        """Connections stay open for the next request, so no descriptors are counted."""
        source = self.make(root)
        source.load()
        before = self.server.client.list_objects_v2(Bucket=SHARED, Prefix=source.prefix).get("Contents")
        for ask in (source.list, source.stat, lambda path: source.read(path, 9)):
            with suppress(OSError):
                ask("absent/file")
        assert self.server.client.list_objects_v2(Bucket=SHARED, Prefix=source.prefix).get("Contents") == before


def exact(server: BucketServer, bucket: str = SHARED) -> Objects:
    account = Account(bucket, read_options(server.options, {}))
    return Objects(server.store(bucket), exact=account, at_once=8)


def memory(keys: dict[str, bytes]) -> Objects:
    store = MemoryStore()
    for key, data in keys.items():
        obstore.put(store, key, data)
    return Objects(store, at_once=2)


def test_folders_of_keys() -> None:
    folders = Folders("p/")
    key = Key(1, 0)
    folders.add([(f"p/{path}", key) for path in ("a/b", "a/c/d", "e", "mark/", "a/c/", "p//q", "../x", "x/./y", "")])
    assert dict(files_below(folders.top, "")) == {"a/b": key, "a/c/d": key, "e": key}
    assert folders.top["mark"] == {}
    assert [name for name, _ in folders.odd] == ["p/p//q", "p/../x", "p/x/./y"]


def test_a_name_of_a_file_and_of_a_folder() -> None:
    """Services keep both. An empty file is the marker of a folder, of which a client dropped the slash."""
    for rows in (["a", "a/b", "m/x"], ["a/b", "m/x", "a"]):
        folders = Folders("")
        folders.add(
            [*((name, Key(1, 0)) for name in rows), ("m", Key(0, 0)), ("n/link", Key(0, 0)), ("n/link/x", Key(1, 0))]
        )
        assert sorted(path for path, _ in files_below(folders.top, "")) == ["a", "a/b", "m/x", "n/link", "n/link/x"]
        assert file_at(folders.at("a")) == file_at(folders.at("a/b")) == Key(1, 0)
        assert file_at(folders.at("m")) is None
        assert folders.odd == []
    with memory({"a": b"file", "a/b": b"below"}) as objects:
        bucket = Bucket(objects, "", "memory")
        assert bucket.list("") == [("a", Is.FILE)]
        assert bucket.list("a") == [("b", Is.FILE)]
        assert (bucket.read("a", 9), bucket.read("a/b", 9)) == (b"file", b"below")


def test_markers_of_folders_of_other_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no other client lists, an empty object is asked for: there is none if its key ended in a slash."""
    with memory({"p/marker": b"", "p/empty": b"", "p/full": b"x", "p/data": b""}) as objects:
        has = objects._has
        monkeypatch.setattr(objects, "_has", lambda key: key != "p/marker" and has(key))
        bucket = Bucket(objects, "p/", "memory")
        expected = [("data", Is.FILE), ("empty", Is.FILE), ("full", Is.FILE), ("marker", Is.DIRECTORY)]
        assert bucket.list("") == expected
        whole = Bucket(objects, "p/", "memory")
        whole.load()
        assert whole.list("") == expected
        assert objects.counts["head"] == 2


def test_a_key_of_very_many_folders() -> None:
    name = "/".join("a" * 2_000)
    folders = Folders("")
    folders.add([(name, Key(1, 0))])
    assert [path for path, _ in files_below(folders.top, "")] == [name]
    with memory({name: b"x"}) as objects:
        bucket = Bucket(objects, "", "memory")
        bucket.load()
        assert bucket.read(name, 9) == b"x"


def test_a_folder_is_listed_once() -> None:
    with memory({"p/a/1": b"one", "p/a/2": b"two", "p/b": b"", "other": b"x"}) as objects:
        bucket = Bucket(objects, "p/", "memory")
        for _ in range(3):
            assert bucket.list("") == [("a", Is.DIRECTORY), ("b", Is.FILE)]
            assert bucket.read("a/1", 2) == b"on"
            assert bucket.read("b", 9) == b""
        assert objects.counts == {"list": 2, "get": 3, "head": 1}


def test_a_large_folder_is_listed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key is found once, whatever is before and behind the digits."""
    monkeypatch.setattr("blobkit.buckets.objects.PAGE", 10)
    names = [f"{number:04x}" for number in range(0, 65536, 99)] + ["!first", "zlast", "g", "0"]
    with memory({f"p/{name}": b"" for name in names} | {"q": b"", "o": b""}) as objects:
        found = [key for page in objects.spread("p/") for key, _ in page]
    assert sorted(found) == sorted(f"p/{name}" for name in names)


def test_one_failing_object_among_many() -> None:
    with memory({"a": b"aa", "b": b"bb"}) as objects:
        found = dict(objects.many([("a", 9), ("absent", 9), ("b", 1)]))
    assert (found["a"], found["b"]) == (b"aa", b"b")
    assert isinstance(found["absent"], FileNotFoundError)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"endpont": "https://x"}, "did you mean endpoint"),
        ({"at_once": "many"}, "give a whole number"),
        ({"at_once": 0}, "from 1 to 1024"),
        ({"anonymous": "perhaps"}, "True or False"),
        ({"endpoint": 5}, "give text"),
    ],
)
def test_options_that_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(AddressError, match=said):
        read_options(given, {})


def test_hints_about_options_speak_as_the_caller_does() -> None:
    with pytest.raises(AddressError) as caught:
        read_options({"anonymous": "perhaps"}, {})
    assert caught.value.in_shell().endswith("give yes or no")
    hint = _no_credentials("bucket").in_shell()
    assert hint.endswith("for a public bucket give -O anonymous=yes")
    assert to_give("give {}", "region", "x y") == Hint(
        "give storage_options={\"region\": 'x y'}", "give -O region='x y'"
    )
    assert to_give("give {}", "region") == Hint('give storage_options["region"]', "give -O region=REGION")


def test_options_of_the_command_line_are_text() -> None:
    found = read_options({"at_once": "32", "anonymous": "true", "versions": "no"}, {"inventory": "s3://b/m.json"})
    assert found == Options(at_once=32, anonymous=True, versions=False, inventory="s3://b/m.json")


def test_plain_http_to_another_machine_needs_a_word() -> None:
    with pytest.raises(AddressError, match="allow_http"):
        Account("bucket", Options(endpoint="http://storage.example"))
    assert Account("bucket", Options(endpoint="http://storage.example", allow_http=True)).endpoint.startswith("http:")


def refusal(server: BucketServer, bucket: str, prefix: str = "", **options: object) -> str:
    there = Remote("registry", "s3", bucket, prefix)
    with (
        pytest.raises((AddressError, CredentialsError, UnreadableStoreError)) as caught,
        connected(there, read_options(server.options | options, {})) as (objects, _),
    ):
        check_not_empty(there, objects)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.slow
def test_refusals_say_what_is_wrong_and_what_to_do(
    bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server, bucket = bucket_server, bucket_server.bucket()
    server.put(bucket, {"team/file": b"x"})
    assert "does not exist" in refusal(server, "no-such-bucket")
    assert "holds nothing: the bucket has the folders team" in refusal(server, bucket, "taem")
    assert refusal(server, bucket, endpoint="http://127.0.0.1:1").startswith("UnreadableStoreError: http://127.0.0.1:1")
    assert "there is no AWS profile shop" in refusal(server, bucket, profile="shop")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a wrong secret")
    said = refusal(server, bucket)
    assert said.startswith("CredentialsError")
    assert "does not know these credentials (SignatureDoesNotMatch)" in said
    assert "a wrong secret" not in said
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    assert "(InvalidAccessKeyId)" in refusal(server, bucket)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert 'for a public bucket give storage_options={"anonymous": True}' in refusal(server, bucket)
    assert refusal(server, bucket, anonymous=True).startswith("CredentialsError")
    config = tmp_path / "credentials"
    config.write_text(f"[shop]\naws_access_key_id = stranger\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(config))
    assert "may not be listed with these credentials (AccessDenied)" in refusal(server, bucket, profile="shop")
    assert "did you mean shop" in refusal(server, bucket, profile="shpo")


@pytest.mark.slow
def test_keys_that_one_client_cannot_express(bucket_server: BucketServer) -> None:
    """obstore fails at control characters, and takes the marker of a folder for a file: the other client lists then."""
    top = bucket_server.prefix()
    for key in ("p/a", "p/line\nbreak", "p/marker/", "q/x/", "q/x/y", "r/only/"):
        bucket_server.client.put_object(Bucket=SHARED, Key=top + key, Body=b"" if key.endswith("/") else b"x")
    with exact(bucket_server) as objects:
        bucket = Bucket(objects, top, "s3")
        assert bucket.list("p") == [("a", Is.FILE), ("line\nbreak", Is.FILE), ("marker", Is.DIRECTORY)]
        assert bucket.read("p/line\nbreak", 9) == b"x"
        assert bucket.list("q/x") == [("y", Is.FILE)]
        assert bucket.list("r") == [("only", Is.DIRECTORY)]
        whole = Bucket(objects, top, "s3")
        whole.load()
        assert whole.list("p") == bucket.list("p")
        assert whole.list("r") == bucket.list("r")
        alone = Bucket(objects, f"{top}r/", "s3")
        alone.load()
        assert alone.list("") == [("only", Is.DIRECTORY)]


def scan_of(url: str, **options: object) -> str:
    """Return the refusal of a server that answers as it likes."""
    there = Remote("registry", "s3", "shop")
    with (
        pytest.raises((CredentialsError, UnreadableStoreError)) as caught,
        connected(there, read_options({"endpoint": url, "region": "us-east-1"} | options, {})) as (objects, _),
    ):
        check_not_empty(there, objects)
    return f"{type(caught.value).__name__}: {caught.value}"


def refused(code: str, more: str = "", status: int = 400) -> Reply:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message>{more}</Error>'
    return Reply(status, body.encode(), {"Content-Type": "application/xml"})


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            refused("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
            "another region: give storage_options={\"region\": 'eu-west-1'}",
        ),
        (refused("ExpiredToken"), "have expired: log in again"),
        (refused("AccessDenied", status=403), "may not be listed with these credentials (AccessDenied)"),
        (refused("NoSuchBucket", status=404), "does not exist: check its name"),
        (refused("Strange\u202e", status=418), "cannot be listed: it answers 418 Strange\\u202e"),
    ],
)
def test_refusals_of_other_services(reply: Reply, said: str) -> None:
    with scripted(lambda _: reply) as server:
        assert said in scan_of(server.url)


@pytest.mark.slow
def test_a_server_that_fails_is_asked_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda _: refused("InternalError", status=500)) as server:
        assert "it answers 500 InternalError" in scan_of(server.url)
        assert len(server.seen) == 4
    monkeypatch.setattr(Account, "check", lambda *_: None)
    with scripted(lambda _: refused("InternalError", status=500)) as server:
        assert "the service answers 500 InternalError" in scan_of(server.url)
        assert len(server.seen) == 5


@pytest.mark.slow
def test_places_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """boto3 knows variables and profiles; obstore is given what it finds, a session token too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://storage.example")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    account = Account("shop", Options())
    assert (account.endpoint, account.region) == ("https://storage.example", "eu-north-1")
    assert Account("shop", Options(endpoint="https://other.example")).endpoint == "https://other.example"
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert Account("shop", Options(region="eu-west-3")).endpoint == "https://s3.eu-west-3.amazonaws.com"
    config = tmp_path / "config"
    config.write_text(
        "[profile shop]\nregion = ap-south-1\naws_access_key_id = A\naws_secret_access_key = B\naws_session_token = C\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_REGION")
    for chosen in (Options(profile="shop"), Options()):
        monkeypatch.setenv("AWS_PROFILE", "shop")
        account = Account("shop", chosen)
        assert account.region == "ap-south-1"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    current = Account("shop", Options(profile="shop")).credentials()
    assert current is not None
    assert current() == {"access_key_id": "A", "secret_access_key": "B", "token": "C", "expires_at": None}
    assert Account("shop", Options(anonymous=True)).credentials() is None


def test_credentials_that_end_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a role or of a single sign-on: the client is told when they end, and then asks for new ones."""
    ends = datetime.now(UTC) + timedelta(hours=1)
    made: list[str] = []

    def refresh() -> dict[str, str]:
        made.append(f"key-{len(made)}")
        return {"access_key": made[-1], "secret_key": "s", "token": "t", "expiry_time": ends.isoformat()}

    found = RefreshableCredentials.create_from_metadata(refresh(), refresh, "sso")
    account = Account("shop", Options(endpoint="https://storage.example"))
    monkeypatch.setattr(account._session, "get_credentials", lambda: found)
    current = account.credentials()
    assert current is not None
    assert current() == {"access_key_id": "key-0", "secret_access_key": "s", "token": "t", "expires_at": ends}
    ends = datetime.now(UTC) + timedelta(hours=2)
    found._expiry_time = datetime.now(UTC)
    assert current() == {"access_key_id": "key-1", "secret_access_key": "s", "token": "t", "expires_at": ends}


@pytest.mark.parametrize("transport", ["gs", "az"])
def test_buckets_of_other_services(monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    """The same client speaks to them; here its requests and refusals are seen, not a service."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "shop")
    there = Remote("registry", transport, "shop")
    with scripted(lambda _: refused("AuthenticationFailed", status=403)) as server:
        chosen = read_options({"endpoint": server.url, "anonymous": True}, {})
        with connected(there, chosen) as (objects, account):
            assert account is None
            with pytest.raises(UnreadableStoreError, match="cannot be listed: the service answers 403"):
                check_not_empty(there, objects)
        assert any("shop" in path for path in server.paths)


def test_an_extra_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "blobkit.buckets.objects", None)
    with (
        pytest.raises(MissingExtraError, match=r"pip install 'blobkit\[remote\]'"),
        connected(Remote("registry", "s3", "shop"), Options()),
    ):
        pass


def test_no_secret_is_shown() -> None:
    account = Account("shop", Options(endpoint="https://storage.example"))
    with connected_quietly(account) as objects:
        assert SECRET not in repr(account) + repr(vars(account)) + repr(objects) + repr(vars(objects))


@contextmanager
def connected_quietly(account: Account) -> Iterator[Objects]:
    from blobkit.buckets.client import s3  # noqa: PLC0415

    with Objects(s3("shop", account.endpoint, account.region, account.credentials()), exact=account) as objects:
        yield objects
