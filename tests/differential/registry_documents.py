"""Manifests as no client should push them, and as strangers' storage holds them: put into storage as they are.

In the texts below `$L` and `$M` are digests of layers, `$C` of a config: what is not marked for them is collected.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from random_registries import DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST, data_of
from registry_damage import DAMAGES, a_repository, an_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from random_registries import Storage
    from registry_damage import Damage

    Write = Callable[[Random], str | bytes]

CONFIG = '"config": {"digest": "$C", "size": 4}'
LAYERS = '"layers": [{"digest": "$L", "size": 5}, {"digest": "$M"}]'
CHILDREN = '"manifests": [{"digest": "$L", "size": 5}, {"digest": "$M"}]'
FS_LAYERS = '"fsLayers": [{"blobSum": "$L"}, {"blobSum": "$M"}], "history": [{"v1Compatibility": "{}"}]'
BOTH = f"{CONFIG}, {LAYERS}"
IMAGES, INDEXES = (MANIFEST, DOCKER_MANIFEST), (INDEX, DOCKER_LIST)
ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
LIMIT = 4 << 20


def _typed(media_type: str | None, *fields: str, version: str = "2") -> str:
    head = [f'"schemaVersion": {version}'] + ([f'"mediaType": "{media_type}"'] if media_type else [])
    return "{" + ", ".join([*head, *fields]) + "}"


def _one_of(types: Sequence[str | None], *fields: str) -> Write:
    """A document of one of these types, with one of these fields."""
    return lambda rng: _typed(rng.choice(types), rng.choice(fields))


def _layer(*fields: str) -> Write:
    """An image or an index with one of these fields in a descriptor."""

    def write(rng: Random) -> str:
        name, kind = rng.choice([("layers", rng.choice([*IMAGES, None])), ("manifests", rng.choice(INDEXES))])
        field = rng.choice(fields)
        return _typed(kind, CONFIG, f'"{name}": [{{"digest": "$L"}}, {{"digest": "$M", {field}}}]')

    return write


def _image(rng: Random, more: str = "") -> str:
    return _typed(rng.choice([*IMAGES, None]), BOTH, *([more] if more else []))


def _with(*fields: str) -> Write:
    """An image with one of these fields."""
    return lambda rng: _image(rng, rng.choice(fields))


def _bytes(change: Callable[[bytes], bytes], more: str = "") -> Write:
    return lambda rng: change(_image(rng, more).encode())


def _sized(size: int) -> Write:
    """A document of so many bytes, once its digests are in."""
    return lambda rng: _image(rng, f'"x": "{"y" * (size - 700)}"') + "%" + str(size)


def _nested(depth: int) -> Write:
    return lambda rng: _image(rng, f'"x": {"[" * depth}{"]" * depth}')


def _schema1(*fields: str) -> Write:
    return lambda rng: _typed(rng.choice([None, "x/y"]), rng.choice(fields), version="1")


def _texts(*texts: str) -> Write:
    return lambda rng: rng.choice(texts)


SIZES = ('"size": "5"', '"size": 5.0', '"size": 1.5', '"size": 1e3', '"size": 99999999999999999999')
STRINGS = ('"digest": 5', '"mediaType": 7', '"digest": true', '"urls": "x"', '"urls": [1]', '"annotations": {"a": 1}')
PLATFORMS = ('"platform": {"os": 1}', '"platform": "x"', '"platform": {"os.features": 3}', '"platform": []')
NULLS = ('"size": null', '"urls": [null]', '"annotations": {"a": null}', '"platform": null', '"digest": null')
IGNORED = ('"data": 5', '"artifactType": 5', '"size": -1', '"platform": {}', '"x": [1e999, -0, 1E+2]', '"Kind": {}')
TEXTS = ('"digest": "sha256:ABC"', '"digest": ""', '"digest": "x:y"', '"digest": "../../etc"', '"digest": "md5:00"')
VERSIONS = ("3", '"2"', "2.0", "2e0", "null", "-2", "true", "[2]", "99999999999999999999", "0")
ODD_INDEX = f'"layers": 3, {CHILDREN}'
NO_LISTS = ('"layers": {}', '"layers": "x"', '"layers": ["$L"]', '"layers": [[]]', '"config": "x"', '"config": []')
CASES = ('"LAYERS": [{"DIGEST": "$L"}]', '"Layers": [{"Digest": "$L", "SIZE": 3}]', '"CONFIG": {"diGest": "$L"}')
FOLDED = (
    '"layer\u017f": [{"digest": "$L"}]',
    '"layers": [{"dige\u017ft": "$L"}]',
    '"l\\u0061yers": [{"digest": "$L"}]',
)
TWICE = (
    '"layers": [{"digest": "$L"}], "layers": [{"digest": "$M"}]',
    '"layers": [{"digest": "$L"}], "layers": [{}]',
    '"layers": [{"digest": "$L"}], "layers": [null]',
    '"layers": [{"digest": "$L"}], "layers": []',
    '"layers": [{"digest": "$L"}], "layers": null',
    '"layers": [{"digest": "$L"}], "LAYERS": [{"digest": "$M"}]',
    '"layers": [{}, {"digest": "$L"}], "layers": [{"digest": "$M"}]',
    '"layers": [{}, {"digest": "$L"}], "layers": [{"digest": "$M"}], "layers": [{}, {}]',
    '"layers": [{}, {}, {"digest": "$L"}], "layers": [{}], "layers": [{}, {}, {}, {}, {}, {}, {}]',
    '"config": {"digest": "$L"}, "config": {"size": 3}',
    '"config": {"digest": "$L"}, "config": null, "layers": [{"digest": "$L", "digest": "$M"}]',
    '"layers": [{"digest": "$L", "size": "x", "size": 3}]',
)
BAD_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "byte-order-mark": lambda text: b"\xef\xbb\xbf" + text,
    "utf-16": lambda text: text.decode().encode("utf-16"),
    "trailing-bytes": lambda text: text + b"{}",
    "trailing-zero": lambda text: text + b"\0",
    "cut": lambda text: text[:-1],
    "blank": lambda _: b" \n",
    "empty": lambda _: b"",
    "trailing-comma": lambda text: text[:-1] + b",}",
    "latin-1-outside-of-text": lambda text: text[:-1] + b"\xa0}",
}
WRITERS: dict[str, Write] = {
    **{f"manifest-{name}": _bytes(change) for name, change in BAD_BYTES.items()},
    "manifest-not-utf-8": _bytes(lambda text: text.replace(b"%", b"caf\xe9 \xf0\x9f"), '"annotations": {"a": "%"}'),
    "manifest-odd-text": _with(r'"a": "\ud800"', r'"\/": "\u0000"', '"\x7f": "\x7f"'),
    "manifest-nan": _with('"x": NaN', '"x": Infinity', '"x": [-Infinity]', '"x": 01', '"x": 1.', '"x": +1'),
    "manifest-bad-text": _with(r'"x": "\x"', '"x": "\t"', r'"x": "\u12"', "'x': 1", '"x": 1 /* one */'),
    "manifest-blanks-around": _bytes(lambda text: b"\n\t " + text + b" \r\n"),
    "manifest-no-object": _texts("null", "[]", '"x"', "2", "true"),
    "manifest-nested": _nested(9000),
    "manifest-nested-too-deep": _nested(10001),
    "manifest-of-many": lambda rng: _image(rng, f'"x": [{"{}," * 200_000}{{}}]'),
    "manifest-of-4-mib": _sized(LIMIT),
    "manifest-too-large": _sized(LIMIT + 1),
    "schema-version-odd": lambda rng: _typed(rng.choice(IMAGES), BOTH, version=rng.choice(VERSIONS)),
    "schema-version-absent": lambda rng: f'{{"mediaType": "{rng.choice(IMAGES)}", {BOTH}}}',
    "media-type-unknown": _one_of(["x/y", MANIFEST.upper(), ARTIFACT], BOTH),
    "media-type-no-text": _one_of([None], f'"mediaType": 1, {BOTH}', f'"mediaType": [], {BOTH}'),
    "media-type-null": lambda _: f'{{"schemaVersion": 2, "mediaType": null, {BOTH}}}',
    "image-called-index": _one_of(INDEXES, BOTH),
    "index-called-image": _one_of(IMAGES, CHILDREN),
    "untyped-index": _one_of([None], CHILDREN, f"{BOTH}, {CHILDREN}", f'{BOTH}, "manifests": []', ODD_INDEX),
    "untyped-image": _one_of([None], BOTH, f'{BOTH}, "manifests": null', f'{BOTH}, "subject": 3'),
    "untyped-and-odd": _one_of([None], f'{BOTH}, "manifests": "x"', f'{BOTH}, "manifests": [{{"digest": 1}}]'),
    "size-odd": _layer(*SIZES),
    "field-of-wrong-type": _layer(*STRINGS),
    "platform-odd": _layer(*PLATFORMS),
    "platform-features": _layer('"platform": {"features": 3}'),
    "fields-null": _layer(*NULLS),
    "fields-ignored": _layer(*IGNORED),
    "digest-no-digest": _layer(*TEXTS),
    "list-odd": _one_of([*IMAGES, None], *NO_LISTS),
    "annotation-of-manifest": _one_of([*IMAGES, *INDEXES], f'{BOTH}, {CHILDREN}, "annotations": {{"a": 1}}'),
    "no-config": _one_of([*IMAGES, None], LAYERS, f'"config": null, {LAYERS}', f'"config": {{}}, {LAYERS}'),
    "no-layers-listed": _one_of(IMAGES, CONFIG, f'{CONFIG}, "layers": null', f'{CONFIG}, "layers": [null, {{}}]'),
    "names-in-any-case": _one_of([*IMAGES, None], *CASES),
    "names-folded": _one_of([*IMAGES, None], *FOLDED),
    "fields-twice": _one_of([*IMAGES, None], *TWICE),
    "schema1-signed": _schema1(f'{FS_LAYERS}, "signatures": [{{"header": {{}}, "signature": "x", "protected": "y"}}]'),
    "schema1-odd": _schema1(f'{FS_LAYERS}, "name": 3', '"fsLayers": "x"', '"fsLayers": ["$L"]', '"history": [1]'),
    "schema1-large-number": _schema1(f'{FS_LAYERS}, "x": 1e999', f'{FS_LAYERS}, "x": {"9" * 400}'),
    "schema1-any": _schema1(f'{FS_LAYERS}, "x": 1e-999, "config": 5', '"FSLAYERS": [{"BlobSum": "$L"}]', '"tag": null'),
    "schema1-leading-blank": lambda rng: rng.choice([" ", "\n "]) + _typed(None, FS_LAYERS, version="1"),
}  # fmt: skip


def _filled(text: str | bytes, names: dict[bytes, str]) -> bytes:
    """The text with digests for the names in it; `%N` at its end: made N bytes long."""
    raw = text.encode() if isinstance(text, str) else text
    for name, digest in names.items():
        raw = raw.replace(name, digest.encode())
    body, mark, size = raw.rpartition(b"%")
    if mark and size.isdigit() and body.endswith(b"}"):
        return body[:-1] + b" " * (int(size) - len(body)) + b"}"
    return raw


def _pushed(write: Write) -> Damage:
    """A document put into storage: as a revision of its own, or in the place of a manifest that is there."""

    def damaged(rng: Random, storage: Storage) -> bool:
        repository = a_repository(rng, storage).partition("/")[2]
        if not repository:
            return False
        names = {f"${name}".encode(): storage.blob(f"{name} {rng.random()}") for name in "LMC"}
        raw = _filled(write(rng), names)
        if rng.random() < 0.2:
            storage.put(data_of(an_image(rng, storage)[1] or names[b"$L"]), raw)
            return True
        digest = storage.revise(repository, storage.blob(raw))
        if rng.random() < 0.85:
            storage.tag(repository, "odd", digest)
        return True

    return damaged


DAMAGES |= {name: _pushed(write) for name, write in WRITERS.items()}


def _value(rng: Random, depth: int = 0) -> object:
    """Some value that JSON can hold."""
    if depth > 2 or rng.random() < 0.6:
        return rng.choice(["$L", "$M", "", 0, 2, -1, 1.5, None, None, True, MANIFEST, 1e300])
    if rng.random() < 0.5:
        return [_value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    return {_field(rng): _value(rng, depth + 1) for _ in range(rng.randint(0, 3))}


def _field(rng: Random) -> str:
    names = (
        "digest",
        "size",
        "mediaType",
        "layers",
        "config",
        "manifests",
        "annotations",
        "urls",
        "platform",
        "blobSum",
    )
    name = rng.choice([*names, "os", "os.features", "fsLayers", "schemaVersion", "history", "data", "x"])
    return rng.choice([name, name, name, name.upper(), name.title(), name.replace("s", "\u017f")])


def _random(rng: Random) -> str:
    """A document of random fields, some of them twice."""
    kinds = {"layers": "[]", "config": "{}", "manifests": "[]", "fsLayers": "[]"}
    fields = ['"schemaVersion": ' + rng.choice(["2", "2", "2", "1"])]
    if rng.random() < 0.7:
        fields.append('"mediaType": ' + json.dumps(rng.choice([*IMAGES, *INDEXES])))
    for _ in range(rng.randint(1, 4)):
        name = rng.choice([*kinds])
        one = {rng.choice(["digest", "blobSum", _field(rng)]): rng.choice(["$L", "$M", "$C", _value(rng)])}
        value = one if kinds[name] == "{}" else [one, *([_value(rng)] if rng.random() < 0.2 else [{}])]
        value = _value(rng) if rng.random() < 0.1 else value
        spelled = rng.choice([name, name, name.upper(), name.replace("s", "\u017f")])
        fields.append(f"{json.dumps(spelled)}: {json.dumps(value)}")
    return "{" + ", ".join(fields) + "}"


DAMAGES["manifest-at-random"] = _pushed(_random)
