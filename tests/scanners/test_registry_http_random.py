"""Random registries, written as directories and served by a real registry, against the scan of their directories."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import blobkit
from effort import TORTURE
from layouts import DOCKER_MANIFEST, INDEX, LAYER, MANIFEST, Registry, noticed, nowhere
from live_registry import needs
from web_scans import CLAIMED, COLUMNS, check_previews, check_same, over_http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

pytest.importorskip("aiohttp")
TYPES = {"image": MANIFEST, "docker": DOCKER_MANIFEST, "index": INDEX}
REPOSITORIES = ("a", "a/b", "c")


class Made(NamedTuple):
    """A document to write: what it is over, its subject (-1: one that is not stored), whether a layer is foreign."""

    kind: str
    over: list[int]
    subject: int | None
    is_odd: bool


class Plan(NamedTuple):
    """A registry to write: documents, which repository has which of them, tags, and the blobs that get lost."""

    documents: list[Made]
    homes: list[tuple[str, int]]
    tags: list[tuple[str, str, int]]
    lost: list[int]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    documents: list[Made] = []
    for i in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(("image", "docker", "index"))) if i else "image"
        over = draw(st.lists(st.integers(0, 5 if kind != "index" else i - 1), max_size=3, unique=True))
        subject = draw(st.none() | st.integers(-1, i - 1)) if kind == "image" else None
        documents.append(Made(kind, over, subject, draw(st.booleans())))
    at = st.integers(0, len(documents) - 1)
    homes = draw(st.lists(st.tuples(st.sampled_from(REPOSITORIES), at), max_size=3))
    tags = draw(st.lists(st.tuples(st.sampled_from(REPOSITORIES), st.sampled_from("123"), at), min_size=1, max_size=6))
    return Plan(documents, homes, tags, draw(st.lists(st.integers(0, 30), max_size=2)))


class Written:
    """A registry on disk, with what it was written from."""

    def __init__(self, root: Path, plan: Plan) -> None:
        shutil.rmtree(root / "docker", ignore_errors=True)
        self.registry, self.plan = Registry(root), plan
        self.digests: list[str] = []
        self.below: list[set[int]] = []
        self.leaves: list[str] = []
        for number, one in enumerate(plan.documents):
            self._write(number, one)
        for repo, at in plan.homes:
            self._give(repo, at)
        for repo, tag, at in plan.tags:
            self._give(repo, at)
            self.registry.tag(repo, tag, self.digests[at])
        tagged = {self.digests[at] for _, _, at in plan.tags}
        rest = [one for one in dict.fromkeys((*self.digests, *self.leaves)) if one not in tagged]
        for number in plan.lost:
            if rest:
                self.registry.path(rest[number % len(rest)]).unlink(missing_ok=True)

    def _write(self, number: int, one: Made) -> None:
        registry, note = self.registry, {"annotations": {"n": str(number)}}
        types = [TYPES[self.plan.documents[at].kind] for at in range(len(self.digests))]
        if one.kind == "index":
            children = [registry.to(self.digests[at], types[at]) for at in one.over]
            self.digests.append(registry.index(*children, **note))
            self.below.append(set(one.over).union(*(self.below[at] for at in one.over)))
            return
        layers = [registry.blob(f"layer {at}") for at in one.over]
        parts: list[object] = [registry.to(layer) for layer in layers]
        if one.is_odd:
            parts.append({"mediaType": LAYER, "digest": nowhere(7), "size": 9, "urls": ["https://example.com/layer"]})
        config = registry.config(f"os {number % 3}")
        more: dict[str, object] = {"config": config, **note}
        if one.subject is not None:
            subject = nowhere(9) if one.subject == -1 else self.digests[one.subject]
            more["subject"] = registry.to(subject, MANIFEST if one.subject == -1 else types[one.subject])
        if one.kind == "docker":
            more |= {"mediaType": DOCKER_MANIFEST}
        self.digests.append(registry.manifest(*parts, **more))
        self.below.append(set())
        self.leaves += [*layers, config]

    def _give(self, repo: str, at: int) -> None:
        """Give a repository a document, and what it contains, as a push does."""
        for one in (at, *sorted(self.below[at])):
            self.registry.revision(repo, self.digests[one])

    def scan(self) -> Snapshot:
        return blobkit.scan(f"registry:{self.registry.root}", progress=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A real registry, and the directory that it serves: as it is at the moment."""
    needs("docker-registry")
    from remote_servers.registry import registry  # noqa: PLC0415

    root = tmp_path_factory.mktemp("random")
    (root / "storage").mkdir()
    with registry(root) as url:
        yield url, root / "storage"


@pytest.mark.slow
@settings(max_examples=25 * TORTURE, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=plans())
def test_random_registries(plan: Plan, served: tuple[str, Path]) -> None:
    url, storage = served
    written = Written(storage, plan)
    own, seen = written.scan(), over_http(url, verify=True, configs=True)
    check_same(own, seen, [*COLUMNS, *CLAIMED])
    tags = {f"{repo}:{tag}" for repo, tag, _ in plan.tags}
    assert set(blobkit.tags_frame(seen).index) == tags
    for code in ("missing", "opaque", "foreign", "unparseable"):
        assert {one for one in noticed(seen) if one[0] == code} <= noticed(own)
    if all(blobkit.simulate_deref(own, name).exact for name in tags):
        check_previews(own, seen, most=4)
    for name in sorted(tags)[:3]:
        want, got = blobkit.simulate_deref(own, name), blobkit.simulate_deref(seen, name)
        assert (got.digests, got.exact, got.certain_bytes) == (want.digests, want.exact, want.certain_bytes)
