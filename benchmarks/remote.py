"""Scan a registry over HTTP: requests, CPU and memory a manifest, gain of asking for many at once. Prints a table.

    python benchmarks/remote.py [--repositories 60] [--tags 5] [--turns 5] [--at DIR]

A real docker-registry is filled over its API (in --at, where the next run finds it) and scanned by processes of their
own, whose figures are taken on top of the imports. `formula`: the requests that must be made: one for each page of the
catalog, for each repository and tag, for each manifest that tags reach, and one to learn whether there is an API for
referrers; a second scan makes all but those for manifests. `slow` is a proxy that answers 50 ms later; `in turn` asks
for the same tags and manifests one after the other over one connection (http.client). `skopeo` inspects one tag a
process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import blobkit
from remote_servers.filling import fill
from remote_servers.mask import mask
from remote_servers.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

DOING = """
import json, logging, resource, sys, time
import blobkit, aiohttp
import numpy, pandas, pyarrow, sqlite3
import blobkit.scanners.registry_http, blobkit.snapshot.snapshot
from blobkit.log import log
said = []
class Keep(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())
log.addHandler(Keep()); log.setLevel(logging.DEBUG)
url, cache, at_once = sys.argv[1:]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, cpu, wall = peak(), time.process_time(), time.perf_counter()
cache = False if cache == "none" else cache
options = {"configs": False, "at_once": int(at_once)}
snapshot = blobkit.scan(f"registry+{url}", progress=False, cache=cache, storage_options=options)
asked = next(line for line in said if line.startswith("requests: "))
print(json.dumps({
    "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "kib": peak() - before,
    "blobs": snapshot.blobs, "asked": asked.removeprefix("requests: "),
    "manifests": sum(kind in ("manifest", "index", "artifact") for kind in snapshot.nodes["kind"].to_pylist()),
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repositories", type=int, default=60)
    parser.add_argument("--tags", type=int, default=5)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--at", type=Path, default=None)
    args = parser.parse_args()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root = args.at or scratch / "registry"
        with registry(root) as url:
            if not (root / "storage").exists():
                fill(url, args.repositories, args.tags, architectures=6)
            tags = all_tags(url)
            report_requests(url, scratch, tags)
            report_costs(url, scratch, tags, args.turns)
            report_latency(url, tags)


def scan(url: str, cache: Path | None, at_once: int = 16) -> dict[str, float]:
    command = [sys.executable, "-c", DOING, url, str(cache or "none"), str(at_once)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def report_requests(url: str, scratch: Path, tags: list[tuple[str, str]]) -> None:
    cache = scratch / "counted.sqlite"
    first, second = scan(url, cache), scan(url, cache)
    repositories = len({name for name, _ in tags})
    base = 1 + repositories + len(tags) + 1
    print(f"{repositories} repositories, {len(tags)} tags, {first['manifests']} manifests, {first['blobs']} blobs")
    for name, found, formula in (("first", first, base + first["manifests"]), ("second", second, base)):
        total = sum(int(part.split()[0].replace(",", "")) for part in str(found["asked"]).split(", "))
        print(f"  {name} scan: {total:,} requests, formula {formula:,} ({found['asked']})")


def report_costs(url: str, scratch: Path, tags: list[tuple[str, str]], turns: int) -> None:
    firsts, seconds, skopeos = [], [], []
    for turn in range(turns):
        cache = scratch / f"{turn}.sqlite"
        firsts.append(scan(url, cache))
        seconds.append(scan(url, cache))
        skopeos.append(skopeo(url, tags[:20]) if shutil.which("skopeo") else float("nan"))
    middle = {
        name: {
            what: statistics.median(float(one[what]) for one in found) for what in ("cpu", "wall", "kib", "manifests")
        }
        for name, found in (("first", firsts), ("second", seconds))
    }
    for name, found in middle.items():
        each = 1000 * found["cpu"] / found["manifests"]
        print(f"  {name} scan: {each:.2f} ms CPU and {found['kib'] / found['manifests']:.2f} KiB a manifest", end="")
        print(f", {found['cpu']:.2f} s CPU, {found['wall']:.2f} s wall")
    ours = 1000 * middle["first"]["cpu"] / len(tags)
    theirs = 1000 * statistics.median(skopeos)
    print(
        f"  CPU a tag: {ours:.2f} ms with all that it reaches; skopeo inspect {theirs:.1f} ms for its manifest alone",
        end="",
    )
    print(f" ({theirs / ours:.1f}x)")


def skopeo(url: str, tags: list[tuple[str, str]]) -> float:
    """Return the seconds of CPU that `skopeo inspect --raw` takes for one tag."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for name, tag in tags:
        image = f"docker://{urlsplit(url).netloc}/{name}:{tag}"
        command = ["skopeo", "inspect", "--raw", "--no-tags", "--tls-verify=false", image]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(tags)


def report_latency(url: str, tags: list[tuple[str, str]]) -> None:
    """Compare with a loop that asks in turn, for a tenth of the repositories."""
    names = sorted({name for name, _ in tags})[: max(2, len({name for name, _ in tags}) // 10)]
    few = [(name, tag) for name, tag in tags if name in names]
    with slow(url) as late:
        loop = in_turn(late, few)
        for at_once, asked in ((8, 5), (32, 12)):
            found = scan_some(late, names, at_once)
            gain = f"{loop / found:.1f}x (asked {asked}x)"
            print(f"  50 ms later, {at_once} at once: {found:.1f} s, in turn {loop:.1f} s: {gain}")


@contextmanager
def slow(url: str) -> Iterator[str]:
    """Run the proxy in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with mask(url, "slow") as late:
            os.write(writer, late.url.encode())
            os.close(writer)
            time.sleep(3600)
    os.close(writer)
    try:
        yield os.read(reader, 100).decode()
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def scan_some(url: str, names: list[str], at_once: int) -> float:
    options = {"repositories": names, "configs": False, "at_once": at_once}
    start = time.perf_counter()
    blobkit.scan(f"registry+{url}", progress=False, cache=False, storage_options=options)
    return time.perf_counter() - start


def in_turn(url: str, tags: list[tuple[str, str]]) -> float:
    """Return the seconds that a plain loop takes for the tags and all manifests that they reach."""
    connection = HTTPConnection(urlsplit(url).netloc)
    accept = {"Accept": "application/vnd.oci.image.index.v1+json,application/vnd.oci.image.manifest.v1+json"}

    def ask(method: str, path: str) -> tuple[str, bytes]:
        connection.request(method, path, headers=accept)
        with connection.getresponse() as answer:
            return answer.headers.get("Docker-Content-Digest", ""), answer.read()

    start = time.perf_counter()
    for name in sorted({name for name, _ in tags}):
        ask("GET", f"/v2/{name}/tags/list")
    todo = [(name, ask("HEAD", f"/v2/{name}/manifests/{tag}")[0]) for name, tag in tags]
    seen: set[str] = set()
    for name, digest in todo:
        if digest not in seen:
            seen.add(digest)
            body = json.loads(ask("GET", f"/v2/{name}/manifests/{digest}")[1])
            todo += [(name, child["digest"]) for child in body.get("manifests", [])]
    return time.perf_counter() - start


def all_tags(url: str) -> list[tuple[str, str]]:
    """Return repository and name of each tag."""
    connection = HTTPConnection(urlsplit(url).netloc)

    def ask(path: str) -> dict[str, list[str]]:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            found: dict[str, list[str]] = json.loads(answer.read())
            return found

    names = ask("/v2/_catalog?n=1000")["repositories"]
    return [(name, tag) for name in names for tag in ask(f"/v2/{name}/tags/list")["tags"] or ()]


if __name__ == "__main__":
    main()
