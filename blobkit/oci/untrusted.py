"""JSON of strangers: any part may have the wrong type, be nested absurdly, or be canonical_case in another case."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from blobkit.render import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DocumentError", "Json", "canonical_case", "objects", "parse_json", "parse_time", "text_of"]

Json = dict[str, object]

FIELDS = frozenset(
    {
        "annotations",
        "artifactType",
        "blobSum",
        "blobs",
        "config",
        "data",
        "digest",
        "fsLayers",
        "layers",
        "manifests",
        "mediaType",
        "platform",
        "schemaVersion",
        "size",
        "subject",
        "urls",
    }
)
"""Fields that say what a document links to."""


class DocumentError(ValueError):
    """The bytes are no document that can be read: why, in a few words."""


def parse_json(data: bytes) -> Json:
    """Return the JSON object in `data`; DocumentError where there is none or it is nested absurdly."""
    try:
        value = json.loads(data)
    except RecursionError:
        msg = "JSON nested too deeply"
        raise DocumentError(msg) from None
    except ValueError as error:
        msg = f"not JSON ({error})"
        raise DocumentError(msg) from None
    if not isinstance(value, dict):
        msg = f"a JSON {type(value).__name__} where an object was expected"
        raise DocumentError(msg)
    return value


def canonical_case(body: Json, fields: frozenset[str] = FIELDS) -> Json:
    """Return the object with the fields that matter canonical_case as in the specification.

    Programs in Go match names of fields in any case, so that `Layers` holds what it lists. DocumentError where a field
    is there in two spellings: programs differ in which one they take.
    """
    canonical = _canonical(fields)
    others = [name for name in body if name not in fields and name.lower() in canonical]
    if not others:
        return body
    renamed = {canonical[name.lower()]: body[name] for name in others}
    if len(renamed) < len(others) or renamed.keys() & body.keys():
        msg = f"one field in two spellings ({', '.join(sorted(others))})"
        raise DocumentError(msg)
    return {**{name: value for name, value in body.items() if name not in others}, **renamed}


@cache
def _canonical(fields: frozenset[str]) -> dict[str, str]:
    return {field.lower(): field for field in fields}


def objects(value: object, field: str, odd: list[str]) -> Iterator[Json]:
    """Yield the objects of a list (null is an empty one); what is no object goes to `odd`."""
    if value is not None and not isinstance(value, list):
        msg = f"{field} is a {type(value).__name__}, no list"
        raise DocumentError(msg)
    for item in value or ():
        if isinstance(item, dict):
            yield item
        else:
            odd.append(f"{field}: a {type(item).__name__} where a descriptor was expected")


def parse_time(text: object) -> datetime | None:
    """Return an RFC 3339 time as UTC; None for anything else and for years that no image was made in."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text[:64])
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= 1970 else None  # noqa: PLR2004 (Go's zero time is the year 1)


def text_of(body: Mapping[str, object], field: str) -> str:
    """Return a text field as valid UTF-8, "" where it is absent or no text."""
    value = body.get(field)
    return clean(value) if isinstance(value, str) else ""
