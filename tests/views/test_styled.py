"""Styled frames: units, short digests with the whole at hand, and nothing of a stranger's gets into the page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import blobkit
from blobkit.render import abbreviate, human_bytes
from blobkit.views.styled import human
from registries import Images, images

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot


EVIL = '<script>alert("1")</script>&amp;\x1b[31m'


class Page(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.titles: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.titles += [value for name, value in attrs if name == "title" and value]

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def page(frame: pd.DataFrame) -> Page:
    return Page(human(frame).to_html())


@pytest.fixture
def evil() -> Snapshot:
    made = Images()
    base = made.blob("layer", 3 * 2**20)
    for name in (EVIL, "other:1"):
        made.tags.append((made.image([base]), name, EVIL))
    return made.snapshot()


def frames(snapshot: Snapshot) -> dict[str, pd.DataFrame]:
    preview = blobkit.simulate_deref(snapshot, "other:1")
    return {
        "blobs": blobkit.to_frame(snapshot),
        "tags": blobkit.tags_frame(snapshot),
        "links": blobkit.links_frame(snapshot),
        "freed": preview.freed,
        "kept": preview.kept,
        "links in a column": blobkit.to_frame(snapshot, links=True),
    }


@pytest.mark.parametrize("name", ["blobs", "tags", "links", "freed", "kept", "links in a column"])
def test_every_frame_is_shown_without_a_tag_of_a_stranger(name: str, evil: Snapshot) -> None:
    found = page(frames(evil)[name])
    assert found.tags <= {"style", "table", "thead", "tbody", "tr", "th", "td", "span"}
    assert "\x1b" not in found.text


def test_names_are_shown_escaped_in_cells_and_in_the_index(evil: Snapshot) -> None:
    tags = blobkit.tags_frame(evil)
    assert page(tags).text.count("<script>") >= 2
    assert "<script>" not in human(tags).to_html()


def test_titles_are_escaped_too() -> None:
    names = ("a", "b", "c", '" onmouseover="x', "<b>")
    found = page(pd.DataFrame({"tags": [names], "digest": ["<i>:" + "a" * 64]}))
    assert found.titles == ['a, b, c, " onmouseover="x, <b>', "<i>:" + "a" * 64]
    assert not found.tags & {"b", "i"}


def test_columns_and_index_names_are_escaped() -> None:
    frame = pd.DataFrame({EVIL: [1]}, index=pd.Index(["x"], name=EVIL))
    assert "script" not in page(frame).tags
    grouped = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([(EVIL, "size")], names=[EVIL, "b"]))
    assert "script" not in page(grouped).tags


def test_bytes_have_units_and_other_numbers_have_commas(evil: Snapshot) -> None:
    frame = blobkit.to_frame(evil)
    text = page(frame).text.split()
    assert text.count("3.0") >= 2
    assert "MiB" in text
    assert "1,234,567" in page(pd.DataFrame({"refcount": [1234567]})).text
    assert "1.2 MiB" in page(pd.DataFrame({"retained": [1234567]})).text
    assert "1.2 MiB" in page(pd.DataFrame({"together": [1234567]})).text
    assert "1.2 MiB" in page(pd.DataFrame([[1234567]], columns=pd.MultiIndex.from_tuples([("size", "sum")]))).text


def test_digests_are_short_with_the_whole_as_title(evil: Snapshot) -> None:
    frame = blobkit.to_frame(evil)
    found = page(frame)
    for digest in frame.index:
        assert digest not in found.text
        assert abbreviate(digest) in found.text
        assert digest in found.titles


def test_what_is_unknown_is_blank() -> None:
    frame = pd.DataFrame(
        {
            "size": pd.array([1024, None], dtype="Int64"),
            "created": pd.to_datetime(pd.Series(["2026-01-02T03:04:05Z", None])),
            "tags": [("a", "b", "c", "d"), ()],
            "platform": ["linux", None],
            "share": [0.25, float("nan")],
        }
    )
    text = page(frame).text
    assert not any(word in text for word in ("NaT", "nan", "None", "NA", "()"))
    assert "1.0 KiB" in text
    assert "2026-01-02 03:04" in text
    assert "a, b, c and 1 more" in text


def test_numbers_stand_to_the_right(evil: Snapshot) -> None:
    styles = human(blobkit.tags_frame(evil)).to_html().split("</style>")[0]
    at = list(blobkit.tags_frame(evil).columns).index("closure")
    assert f".col{at} {{\n  text-align: right" in styles


def test_names_given_twice_and_empty_frames_are_shown() -> None:
    assert page(pd.DataFrame({"size": [1, 2]}, index=["x", "x"])).text.count("x\n") == 2
    assert page(pd.DataFrame({"size": pd.Series([], dtype="int64")})).tags >= {"table"}


def test_the_data_stay_what_they_are() -> None:
    frame = blobkit.to_frame(images(20))
    before = frame.copy()
    styler = blobkit.human(frame)
    styler.to_html()
    pd.testing.assert_frame_equal(frame, before)
    assert styler.data is frame
    assert human_bytes(int(frame["size"].max())) in styler.to_html()
