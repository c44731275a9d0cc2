"""Names that look like digests are targets: by themselves where no such blob is here, else as `why` gives them."""

from __future__ import annotations

import pytest

import blobkit
from blobkit.errors import BlobNotFoundError
from blobkit.snapshot.snapshot import Snapshot, build

A, B, NOWHERE = (f"sha256:{letter * 64}" for letter in "abd")


def store(*pins: tuple[str | None, str], absent: bool = False) -> Snapshot:
    """A layout with two blobs, and one more that is only named where it is `absent`."""
    keys = [A, B, *([NOWHERE] if absent else [])]
    return build(
        "oci",
        "/s",
        nodes={"key": keys, "size": [1, 2, 0][: len(keys)], "stored": ["yes", "yes", "missing"][: len(keys)]},
        links={"source": [], "target": []},
        pins={
            "node": [keys.index(target) for _, target in pins],
            "name": [name for name, _ in pins],
            "kind": ["entry"] * len(pins),
        },
    )


def freed(snapshot: Snapshot, *targets: object) -> set[str]:
    return set(blobkit.simulate_deref(snapshot, *targets).digests)  # type: ignore[arg-type]


def test_a_name_that_is_a_digest_of_no_blob_here_is_the_name() -> None:
    name = NOWHERE
    snapshot = store((name, A), ("other", B))
    assert freed(snapshot, name) == {A}
    assert freed(snapshot, f"tag:{name}") == {A}
    assert blobkit.why(snapshot, name).digest == A
    why = blobkit.why(snapshot, A)
    assert why.tags == (name,)
    assert freed(snapshot, *why.tags) == {A}
    with pytest.raises(BlobNotFoundError):
        freed(snapshot, f"digest:{name}")


def test_the_names_that_why_gives_are_names_also_where_a_blob_is_called_so() -> None:
    snapshot = store((None, A), (A, B))
    assert blobkit.why(snapshot, A).digest == A
    why = blobkit.why(snapshot, B)
    assert why.tags == (A,)
    assert freed(snapshot, *why.tags) == freed(snapshot, list(why.tags)) == {B}
    preview = blobkit.simulate_deref(snapshot, A)
    assert preview.digests == (A,)
    assert f"{A} was taken as the digest; write tag:{A} for the name" in preview.notices


def test_a_pinned_digest_that_is_not_stored_is_no_name() -> None:
    snapshot = store((NOWHERE, A), ("gone", NOWHERE), absent=True)
    assert blobkit.simulate_deref(snapshot, NOWHERE).digests == ()
    assert freed(snapshot, f"tag:{NOWHERE}") == {A}


def test_tag_and_digest_before_a_text_say_which_it_is_for_one_blob_too() -> None:
    snapshot = store((B, A), ("tag:q", B), ("digest:q", A))
    for text, digest in {f"digest:{A}": A, f"digest:{A[:15]}": A, "digest:q": A, "tag:q": B, "tag:tag:q": B}.items():
        assert blobkit.why(snapshot, text).digest == digest
        assert blobkit.reach(snapshot, text).index.tolist() == [digest]
    assert blobkit.reach(snapshot, f"digest:{B}").index.tolist() == [B]
    with pytest.raises(BlobNotFoundError):
        blobkit.why(snapshot, f"digest:{NOWHERE}")
