"""The command that writes a report: the page of the library, and one line on stderr."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo
from commands import command
from layouts import fingerprint
from pages import Page

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_it_writes_the_page_and_says_where(tmp_path: Path) -> None:
    days = demo.two_days(tmp_path / "days", unit=1)
    before = fingerprint(tmp_path / "days")
    done = command("report", "days/images", "-o", "report.html", "--before", "days/monday.blobkit", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(r"report\.html: [\d.]+ KiB, [\d.]+ KiB in \d+ blobs: report on oci:\S+\n", done.stderr)
    assert fingerprint(tmp_path / "days") == before
    html = (tmp_path / "report.html").read_text()
    page = Page(html)
    since = blobkit.Snapshot.load(days.monday).time
    changes = blobkit.diff(days.monday, days.tuesday)
    assert page.table(f"What changed since {since:%Y-%m-%d}", changes.title())
    typed = [one.text for one in page.all("code")]
    assert typed
    assert all(f" {tmp_path}/days/images" in one for one in typed)  # the same store from any directory
