"""Options that mean the same in every command: rows, order, bytes, names, on a terminal and in a pipe."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import termios
import threading
from pathlib import Path

import click
import pytest

import blobkit
from blobkit import demo
from blobkit.commands import auditing, listing, planning, reading
from commands import command, run
from layouts import Layout, Registry

LONG = "sha256-" + "e" * 64 + ".sig"
LISTS = {"--json", "--bytes", "--full", "--limit", "--sort", "--where"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("options") / "store"
    with blobkit.LocalStore(root, durability="off") as made:
        demo.fill(made)
        made.tag(f"shop/web:{LONG}", made.tags()["shop/web:1.0"])
    return str(root)


def rows(*arguments: str) -> list[list[str]]:
    """The words of each line of a table in a pipe."""
    done = command(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split() for line in done.stdout.splitlines()]


def on_terminal(width: int, *arguments: str, **environment: str) -> str:
    """What a command shows on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    shown = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(ours, 1 << 16):
                shown.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    known = {"COLUMNS": None, "NO_COLOR": None, "TERM": "xterm", **environment}
    code = run(arguments, Path(os.ttyname(theirs)), Path(os.devnull), **known)
    os.close(theirs)
    reader.join()
    os.close(ours)
    assert code == 0
    return shown.decode().replace("\r\n", "\n")


def test_every_list_has_the_same_options() -> None:
    commands = [
        one for module in (auditing, listing, planning, reading) for one in map(vars(module).get, module.__all__)
    ]
    for one in commands:
        assert isinstance(one, click.Command)
        options = {option for param in one.params for option in param.opts}
        assert options >= LISTS, one.name
        assert "--policy" in options or one.name in ("compare-gc", "untagged"), one.name


@pytest.mark.slow
def test_ls_by_status_kind_and_name(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image("app:1", "content")
    layout.image("web:1", "content", "more")
    loose = layout.blob("g" * 2000)
    address = str(layout.root)
    assert [row[0] for row in rows("ls", address, "--status", "garbage")[1:]] == [loose]
    assert {row[5] for row in rows("ls", address, "--kind", "layer", "--kind", "config")[1:]} == {"layer", "config"}
    assert [row[-1] for row in rows("ls", address, "--where", "re:(app|nothing):.")[1:]] == ["app:1"]
    assert rows("ls", address, "--where", "app")[1:] == []
    told = json.loads(command("ls", address, "--where", "*:1", "--sort", "frees", "--json").stdout)
    frame = blobkit.to_frame(address)
    frame = frame[frame["tags"].astype(bool)].sort_values("frees", ascending=False, kind="stable")
    assert [(row["digest"], row["frees"]) for row in told] == list(frame["frees"].items())


@pytest.mark.slow
def test_tags_in_order(store: str) -> None:
    frame = blobkit.tags_frame(store).reset_index()
    for column, ascending in (("exclusive", False), ("closure", False), ("kind", True), ("tag", True)):
        text = [row[0] for row in rows("tags", store, "--sort", column)[1:]]
        plain = frame.astype({"kind": "str"}).sort_values(column, ascending=ascending, kind="stable")
        assert text == list(plain["tag"]), column
    assert [row[0] for row in rows("tags", store, "--where", "data/*", "--limit", "1")[1:]] == ["data/etl:1"]


@pytest.mark.slow
def test_the_rows_of_an_answer(store: str) -> None:
    frame = blobkit.usage(store).frame
    groups = frame[frame.index.str.startswith("shop/")].sort_values("exclusive", ascending=False, kind="stable")
    asked = ("usage", store, "--where", "shop/*", "--sort", "exclusive")
    found = [row[0] for row in rows(*asked) if row[0].startswith("shop/")]
    assert set(found) == set(groups.index)
    assert list(groups["exclusive"][found]) == list(groups["exclusive"])
    shown = rows(*asked, "--limit", "2")
    assert [row[0] for row in shown if row[0].startswith("shop/")] == list(groups.index[:2])
    assert ["and", str(len(groups) - 2), "more"] in shown
    told = json.loads(command(*asked, "--limit", "2", "--json").stdout)
    for rows_of_json in (told["groups"], told["sections"][0]["rows"]):
        assert [(row["group"], row["exclusive"]) for row in rows_of_json] == list(groups["exclusive"].iloc[:2].items())
    assert told["sections"][0]["more"] == len(groups) - 2


ANSWERS = (
    ("simulate", "{}", "shop/web:1.0"),
    ("usage", "{}"),
    ("audit", "{}"),
    ("why", "{}", "shop/web:1.0"),
    ("plan", "{}", "--free", "1KiB"),
    ("sharing", "{}"),
    ("diff", "{}", "{}"),
)


@pytest.mark.slow
@pytest.mark.parametrize("words", ANSWERS, ids=[words[0] for words in ANSWERS])
def test_json_has_the_lines_and_the_tables_of_the_text(store: str, words: tuple[str, ...]) -> None:
    asked = [word.format(store) for word in words]
    text = " ".join(command(*asked, "--limit", "3").stdout.split())
    told = json.loads(command(*asked, "--limit", "3", "--json").stdout)
    assert told["title"] in text
    for section in told["sections"]:
        assert all(list(row) == list(section["units"]) for row in section.get("rows", ()))
        named = [value for row in section.get("rows", ()) for value in row.values() if isinstance(value, str)]
        for shown in (*section["lines"], *named):
            assert " ".join(shown.split()) in text or "T" in shown  # a time, which the text shows as its day


def test_untagged_in_order(tmp_path: Path) -> None:
    made = Registry(tmp_path / "r")
    made.push("app", "1", "base", "tagged")
    for repo, layer in (("app", "x"), ("web", "y" * 500)):
        made.revision(repo, made.manifest(made.blob(layer)))
    for path in made.root.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    found = [row for row in rows("untagged", str(made.root), "--sort", "frees") if row[0] in ("app", "web")]
    assert [row[0] for row in found] == ["web", "app"]
    told = json.loads(command("untagged", str(made.root), "--where", "web", "--json").stdout)["untagged"]
    assert [row["repo"] for row in told] == ["web"]


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("asked", [("tags",), ("ls",), ("audit",), ("simulate", "shop/web:*"), ("usage",)])
def test_a_terminal_is_not_exceeded(asked: tuple[str, ...], width: int, store: str) -> None:
    shown = on_terminal(width, asked[0], store, *asked[1:])
    lines = re.sub("\x1b\\[[0-9;]*m", "", shown).splitlines()
    table = [line for line in lines if not line.startswith(("blobkit:", "  "))]
    assert max(map(len, table)) <= width
    assert "KiB" in shown


@pytest.mark.slow
def test_people_and_pipes(store: str) -> None:
    tagged = blobkit.LocalStore(store, create=False).tags()["data/etl:1"]
    human, piped = on_terminal(120, "tags", store), command("tags", store).stdout
    assert tagged[:19] in human
    assert tagged not in human
    assert tagged in piped
    assert LONG in piped
    assert "KiB" not in piped
    assert tagged in on_terminal(80, "tags", store, "--full")
    exact = on_terminal(200, "tags", store, "--bytes")
    assert "KiB" not in exact
    assert tagged not in exact


@pytest.mark.slow
def test_colour_on_terminals_that_want_it(store: str) -> None:
    assert "\x1b[" in on_terminal(80, "usage", store)
    assert "\x1b[" not in on_terminal(80, "usage", store, NO_COLOR="1")
    assert "\x1b[" not in on_terminal(80, "usage", store, TERM="dumb")
    assert "\x1b[" not in command("usage", store).stdout


def test_what_is_read_is_logged_on_request(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "a\x1bb")
    layout.image("app:1", "content")
    quiet, loud = (command(*flag, "ls", str(layout.root)) for flag in ((), ("--verbose",)))
    assert (quiet.stdout, quiet.stderr) == (loud.stdout, "")
    (read,) = (line.partition("hashed: ")[2] for line in loud.stderr.splitlines() if "hashed: " in line)
    assert sorted(read.split(", ")) == ["1 config", "1 layer", "1 manifest"]
    assert "3 blobs, 2 links, 1 pins, 0 notices; policy dependent" in loud.stderr
    assert "\x1b" not in loud.stderr
    with blobkit.LocalStore(tmp_path / "s", durability="off") as made:
        made.put(b"content", tag="t:1")
    assert "index.sqlite is read" in command("-v", "audit", str(tmp_path / "s")).stderr
