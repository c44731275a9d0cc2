"""Every figure in a report is a figure of the answers."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.render import human_bytes
from commands import command
from pages import Page

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.views.report.report import Report

ALONE, PLANS = "Tags and repositories that free most alone", "Three plans, and what each frees"


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(report.html)


def shown(page: Page, chapter: str, title: str, *columns: str) -> list[tuple[str, ...]]:
    """Return these columns of a table, in exact bytes, without the row for those that are not shown."""
    rows = page.table(chapter, title, exact=True)
    return [tuple(row[name].replace(" B", "") for name in columns) for row in rows if row[columns[-1]]]


@pytest.mark.slow
def test_the_first_sentence_and_the_bar(page: Page, registry: Snapshot) -> None:
    frame = registry.to_frame(min_age="24h").groupby("status", observed=True)["size"].agg(["size", "sum"])
    text = page.text("What is stored")
    assert registry.caption() in text
    assert f"{registry.blobs} blobs, {human_bytes(registry.bytes)}: " in text
    for status, blobs, size in frame.itertuples():
        assert f"{blobs} {status} ({human_bytes(size)})" in text
        assert f"{status} {human_bytes(size)} ({100 * size / registry.bytes:.3g} %)" in text
    widths = [float(width[:-1]) for one in page.all("rect") if (width := one.attributes["width"]).endswith("%")]
    assert widths == pytest.approx([*(100 * frame["sum"] / registry.bytes)], abs=0.01)


@pytest.mark.slow
def test_the_findings(page: Page, registry: Snapshot) -> None:
    found = registry.audit().findings
    found = found[found["code"] != "metadata"]
    rows = page.table("What to do first", exact=True)
    assert [(row["severity"], row["finding"]) for row in rows] == [*zip(found["severity"], found["code"], strict=True)]
    assert [row["bytes"].removesuffix(" B") for row in rows] == [str(size or "") for size in found["bytes"]]
    assert [row["blobs"] for row in rows] == [str(len(digests) or "") for digests in found["digests"]]
    assert [row["advice"] for row in rows] == found["advice"].tolist()
    assert all(row["command"].startswith("blobkit ") for row in rows)
    assert len(rows) >= 2


@pytest.mark.slow
def test_the_tags_and_the_repositories(page: Page, registry: Snapshot) -> None:
    tags = registry.tags_frame().sort_values(["exclusive", "closure"], ascending=False).head(15)
    expected = [(name, str(row["closure"]), str(row["exclusive"])) for name, row in tags.iterrows()]
    assert shown(page, ALONE, f"The {len(tags)} of", "tag", "closure", "exclusive") == expected
    groups = registry.usage("repo").frame
    groups = groups[~groups["beside"]].sort_values("exclusive", ascending=False, kind="stable").head(10)
    rows = [(name, str(row["blobs"]), str(row["exclusive"])) for name, row in groups.iterrows()]
    assert shown(page, ALONE, f"The {len(groups)} of", "group", "blobs", "exclusive") == rows


@pytest.mark.parametrize("how", [{"keep_last": 3}, {"older_than": "90d"}, {"free": 0}])
def test_the_plans(page: Page, registry: Snapshot, how: dict[str, int | str]) -> None:
    if "free" in how:
        how = {"free": registry.bytes // 10}
    plan = registry.plan(**how, progress=False)
    row = page.table(PLANS, exact=True)[["keep_last", "older_than", "free"].index(next(iter(how)))]
    assert row["names"] == str(len(plan))
    assert row["frees"].removesuffix(" B") == str(plan.bytes)
    assert row["really frees"] == (str(plan.collected.bytes) if plan else "")
    if plan:
        assert row["answer"] == plan.title()
        names = [name for name, _ in shown(page, PLANS, row["plan"], "tag", "exclusive")]
        assert set(names) <= set(plan.tags)
        assert len(names) == min(len(plan), 10)


def test_what_is_shared_and_the_kinds(page: Page, registry: Snapshot) -> None:
    answer = registry.sharing("repo")
    sets = [(str(size), str(blobs)) for _, blobs, size in answer.frame.head(10).itertuples(index=False)]
    assert shown(page, "What is shared", answer.title(), "bytes", "blobs") == sets
    kinds = registry.usage("kind").frame
    kinds = kinds[~kinds["beside"]].sort_values("split", ascending=False)
    rows = [(name, str(row["blobs"]), str(row["split"])) for name, row in kinds.iterrows()]
    assert (
        shown(page, "How large the blobs are", f"{human_bytes(registry.bytes)} by", "group", "blobs", "bytes") == rows
    )


def test_the_growth(page: Page, registry: Snapshot) -> None:
    frame = registry.growth().tail(12)
    rows = [(str(month), str(row["new"]), str(row["total"])) for month, row in frame.iterrows()]
    assert shown(page, "How the store grew", "Bytes", "month", "new", "total") == rows


def test_how_it_was_counted(page: Page, registry: Snapshot) -> None:
    text = page.text("How it was counted")
    assert blobkit.__version__ in text
    assert f"policy {registry.policy}" in text
    assert "24 hours" in text
    assert [*dict.fromkeys(one.chapter for one in page.sections)] == [one.text for one in page.all("h2")]


@pytest.mark.usefixtures("undrawn")
def test_with_an_older_snapshot_it_shows_the_changes(registry: Snapshot) -> None:
    made = blobkit.report(registry, before=registry, progress=False)
    page = Page(made.html)
    chapter = f"What changed since {registry.time:%Y-%m-%d}"
    rows = page.table(chapter, "0 blobs changed")
    assert [(row["cause"], row["blobs"]) for row in rows] == [("unchanged", str(registry.blobs))]


def test_its_text_and_its_values_have_the_same_tables(report: Report, page: Page) -> None:
    assert str(report).startswith(report.title())
    chapters = report.to_dict()["chapters"]
    assert [one["title"] for one in chapters] == [one.text for one in page.all("h2")]
    assert len(report._repr_html_().encode()) < 15_000


@pytest.mark.slow
def test_its_commands_run(page: Page) -> None:
    typed = {one.text for one in page.all("code")}
    assert len(typed) >= 8
    for one in typed:
        ran = command(*shlex.split(one)[1:])
        assert (ran.returncode, ran.stderr) == (0, ""), one
