"""Documents as Go decodes them: what umoci 0.4.7 refused in real runs, and what it made of the rest."""

from __future__ import annotations

import json

import pytest

from blobkit.oci.spec import PARSED, children_of, decode_index, decode_layout, size_of, text_field
from blobkit.oci.untrusted import DocumentError
from layouts import CONFIG, INDEX, MANIFEST

DESCRIPTOR = "application/vnd.oci.descriptor.v1+json"


def entry(**fields: object) -> str:
    return json.dumps({"manifests": [{"mediaType": "a/b", "digest": "x", "size": 1, **fields}]})


def reads(text: str | bytes) -> list[dict[str, object]]:
    return decode_index(text.encode() if isinstance(text, str) else text)


def refused(text: str | bytes) -> str:
    with pytest.raises(DocumentError) as error:
        reads(text)
    return str(error.value)


def config(text: str) -> None:
    assert children_of(text.encode(), CONFIG) == []


def no_config(text: str) -> None:
    with pytest.raises(DocumentError):
        children_of(text.encode(), CONFIG)


def test_what_is_parsed() -> None:
    assert set(PARSED) == {INDEX, MANIFEST, CONFIG, DESCRIPTOR}


@pytest.mark.parametrize("text", ["null", "{}", '{"manifests": null}', ' \n{"schemaVersion": 3, "subject": 5}\t\r\n'])
def test_an_index_without_entries(text: str) -> None:
    assert reads(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "5",
        '{"manifests": {}}',
        '{"manifests": ["x"]}',
        "{} x",
        '{"x": NaN}',
        '{"x": 01}',
        "{'x': 1}",
        '{"x": 1,}',
    ],
)
def test_an_index_that_go_refuses(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b'{"x": "\x01"}', b"{}\0", b"{}\f"])
def test_bytes_that_go_refuses(data: bytes) -> None:
    refused(data)


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    (found,) = reads(b'{"manifests": [{"mediaType": "caf\xe9"}]}')
    assert text_field(found, "mediaType") == "caf\ufffd"


@pytest.mark.parametrize("value", [1, 0, -1, (1 << 63) - 1, -(1 << 63), None])
def test_sizes(value: object) -> None:
    assert size_of(reads(entry(size=value))[0]) == (value or 0)


@pytest.mark.parametrize("value", ["1", 1.0, 1e3, True, [], {}, 1 << 63, -(1 << 63) - 1])
def test_values_that_are_no_size(value: object) -> None:
    assert "where an integer in range is expected" in refused(entry(size=value))


@pytest.mark.parametrize("value", ["", "YQ==", "Y\r\nQ==", "YR==", [1, 255, None], [], None])
def test_data_that_go_takes(value: object) -> None:
    assert len(reads(entry(data=value))) == 1


@pytest.mark.parametrize("value", ["YQ", "@@@@", "_-8=", "YQ ==", [256], [-1], ["a"], 5, {}])
def test_data_that_go_refuses(value: object) -> None:
    refused(entry(data=value))


@pytest.mark.parametrize(
    "field",
    [
        {"annotations": {"a": 1}},
        {"annotations": []},
        {"urls": "x"},
        {"urls": [1]},
        {"platform": "linux"},
        {"platform": {"os.features": "x"}},
        {"artifactType": 5},
        {"mediaType": 5},
        {"digest": []},
    ],
)
def test_fields_of_other_types(field: dict[str, object]) -> None:
    refused(entry(**field))


@pytest.mark.parametrize(
    "field",
    [{"annotations": {"a": None}}, {"urls": [None]}, {"platform": {"features": 5}}, {"other": 5}, {"digest": None}],
)
def test_null_and_fields_that_it_does_not_have(field: dict[str, object]) -> None:
    assert len(reads(entry(**field))) == 1


def test_fields_given_twice() -> None:
    (found,) = reads('{"manifests": [{"digest": "a", "size": 1, "SIZE": 2, "digest": null}]}')
    assert (text_field(found, "digest"), size_of(found)) == ("a", 2)
    twice = '{"manifests": [{"digest": "a", "size": 1}, {"digest": "b"}], "manifests": [%s]}'
    assert [text_field(one, "digest") for one in reads(twice % "{}")] == ["a"]  # decoded into what is there
    assert [text_field(one, "digest") for one in reads(twice.replace("[%s]", "null"))] == []
    (found,) = reads('{"manifests": [{"annotations": {"a": "1"}, "annotations": {"b": "2"}}]}')
    assert found["annotations"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("name", ["manifests", "MANIFESTS", "manife\u017fts", "Manifests"])
def test_names_match_in_any_case(name: str) -> None:
    assert len(reads(f'{{"{name}": [{{}}]}}')) == 1
    assert reads(f'{{"{name}x": [{{}}]}}') == []


def test_a_manifest() -> None:
    body = {"config": {"digest": "c"}, "layers": [{"digest": "l"}], "subject": {"digest": "s"}, "artifactType": 5}
    found = children_of(json.dumps(body).encode() + b" and more", MANIFEST)
    assert [text_field(one, "digest") for one in found] == ["c", "l", "s"]
    assert [text_field(one, "digest") for one in children_of(b'{"layers": null}', MANIFEST)] == [""]
    assert children_of(b'{"subject": {}, "config": null}', MANIFEST) == [{}, {}]
    assert children_of(json.dumps(body).encode(), INDEX) == []
    assert children_of(b'{"digest": "d"}', DESCRIPTOR) == [{"digest": "d"}]


@pytest.mark.parametrize(
    "time",
    [
        "2020-02-29T03:04:05Z",
        "2020-01-02T3:04:05,5+99:99",
        "0000-02-29T00:00:00.123456789123-00:00",
        "2020-01-02T03:04:05+-1:00",
    ],
)
def test_times_that_go_reads(time: str) -> None:
    config(json.dumps({"created": time, "history": [{"created": time}, None]}))


@pytest.mark.parametrize(
    "time",
    [
        "",
        "2021-02-29T03:04:05Z",
        "2020-13-02T03:04:05Z",
        "2020-01-02T24:04:05Z",
        "2020-01-02T23:59:60Z",
        "2020-01-02t03:04:05Z",
        "2020-01-02T03:04:05z",
        "2020-01-02T03:04:05",
        "2020-01-02T03:04:05.Z",
        "2020-01-02 03:04:05Z",
        "2020-1-02T03:04:05Z",
        "\u0662020-01-02T03:04:05Z",
        5,
    ],
)
def test_times_that_go_refuses(time: object) -> None:
    no_config(json.dumps({"created": time}))


@pytest.mark.parametrize(
    "text",
    [
        "null",
        '{"mediaType": 5, "id": 5, "config": {"Healthcheck": 5, "Shell": 5}, "rootfs": {"diff_ids": [null]}}',
        '{"config": {"ExposedPorts": {"80/tcp": {}, "81": null}, "ArgsEscaped": true, "Labels": {"a": null}}}',
    ],
)
def test_configs_that_go_takes(text: str) -> None:
    config(text)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"os": 5}',
        '{"os.features": "x"}',
        '{"config": {"ExposedPorts": ["80"]}}',
        '{"config": {"Volumes": {"a": 5}}}',
        '{"config": {"Env": "A=B"}}',
        '{"config": {"user": 0}}',
        '{"config": {"ArgsEscaped": "true"}}',
        '{"rootfs": {"diff_ids": [5]}}',
        '{"history": [{"empty_layer": 1}]}',
    ],
)
def test_configs_that_go_refuses(text: str) -> None:
    no_config(text)


def test_oci_layout() -> None:
    assert decode_layout(b'{"IMAGElayoutVERSION": "1.0.0", "imageLayoutVersion": null}\n') == "1.0.0"
    assert decode_layout(b"{}") == ""
    for data in (b"", b"[]", b'{"imageLayoutVersion": 1}', b'{"imageLayoutVersion": "1.0.0"} x'):
        with pytest.raises(DocumentError):
            decode_layout(data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "is_read"), [(500, True), (5_000, True), (9_999, True), (10_000, False), (50_000, False)]
)
@pytest.mark.parametrize("inside", ["", "1", '{"a": [1.5, true, null, "\\u00e9"], "b": {}}'])
def test_nesting(depth: int, inside: str, *, is_read: bool) -> None:
    depth -= 2 * (inside[:1] == "{")  # its own levels
    text = f'{{"x": {"[" * depth}{inside}{"]" * depth}, "manifests": [{{"digest": "d"}}]}}'
    if is_read:
        assert reads(text) == [{"digest": "d"}]
    else:
        refused(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "inside", ["1 2", "01", "[1,]", '{"a"}', '{"a": 1,}', "tru", '"\\q"', '"', "{1: 2}", "+1", "1."]
)
def test_nested_json_is_checked_as_strictly(inside: str) -> None:
    for depth in (3, 3_000):
        refused(f'{{"x": {"[" * depth}{inside}{"]" * depth}}}')


def test_a_long_number_costs_nothing() -> None:
    assert reads(f'{{"x": {"9" * 5_000}}}') == []
    refused(f'{{"schemaVersion": {"9" * 5_000}}}')
