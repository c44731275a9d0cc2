"""JSON of strangers: any part may have the wrong type, be nested absurdly, or be spelled in another case.

Small bytes can also become much memory: what is parsed is bounded by its length.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from blobkit.render import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "DocumentError",
    "Json",
    "Odd",
    "TooManyElementsError",
    "bound",
    "objects",
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
"""Fields that say what a document links to."""


LONGEST_INTEGER = 20
"""Characters of the longest integer that has 64 bits."""

ODD_KEPT = 10
"""Odd parts of one document that are told one by one."""

_FREE, _RATIO = 48 << 20, 8
"""The memory that a parsed document may take: bytes, and in addition bytes for each byte of it."""
_CONTAINER, _PAIRS, _ELEMENT = 200, 350, 64
"""Bytes of memory that an object or list takes, the same where names are matched in any case, and one element."""


class DocumentError(ValueError):
    """The bytes are no document that can be read: why, in a few words."""


class TooManyElementsError(DocumentError):
    """The bytes hold more elements than their length justifies: what they say is not looked at."""


class Odd(list[str]):
    """A list of what is odd in a document: it keeps the first few things, and counts the others in `more`."""

    def __init__(self) -> None:
        super().__init__()
        self.more = 0

    def append(self, thing: str) -> None:
        """Keep one more thing, or count it."""
        if len(self) < ODD_KEPT:
            super().append(thing)
        else:
            self.more += 1

    def told(self) -> tuple[str, ...]:
        """Return the things that are kept and, where there are others, their number."""
        return (*self, f"{self.more:,} more things like these") if self.more else tuple(self)


def parse_json(data: bytes, fields: frozenset[str] = FIELDS) -> Json:
    """Return the JSON object in `data`, read as programs in Go read it; DocumentError where there is none.

    Bytes that are no UTF-8 are replaced. Names of `fields` match in any case, and of a name given twice the last value
    counts; the keys of annotations stay as they are. A byte order mark, UTF-16, NaN, bytes after the end and
    absurd nesting are refused, and more elements than a document of that length has.
    """
    others = _other_spelling(fields)
    hook = _Pairs if others.search(data) else None
    bound(data, _PAIRS if hook else _CONTAINER)
    try:
        text = data.decode("utf-8", "replace")
        value = json.loads(text, object_pairs_hook=hook, parse_int=read_integer, parse_constant=refuse_constant)
        value = _canonical(value, {_folded(field): field for field in fields}) if hook else value
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


def bound(data: bytes, container: int = _PAIRS) -> None:
    """Raise TooManyElementsError where parsing would take far more memory than data of that length justifies.

    A descriptor has about a hundred bytes, so that no index of images comes near the limit. Characters in texts are
    counted like others.
    """
    unpacked = container * (data.count(b"{") + data.count(b"[")) + _ELEMENT * data.count(b",")
    if unpacked > _FREE + _RATIO * len(data):
        msg = f"more elements than {len(data):,} bytes of JSON can be expected to hold"
        raise TooManyElementsError(msg)


class _Pairs(list[tuple[str, object]]):
    """The members of an object in their order, names as often as they are given."""


def refuse_constant(constant: str) -> NoReturn:
    """Raise ValueError: NaN and Infinity, which Python reads, are no JSON."""
    msg = f"{constant} is no JSON"
    raise ValueError(msg)


def read_integer(digits: str) -> int | float:
    """Return an integer; one that fits into no field as a float, so that its length costs nothing."""
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


@cache
def _other_spelling(fields: frozenset[str]) -> re.Pattern[bytes]:
    """Return what matches documents that may spell one of these fields otherwise: most do not, and are read faster."""
    names = "|".join(sorted(fields))
    otherwise = f'"(?!(?:{names})")(?i:{names})"'
    return re.compile(otherwise.encode() + rb"|\\u00|\xc5\xbf|\xe2\x84\xaa")  # escapes, and letters that Go folds


def _folded(name: str) -> str:
    """Return a name as Go compares it: in lower case, with the long s and the sign of Kelvin as letters."""
    return name.replace("\u017f", "s").replace("\u212a", "k").lower()


def _canonical(value: object, fields: dict[str, str], *, verbatim: bool = False) -> object:
    """Return a parsed value with the names of fields spelled as the specification does; the last of a name counts."""
    if isinstance(value, _Pairs):
        found: Json = {}
        for name, inner in value:
            own = name if verbatim else fields.get(_folded(name), name)
            found[own] = _canonical(inner, fields, verbatim=own == "annotations")
        return found
    if isinstance(value, list):
        return [_canonical(inner, fields) for inner in value]
    return value


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
