"""index.json: one reader, which reads as Go does, tries again and is bounded, and one writer."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import UnreadableStoreError
from blobkit.oci import index
from blobkit.oci.index import entry_for, load_index, name_of, parse_index, read_index, render_index, without_name
from blobkit.oci.untrusted import DocumentError
from layouts import INDEX, MANIFEST, NAME, nowhere

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = "io.containerd.image.name"


def entry(name: str = "", number: int = 1, **more: object) -> dict[str, object]:
    named = {"annotations": {NAME: name}} if name else {}
    return {"mediaType": MANIFEST, "digest": nowhere(number), "size": 7, **named, **more}


def parsed(*entries: object, **rest: object) -> index.IndexFile:
    return parse_index(json.dumps({"manifests": list(entries), **rest}).encode())


def test_an_index_is_read_and_written_again() -> None:
    file = parsed(entry("a:1"), entry(number=2), annotations={"who": "x"}, schemaVersion=7, mediaType="text/plain")
    assert [(one.name, one.target and one.target.digest) for one in file.entries] == [
        ("a:1", nowhere(1)),
        ("", nowhere(2)),
    ]
    body = json.loads(render_index([one.raw for one in file.entries], file.rest))
    own = {"schemaVersion": 2, "mediaType": INDEX}
    assert body == {**own, "manifests": [entry("a:1"), entry(number=2)], "annotations": {"who": "x"}}


@pytest.mark.parametrize("field", ["Manifests", "MANIFESTS", "man\\u0069fe\\u017fts"])
def test_names_of_fields_in_any_case_are_written_canonically(field: str) -> None:
    text = '{"%s": [{"MediaType": "%s", "DIGEST": "%s", "Size": 7}]}' % (field, MANIFEST, nowhere(1))  # noqa: UP031
    file = parse_index(text.encode())
    assert json.loads(render_index([one.raw for one in file.entries], file.rest))["manifests"] == [entry()]
    assert list(file.rest) == []


def test_entries_that_name_nothing_are_kept_and_told() -> None:
    file = parsed(7, {"digest": "sha256:short"}, entry("x"))
    assert [one.raw for one in file.entries] == [7, {"digest": "sha256:short"}, entry("x")]
    assert [one.target is None for one in file.entries] == [True, True, False]
    assert len(file.odd) == 2


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    data = json.dumps({"manifests": [entry("caf\u00e9")]}, ensure_ascii=False).encode("latin-1")
    assert [one.name for one in parse_index(data).entries] == ["caf\ufffd"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"x": NaN}',
        b"{} {}",
        b"[]",
        b"",
        b'{"manifests": {}}',
        b"[" * 100_000,
    ],
)
def test_what_no_program_reads_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError):
        parse_index(data)


@pytest.mark.parametrize(("data", "is_list"), [(b"{}", False), (b'{"manifests": null}', True)])
def test_an_index_without_entries_is_empty(data: bytes, is_list: bool) -> None:  # noqa: FBT001 (a parameter)
    assert (parse_index(data).entries, parse_index(data).is_list) == ((), is_list)


def test_a_file_that_is_half_written_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(index.time, "sleep", slept.append)
    answers = iter([b"", b'{"manif', b'{"manifests": []}'])
    assert read_index(lambda: next(answers), timeout=60).entries == ()
    assert len(slept) == 2


def test_a_file_that_stays_half_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(index.time, "monotonic", lambda: next(clock) / 10)
    monkeypatch.setattr(index.time, "sleep", lambda _: None)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(UnreadableStoreError, match=r"cannot be read as an image index \(not JSON .*: restore it"):
        load_index(tmp_path / "index.json")
    assert 10 <= next(clock) <= 12


@pytest.mark.parametrize("what", ["absent", "directory", "pipe", "large"])
def test_what_is_no_index_file_is_an_error_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(index, "TIMEOUT", 0)
    monkeypatch.setattr(index, "INDEX_LIMIT", 10)
    path = tmp_path / "index.json"
    make = {"directory": path.mkdir, "pipe": lambda: os.mkfifo(path), "large": lambda: path.write_text(" " * 11)}
    make.get(what, lambda: None)()
    said = {"absent": "is missing", "directory": "cannot be read", "pipe": "not a regular file", "large": "larger than"}
    with pytest.raises(UnreadableStoreError, match=said[what]):
        load_index(path)


def test_the_name_of_an_entry_comes_and_goes_with_all_annotations_that_give_it() -> None:
    docker = entry("1.0", annotations={NAME: "1.0", WHOLE: "docker.io/library/web:1.0", "title": "t"})
    assert name_of(docker) == "web:1.0"
    bare = without_name(docker)
    assert (name_of(bare), bare["annotations"]) == ("", {"title": "t"})
    assert without_name(entry("x")) == entry()
    assert without_name(7) == 7
    assert entry_for("web:1.0", nowhere(1), 7, MANIFEST, docker) == docker
    renamed = entry_for("web:2.0", nowhere(1), 7, MANIFEST, docker)
    assert renamed["annotations"] == {NAME: "web:2.0", "title": "t"}
    assert entry_for("", nowhere(1), 7, "") == {**entry(), "mediaType": "application/octet-stream"}


def test_numbers_that_are_no_json_are_not_written() -> None:
    with pytest.raises(DocumentError, match="not JSON"):
        index.check_writable(parse_index(b'{"manifests": [], "x": 1e999}'))
