"""HTML is small, whole, safe, and needs neither a script nor the network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from blobkit.present.answer import Answer
from blobkit.present.page import answer_html, section_html
from blobkit.present.sections import Section, columns_table
from blobkit.present.text import answer_text

if TYPE_CHECKING:
    from blobkit.store.store import Store

VOID = {"br", "hr", "img"}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x1b[31m'


class Page(HTMLParser):
    """The text of a page, in order; elements must be closed in the order in which they were opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") or name in {"src", "href"} for name, _ in attrs)
        self.open += [tag] * (tag not in VOID)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data.split()


def test_every_answer_is_a_small_page_that_has_all_of_its_text(answers: dict[str, Answer], store: Store) -> None:
    for name, answer in answers.items():
        html = answer._repr_html_()
        assert len(html.encode()) < 15_000, name
        page = Page(html)
        assert not {"script", "img", "link", "iframe"} & set(page.tags)
        assert set(answer_text(answer).split()) <= set(page.words), name
    assert len(store._repr_html_().encode()) < 15_000


def test_sections_fold_and_bytes_have_bars() -> None:
    class Told(Answer):
        def title(self) -> str:
            return "Things"

        def sections(self, rows: int = 10) -> tuple[Section, ...]:  # noqa: ARG002
            sizes = columns_table({"digest": ["sha256:" + "0" * 64, "b"], "size": [1000, 250]})
            return Section("", ("line",)), Section("Open", table=sizes)

        def details(self, rows: int = 10) -> tuple[Section, ...]:
            return (Section("Folded", table=self.sections(rows)[1].table),)

    html = answer_html(Told())
    assert re.findall(r"<details( open)?><summary>(\w+)", html) == [(" open", "Open"), ("", "Folded")]
    assert re.findall(r"--w:(\d+)%", html) == ["100", "25"] * 2
    assert f'title="sha256:{"0" * 64}">sha256:{"0" * 12}</td>' in html


def test_what_strangers_wrote_is_text() -> None:
    class Told(Answer):
        def title(self) -> str:
            return HOSTILE

        def sections(self, rows: int = 10) -> tuple[Section, ...]:  # noqa: ARG002
            names = columns_table({"tag": [HOSTILE] * 3, HOSTILE: [HOSTILE] * 3, "tags": [(HOSTILE, HOSTILE)] * 3})
            return Section("", (HOSTILE,)), Section(HOSTILE, (HOSTILE,), names)

    page = Page(answer_html(Told()))
    assert not {"script", "img"} & set(page.tags)
    assert not any(char in answer_html(Told()) for char in "\u202e\x1b\n")


def test_a_page_has_fewer_rows_where_names_are_long() -> None:
    class Told(Answer):
        def title(self) -> str:
            return "Long"

        def sections(self, rows: int = 10) -> tuple[Section, ...]:
            names = {f"{number}": ["\U000e0001" * 500] * rows for number in range(8)}
            return (Section("", table=columns_table(names)),)

    assert 1_000 < len(answer_html(Told()).encode()) < 15_000


def test_a_command_is_whole_and_breaks_between_words() -> None:
    name = "n" * 300
    table = columns_table({"command": [f"blobkit why '<{name}>'", None], "advice": ["a sentence " * 20, ""]})
    html = section_html(Section("", table=table))
    page = Page(html)
    assert {"code", "span"} <= set(page.tags)
    assert f"'<{name}>'" in page.words
    assert "<span>blobkit</span> <span>why</span> <span>&#x27;" in html
    assert html.count("<code>") == 1
    assert "title=" not in html  # the sentence is whole, too
    assert html.count('<th scope="col"') == 2


def test_names_can_be_longer_where_there_is_room() -> None:
    section = Section("", table=columns_table({"tag": ["t" * 100]}))
    assert "t" * 100 not in Page(section_html(section)).words
    assert "t" * 100 in Page(section_html(section, 120)).words
