"""A page loads nothing, runs nothing, and shows what strangers wrote as text; everybody can read it, also on paper."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.questions.findings.commands import Shell
from blobkit.snapshot.snapshot import build
from pages import Page
from registries import TIME, digest, images

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.views.report.report import Report

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; rm -rf ~ #",
    "$(reboot)`reboot`",
    "-rf",
    "--help",
    "</style></svg><style>@import url(http://evil.example/x)",
    "]]><![CDATA[&lt;&#60;",
    "two\nlines\t\x1b[31m\u202e\u2066",
    "$x^2$ \\frac{1}{2",
    "javascript:alert(1)",
    "fill:#ffffff;var(--ink)",
    "long/" + "n" * 5000,
)
LOADING = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "input", "audio", "video", "image"}


def hostile() -> Snapshot:
    """A registry whose tags, repositories, media types, address and notices are hostile; each image has garbage."""
    number = len(HOSTILE)
    nodes = [digest(f"{kind} {i}") for kind in ("manifest", "layer", "garbage") for i in range(number)]
    return build(
        "registry",
        f"/srv/{HOSTILE[0]}",
        nodes={
            "key": nodes,
            "size": [500] * number + [10**6 + i for i in range(number)] + [1000] * number,
            "kind": ["manifest"] * number + ["layer"] * number + ["layer"] * number,
            "media_type": [*HOSTILE] * 3,
            "modified": [int(TIME.timestamp()) * 1_000_000] * (3 * number),
        },
        links={
            "source": [*range(number)],
            "target": [*range(number, 2 * number)],
            "kind": ["layer"] * number,
        },
        pins={
            "node": [*range(number)],
            "name": [f"{name}:1" for name in HOSTILE],
            "group": [*HOSTILE],
            "kind": ["tag"] * number,
        },
        notices=[("damaged", nodes[i], name, name) for i, name in enumerate(HOSTILE)],
        time=TIME,
    )


@pytest.fixture(scope="module")
def attacked() -> Report:
    return blobkit.report(hostile(), min_age=0, progress=False)


@pytest.fixture(scope="module", params=["report", "attacked"])
def html(request: pytest.FixtureRequest) -> str:
    found: Report = request.getfixturevalue(request.param)
    return found.html


@pytest.mark.slow
def test_it_loads_nothing_and_runs_nothing(html: str) -> None:
    page = Page(html)
    assert not LOADING & {element.tag for element in page.elements}
    names = {(name, value) for element in page.elements for name, value in element.attributes.items()}
    assert not [name for name, _ in names if name.startswith("on") or name in {"src", "action", "data"}]
    assert all(value.startswith("#") for name, value in names if "href" in name)
    assert all(re.findall(r"url\(([^)]*)\)", value) == re.findall(r"url\((#\w+)\)", value) for _, value in names)
    (style,) = page.all("style")
    assert not re.search(r"@import|url\(|[<\\]", style.text)
    (policy,) = [one for one in page.all("meta") if "http-equiv" in one.attributes]
    assert policy.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert html.startswith("<!doctype html>")
    assert "<!DOCTYPE svg" not in html
    assert "xmlns" not in html


@pytest.mark.slow
def test_there_are_no_control_characters(html: str) -> None:
    assert not [char for char in html if not char.isprintable() and char != "\n"]


def test_ids_are_there_once_and_references_lead_to_them(html: str) -> None:
    page = Page(html)
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    used = {value[1:] for element in page.elements for name, value in element.attributes.items() if "href" in name}
    values = [value for element in page.elements for value in element.attributes.values()]
    used |= {found for value in values for found in re.findall(r"url\(#(\w+)", value)}
    assert used == set(ids)


def test_every_colour_has_a_value_on_light_and_on_dark_pages(html: str) -> None:
    used = set(re.findall(r"var\((--[\w-]+)\)", html)) - {"--w", "--face"}
    light, dark = re.findall(r":root\{(--[^}]*)\}", html)
    for values in (light, dark):
        assert used <= {pair.partition(":")[0] for pair in values.split(";")}
    assert f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}" in html  # paper is light
    assert not re.search(r'style="[^"]*#[0-9a-f]{6}', html)


def test_a_screen_reader_finds_its_way(html: str) -> None:
    page = Page(html)
    assert page.all("html")[0].attributes["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) - len(page.all("svg")) == 1
    assert [one.attributes.get("scope") for one in page.all("th")] == ["col"] * len(page.all("th"))
    assert page.all("svg")
    for picture in page.all("svg"):
        assert picture.attributes["role"] == "img"
        assert picture.attributes["aria-label"]
    for region in (one for one in page.all("div") if one.attributes.get("class") == "scroll"):
        assert region.attributes["tabindex"] == "0"
        assert region.attributes["aria-label"]
    assert all("open" in one.attributes for one in page.all("details"))  # so that all is on paper


def test_hostile_names_are_there_as_text(attacked: Report) -> None:
    page = Page(attacked.html)
    names = [row["tag"] for row in page.table("Tags and repositories that free most alone", "The 13 of")]
    assert len(names) == len(HOSTILE)
    for name in HOSTILE[:8]:
        assert f"{name}:1" in names
    assert r"two\nlines\t\x1b[31m\u202e\u2066:1" in names
    assert "</st" in " ".join(one.text for one in page.all("text"))


def test_commands_quote_names_and_leave_out_what_cannot_be_typed(attacked: Report) -> None:
    page = Page(attacked.html)
    commands = [one.text for one in page.all("code")]
    assert len(commands) > 5
    for words in map(shlex.split, commands):
        assert words[0] == "blobkit"
        assert not {"rm", "-rf", "$(reboot)"} & set(words)
        assert words[2] == f"registry:/srv/{HOSTILE[0]}"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("a b:1", "blobkit simulate x 'a b:1'"),
        ("-rf", "blobkit simulate x tag:-rf"),
        ("$(reboot):1", "blobkit simulate x '$(reboot):1'"),
        ("two\nlines", ""),
        ("\u202e", ""),
        ("n" * 300, ""),
        ("", ""),
    ],
)
def test_a_name_in_a_command(report: Report, name: str, command: str) -> None:
    assert Shell(report.snapshot, "x").dropping(name) == command


@pytest.mark.usefixtures("undrawn")
def test_a_long_address_is_cut_and_not_typed() -> None:
    none: dict[str, list[object]] = {"key": [], "size": [], "kind": []}
    links: dict[str, list[object]] = {"source": [], "target": [], "kind": []}
    pins: dict[str, list[object]] = {"node": [], "name": [], "group": [], "kind": []}
    snapshot = build("oci", "/" + "long" * 100_000, nodes=none, links=links, pins=pins, time=TIME)
    html = blobkit.report(snapshot, progress=False).html
    assert len(html) < 20_000
    assert "longlong" in html


@pytest.mark.slow
def test_a_page_stays_small() -> None:
    made = blobkit.report(images(20_000), progress=False)
    assert len(made.html.encode()) < 500_000
    assert sum(len(one.picture.svg) for one in made.chapters if one.picture) < 300_000
