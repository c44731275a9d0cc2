"""What users write against the store passes mypy --strict, as the package says that it is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import blobkit
from patience import HANG

PROGRAM = """
import gzip
import io
import mmap
import subprocess
import tarfile
from array import array
from pathlib import Path

import blobkit

def put(store: blobkit.LocalStore, pipe: subprocess.Popen[bytes], memory: mmap.mmap) -> list[blobkit.Descriptor]:
    assert pipe.stdout is not None
    with gzip.open("x.gz") as zipped, open("x", "rb") as file, tarfile.open("x.tar") as archive:
        member = archive.extractfile("x")
        assert member is not None
        return store.put_many(
            [b"x", bytearray(b"x"), memoryview(b"x"), array("B", b"x"), memory, "x", Path("x"),
             io.BytesIO(b"x"), zipped, file, member, pipe.stdout]
        )

def write(writer: blobkit.BlobWriter) -> blobkit.Descriptor:
    writer.write(array("B", b"x"))
    return writer.commit()

def keep(root: Path) -> tuple[str, ...]:
    with blobkit.LocalStore(root, durability="normal") as store, store.batch() as batch:
        found = write(batch.new_writer("sha512", media_type="text/plain"))
        names: dict[str, str] = batch.tags()
        levels: tuple[tuple[int, int], ...] = store.simulate_deref(found.digest).levels
        content: bytes = store.get(found.digest).read()
    return (*found.links, *names, str(levels), str(content))

def ask(snapshot: blobkit.Snapshot, store: blobkit.LocalStore) -> int:
    try:
        total: int = snapshot.usage(by=lambda tag: tag[:3], where="*:1.?").bytes
    except (blobkit.UnknownTargetError, blobkit.errors.PatternError) as error:
        total = len(error.digest)
    frame = blobkit.growth([snapshot, store]) if total else store.reach("a:1", columns="size")
    return len(frame) + snapshot.simulate_deref("a:1", groups=["a"]).bytes + len(store.tags_frame()["version"])
"""


CONFIGURATION = """
[mypy]
strict = True
[mypy-numba.*,IPython.*,matplotlib.*,networkx.*,prompt_toolkit.*,pyarrow.*,scipy.*,tqdm.*,traitlets.*]
follow_imports = skip
follow_imports_for_stubs = True
ignore_missing_imports = True
"""
"""Libraries that have no part in the program are not read: that would take longer than all else."""


@pytest.mark.slow
def test_programs_of_users_are_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    how = ["--config-file", str(tmp_path / "mypy.ini"), "--no-error-summary", "--cache-dir", os.devnull]
    command = [sys.executable, "-m", "mypy", *how, str(tmp_path / "program.py")]
    root = Path(blobkit.__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=HANG)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
