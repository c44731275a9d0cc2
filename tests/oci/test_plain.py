"""A manifest of the usual form means the same to the quick reader, to the general one and to the collector."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobkit.oci.documents import OCI_MANIFEST, read_document
from blobkit.oci.plain import DOCKER_MANIFEST, LONGEST, micros, plain_manifest
from blobkit.scanners.registries.manifests import marked
from layouts import CONFIG, LAYER, nowhere

PIECES = (
    *('"', ",", ":", "{", "}", "[", "]", "\\", " ", "\n", "0", "-1", "1e3", "1.5", "null", "true", "NaN", "\ufeff"),
    *('"size"', '"Size"', '"digest"', '"mediaType"', '"urls": ["u"],', '"data": "QQ==",', '"layers": [],'),
    *('"config": null,', '"schemaVersion": 1,', '"subject": {},', '"artifactType": "a",', '"platform": {},'),
    *('"annotations": {"a": "b:c"},', '"annotations": {"a": 1},', '"size": 7,', '"\u017fize": 7,', "\x80", "9" * 25),
    *(".foreign.", OCI_MANIFEST, nowhere(7), nowhere(7).upper(), "sha512:" + "0" * 128),
)


def body(layers: int = 2, media_type: str | None = OCI_MANIFEST, **more: object) -> dict[str, object]:
    types = {} if media_type is None else {"mediaType": media_type}
    config = {"mediaType": CONFIG, "digest": nowhere(1), "size": 10}
    found = [{"mediaType": LAYER, "digest": nowhere(2 + number), "size": number} for number in range(layers)]
    return {"schemaVersion": 2, **types, "config": config, "layers": found, **more}


def check(data: bytes) -> bool:
    """Check that all readings agree, if the quick reader takes a manifest; return whether it does."""
    plain = plain_manifest(data)
    if plain is None:
        return False
    document = read_document(data)
    assert (document.kind, document.media_type, document.odd) == ("manifest", plain.media_type, ())
    assert document.own_type == document.media_type
    assert document.subject is None
    assert micros(document.created) == plain.created
    named = [(one.digest, one.size, one.media_type) for one in document.references]
    assert named == list(zip(plain.digests, plain.sizes, plain.types, strict=True))
    assert [one.kind for one in document.references] == ["config"] + ["layer"] * (len(named) - 1)
    assert not any(one.followed or one.foreign or one.platform or one.inline for one in document.references)
    assert marked(data) == plain.digests
    return True


def test_what_tools_write_is_of_the_usual_form() -> None:
    created = {"org.opencontainers.image.created": "2025-01-02T03:04:05Z"}
    for more in ({}, {"annotations": {}}, {"annotations": {**created, "a:b": "::"}}):
        for media_type in (OCI_MANIFEST, DOCKER_MANIFEST, None):
            for layers in (0, 1, 30):
                assert check(json.dumps(body(layers, media_type, **more), indent=2).encode())
    assert check(json.dumps(body(annotations=created)).encode().replace(b": ", b" \t: "))
    noted = [{"mediaType": LAYER, "digest": nowhere(2), "size": 1, "annotations": {"title": "a: b"}}]
    assert check(json.dumps(body() | {"layers": noted}).encode())


def test_anything_else_is_left_to_the_general_reader() -> None:
    whole = json.dumps(body())
    others = (
        json.dumps(body(subject={"digest": nowhere(9), "size": 1})),
        json.dumps(body(annotations={"a": "\u00e9"})),  # an escape
        json.dumps(body(annotations={"a": "x" * LONGEST})),
        whole.replace('"size": 1}', '"size": 1, "size": 1}'),
        whole.replace('"size": 1}', '"size" : 1, "size" : 1}'),
        whole.replace('"size": 1}', '"size": 1, "Size": 3}'),
        whole.replace('"size": 1}', '"size": true}'),
        whole.replace('"size": 1}', '"size": 1.0}'),
        whole.replace('"size": 1}', f'"size": {1 << 63}}}'),
        whole.replace(LAYER, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        whole.replace(LAYER, OCI_MANIFEST),
        whole.replace(CONFIG, "application/json"),
        whole.replace('"schemaVersion": 2', '"schemaVersion": 3'),
        whole.replace(nowhere(2), nowhere(2)[:-1]).replace(nowhere(3), nowhere(3) + "0"),
        "\ufeff" + whole,
        whole + "x",
        "[" * 5000,
        '"layers"',
        "{}",
    )
    assert not any(check(other.encode()) for other in others)
    assert not check(b'{"a": "\xff"}')


@pytest.mark.slow
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_readers_agree_on_changed_manifests(data: st.DataObject) -> None:
    text = json.dumps(body(data.draw(st.integers(0, 3)), data.draw(st.sampled_from([OCI_MANIFEST, None]))))
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(text)))
        end = at + data.draw(st.sampled_from([0, 0, 1, 2, 12]))
        text = text[:at] + data.draw(st.sampled_from(PIECES)) + text[end:]
    check(text.encode("utf-8", "surrogatepass"))
