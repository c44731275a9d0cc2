"""Names in layouts: docker's whole names, reference names beside them, and one name for two images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.oci.names import IMAGE_NAME, REF_NAME
from layouts import Layout

if TYPE_CHECKING:
    from pathlib import Path


class Saved(Layout):
    """A layout as `docker save` writes it: the tag alone as the reference name, the whole name beside it."""

    def save(self, whole: str, ref: str | None, text: str) -> str:
        digest = self.manifest(self.blob(f"layer of {text}"), config=self.config(text))
        notes = {IMAGE_NAME: whole} if ref is None else {IMAGE_NAME: whole, REF_NAME: ref}
        return self.add(digest, annotations=notes)


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    return Saved(tmp_path / "saved")


def freed(layout: Layout, target: str, policy: str = "strong") -> set[str]:
    return set(blobkit.simulate_deref(layout.scan(policy), target).digests)


def test_the_whole_name_is_the_name(saved: Saved) -> None:
    web = saved.save("docker.io/library/web:1.0", "1.0", "web")
    app = saved.save("docker.io/team/app:2.0", "2.0", "app")
    tags = blobkit.tags_frame(saved.scan())
    assert tags["digest"].to_dict() == {"web:1.0": web, "team/app:2.0": app}
    assert tags["repo"].to_dict() == {"web:1.0": "web", "team/app:2.0": "team/app"}
    assert blobkit.to_frame(saved.scan()).loc[web, "tags"] == ("web:1.0",)


def test_a_reference_name_of_one_image_is_a_target(saved: Saved) -> None:
    web = saved.save("docker.io/library/web:1.0", "1.0", "web")
    saved.save("docker.io/team/app:2.0", "2.0", "app")
    assert freed(saved, "1.0") == freed(saved, "web:1.0") >= {web}
    assert freed(saved, "tag:1.0") == freed(saved, "web:1.0")
    assert blobkit.why(saved.scan(), "1.0").tags == ("web:1.0",)
    with pytest.raises(blobkit.UnknownTargetError):
        blobkit.simulate_deref(saved.scan(), "1.*")  # a pattern is over names


def test_a_reference_name_of_two_images_is_ambiguous(saved: Saved) -> None:
    saved.save("docker.io/library/web:latest", "latest", "web")
    saved.save("docker.io/team/app:latest", "latest", "app")
    with pytest.raises(
        blobkit.AmbiguousTargetError, match="reference name of 2 images: give one of team/app:latest, web:"
    ):
        blobkit.simulate_deref(saved.scan(), "latest")
    assert len(freed(saved, "web:latest")) == len(freed(saved, "web:latest", "dependent")) == 3


def test_a_name_beats_a_reference_name(saved: Saved) -> None:
    saved.save("docker.io/library/web:latest", "latest", "web")
    plain = saved.image("latest", "plain layer")
    assert plain in freed(saved, "latest")
    assert len(freed(saved, "latest")) == 3


def test_one_name_for_two_images_drops_both(saved: Saved) -> None:
    first, second = saved.image("same", "one"), saved.image("same", "two", annotations={"n": "2"})
    preview = blobkit.simulate_deref(saved.scan(), "same")
    assert {first, second} <= set(preview.digests)
    assert preview.notices == ("same names 2 blobs: all of them are dropped; to drop one alone, give its digest",)
    alone = blobkit.simulate_deref(saved.scan(), second)
    assert second in alone.digests
    assert first not in alone.digests
    with pytest.raises(blobkit.AmbiguousTargetError, match="same names 2 blobs: give the digest of one"):
        blobkit.why(saved.scan(), "same")


def test_one_name_for_one_image_twice_is_one_name(saved: Saved) -> None:
    digest = saved.image("same", "one")
    saved.add(digest, "same")
    preview = blobkit.simulate_deref(saved.scan(), "same")
    assert digest in preview.digests
    assert preview.notices == ()


def test_names_that_look_like_digests_are_reachable(saved: Saved) -> None:
    name = "sha256:" + "a" * 64
    digest = saved.image(name, "one")
    assert digest in freed(saved, f"tag:{name}")


def test_the_other_name_holds_nothing(saved: Saved) -> None:
    saved.save("docker.io/library/web:1.0", "1.0", "web")
    for policy in saved.scan().policies:
        snapshot = saved.scan(policy)
        assert blobkit.to_frame(snapshot)["pins"].sum() == 1
        assert list(blobkit.tags_frame(snapshot).index) == ["web:1.0"]
        assert int(blobkit.to_frame(blobkit.usage(snapshot, by="repo"))["split"].sum()) == snapshot.bytes


def test_the_first_entry_gets_a_name_in_a_store(saved: Saved, tmp_path: Path) -> None:
    made = [saved.image("same", str(number), annotations={"n": str(number)}) for number in range(4)]
    with blobkit.LocalStore(tmp_path / "store") as store:
        result = store.import_(f"oci:{saved.root}")
        assert store.tags() == {"same": made[0]}
        assert any("same names two blobs" in notice for notice in result.notices)
        frame = blobkit.to_frame(store)
        assert frame.loc[made, "pins"].tolist() == [1, 1, 1, 1]
    with blobkit.LocalStore(saved.root, adopt=True) as store:
        assert store.tags() == {"same": made[0]}
        assert blobkit.to_frame(store).loc[made, "pins"].tolist() == [1, 1, 1, 1]


def test_import_and_adopt_give_the_whole_name(saved: Saved, tmp_path: Path) -> None:
    web = saved.save("docker.io/library/web:latest", "latest", "web")
    app = saved.save("docker.io/team/app:latest", "latest", "app")
    want = {"web:latest": web, "team/app:latest": app}
    with blobkit.LocalStore(tmp_path / "store") as store:
        store.import_(f"oci:{saved.root}")
        assert store.tags() == want
    with blobkit.LocalStore(saved.root, adopt=True) as store:
        assert store.tags() == want
