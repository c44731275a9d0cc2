"""JSON that is read without recursion: the same is accepted, and the same is seen, as by Python's own parser."""

from __future__ import annotations

import json
import random

import pytest

from blobkit.oci.nested import parse_nested

TEXTS = ('{"a": [1, -2.5e3, "x\\n\\u00e9", {"b": null}], "c": {}}', "[[], {}, [[]], true]", '"x"', " 0 ", "[]")
PIECES = ("", ",", "]", "}", "[", "{", ":", '"', "1", "\\", " ", "e", "-", "x")


class Pairs(list[tuple[str, object]]):
    """The members of an object."""


def read(text: str, *, nested: bool) -> object:
    """The value and where it ends; that there is none."""
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        if nested:
            return parse_nested(text, start, Pairs)
        return json.JSONDecoder(object_pairs_hook=Pairs).raw_decode(text, start)
    except ValueError:
        return "refused"


@pytest.mark.slow
def test_texts_that_are_nearly_json() -> None:
    rng = random.Random(3)  # noqa: S311 (no secret)
    seen = set()
    for _ in range(20_000):
        text = list(rng.choice(TEXTS))
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(text))
            text[at : at + rng.randrange(2)] = rng.choice(PIECES)
        one, other = (read("".join(text), nested=way) for way in (False, True))
        assert one == other, "".join(text)
        seen.add(one == "refused")
    assert seen == {True, False}
