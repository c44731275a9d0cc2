"""A file appears complete or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from blobkit.replacing import check_place, replacing

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("old")
    (tmp_path / "reader").hardlink_to(place)  # as a program that has the old file open
    with replacing(place) as whole:
        whole.write_text("new")
        assert place.read_text() == "old"
    assert (place.read_text(), (tmp_path / "reader").read_text()) == ("new", "old")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "reader"]


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("old")
    with pytest.raises(UnicodeEncodeError), replacing(place) as whole:
        whole.write_text("half" * 100_000 + "\udc80")
    assert place.read_text() == "old"
    assert list(tmp_path.iterdir()) == [place]


def test_places_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="give the name of a file in it"), replacing(tmp_path):
        pass
    with pytest.raises(FileNotFoundError, match="make it first"), replacing(tmp_path / "no" / "file"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["/dev/null", "/dev/stdout", "pipe", "link"])
def test_devices_and_pipes_stay(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with pytest.raises(OSError, match="give the name of a file"):
        check_place(tmp_path / name)  # `replacing` calls it first: a test must not replace a device
