"""Referrers of an OCI layout: listed with a name, without one, or nowhere, under each policy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from layouts import (
    ARTIFACT,
    INDEX,
    MANIFEST,
    OCI_POLICIES,
    Layout,
    freed,
    garbage,
    noticed,
    nowhere,
    sha,
    stored,
)

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def opaque(snapshot: Snapshot) -> set[str]:
    return {key for code, key in noticed(snapshot) if code == "opaque"}


REFERRERS = {
    # how the referrer is listed: garbage under (strong, ignore, dependent), and what dropping the subject's tag frees
    "named": ((), (), (), "nothing", "subject", "subject"),
    "unnamed": ((), (), (), "nothing", "subject", "both"),
    "nowhere": (("referrer",), ("referrer",), (), "subject", "subject", "both"),
}


@pytest.mark.parametrize("listing", REFERRERS)
@pytest.mark.parametrize("policy", OCI_POLICIES)
def test_referrers(layout: Layout, listing: str, policy: str) -> None:
    subject = layout.manifest(layout.blob("subject"))
    referrer = layout.manifest(layout.blob("sbom"), config=layout.config("sbom"), subject=subject)
    layout.add(subject, "image")
    if listing != "nowhere":
        layout.add(referrer, {"named": "sbom", "unnamed": None}[listing])
    parts = {
        "subject": {subject, sha(b"subject"), layout.config()},
        "referrer": {referrer, sha(b"sbom"), layout.config("sbom")},
    }
    parts |= {"both": parts["subject"] | parts["referrer"], "nothing": set()}
    at = OCI_POLICIES.index(policy)
    snapshot = layout.scan(policy)
    assert garbage(snapshot) == set().union(*(parts[name] for name in REFERRERS[listing][at]))
    assert freed(snapshot, "image") == parts[REFERRERS[listing][3 + at]]


def test_referrers_of_referrers_follow(layout: Layout) -> None:
    subject = layout.image("image", "subject")
    first = layout.manifest(layout.blob("sbom"), subject=subject)
    second = layout.manifest(layout.blob("signature"), subject=first)
    snapshot = layout.scan()
    assert garbage(snapshot) == set()
    assert {first, second, sha(b"signature")} <= freed(snapshot, "image")
    assert {first, second} <= garbage(snapshot, "strong")


def test_a_referrer_of_an_absent_subject_holds_itself_where_it_is_listed(layout: Layout) -> None:
    listed = layout.add(layout.manifest(subject=nowhere(1), listed=True), None)
    unlisted = layout.manifest(subject=nowhere(1), listed=False)
    snapshot = layout.scan()
    assert listed not in garbage(snapshot)
    assert opaque(snapshot) == set()
    assert ("dangling-subject", nowhere(1)) in noticed(snapshot)
    assert stored(snapshot)[nowhere(1)] == "missing"
    assert unlisted in garbage(snapshot)


@pytest.mark.parametrize(
    "body",
    [
        {"schemaVersion": 2, "mediaType": ARTIFACT, "blobs": []},
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": []},
        {"schemaVersion": 2, "config": {}, "layers": []},
        {"schemaVersion": 2, "layers": []},
        {"schemaVersion": 2},
    ],
)
def test_what_names_a_subject_is_a_referrer_whatever_else_it_is(layout: Layout, body: dict[str, object]) -> None:
    subject = layout.image("image", "subject")
    referrer = layout.json(body | {"subject": layout.to(subject, MANIFEST)})
    assert referrer not in garbage(layout.scan())
    assert referrer in freed(layout.scan(), "image")


def test_a_referrer_named_as_a_layer_is_not_looked_into(layout: Layout) -> None:
    """Only what no descriptor names is opened."""
    subject = layout.image("image", "subject")
    referrer = layout.manifest(layout.blob("sbom"), subject=subject)
    layout.add(layout.manifest(referrer), "outer")
    assert freed(layout.scan(), "image") >= {subject}
    assert sha(b"sbom") in garbage(layout.scan())


def test_what_is_too_large_for_a_document_is_no_referrer(layout: Layout) -> None:
    subject = layout.image("image", "subject")
    body = json.dumps({"schemaVersion": 2, "layers": [], "subject": layout.to(subject, MANIFEST)})
    small, large = (layout.blob(body + " " * (size - len(body))) for size in (20_000, 4 << 20))
    assert garbage(layout.scan()) == {large}
    assert small in freed(layout.scan(), "image")


def test_a_saved_policy_filter_needs_no_store(layout: Layout) -> None:
    subject = layout.image("image", "subject")
    referrer = layout.manifest(subject=subject)
    snapshot = layout.scan()
    for path in sorted(layout.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert garbage(snapshot) == set()
    assert referrer in garbage(snapshot, "strong")
