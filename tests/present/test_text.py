"""Text fits the terminal for people, and is exact for programs."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from blobkit.present.answer import Answer
from blobkit.present.sections import Section, Table, columns_table
from blobkit.present.text import TextStyle, answer_text, columns_of, table_text
from blobkit.present.units import Unit

DIGEST = "sha256:" + "0123456789abcdef" * 4
ADVICE = "nothing holds these, so the collector of this store takes them when it is run the next time"


def table() -> Table:
    return columns_table(
        {
            "tag": ["library/a-name-that-is-quite-long:with-a-tag-that-is-long-as-well", "b:1"],
            "digest": [DIGEST, DIGEST],
            "size": [1536, 10],
            "blobs": [1_234_567, 0],
            "created": [datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC), None],
            "tags": [("a", "b", "c", "d", "e"), ()],
            "severity": ["error", "info"],
            "advice": [ADVICE, ""],
        }
    )


@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_answer_fits_a_terminal(answers: dict[str, Answer], width: int) -> None:
    for name, answer in answers.items():
        for line in answer_text(answer, TextStyle(width=width)).splitlines():
            assert columns_of(line) <= width, (name, line)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_table_gives_way_in_order(width: int) -> None:
    """First the prose goes below its row, then digests are cut to 12 digits, then names: never figures."""
    text = table_text(table(), TextStyle(width=width))
    assert max(map(columns_of, text.splitlines())) <= width
    for figure in ("1.5 KiB", "1,234,567", "2026-05-04", "10 B"):
        assert figure in text
    assert "0123456789ab" in text
    assert ("sha256:" in text) == (width == 200)
    assert re.sub(r"\s+", " ", ADVICE) in re.sub(r"\s+", " ", text)


def test_in_full_nothing_is_cut() -> None:
    text = table_text(table(), TextStyle(bytes=True, full=True))
    for whole in (
        DIGEST,
        "1536",
        "1234567",
        "2026-05-04T03:02:01+00:00",
        "a, b, c, d, e",
        "with-a-tag-that-is-long-as-well",
    ):
        assert whole in text
    human = table_text(table())
    assert "a, b, c and 2 more" in human
    assert DIGEST not in human
    assert f"{DIGEST[:19]} " in human


def test_rows_that_are_left_out_are_counted_and_summed() -> None:
    shown = Table(columns_table({"digest": [DIGEST], "size": [2048], "blobs": [3]}).columns, 41, {"size": 1024})
    assert table_text(shown).splitlines()[-1].split() == ["and", "41", "more", "1.0", "KiB"]
    assert table_text(shown, TextStyle(bytes=True)).splitlines()[-1].split() == ["and", "41", "more", "1024"]


def test_columns_are_aligned_by_what_they_hold() -> None:
    lines = table_text(columns_table({"tag": ["a", "日本"], "size": [5, 10_000_000]})).splitlines()
    assert lines == ["tag      size", "a         5 B", "日本  9.5 MiB"]


def test_colours_are_for_terminals_and_escapes_of_strangers_for_nobody() -> None:
    hostile = columns_table({"severity": ["error"], "tag": ["\x1b[31mred\x1b[0m\u202e"]})
    assert "\x1b" not in table_text(hostile)
    coloured = table_text(hostile, TextStyle(colour=True))
    assert coloured.count("\x1b") == 2
    assert "\x1b[31merror\x1b[0m" in coloured
    assert "\u202e" not in coloured


class Told(Answer):
    """An answer with a line, a table and a detail."""

    def title(self) -> str:
        return "Two things"

    def sections(self, rows: int = 10) -> tuple[Section, ...]:
        things = columns_table({"tag": ["a", "b"][:rows]})
        return (
            Section("", ("a line",), Table(things.columns, 2 - len(things))),
            Section("Nothing", table=columns_table({"tag": []})),
        )

    def details(self, rows: int = 10) -> tuple[Section, ...]:  # noqa: ARG002
        return (Section("Details", ("more of it",)),)


def test_text_has_no_details_and_no_empty_sections() -> None:
    assert answer_text(Told()) == "Two things\na line\ntag\na\nb"
    assert answer_text(Told(), TextStyle(rows=1)).endswith("tag\na\nand 1 more")


def test_the_unit_of_a_column_can_be_told() -> None:
    assert table_text(columns_table({"x": [2048]}, {"x": Unit.BYTES})) == "      x\n2.0 KiB"


def test_a_command_is_in_one_line_below_its_row() -> None:
    command = "blobkit why registry:/var/lib/registry sha256:" + "a" * 64
    table = columns_table({"finding": ["missing"], "advice": ["push them again, " * 5], "command": [command]})
    lines = table_text(table, TextStyle(width=60)).splitlines()
    assert lines[0] == "finding"
    assert lines[1] == "missing"
    assert lines[2].startswith("    push them again")
    assert lines[-1] == f"    {command}"
    assert command in table_text(table, TextStyle())
