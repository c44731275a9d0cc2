"""Random true stores, against the plan that they were written by: the oracle never reads the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blobkit
from effort import TORTURE
from layouts import INDEX, MANIFEST, Layout, Registry, Shelf, nowhere

POLICIES = {"strong": {"body", "subject"}, "ignore": {"body"}, "dependent": {"body", "referrer"}}


@dataclass
class Plan:
    """What was written: body links and subject of each document, what is stored, and the roots."""

    body: dict[str, set[str]] = field(default_factory=dict)
    subject: dict[str, str] = field(default_factory=dict)
    media_type: dict[str, str] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    entries: list[tuple[str | None, str]] = field(default_factory=list)
    revisions: set[tuple[str, str]] = field(default_factory=set)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)

    def links(self, kinds: set[str]) -> dict[str, set[str]]:
        """What each node links to; nothing is known of documents that are absent."""
        found: dict[str, set[str]] = {d: set() for d in self.stored | set(self.body) | set(self.subject.values())}
        for document in self.stored & set(self.body):
            found[document] |= self.body[document] if "body" in kinds else set()
            if document in self.subject:
                subject = self.subject[document]
                follows = "subject" in kinds and self.media_type[document] == MANIFEST  # umoci: not of an index
                found[document] |= {subject} if follows else set()
                found.setdefault(subject, set()).update({document} if "referrer" in kinds else set())
        return found

    def marked(self, roots: set[str], kinds: set[str]) -> set[str]:
        links, seen, todo = self.links(kinds), set[str](), list(roots)
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo += links.get(node, ())
        return seen

    def layout_roots(self, policy: str, dropped: str | None = None) -> set[str]:
        return {
            digest
            for name, digest in self.entries
            if (dropped is None or name != dropped)
            and not (policy == "dependent" and name is None and self.subject_known(digest) & self.stored)
        }

    def subject_known(self, digest: str) -> set[str]:
        """The subject of a document, if that can be read."""
        return {self.subject[digest]} if digest in self.subject and digest in self.stored else set()

    def registry_marked(
        self, policy: str, revisions: set[tuple[str, str]], tags: dict[tuple[str, str], str]
    ) -> set[str]:
        """What collectors of a registry mark: all that is below, or one level below the revision links they keep."""
        if policy == "tags":
            return self.marked(set(tags.values()), {"body"})
        if policy == "dependent":
            return self.marked(set(tags.values()), {"body", "referrer"})
        if policy == "revisions":
            return self.marked({digest for _, digest in revisions}, {"body"})
        named = {(repo, digest) for (repo, _), digest in tags.items()}
        roots = {digest for _, digest in (revisions if policy == "gc" else revisions & named)}
        return roots.union(*(self.body.get(d, set()) for d in roots & self.stored))

    def hidden(self, marked: set[str], policy: str = "") -> set[str]:
        """The documents among what is marked that cannot be read; the collector of a registry passes over them."""
        return set() if policy in ("gc", "gc-m") else (marked & set(self.body)) - self.stored


@st.composite
def contents(draw: st.DrawFn, *, subjects: bool) -> list[tuple[str, list[int], int | None]]:
    """Documents to write, each over earlier ones: (kind, what it is over, its subject)."""
    made: list[tuple[str, list[int], int | None]] = []
    for i in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(("manifest", "index"))) if i else "manifest"
        over = draw(st.lists(st.integers(0, 5 if kind == "manifest" else i - 1), max_size=3, unique=True))
        subject = draw(st.none() | st.integers(-1, i - 1)) if subjects else None
        made.append((kind, over, subject))
    return made


def written(shelf: Shelf, documents: list[tuple[str, list[int], int | None]]) -> tuple[Plan, list[str]]:
    plan, made = Plan(), list[str]()
    for i, (kind, over, subject) in enumerate(documents):
        refers = nowhere(99) if subject == -1 else made[subject] if subject is not None else ""
        more = {"subject": shelf.to(refers, plan.media_type.get(refers, MANIFEST))} if refers else {}
        if kind == "manifest":
            parts = [shelf.blob(f"layer {n}") for n in over]
            config = shelf.config(f"os {i % 3}")
            digest = shelf.manifest(*parts, config=config, annotations={"n": str(i)}, **more)
            parts.append(config)
        else:
            parts = [made[n] for n in over]
            digest = shelf.index(*(shelf.to(d, plan.media_type[d]) for d in parts), annotations={"n": str(i)}, **more)
        made.append(digest)
        plan.body[digest], plan.media_type[digest] = set(parts), MANIFEST if kind == "manifest" else INDEX
        plan.stored |= {digest, *(part for part in parts if part not in plan.body)}
        if refers:
            plan.subject[digest] = refers
    return plan, made


def lost(draw: st.DataObject, shelf: Shelf, plan: Plan) -> None:
    """Take away some blobs, but no subject of a referrer."""
    candidates = sorted(plan.stored - set(plan.subject.values()))
    for digest in draw.draw(
        st.lists(st.sampled_from(candidates), max_size=2, unique=True) if candidates else st.just([])
    ):
        shelf.drop(digest)
        plan.stored.discard(digest)


def check(frame_status: dict[str, str], plan: Plan, marked: set[str], policy: str = "") -> None:
    rest = "unknown" if plan.hidden(marked, policy) else "garbage"
    assert frame_status == {digest: "live" if digest in marked else rest for digest in plan.stored}


def check_freed(preview: blobkit.Preview, plan: Plan, before: set[str], after: set[str], policy: str = "") -> None:
    assert set(preview.digests) == (before - after) & plan.stored
    assert preview.exact == (not plan.hidden(after, policy))
    assert set(preview.opaque) == plan.hidden(after, policy)


def statuses(snapshot: blobkit.Snapshot) -> dict[str, str]:
    return {str(d): str(s) for d, s in blobkit.to_frame(snapshot, columns=["status"])["status"].items()}


@pytest.mark.slow
@settings(max_examples=40 * TORTURE)
@given(contents(subjects=True), st.data())
def test_random_layouts(documents: list[tuple[str, list[int], int | None]], data: st.DataObject) -> None:
    with TemporaryDirectory() as directory:
        layout = Layout(Path(directory))
        plan, made = written(layout, documents)
        names = st.sampled_from(("a", "b", "c", None))
        for name, at in data.draw(st.lists(st.tuples(names, st.integers(0, len(made) - 1)), max_size=6)):
            layout.add(made[at], name, plan.media_type[made[at]])
            plan.entries.append((name, made[at]))
        lost(data, layout, plan)
        snapshot = layout.scan()
    for policy, kinds in POLICIES.items():
        chosen = snapshot.with_policy(policy)
        before = plan.marked(plan.layout_roots(policy), kinds)
        check(statuses(chosen), plan, before)
        for name in sorted({name for name, _ in plan.entries if name}):
            after = plan.marked(plan.layout_roots(policy, name), kinds)
            check_freed(blobkit.simulate_deref(chosen, name), plan, before, after)


@pytest.mark.slow
@settings(max_examples=40 * TORTURE)
@given(contents(subjects=True), st.data())
def test_random_registries(documents: list[tuple[str, list[int], int | None]], data: st.DataObject) -> None:
    with TemporaryDirectory() as directory:
        registry = Registry(Path(directory))
        plan, made = written(registry, documents)
        places = st.tuples(st.sampled_from(("a", "a/b", "c")), st.integers(0, len(made) - 1))
        for repo, at in data.draw(st.lists(places, max_size=6)):
            plan.revisions.add((repo, registry.revision(repo, made[at])))
        for tag, (repo, at) in data.draw(st.lists(st.tuples(st.sampled_from("12"), places), max_size=6)):
            plan.tags[repo, tag] = registry.tag(repo, tag, made[at])
        lost(data, registry, plan)
        snapshot = registry.scan()
    for policy in snapshot.policies:
        chosen = snapshot.with_policy(policy)
        before = plan.registry_marked(policy, plan.revisions, plan.tags)
        check(statuses(chosen), plan, before, policy)
        for repo, tag in plan.tags:
            left = {place: digest for place, digest in plan.tags.items() if place != (repo, tag)}
            after = plan.registry_marked(policy, plan.revisions, left)
            check_freed(blobkit.simulate_deref(chosen, f"{repo}:{tag}"), plan, before, after, policy)
        for repo, digest in plan.revisions:
            left = {place: d for place, d in plan.tags.items() if (place[0], d) != (repo, digest)}
            after = plan.registry_marked(policy, plan.revisions - {(repo, digest)}, left)
            preview = blobkit.simulate_deref(chosen, f"{repo}@{digest}")
            check_freed(preview, plan, before, after, policy)
            assert set(preview.also_untagged) == {f"{r}:{t}" for r, t in plan.tags.keys() - left.keys()}
