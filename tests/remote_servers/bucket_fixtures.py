"""A server of buckets that tests share, a registry in one of its buckets, and the credentials for both."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from live_registry import needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.content.s3 import S3Content
    from remote_servers.buckets import BucketServer

__all__ = ["FilledBucket", "bucket_server", "filled_bucket", "s3_content", "signed"]


@dataclass(frozen=True)
class FilledBucket:
    """A registry that a real program wrote into a bucket, and a copy of its keys as files, times and all."""

    server: BucketServer
    bucket: str
    prefix: str
    mirror: Path

    @property
    def address(self) -> str:
        return f"registry+s3://{self.bucket}/{self.prefix}"


@pytest.fixture(scope="session")
def bucket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    """A server that tests share; each makes buckets of its own."""
    pytest.importorskip("boto3")
    pytest.importorskip("obstore")
    from remote_servers.buckets import running  # noqa: PLC0415 (few tests need its libraries)

    with running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def filled_bucket(bucket_server: BucketServer, tmp_path_factory: pytest.TempPathFactory) -> FilledBucket:
    """A registry of 3 repositories in a bucket. Only read it."""
    needs("docker-registry")
    from remote_servers.buckets import SHARED  # noqa: PLC0415
    from remote_servers.filling import fill  # noqa: PLC0415 (few tests need its library)
    from remote_servers.registry import registry  # noqa: PLC0415

    root = tmp_path_factory.mktemp("registry-in-bucket")
    prefix = bucket_server.prefix()
    with registry(root, driver=bucket_server.driver(SHARED, f"/{prefix}")) as url:
        fill(url, 3, 3)
    return FilledBucket(
        bucket_server, SHARED, prefix.rstrip("/"), bucket_server.mirror(SHARED, prefix, root / "mirror")
    )


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let this process have the credentials of the server, and none of its user, whose cache it does not use either."""
    from remote_servers.buckets import KEY, SECRET  # noqa: PLC0415

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def s3_content(bucket_server: BucketServer, signed: None, tmp_path: Path) -> Iterator[S3Content]:  # noqa: ARG001
    """The empty content of a store, in a prefix of its own."""
    from blobkit.store.remote.opening import open_content, place_of  # noqa: PLC0415 (few tests need its libraries)
    from remote_servers.buckets import SHARED  # noqa: PLC0415

    there = place_of(f"s3://{SHARED}/{bucket_server.prefix()}")
    content = open_content(there, bucket_server.options, tmp_path / "spool")
    yield content
    content.close()
