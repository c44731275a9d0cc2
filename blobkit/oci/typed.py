"""Decode JSON as Go's encoding/json decodes it into structs: with the same values, and the same input rejected.

A decoder takes a parsed value and the previous value of the field (a field may occur twice), and returns the new
value; DocumentError if Go rejects it. Rules of Go 1.19: null keeps a text or number and clears a list, map or pointer;
numbers in integer fields have no fraction and no exponent; names match in any case; if an object occurs twice, both
are merged, and so are the elements of lists.
"""

from __future__ import annotations

import json
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeAlias

from blobkit.oci.nested import parse_nested
from blobkit.oci.untrusted import DocumentError, check_elements, read_integer, refuse_constant

__all__ = [
    "Decoder",
    "Members",
    "Struct",
    "array",
    "base64",
    "boolean",
    "integer",
    "mapping",
    "parse",
    "pointer",
    "text",
    "time",
]

Decoder: TypeAlias = Callable[[object, object], object]

_FOLDED = str.maketrans({"\u017f": "s", "\u212a": "k"})
_SPACE = " \t\r\n"
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_OFFSET = r"(?:\d\d|[-+]\d)"
_TIME = re.compile(rf"(\d{{4}})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,]\d+)?(?:Z|[-+]{_OFFSET}:{_OFFSET})", re.ASCII)


class Members(list[tuple[str, object]]):
    """The members of a JSON object in their order, with repeated names."""


def parse(data: bytes, *, whole: bool) -> object:
    """Return the JSON value in `data`, with objects as `Members`; DocumentError if Go rejects it.

    TooManyElementsError if it would take far more memory than its length justifies, even if Go accepts it.
    `whole`: reject bytes after the value; else ignore them.
    """
    check_elements(data)
    content = data.decode("utf-8", "replace")
    start = len(content) - len(content.lstrip(_SPACE))
    try:
        try:
            value, end = _JSON.raw_decode(content, start)
        except RecursionError:
            value, end = parse_nested(content, start, Members)
    except ValueError as error:
        msg = f"not JSON ({error})"
        raise DocumentError(msg) from None
    if whole and content[end:].strip(_SPACE):
        msg = "bytes after the end of the JSON value"
        raise DocumentError(msg)
    return value


_JSON = json.JSONDecoder(object_pairs_hook=Members, parse_int=read_integer, parse_constant=refuse_constant)


class Struct:
    """Decodes an object into a dict; `fields` has a decoder for each name. Absent fields are not in the dict."""

    def __init__(self, fields: Mapping[str, Decoder]) -> None:
        self.fields = dict(fields)
        self.folded = {_fold(name): name for name in fields}

    def __call__(self, value: object, old: object) -> object:
        """Return the old value with the members of `value` decoded into it."""
        if value is None:
            return old
        if not isinstance(value, Members):
            _refuse("an object", value)
        found = dict(old) if isinstance(old, dict) else {}
        for name, member in value:
            field = name if name in self.fields else self.folded.get(_fold(name))
            if field is not None:
                found[field] = self.fields[field](member, found.get(field))
        return found


def _fold(name: str) -> str:
    return name.translate(_FOLDED).lower()


def _refuse(wanted: str, value: object) -> NoReturn:
    names = {bool: "a bool", int: "a number", float: "a number", str: "text", list: "a list", Members: "an object"}
    msg = f"{names.get(type(value), 'null')} where {wanted} is expected"
    raise DocumentError(msg)


def text(value: object, old: object) -> object:
    """Decode a text."""
    if value is None:
        return old
    if not isinstance(value, str):
        _refuse("text", value)
    return value


def boolean(value: object, old: object) -> object:
    """Decode a bool."""
    if value is None:
        return old
    if not isinstance(value, bool):
        _refuse("a bool", value)
    return value


def integer(low: int, high: int) -> Decoder:
    """Return the decoder of an integer from `low` to `high`."""

    def decode(value: object, old: object) -> object:
        if value is None:
            return old
        if type(value) is not int or not low <= value <= high:
            _refuse("an integer in range", value)
        return value

    return decode


def pointer(struct: Struct) -> Decoder:
    """Return the decoder of an object that may be absent."""
    return lambda value, old: None if value is None else struct(value, old)


class _Elements(list[object]):
    """A list as Go stores it; `behind` has the elements that a longer list in the same field left after its end."""

    def __init__(self, elements: list[object], behind: list[object]) -> None:
        super().__init__(elements)
        self.behind = behind


def array(element: Decoder) -> Decoder:
    """Return the decoder of a list; it decodes into the elements of the old list.

    Old elements keep the fields that the new ones do not set, even if a shorter list came in between. After an empty
    list nothing is kept.
    """

    def decode(value: object, old: object) -> object:
        if value is None:
            return None
        if not isinstance(value, list) or isinstance(value, Members):
            _refuse("a list", value)
        if not value:
            return []
        before = [*old, *old.behind] if isinstance(old, _Elements) else []
        found = [element(one, before[at] if at < len(before) else None) for at, one in enumerate(value)]
        return _Elements(found, before[len(found) :])

    return decode


def mapping(element: Decoder) -> Decoder:
    """Return the decoder of a map with text keys; if a map occurs twice, both are merged."""

    def decode(value: object, old: object) -> object:
        if value is None:
            return None
        if not isinstance(value, Members):
            _refuse("an object", value)
        before = old if isinstance(old, dict) else {}
        return {**before, **{name: element(member, None) for name, member in value}}

    return decode


_BYTES = array(integer(0, 255))


def base64(value: object, old: object) -> object:
    """Check bytes: base64 with padding (line ends are ignored), or a list of numbers."""
    if not isinstance(value, str):
        return _BYTES(value, old)
    if not _BASE64.fullmatch(value.replace("\r", "").replace("\n", "")):
        msg = "invalid base64"
        raise DocumentError(msg)
    return value


def time(value: object, _: object) -> object:
    """Check a time as Go reads RFC 3339; null means no time."""
    if value is None:
        return None
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None or not _is_date(*map(int, match.groups())):
        msg = "not an RFC 3339 time"
        raise DocumentError(msg)
    return value


def _is_date(year: int, month: int, day: int, *clock: int) -> bool:  # the year 0 is a leap year, like the year 4
    fits = all(value < limit for value, limit in zip(clock, (24, 60, 60), strict=True))
    return fits and 1 <= month <= 12 and 1 <= day <= monthrange(year or 4, month)[1]  # noqa: PLR2004 (months)
