"""Parse untrusted JSON: any part may have the wrong type, be nested too deeply, or have a name in another case.

Few bytes can also need much memory: the number of elements is limited by the length of the input.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from blobkit.render import to_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "DocumentError",
    "Json",
    "Odd",
    "TooManyElementsError",
    "check_elements",
    "objects",
    "parse_any",
    "parse_json",
    "parse_time",
    "read_integer",
    "refuse_constant",
    "text_of",
]

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
"""The fields that determine the links of a document."""


LONGEST_INTEGER = 20
"""Characters of the longest integer of 64 bits."""

ODD_KEPT = 10
"""Messages that are kept for one document; further ones are counted."""

_FREE, _RATIO = 48 << 20, 8
"""The memory that a parsed document may take: bytes, plus bytes for each byte of the document."""
_CONTAINER, _PAIRS, _ELEMENT = 200, 350, 64
"""Bytes of memory for an object or list, for one whose names are matched in any case, and for one element."""


class DocumentError(ValueError):
    """The bytes are not a readable document; the message says why in a few words."""


class TooManyElementsError(DocumentError):
    """The bytes have more elements than their length justifies, and are not parsed."""


class Odd(list[str]):
    """Messages about odd parts of a document: it keeps the first few, and counts the others in `more`."""

    def __init__(self) -> None:
        super().__init__()
        self.more = 0

    def append(self, message: str) -> None:
        """Keep one more message, or count it."""
        if len(self) < ODD_KEPT:
            super().append(message)
        else:
            self.more += 1

    def messages(self) -> tuple[str, ...]:
        """Return the messages that are kept, and a last one with the number of the others."""
        return (*self, f"{self.more:,} more things like these") if self.more else tuple(self)


def parse_json(data: bytes, fields: frozenset[str] = FIELDS) -> Json:
    """Return the JSON object in `data`, read as programs in Go read it; DocumentError if it is not one.

    See `parse_any`.
    """
    value = parse_any(data, fields)
    if not isinstance(value, dict):
        msg = f"a JSON {type(value).__name__} where an object was expected"
        raise DocumentError(msg)
    return value


def parse_any(data: bytes, fields: frozenset[str]) -> object:
    """Return the JSON value in `data`, read as programs in Go read it; DocumentError if it is not JSON.

    Bytes that are not UTF-8 are replaced. Names of `fields` match in any case, and the last value of a repeated name
    counts; the keys of annotations stay as they are. Rejected are a byte order mark, UTF-16, NaN, bytes after the
    end, too deep nesting, and more elements than the length justifies.
    """
    hook = _Pairs if fields and _other_case(fields).search(data) else None
    check_elements(data, _PAIRS if hook else _CONTAINER)
    try:
        text = data.decode("utf-8", "replace")
        value = (_PLAIN if hook is None else _PAIRED).decode(text) if text[:1] != _MARK else json.loads(text)
        value = _canonical_case(value, {_fold_case(field): field for field in fields}) if hook else value
    except RecursionError:
        msg = "JSON nested too deeply"
        raise DocumentError(msg) from None
    except ValueError as error:
        msg = f"not JSON ({error})"
        raise DocumentError(msg) from None
    return value


def check_elements(data: bytes, container: int = _PAIRS) -> None:
    """Raise TooManyElementsError if parsing would take far more memory than the length of the data justifies.

    A descriptor has about a hundred bytes, so no index of images comes near the limit. Brackets and commas inside
    texts count like others.
    """
    unpacked = container * (data.count(b"{") + data.count(b"[")) + _ELEMENT * data.count(b",")
    if unpacked > _FREE + _RATIO * len(data):
        msg = f"more elements than {len(data):,} bytes of JSON can be expected to hold"
        raise TooManyElementsError(msg)


class _Pairs(list[tuple[str, object]]):
    """The members of an object in their order, with repeated names."""


_MARK = "\ufeff"
"""A byte order mark: `json.loads` rejects it by name."""


def refuse_constant(constant: str) -> NoReturn:
    """Raise ValueError: Python reads NaN and Infinity, but they are not JSON."""
    msg = f"{constant} is not JSON"
    raise ValueError(msg)


def read_integer(digits: str) -> int | float:
    """Return an integer; as a float if it has too many digits for 64 bits, because that is cheap at any length."""
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


_PLAIN = json.JSONDecoder(parse_int=read_integer, parse_constant=refuse_constant)
_PAIRED = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=read_integer, parse_constant=refuse_constant)


@cache
def _other_case(fields: frozenset[str]) -> re.Pattern[bytes]:
    """Return a pattern for documents that may have a field in another case; all others are parsed faster."""
    names = "|".join(sorted(fields))
    otherwise = f'"(?!(?:{names})")(?i:{names})"'
    return re.compile(otherwise.encode() + rb"|\\u00|\xc5\xbf|\xe2\x84\xaa")  # escapes, and letters that Go folds


def _fold_case(name: str) -> str:
    """Return a name as Go compares it: in lower case, with the long s as s and the Kelvin sign as k."""
    return name.replace("\u017f", "s").replace("\u212a", "k").lower()


def _canonical_case(value: object, fields: dict[str, str], *, verbatim: bool = False) -> object:
    """Return a parsed value with field names in the case of the specification; the last of a repeated name counts."""
    if isinstance(value, _Pairs):
        found: Json = {}
        for name, inner in value:
            own = name if verbatim else fields.get(_fold_case(name), name)
            found[own] = _canonical_case(inner, fields, verbatim=own == "annotations")
        return found
    if isinstance(value, list):
        return [_canonical_case(inner, fields) for inner in value]
    return value


def objects(value: object, field: str, odd: list[str]) -> Iterator[Json]:
    """Yield the objects of a list (null is an empty one), and add a message to `odd` for each other element."""
    if value is not None and not isinstance(value, list):
        msg = f"{field} is a {type(value).__name__}, not a list"
        raise DocumentError(msg)
    for item in value or ():
        if isinstance(item, dict):
            yield item
        else:
            odd.append(f"{field}: a {type(item).__name__} where a descriptor was expected")


def parse_time(text: object) -> datetime | None:
    """Return an RFC 3339 time as UTC; None for anything else, and for years before 1970."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text[:64])
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= 1970 else None  # noqa: PLR2004 (Go's zero time is the year 1)


def text_of(body: Mapping[str, object], field: str) -> str:
    """Return a text field as valid UTF-8; "" if it is absent or not a text."""
    value = body.get(field)
    return to_utf8(value) if isinstance(value, str) else ""
