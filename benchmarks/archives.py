"""Index archives without extracting them, against `tar t`. Prints a table of seconds and peak memory.

    python benchmarks/archives.py [--turns 5] [--gib 4] [--members 1000000] [--directory DIR]

`images`: an archive of `docker save` with 40 layers; `layout`: an OCI layout with 2,000 blobs; both have --gib GiB in a
sparse file. `small`: --members files of 100 to 500 bytes, as `docker export` writes a file system. Each turn is a
process of its own, the contenders take turns, the files are warm. Seconds are CPU (user and system) and wall; `tar` is
the whole process, `index` and `scan` are what comes on top of the imports, as is the peak of memory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

DOING = """
import os, resource, sys, time
from pathlib import Path
import blobkit
from blobkit.scanners import docker_archive, oci_archive
from blobkit.sources.archive import Archive
import blobkit.snapshot.snapshot, pyarrow, numpy
import gzip
what, path = sys.argv[1:]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run = {"index": Archive, "scan": lambda path: blobkit.scan(path, progress=False)}[what]
before, start, wall = peak(), time.process_time(), time.perf_counter()
run(path)
print(time.process_time() - start, time.perf_counter() - wall, (peak() - before) / 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.directory) as place:
        root = Path(place)
        size = int(args.gib * (1 << 30))
        cases = {"images": images(root / "images.tar", size), "layout": layout(root / "layout.tar", size)}
        if args.members:
            cases["small"] = small(root / "small.tar", args.members)
        print(f"{'':8}{'':8}{'CPU s':>10}{'wall s':>10}{'peak MiB':>10}{'CPU / tar':>10}")
        for name, path in cases.items():
            report(name, path, args.turns)


def report(name: str, path: Path, turns: int) -> None:
    whats = ("tar", "index") if name == "small" else ("tar", "index", "scan")
    found: dict[str, list[tuple[float, float, float]]] = {what: [] for what in whats}
    for _ in range(turns):
        for what in whats:
            found[what].append(by_tar(path) if what == "tar" else by_us(what, path))
    middle = {what: [statistics.median(column) for column in zip(*rows, strict=True)] for what, rows in found.items()}
    for what, (cpu, wall, peak) in middle.items():
        print(f"{name:8}{what:8}{cpu:10.4f}{wall:10.4f}{peak:10.1f}{cpu / middle['tar'][0]:10.2f}")


def by_us(what: str, path: Path) -> tuple[float, float, float]:
    """A shell between, because the peak of a process starts with that of the one that forked it."""
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", DOING, what, os.fspath(path)]
    cpu, wall, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(cpu), float(wall), float(peak)


def by_tar(path: Path) -> tuple[float, float, float]:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(["tar", "tf", path], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, 0.0


class Writer:
    """A tar whose large members are holes."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def add(self, name: str, size: int, data: bytes = b"") -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mtime = size, 1_700_000_000
        self.file.write(info.tobuf(tarfile.GNU_FORMAT))
        if data:
            self.file.write(data)
            self.file.seek(-size % 512, os.SEEK_CUR)
        else:
            self.file.seek(-(-size // 512) * 512, os.SEEK_CUR)

    def end(self) -> None:
        self.file.truncate(self.file.tell() + 10_240)
        self.file.close()


def images(path: Path, size: int) -> Path:
    """Ten images of four layers each; the digests are made up."""
    to, items = Writer(path), []
    for image in range(10):
        diffs = [hashlib.sha256(f"{image} {number}".encode()).hexdigest() for number in range(4)]
        config = json.dumps({"os": "linux", "rootfs": {"diff_ids": [f"sha256:{one}" for one in diffs]}}).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        for one in diffs:
            to.add(f"{one}.tar", size // 40)
        to.add(name, len(config), config)
        items.append({"Config": name, "RepoTags": [f"x:{image}"], "Layers": [f"{one}.tar" for one in diffs]})
    manifest = json.dumps(items).encode()
    to.add("manifest.json", len(manifest), manifest)
    to.end()
    return path


def layout(path: Path, size: int) -> Path:
    """200 images with eight layers each; the digests of layers are made up."""
    to, entries = Writer(path), []
    for image in range(200):
        layers = [hashlib.sha256(f"{image} {number}".encode()).hexdigest() for number in range(8)]
        config = json.dumps({"os": "linux", "image": image}).encode()
        body = {
            "schemaVersion": 2,
            "config": descriptor(config, "config.v1+json"),
            "layers": [{"mediaType": "x", "digest": f"sha256:{one}", "size": size // 1600} for one in layers],
        }
        manifest = json.dumps(body).encode()
        for one in layers:
            to.add(f"blobs/sha256/{one}", size // 1600)
        for data in (config, manifest):
            to.add(f"blobs/sha256/{hashlib.sha256(data).hexdigest()}", len(data), data)
        entries.append(
            descriptor(manifest, "manifest.v1+json")
            | {"annotations": {"org.opencontainers.image.ref.name": f"x:{image}"}}
        )
    for name, body in (("index.json", {"manifests": entries}), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        data = json.dumps(body).encode()
        to.add(name, len(data), data)
    to.end()
    return path


def descriptor(data: bytes, kind: str) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(data)}


def small(path: Path, members: int) -> Path:
    to = Writer(path)
    for number in range(members):
        size = 100 + number % 400
        to.add(f"usr/share/doc/package-{number // 100}/file-{number}.txt", size, b"x" * size)
    to.end()
    return path


if __name__ == "__main__":
    main()
