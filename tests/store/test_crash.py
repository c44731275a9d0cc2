"""Killed at every system call: index.json and the index agree again at the next opening, without a word.

A forked child does one thing while strace kills it at the n-th call of one kind, for every kind that changes
something, and every n until the child gets through.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from patience import HANG

REPOSITORY = Path(__file__).parents[2]

DRIVER = '''
import ctypes, json, os, pathlib, shutil, subprocess, sys, traceback
from blobkit.digest import of
from blobkit.errors import LayoutChangedWarning, NotAdoptedError, StoreDamagedError
from blobkit.store.local import LocalStore

CALLS = "write pwrite64 rename openat unlink ftruncate fchmod mkdir".split()
if "BLOBKIT_TORTURE" in os.environ:  # they change nothing that outlives the process: the next change finds the same
    CALLS += "fsync fdatasync fcntl flock close".split()
NAME = "org.opencontainers.image.ref.name"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EXPECTED = {"adopt": LayoutChangedWarning, "become": (NotAdoptedError, StoreDamagedError)}

task, place, durability = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
template, root = place / "template", place / "store"

def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return of(data)

def entry(digest, name, media_type):
    named = {"annotations": {NAME: name}} if name else {}
    size = (template / "blobs" / digest.replace(":", "/")).stat().st_size
    return {"mediaType": media_type, "digest": digest, "size": size, **named}

def foreign():
    """What another program adds: an image with a name, a blob without one."""
    blobs = template / "blobs" / "sha256"
    layer = write(blobs / of(b"layer")[7:], b"layer")
    body = json.dumps({"layers": [{"mediaType": "x/y", "digest": layer, "size": 5}]}).encode()
    image = write(blobs / of(body)[7:], body)
    raw = write(blobs / of(b"raw")[7:], b"raw")
    return [entry(image, "theirs", MANIFEST), entry(raw, "", "x/z")]

def made():
    """The store, or what will become one, before the task."""
    if task == "become":
        entries = [*foreign(), entry(write(template / "blobs/sha256" / of(b"old")[7:], b"old"), "t", "x/y")]
        write(template / "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    else:
        with LocalStore(template, durability=durability) as store:
            store.put(b"old", tag="t", media_type="x/y")
            store.put(b"new", tag="u", media_type="x/y")
        entries = json.loads((template / "index.json").read_bytes())["manifests"]
        entries += foreign() if task == "adopt" else []
    if task != "move":
        write(template / "index.json", json.dumps({"schemaVersion": 2, "manifests": entries}).encode())

def work():
    if task == "move":
        store = LocalStore(root, durability=durability)
        return lambda: store.tag("t", of(b"new"), move=True)
    return lambda: LocalStore(root, durability=durability, adopt=True)

def child(gate):
    """Do the task once the gate opens; exit without the interpreter's farewell."""
    try:
        ctypes.CDLL(None).prctl(0x59616D61, -1)  # strace, a brother, may trace this
        act = work()
        ready.write(b"r")
        os.read(gate, 1)
        act()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)

def killed(call, number):
    """Let a child be killed at that call; return whether it was."""
    global ready
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(template, root)
    gate, opener = os.pipe()
    told, tell = os.pipe()
    ready = os.fdopen(tell, "wb", buffering=0)
    pid = os.fork()
    if pid == 0:
        child(gate)
    ready.close()
    os.read(told, 1)
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-p", str(pid)]
    command += ["-e", f"inject={call}:signal=KILL:when={number}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as strace:
        line = strace.stderr.readline()
        if b"attached" not in line:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            print(json.dumps({"skip": line.decode()}))
            sys.exit()
        os.write(opener, b"g")
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        strace.stderr.read()
    for fd in (gate, opener, told):
        os.close(fd)
    assert status in (0, -9), status
    return status == -9

def shown():
    entries = json.loads((root / "index.json").read_bytes())["manifests"]
    return sorted((e.get("annotations", {}).get(NAME, ""), e["digest"]) for e in entries)

def check():
    """Open what is left as anybody would; warnings are errors."""
    if task == "move":
        store = LocalStore(root, durability=durability)
        assert store.tags() in ({"t": of(b"old"), "u": of(b"new")}, {"t": of(b"new"), "u": of(b"new")})
        result = store.tags()["t"] == of(b"new")
        assert (of(b"old") in store) != result
        assert shown() == sorted(store.tags().items())
    else:
        before = shown()
        try:
            LocalStore(root, durability=durability).close()
            result = True
        except EXPECTED[task] as error:
            assert "adopt=True" in str(error)
            result = False
        assert {digest for _, digest in before} <= {digest for _, digest in shown()}
        store = LocalStore(root, durability=durability, adopt=True)
        assert store.tags().keys() == {"t", "theirs"} | ({"u"} if task == "adopt" else set())
        assert shown() == sorted([*store.tags().items(), ("", of(b"raw"))])
    blobs = [store.get(digest) for digest in store.list()]
    for blob in blobs:
        assert blob.refcount == blob.pins + sum(b.links.count(blob.digest) for b in blobs)
        assert blob.pins == max(len(blob.tags), int(blob.digest == of(b"raw")))
        assert of(blob.read()) == blob.digest
    files = {f"sha256:{path.name}" for path in (root / "blobs/sha256").iterdir()}
    assert files == set(store.list()), "a removed blob left its file, or the other way round"
    assert store._index.read(lambda rows: rows.meta("layout_dirty")) is None
    store.close()
    assert {path.name for path in (root / ".blobkit").iterdir()} - {"quarantine"} == {"index.sqlite", "tmp"}
    assert not list((root / ".blobkit/tmp").iterdir())
    LocalStore(root, durability=durability).close()
    return result

made()
points, done = 0, set()
for call in CALLS:
    number = 1
    while killed(call, number):
        try:
            done.add(check())
        except BaseException as error:
            raise SystemExit(f"killed at {call} {number}: {error!r}\\n{traceback.format_exc()}")
        points, number = points + 1, number + 1
    assert check()
print(json.dumps({"points": points, "done": sorted(done)}))
'''


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "durability", "least"),
    [
        ("move", "full", 25),
        pytest.param("move", "off", 25, marks=pytest.mark.slow),
        pytest.param("adopt", "full", 25, marks=pytest.mark.slow),
        pytest.param("become", "off", 25, marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_system_call(quick_path: Path, task: str, durability: str, least: int) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not here: apt install strace")
    command = [sys.executable, "-W", "error", "-c", DRIVER, task, str(quick_path), durability]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    if "skip" in figures:
        pytest.skip(f"strace may not trace here: {figures['skip']}")
    assert figures["points"] >= least
    assert figures["done"] == [False, True], "killed both before and after the change became true"
