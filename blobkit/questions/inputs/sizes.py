"""Sizes as users write them, in bytes: "20GiB", "20GB", "1.5 TiB", 500."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from numbers import Integral

from blobkit.errors import SizeError
from blobkit.render import UNITS, human_bytes, truncate

__all__ = ["Size", "parse_size"]

Size = str | int
FACTORS = {unit.lower(): 1024**power for power, unit in enumerate(UNITS)} | {
    unit.replace("i", "").lower(): 1000**power for power, unit in enumerate(UNITS)
}
_SIZE = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\s*([a-z]*)", re.ASCII)
SHOWN = 40


def parse_size(size: Size) -> int:
    """Return the bytes; SizeError shows the valid forms, or both readings of an ambiguous size like "20G".

    Fractions of a byte are rounded up.

    >>> parse_size("20GiB"), parse_size("1.5 kB"), parse_size(7)
    (21474836480, 1500, 7)
    """
    if isinstance(size, Integral) and not isinstance(size, bool) and size >= 0:
        return int(size)
    found = _SIZE.fullmatch(size.strip().lower()) if isinstance(size, str) else None
    unit = found[2] or "b" if found else ""
    if found is None or (unit not in FACTORS and f"{unit}b" not in FACTORS):
        msg = f"{truncate(str(size), SHOWN)!r} is not a size"
        raise SizeError(msg, hint="write 20GiB (1024), 20GB (1000), or a number of bytes")
    if unit not in FACTORS:
        raise SizeError(_two_readings(found[1], unit, size=str(size)))
    size_in_bytes: int = math.ceil(Fraction(found[1]) * FACTORS[unit])
    return size_in_bytes


def _two_readings(number: str, letter: str, *, size: str) -> str:
    both = (f"{number}{letter.upper()}iB", f"{number}{'k' if letter == 'k' else letter.upper()}B")
    shown = " or ".join(f"{text} ({parse_size(text):,} bytes, {human_bytes(parse_size(text))})" for text in both)
    return f"{truncate(size, SHOWN)!r} can be read in two ways: write {shown}"
