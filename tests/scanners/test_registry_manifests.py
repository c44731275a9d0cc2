"""What the collector of a registry marks for a manifest, document by document; the real one says the same of them.

(`tests/differential` puts such documents into storage and runs it.)
"""

from __future__ import annotations

import json

import pytest

from blobkit.scanners.registries.manifests import UnreadError, marked
from layouts import DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST

L, M, C = (f"sha256:{letter * 64}" for letter in "abc")


def document(*fields: str, said: str | None = MANIFEST, version: object = 2) -> bytes:
    head = [f'"schemaVersion": {version}', *([f'"mediaType": "{said}"'] if said else [])]
    return ("{" + ", ".join([*head, *fields]) + "}").replace("$L", L).replace("$M", M).replace("$C", C).encode()


def layers(*items: str) -> str:
    return f'"layers": [{", ".join(items)}]'


CONFIG = '"config": {"digest": "$C"}'
ONE = '{"digest": "$L"}'


@pytest.mark.parametrize("said", [MANIFEST, DOCKER_MANIFEST, None])
def test_an_image_marks_config_and_layers(said: str | None) -> None:
    assert marked(document(CONFIG, layers(ONE, '{"digest": "$M"}'), said=said)) == [C, L, M]


@pytest.mark.parametrize("said", [INDEX, DOCKER_LIST, None])
def test_an_index_marks_its_children(said: str | None) -> None:
    assert marked(document('"manifests": [{"digest": "$L"}, {"digest": "$M"}]', said=said)) == [L, M]


def test_the_first_schema_marks_its_layers_whatever_it_calls_itself() -> None:
    assert marked(document('"fsLayers": [{"blobSum": "$L"}]', said="x/y", version=1)) == [L]


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        (['"LAYERS": [{"DIGEST": "$L"}]'], [L]),
        (['"layer\u017f": [{"dige\u017ft": "$L"}]'], [L]),
        (['"l\\u0061yers": [{"digest": "$L"}]'], [L]),
        (['"layers": null', '"config": null'], []),
        ([layers("null", "{}", ONE)], [L]),
        ([layers(ONE, '{"digest": "$M"}'), layers('{"digest": "$C"}')], [C]),
        ([layers(ONE), layers("{}")], [L]),
        ([layers(ONE), layers("null")], [L]),
        ([layers(ONE), layers()], []),
        ([layers(ONE), '"layers": null', layers("{}")], []),
        ([layers("{}", ONE), layers('{"digest": "$M"}')], [M]),
        ([layers("{}", ONE), layers('{"digest": "$M"}'), layers("{}", "{}")], [M, L]),
        ([layers("{}", "{}", ONE), layers("{}"), layers(*["{}"] * 9)], [L]),
        (['"config": {"digest": "$L"}', '"config": {"size": 3}', '"config": null'], [L]),
        ([layers('{"digest": "$L", "digest": "$M"}')], [M]),
        ([layers('{"digest": "$L", "digest": null}')], [L]),
        ([layers('{"digest": "no digest"}')], ["no digest"]),
        ([layers('{"digest": "$L", "data": 5, "artifactType": [], "size": -1}'), '"subject": 3'], [L]),
        ([layers('{"digest": "$L", "platform": {"features": 3}}')], [L]),
        ([layers(ONE), '"x": [1e999, -0, 1E+2, "\\ud800"]'], [L]),
    ],
)
def test_fields_are_read_as_go_reads_them(fields: list[str], want: list[str]) -> None:
    assert marked(document(*fields)) == want


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert marked(document(layers(ONE), '"annotations": {"a": "?"}').replace(b"?", b"caf\xe9")) == [L]


def test_an_untyped_manifest_is_an_index_if_it_has_manifests() -> None:
    assert marked(document(layers(ONE), '"manifests": []', said=None)) == []
    assert marked(document(layers(ONE), '"manifests": null', said=None)) == [L]
    assert marked(document('"layers": 3', '"manifests": [{"digest": "$L"}]', said=None)) == [L]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "json"),
        (b" ", "json"),
        (b"\xef\xbb\xbf{}", "json"),
        ("{}".encode("utf-16"), "json"),
        (b"{}{}", "json"),
        (b"{} \0", "json"),
        (b'{"a": NaN}', "json"),
        (b'{"a": 01}', "json"),
        (b'{"a": "\t"}', "json"),
        (b"{'a': 1}", "json"),
        (b"{\xa0}", "json"),
        (b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "json"),
        (b"[]", "field"),
        (b'"text"', "field"),
        (b"null", "version"),
        (b"{}", "version"),
        (document(version=3), "version"),
        (document(version='"2"'), "field"),
        (document(version="2.0"), "field"),
        (document(version="2e0"), "field"),
        (document(version=1 << 63), "field"),
        (document(said="x/y"), "type"),
        (document(said=MANIFEST.upper()), "type"),
        (document('"layers": {}'), "field"),
        (document('"layers": ["$L"]'), "field"),
        (document('"config": "x"'), "field"),
        (document(layers('{"size": "5"}')), "field"),
        (document(layers('{"size": 1.0}')), "field"),
        (document(layers('{"size": "x", "size": 3}')), "field"),
        (document(layers('{"urls": [1]}')), "field"),
        (document(layers('{"annotations": {"a": 1}}')), "field"),
        (document(layers('{"platform": {"os": 1}}')), "field"),
        (document(layers('{"platform": {"OS.Features": 1}}')), "field"),
        (document('"manifests": [{"platform": {"features": 3}}]', said=INDEX), "field"),
        (document('"annotations": {"a": 1}'), "field"),
        (document('"manifests": "x"', said=None), "crash"),
        (document('"fsLayers": "x"', version=1), "field"),
        (document('"name": 3', version=1), "field"),
        (document('"x": 1e999', version=1), "field"),
        (document('"x": ' + "9" * 400, version=1), "field"),
        (b" " + document(version=1), "json"),
        (b"{}" + b" " * (4 << 20), "size"),
    ],
)
def test_where_it_stops(data: bytes, code: str) -> None:
    with pytest.raises(UnreadError) as stopped:
        marked(data)
    assert stopped.value.code == code


@pytest.mark.parametrize("depth", [900, 9_999])
def test_deep_nesting_is_read_as_far_as_go_reads_it(depth: int) -> None:
    assert marked(document(layers(ONE), f'"x": {"[" * depth}{"]" * depth}')) == [L]


def test_annotations_count_in_images_of_oci_only() -> None:
    assert marked(document('"annotations": {"a": 1}', layers(ONE), said=DOCKER_MANIFEST)) == [L]
    assert marked(document('"annotations": {"a": 1}', '"manifests": []', said=INDEX)) == []


def test_a_document_of_4_mib_is_read() -> None:
    data = document(layers(ONE))
    assert marked(data[:-1] + b" " * ((4 << 20) - len(data)) + b"}") == [L]


def test_a_normal_manifest_is_read_as_any_reader_does() -> None:
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"digest": C},
        "layers": [{"digest": L}, {"digest": M}],
    }
    assert marked(json.dumps(body).encode()) == [C, L, M]
