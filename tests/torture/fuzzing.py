"""Damaged stores and snapshots, one for each seed: `python fuzzing.py first count kind ...` asks everything of each.

Each outcome is an answer or a BlobkitError, and nothing in the store has changed. One line of JSON is printed for each
seed, before (so that whoever waits knows which one hangs or crashes) and after it.
"""

from __future__ import annotations

import json
import os
import random as randomness
import resource
import shutil
import stat
import sys
import tempfile
import traceback
import warnings
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import blobkit
from blobkit.errors import BlobkitError
from blobkit.oci import index
from blobkit.snapshot.kinds import collectors
from blobkit.snapshot.snapshot import Snapshot
from columns import damaged
from crafted import archive, directory
from layouts import ARTIFACT, DOCKER_LIST, DOCKER_MANIFEST, MANIFEST, GoStore, Layout, Registry
from mutations import SECRET, damage, mutate_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from crafted import Tables

ASKED = 10
"""Questions that are asked of each, of all that there are."""


def layout(root: Path) -> None:
    """An OCI layout with an image, an index, a referrer, docker types, an artifact, sha512, garbage, absent blobs."""
    shelf = Layout(root)
    one = shelf.image("team/app:1", "base", "top")
    shelf.image("team/app:2", "base", "other", subject=one)
    child = shelf.to(shelf.manifest(shelf.blob("top")), platform={"os": "linux", "architecture": "arm64"})
    shelf.add(shelf.index(one, {**child, "mediaType": MANIFEST}), "multi", DOCKER_LIST)
    shelf.add(shelf.manifest("sha256:" + "1" * 64, mediaType=DOCKER_MANIFEST), "docker", DOCKER_MANIFEST)
    shelf.add(shelf.json({"mediaType": ARTIFACT, "blobs": [shelf.to(one)], "subject": shelf.to(one)}), None, ARTIFACT)
    shelf.add(shelf.manifest(shelf.blob("long", label="sha512")), "long")
    shelf.blob("garbage")


def registry(root: Path) -> None:
    """A registry with two repositories, a nested one, a tag without revision, an upload, layer links, garbage."""
    shelf = Registry(root)
    one = shelf.push("team/app", "1", "base", "top")
    shelf.push("team/app", "2", "base", "other", subject=one)
    shelf.tag("team/app", "multi", shelf.revision("team/app", shelf.index(one)))
    shelf.push("team/app/nested", "1", "base")
    shelf.tag("lone", "gone", one)
    shelf.link("lone/_uploads/1/data", "half")
    for layer in ("base", "top"):
        digest = shelf.blob(layer)
        shelf.link(f"team/app/_layers/{digest.replace(':', '/')}/link", digest)
    shelf.blob("garbage")


def go_store(root: Path) -> None:
    """A store of the Go package with links, pins, garbage, and one blob that is not there."""
    shelf = GoStore(root)
    leaf = shelf.add("leaf", 2)
    shelf.add("root", 1, leaf, shelf.add("middle", 1, leaf))
    shelf.add("lost", 0)
    shelf.add("more", 1, "sha256:" + "2" * 64, label="sha512")


MAKERS = {"oci": layout, "registry": registry, "go-blobstore": go_store}


def saved(template: Path) -> list[tuple[Tables, bytes]]:
    """The tables and meta data of the three stores."""
    found = []
    for kind, make in MAKERS.items():
        make(template / kind)
        snapshot = blobkit.scan(f"{kind}:{template / kind}", progress=False)
        snapshot.to_parquet(template / f"{kind}.p")
        tables = {name: getattr(snapshot, name) for name in ("nodes", "links", "pins", "notices")}
        found.append((tables, (template / f"{kind}.p" / "snapshot.json").read_bytes()))
    return found


def prepare(kind: str, random: Random, template: Path, place: Path, facts: list[tuple[Tables, bytes]]) -> str:
    """Make one damaged store or snapshot and return its address."""
    (place / "outside").mkdir()
    (place / "outside" / "secret").write_bytes(SECRET)
    target = place / "store"
    if kind in MAKERS:
        shutil.copytree(template / kind, target, symlinks=True)
        for _ in range(random.choice([1, 1, 2, 3, 6])):
            damage(random, target)
        return f"{kind}:{target}"
    tables, meta = random.choice(facts)
    files = damaged(random, tables, meta)
    if kind == "snapshot":
        archive(target, files, random.choice([0, 0, 0, 8]))
        if random.random() < 0.15:
            target.write_bytes(mutate_bytes(random, target.read_bytes()))
    else:
        directory(target, files)
        if random.random() < 0.3:
            damage(random, target)
    return f"snapshot:{target}"


def picture(root: Path) -> dict[bytes, object]:
    """Everything that may be seen of a directory from outside, and the content of its small files."""
    found: dict[bytes, object] = {}
    for place, folders, files in os.walk(os.fsencode(root)):
        for name in [b".", *folders, *files]:
            path = os.path.join(place, name)  # noqa: PTH118 (bytes)
            info = os.lstat(path)
            small = stat.S_ISREG(info.st_mode) and info.st_size < 1 << 20
            content = Path(os.fsdecode(path)).read_bytes() if small else None
            times = (info.st_mtime_ns, info.st_ctime_ns)
            found[path] = (info.st_mode, info.st_ino, info.st_nlink, info.st_size, times, content)
    return found


def shown(answer: object) -> Iterator[str]:
    """An answer in every form that people see."""
    yield str(answer)
    if isinstance(answer, str):
        return
    yield answer._repr_html_()  # type: ignore[attr-defined]
    if hasattr(answer, "to_dict"):
        yield json.dumps(answer.to_dict())


def questions(random: Random, snapshot: Snapshot) -> Iterator[Callable[[], object]]:
    """What is asked of a snapshot under one policy."""
    tags = list(blobkit.tags_frame(snapshot).index)
    keys = snapshot.nodes["key"].to_pylist()
    some = [*random.sample(tags, min(3, len(tags))), *random.sample(keys, min(3, len(keys)))]
    yield lambda: snapshot
    yield lambda: blobkit.audit(snapshot)
    for by in ("tag", "repo", "kind", "media_type", "platform", "month"):
        yield lambda by=by: blobkit.usage(snapshot, by)
    yield lambda: blobkit.sharing(snapshot, "repo")
    yield lambda: blobkit.diff(snapshot, snapshot)
    yield lambda: blobkit.plan(snapshot, free=1)
    for target in (*some, tags, tags[:2]):
        yield lambda target=target: blobkit.simulate_deref(snapshot, target)
        yield lambda target=target: blobkit.simulate_deref(snapshot, target, all_pins=True)
        for tool in snapshot.store.tools:
            yield lambda target=target, tool=tool: blobkit.simulate_deref(snapshot, target).script(tool)
    for target in some:
        yield lambda target=target: blobkit.why(snapshot, target)
    for tool in collectors():
        yield lambda tool=tool: blobkit.compare_gc(snapshot, tool)
    yield lambda: f"{len(blobkit.to_graph(snapshot))}"


def check_frames(snapshot: Snapshot) -> None:
    """No number of bytes or references is negative: sums that wrap around are."""
    for frame in (blobkit.to_frame(snapshot, absent=True), blobkit.tags_frame(snapshot), blobkit.links_frame(snapshot)):
        for name in frame.select_dtypes("int64"):
            assert frame.empty or frame[name].min() >= (-1 if name == "depth" else 0), name


def ask(random: Random, address: str, scratch: Path) -> str:
    """Scan and ask everything; return "answered", or the error that says why it cannot be read."""
    try:
        snapshot = blobkit.scan(address, progress=False, verify=False)
    except BlobkitError as error:
        return type(error).__name__ if "\n" not in str(error) else "failed: an error of several lines"
    snapshot.save(scratch)
    assert Snapshot.load(scratch).nodes.equals(snapshot.nodes), "saved and loaded it is another"
    under = snapshot.with_policy(random.choice(snapshot.policies))
    check_frames(under)
    possible = list(questions(random, under))
    for question in random.sample(possible, min(ASKED, len(possible))):
        try:
            texts = list(shown(question()))
        except BlobkitError as error:
            texts = [str(error)]
        for text in texts:
            assert SECRET.decode() not in text, "a secret from outside"
            is_script = text.startswith("#!")  # names are quoted in it as they are
            assert is_script or "<" in text or text.replace("\n", "").isprintable(), (
                f"control characters: {text!r:.300}"
            )
    return "answered"


def run(kind: str, seed: int, template: Path, facts: list[tuple[Tables, bytes]]) -> dict[str, object]:
    """Return what happened with one seed."""
    random = randomness.Random(f"{kind} {seed}")  # noqa: S311 (it has to come out the same again)
    with tempfile.TemporaryDirectory(dir=template.parent) as place:
        address = prepare(kind, random, template, Path(place), facts)
        before = picture(Path(place))
        try:
            outcome = {"seed": seed, "outcome": ask(random, address, template / "scratch")}
        except Exception:  # noqa: BLE001 (whatever it is, it is told)
            outcome = {"seed": seed, "outcome": "failed", "why": traceback.format_exc()}
        if picture(Path(place)) != before:
            outcome = {"seed": seed, "outcome": "failed", "why": "something in the store has changed"}
    return {**outcome, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10}


def main(first: int, count: int, *kinds: str) -> None:
    warnings.simplefilter("error")
    index.TIMEOUT = 0
    memory = Path("/dev/shm")  # noqa: S108 (directories of random names in it)
    with tempfile.TemporaryDirectory(prefix="blobkit-", dir=memory if memory.is_dir() else None) as place:
        template = Path(place) / "template"
        template.mkdir()
        facts = saved(template)
        for kind, seed in product(kinds, range(first, first + count)):
            print(json.dumps({"begun": f"{kind} {seed}"}), flush=True)  # noqa: T201 (a script)
            print(json.dumps({"kind": kind, **run(kind, seed, template, facts)}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
