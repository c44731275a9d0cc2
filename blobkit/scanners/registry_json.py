"""JSON read into typed fields, as `encoding/json` of Go reads it (seen with Go 1.19).

`parse` returns a value as it is written: an object is a tuple of its members in order, names as often as they are
given; an array is a list; a number is bytes. A `Shape` says which type Go expects there, takes what an earlier field
of the same name left, and returns what Go holds then; WrongTypeError where the value has another type.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from blobkit.oci.untrusted import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Shape = Callable[[object, object], object]

__all__ = ["WrongTypeError", "each", "fields", "integer", "numbers", "parse", "text", "texts"]

DEPTH = 10_000
"""Go refuses what is nested deeper."""
SHALLOW = 16
"""No field that anybody reads lies deeper: what does is checked and left out where there is too much of it."""
_DIGITS = 20
_INT64 = range(-(1 << 63), 1 << 63)
_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_TOKEN = re.compile(rf"[ \t\n\r]*({_STRING}|{_NUMBER}|true|false|null|[\[\]{{}},:])")
_OPENS, _CLOSES, _SIGNS = frozenset("[{"), {"]": "[", "}": "{"}, frozenset("[]{}:,")
_VALUES = {"[": "first value", "{": "first name", "text": "next", "word": "next"}
_GRAMMAR = {
    **{("value", kind): after for kind, after in _VALUES.items()},
    **{("first value", kind): after for kind, after in _VALUES.items()},
    ("first value", "]"): "next",
    ("first name", "text"): ":",
    ("first name", "}"): "next",
    ("name", "text"): ":",
    (":", ":"): "value",
    (",", ","): "more",
    (",", "]"): "next",
    (",", "}"): "next",
}
"""What is expected after each kind of part, by what was expected before it."""
_END = re.compile(r"[ \t\n\r]*\Z")


class WrongTypeError(DocumentError):
    """A field has another type than the tool expects."""


def parse(data: bytes) -> object:
    """Return the JSON value in `data`; DocumentError where Go finds none. Bytes that are no UTF-8 are replaced."""
    written = data.decode("utf-8", "replace")
    try:
        return _loaded(written)
    except RecursionError:
        return _loaded("".join(_shallow(written)))
    except ValueError as error:
        msg = f"not JSON ({error})"
        raise DocumentError(msg) from None


def _loaded(written: str) -> object:
    return json.loads(
        written,
        object_pairs_hook=tuple,
        parse_int=str.encode,
        parse_float=str.encode,
        parse_constant=_refused,
    )


def _refused(constant: str) -> object:
    msg = f"{constant} is no JSON"
    raise ValueError(msg)


def _shallow(written: str) -> Iterator[str]:
    """Yield what matters of a deeply nested value; DocumentError where it is no JSON or nested too deeply."""
    brackets: list[str] = []
    expected, at = "value", 0
    while expected != "end":
        found = _TOKEN.match(written, at)
        part = found[1] if found else ""
        expected = _after(part, expected, brackets)
        at = found.end() if found else at
        if len(brackets) + (part in _CLOSES) <= SHALLOW + (part in _OPENS or part in _CLOSES):
            yield part
    if _END.match(written, at) is None:
        msg = f"not JSON (more after character {at:,})"
        raise DocumentError(msg)


def _after(part: str, expected: str, brackets: list[str]) -> str:
    """Return what may come after a part of a value, where another thing was `expected`, and note the brackets."""
    kind = part if part in _SIGNS else "text" if part[:1] == '"' else "word" if part else ""
    wanted = _GRAMMAR.get((expected, kind), "")
    if kind in _OPENS:
        brackets.append(kind)
    is_wrong = not wanted or (kind in _CLOSES and brackets.pop() != _CLOSES[kind])
    if is_wrong or len(brackets) > DEPTH:
        msg = "JSON nested too deeply" if len(brackets) > DEPTH else f"not JSON ({part[:20]!r} in it)"
        raise DocumentError(msg)
    if wanted == "next":
        return "," if brackets else "end"
    return "value" if wanted == "more" and brackets[-1] == "[" else "name" if wanted == "more" else wanted


def text(value: object, held: object) -> object:
    """Expect a text; null leaves what is there."""
    if value is None:
        return held
    if isinstance(value, str):
        return value
    raise _wrong(value, "a text")


def integer(value: object, held: object) -> object:
    """Expect a whole number that fits in 64 bits, written without fraction and exponent."""
    if value is None:
        return held
    if isinstance(value, bytes) and value.lstrip(b"-").isdigit() and len(value) <= _DIGITS and int(value) in _INT64:
        return int(value)
    raise _wrong(value, "a whole number")


def texts(value: object, held: object) -> object:
    """Expect an object of texts, as annotations are."""
    if value is None:
        return None
    if isinstance(value, tuple):
        for _, inner in value:
            text(inner, "")
        return held
    raise _wrong(value, "an object of texts")


def each(shape: Shape) -> Shape:
    """Expect a list of this shape.

    A second list of the same name writes over the elements of the first, one by one, as Go does: what its elements do
    not say, those that were there before still hold, also beyond the end of a shorter one in between.
    """

    def read(value: object, held: object) -> object:
        if value is None:
            return None
        if not isinstance(value, list):
            raise _wrong(value, "a list")
        if not value:
            return Slice([], 0)
        there = held.elements if isinstance(held, Slice) else []
        for number, inner in enumerate(value):
            if number == len(there):
                there.append(None)
            there[number] = shape(inner, there[number])
        return Slice(there, len(value))

    return read


class Slice:
    """A list as Go holds it: `elements`, of which `length` count, and others behind them from before."""

    __slots__ = ("elements", "length")

    def __init__(self, elements: list[object], length: int) -> None:
        self.elements, self.length = elements, length

    def __iter__(self) -> Iterator[object]:
        """Go through the elements that count."""
        return iter(self.elements[: self.length])


def fields(**shapes: Shape) -> Shape:
    """Expect an object, and read these fields of it, `_` in a name standing for a dot; names match in any case."""
    exact = {name.replace("_", "."): shape for name, shape in shapes.items()}
    folded = {_folded(name): name for name in exact}

    def read(value: object, held: object) -> object:
        found = held if isinstance(held, dict) else {}
        if value is None:
            return found
        if not isinstance(value, tuple):
            raise _wrong(value, "an object")
        for name, inner in value:
            own = name if name in exact else folded.get(_folded(name))
            if own is not None:
                found[own] = _read(own, exact[own], inner, found.get(own))
        return found

    return read


def _read(name: str, shape: Shape, value: object, held: object) -> object:
    try:
        return shape(value, held)
    except WrongTypeError as error:
        msg = f"{name}: {error}" if " where " in str(error) else str(error)
        raise WrongTypeError(msg) from None


def _folded(name: str) -> str:
    """Return a name as Go compares it: in lower case, with the long s and the sign of Kelvin as letters."""
    return name.replace("\u017f", "s").replace("\u212a", "k").lower()


def _wrong(value: object, expected: str) -> WrongTypeError:
    kinds = {tuple: "an object", list: "a list", str: "a text", bytes: "a number", bool: "true or false"}
    written = f" {value.decode()[:30]}" if isinstance(value, bytes) else ""
    return WrongTypeError(f"{kinds[type(value)]}{written} where {expected} was expected")


def numbers(value: object) -> Iterator[bytes]:
    """Yield every number in a parsed value."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, bytes):
            yield one
        elif isinstance(one, list):
            todo += one
        elif isinstance(one, tuple):
            todo += [inner for _, inner in one]
