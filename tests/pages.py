"""HTML pages as a reader and a browser see them: chapters, sections, tables; elements with their attributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img"}


@dataclass
class Element:
    """An element: its name, its attributes, and the text in it and in the elements below."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Section:
    """A section of a report: the chapter, the title ("": none), its words outside tables, the rows of its table.

    `exact` are the same rows with the full values: what the cells show when the mouse is over them.
    """

    chapter: str
    title: str = ""
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)
    exact: list[list[str]] = field(default_factory=list)


class Page(HTMLParser):
    """All elements in order, and the sections; each element must be closed in the order in which it was opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.sections: list[Section] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)
        if tag in {"section", "details"}:
            self.sections.append(Section(self.sections[-1].chapter if tag == "details" else ""))
        if tag == "tr":
            self.sections[-1].rows.append([])
            self.sections[-1].exact.append([])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        element = self.open.pop()
        assert element.tag == tag
        if tag == "h2":
            self.sections[-1].chapter = element.text
        elif tag == "h3":
            self.sections[-1].title = element.text
        elif tag in {"td", "th"}:
            self.sections[-1].rows[-1].append(element.text)
            self.sections[-1].exact[-1].append(element.attributes.get("title", element.text))

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data
        if self.sections and not {"td", "th", "h2", "h3", "style"} & {element.tag for element in self.open}:
            self.sections[-1].text += data

    def all(self, tag: str) -> list[Element]:
        """The elements of this name."""
        return [element for element in self.elements if element.tag == tag]

    def table(self, chapter: str, title: str = "", *, exact: bool = False) -> list[dict[str, str]]:
        """The rows of the table in the section of this chapter whose title starts so."""
        tables = [one for one in self.sections if one.chapter == chapter and one.rows]
        (found,) = [one for one in tables if one.title.startswith(title) and bool(title) == bool(one.title)]
        head, *rows = found.exact if exact else found.rows
        return [dict(zip(head, row, strict=True)) for row in rows]

    def text(self, chapter: str) -> str:
        """The words of a chapter outside its tables."""
        return " ".join(one.text for one in self.sections if one.chapter == chapter)
