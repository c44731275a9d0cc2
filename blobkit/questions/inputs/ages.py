"""Ages as users write them: "24h", "7d", "1d12h", a timedelta, 0."""

from __future__ import annotations

import re
from datetime import timedelta

from blobkit.errors import AgeError, Hint
from blobkit.render import truncate

__all__ = ["Age", "parse_age"]

Age = str | int | timedelta
UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_PART = r"(\d+)\s*(w|d|h|m|s|weeks?|days?|hours?|min|minutes?|sec|seconds?)\s*(?=\d|$)"
SHOWN = 40
LONGEST = timedelta(days=365_000)
"""The longest age, about 1,000 years: any time in a snapshot minus an age is still a valid time."""


def parse_age(age: Age) -> timedelta:
    """Return the age as a timedelta; AgeError, with the valid forms, for a wrong or negative one.

    Forms: whole numbers of weeks, days, hours, minutes and seconds ("24h", "7d", "30m", "1d12h", "2 weeks"), 0, a
    timedelta.
    """
    try:
        length = age if isinstance(age, timedelta) else _read(str(age).strip().lower())
        if timedelta(0) <= length <= LONGEST:
            return length
    except OverflowError:
        pass
    msg, forms = f"{truncate(str(age), SHOWN)!r} is not an age", "write 30m, 24h, 7d, 2w, 1d12h or 0"
    raise AgeError(msg, hint=Hint(f"{forms}, or give a timedelta", forms))


def _read(text: str) -> timedelta:
    """Return the sum of the parts of a text; negative if it is not an age."""
    if text == "0":
        return timedelta(0)
    if not re.fullmatch(f"({_PART})+", text[: SHOWN + 1], re.ASCII):
        return timedelta(-1)
    parts = re.findall(_PART, text, re.ASCII)
    return sum((timedelta(**{UNITS[unit[0]]: int(number)}) for number, unit in parts), timedelta(0))
