"""Reports of all kinds of stores: what has no answer is said in its place; files are whole, and not in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo
from blobkit.content.memory import MemoryContent
from blobkit.errors import AddressError, AgeError, BlobkitError, DiffError, ExportError, UnknownPolicyError
from blobkit.index.memory import MemoryIndex
from blobkit.store.store import Store
from blobkit.views.report import chapters
from layouts import Layout, fingerprint
from pages import Page
from registries import Images

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.views.report.report import Report

MISSING = "This part is missing: "
KEPT, ALONE, PLANS = (
    "Who keeps the bytes",
    "Tags and repositories that free most alone",
    "Three plans, and what each frees",
)


def empty() -> Store:
    return Store(MemoryContent(), MemoryIndex())


def page_of(x: Store | Snapshot) -> Page:
    return Page(blobkit.report(x, min_age=0, progress=False).html)


def test_an_empty_store_is_told_in_sentences() -> None:
    page = page_of(empty())
    assert page.all("svg") == []
    for chapter in (KEPT, PLANS, "What is shared", "How large the blobs are", "How the store grew"):
        assert page.text(chapter).strip() == "Nothing is stored."
    assert "Nothing found" in page.text("What to do first")


@pytest.mark.usefixtures("undrawn")
def test_one_blob_without_a_name() -> None:
    store = empty()
    store.put(b"one")
    page = page_of(store)
    assert "There is no tag." in page.text(ALONE)
    assert "live 3 B (100 %)" in page.text("What is stored")
    assert page.table(PLANS)[2]["names"] == "0"
    assert MISSING not in page.text(KEPT)


@pytest.mark.usefixtures("undrawn")
def test_repositories_come_by_what_each_alone_frees() -> None:
    made = Images()
    base = made.blob("layer", 1e6)
    for repository, own in (("a", 1000), ("b", 2000), ("c", 90_000)):
        layers = [made.blob("layer", own)] if repository == "c" else [base, made.blob("layer", own)]
        made.tags.append((made.image(layers), f"{repository}:1", repository))
    page = page_of(made.snapshot())
    assert [row["group"] for row in page.table(ALONE, "The 3 of 3 repositories")] == ["c", "b", "a"]
    assert [row["tag"] for row in page.table(ALONE, "The 3 of 3 tags")] == ["c:1", "b:1", "a:1"]


@pytest.mark.usefixtures("undrawn")
def test_only_garbage(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.blob("nobody needs this")
    page = page_of(layout.scan())
    assert "garbage 17 B (100 %)" in page.text("What is stored")
    assert page.text(KEPT).strip() == "Nothing is in use: no pin reaches a blob with bytes."
    (row,) = [row for row in page.table("What to do first") if row["finding"] == "garbage"]
    assert "--script umoci" in row["command"]
    assert page.table(PLANS)[2]["answer"].startswith("not possible: ")


@pytest.mark.usefixtures("undrawn")
def test_what_is_unknown_is_not_free(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.drop(layout.image("gone:1", "a layer"))
    page = page_of(layout.scan())
    assert "unknown" in page.text("What is stored")
    assert "--status unknown" in " ".join(one.text for one in page.all("code"))
    assert "garbage" not in {row["finding"] for row in page.table("What to do first")}


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_kind_without_tools_has_plans_without_scripts(registry: Snapshot) -> None:
    page = page_of(demo.small())
    commands = [row["command"] for row in page.table(PLANS)]
    assert commands[2].startswith("blobkit plan ADDRESS --free ")
    assert "ADDRESS in a command is the path of the store" in page.text("How it was counted")
    gc = page_of(registry.with_policy("gc"))
    assert all("--policy gc" in row["command"] for row in gc.table(PLANS))


@pytest.mark.usefixtures("undrawn")
def test_a_question_without_an_answer_does_not_stop_the_others(
    registry: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        msg = "no sharing today"
        raise BlobkitError(msg, hint="ask <tomorrow>")

    monkeypatch.setattr(chapters, "sharing", fails)
    page = page_of(registry)
    assert page.text("What is shared").strip() == f"{MISSING}no sharing today: ask <tomorrow>"
    assert page.table(PLANS)


def test_a_picture_that_cannot_be_drawn_leaves_its_tables(registry: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        msg = "no colours"
        raise BlobkitError(msg)

    monkeypatch.setattr("blobkit.views.report.asked.picture", fails)
    page = page_of(registry)
    assert page.text("What is shared").strip() == f"{MISSING}no colours"
    assert page.table("What is shared", registry.sharing("repo").title())


def test_bad_input_is_refused_before_any_work(tmp_path: Path, registry: Snapshot) -> None:
    with pytest.raises(AgeError):
        blobkit.report(registry, min_age="soon")
    with pytest.raises(UnknownPolicyError):
        blobkit.report(registry, policy="none")
    with pytest.raises(AddressError):
        blobkit.report(registry, before=tmp_path / "absent")
    with pytest.raises(DiffError, match="not an older snapshot of this store: blobkit and registry; give one of"):
        blobkit.report(registry, before=demo.small())
    with pytest.raises(FileNotFoundError):
        blobkit.report(tmp_path / "absent", tmp_path / "no" / "report.html")
    with pytest.raises(IsADirectoryError):
        blobkit.report(tmp_path / "absent", tmp_path)


def test_a_page_is_written_whole(tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "report.html"
    place.write_text("an older report")

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.write_text", fails)
        with pytest.raises(OSError, match="No space left"):
            report.save(place)
    assert place.read_text() == "an older report"
    assert report.save(place) == place
    assert place.read_text() == report.html
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_nothing_is_written_into_the_store(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("a:1", "a layer")
    saved = tmp_path / "saved.blobkit"
    layout.scan().save(saved)
    (tmp_path / "link").symlink_to(tmp_path / "layout")
    before = fingerprint(tmp_path)
    for place in ("layout/report.html", "layout/blobs/sha256/report.html", "link/report.html"):
        with pytest.raises(ExportError, match="which is only read: give a path outside it"):
            blobkit.report(tmp_path / "layout", tmp_path / place, progress=False)
    for x in (saved, f"snapshot:{saved}"):
        with pytest.raises(ExportError, match="only read"):
            blobkit.report(x, saved, progress=False)
    with pytest.raises(ExportError, match="only read"):
        blobkit.report(tmp_path / "layout", saved, before=saved, progress=False)
    with pytest.raises(ExportError, match="only read"):
        layout.scan().report(progress=False).save(tmp_path / "layout" / "report.html")
    assert fingerprint(tmp_path) == before
    blobkit.report(saved, tmp_path / "report.html", progress=False)
    assert f"<span>{saved}</span>" in (tmp_path / "report.html").read_text()
