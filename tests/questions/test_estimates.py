"""Sizes that are estimates: said wherever they count, and never presented as certain."""

from __future__ import annotations

import pytest

import blobkit
from blobkit.access import Denial
from blobkit.oci.documents import OCI_MANIFEST
from blobkit.snapshot.snapshot import Snapshot, build

BARRED = Denial("/store/b", "#100000", "0700", "me")


@pytest.fixture(scope="module")
def guessed() -> Snapshot:
    """A store with two images: one layer of the first has an estimated size."""
    return build(
        "oci",
        "/store",
        nodes={"key": ["a", "b", "c"], "size": [10, 200, 3], "media_type": [OCI_MANIFEST, "x", OCI_MANIFEST]},
        links={"source": [0], "target": [1], "kind": ["layer"]},
        pins={"node": [0, 2], "name": ["first", "other"], "kind": ["entry", "entry"]},
        notices=[("estimated", "b", "/store/b", f"the size of b is an estimate ({BARRED})")],
    )


def test_a_freed_estimate_is_not_certain(guessed: Snapshot) -> None:
    preview = guessed.simulate_deref("first")
    assert (preview.bytes, preview.certain_bytes, preview.exact) == (210, 10, False)
    assert (preview.estimated, preview.opaque) == (("b",), ())
    assert preview.collected.bytes == 210
    assert preview.title() == "Dropping first frees about 2 blobs, 210 B, 10 B for sure"
    assert "not exact: 1 size, 200 B together, are estimates" in str(preview)
    assert "the links of these" not in str(preview)
    assert "not exact: at least 10 bytes are freed" in preview.script("rm")
    assert preview.to_dict()["estimated"] == ["b"]


def test_without_a_freed_estimate_a_preview_is_exact(guessed: Snapshot) -> None:
    preview = guessed.simulate_deref("other")
    assert (preview.bytes, preview.certain_bytes, preview.exact, preview.estimated) == (3, 3, True, ())


def test_every_answer_says_so(guessed: Snapshot) -> None:
    for answer in (guessed, guessed.simulate_deref("other"), blobkit.usage(guessed), guessed.audit()):
        assert "policy dependent; 1 size estimated" in str(answer)


def test_a_plan_counts_on_no_estimate(guessed: Snapshot) -> None:
    plan = guessed.plan(free=12)
    assert (plan.tags, plan.bytes) == (("first", "other"), 13)
    assert "only certain bytes are counted: 1 size" in plan.notices[0]
    with pytest.raises(blobkit.errors.InfeasiblePlanError, match="at most 213 B") as caught:
        guessed.plan(free=14)
    assert (caught.value.possible, caught.value.at_most) == (13, 213)
    assert "some sizes are estimates" in str(caught.value)


def test_an_audit_tells_the_estimates_and_who_may_look(guessed: Snapshot) -> None:
    found = guessed.audit().findings.set_index("code").loc["estimated"]
    assert (found["digests"], found["bytes"], found["severity"]) == (("b",), 200, "warning")
    assert "type: sudo -u '#100000' blobkit audit oci:/store" in found["advice"]
