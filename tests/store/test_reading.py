"""Reading beside writers: a blob is read whole, or it is said to be gone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from blobkit.digest import of
from blobkit.errors import BlobNotFoundError, ContentMissingError
from blobkit.store.local import LocalStore

REPOSITORY = Path(__file__).parents[2]

CHURN = """
import sys
from blobkit.store.local import LocalStore
with LocalStore(sys.argv[1], durability="off") as store:
    print("ready", flush=True)
    while True:
        store.deref(store.put(b"comes and goes").digest)
"""


@pytest.mark.slow
def test_get_beside_removals_gives_the_content_or_says_that_the_blob_is_gone(tmp_path: Path) -> None:
    root, found = tmp_path / "store", Counter()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", CHURN, root]
    digest = of(b"comes and goes")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            with LocalStore(root, durability="off") as store:
                while min(found["read"], found["BlobNotFoundError"]) < 50 and process.poll() is None:
                    try:
                        blob = store.get(digest)
                        time.sleep(0.0002)  # it may go in between
                        assert blob.read() == b"comes and goes"
                        found["read"] += 1
                    except BlobNotFoundError as error:
                        found[type(error).__name__] += 1
                assert process.poll() is None
        finally:
            process.kill()
    assert set(found) == {"read", "BlobNotFoundError"}, "the content of a blob that is there is never missed"


@pytest.mark.parametrize("length", [0, 99, 101, None])
def test_small_content_of_another_length_is_missing_not_read(tmp_path: Path, length: int | None) -> None:
    with LocalStore(tmp_path / "store", durability="off") as store:
        blob = store.get(store.put(bytes(100)).digest)
        assert blob.read() == bytes(100)
        path = store.root / "blobs/sha256" / blob.digest[7:]
        path.chmod(0o644)
        if length is None:
            path.unlink()
        else:
            os.truncate(path, length)
        with pytest.raises(ContentMissingError):
            blob.read()
        store.put(bytes(100))
        assert blob.read() == bytes(100)


def test_large_content_that_was_truncated_is_healed_by_the_next_put(tmp_path: Path) -> None:
    data = os.urandom(5 << 20)
    (tmp_path / "data").write_bytes(data)
    with LocalStore(tmp_path / "store", durability="off") as store:
        digest = store.put(data).digest
        path = store.root / "blobs/sha256" / digest[7:]
        for source in (data, tmp_path / "data"):
            path.chmod(0o644)
            os.truncate(path, 3 << 20)
            with pytest.raises(ContentMissingError):
                store.get(digest).open()
            store.put(source)
            assert store.get(digest).read() == data
            assert path.stat().st_mode & 0o777 == 0o444
        assert store.get(digest).refcount == 3
