"""Tell how long to wait before another try: as the server says, else longer each time."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blobkit.sources.web.timing import Timing

__all__ = ["DAY", "backoff", "limited_for", "moment", "retry_after"]

DAY = 86_400.0
LONGEST = 30.0
"""Seconds of the longest wait where the server says nothing."""
DIGITS = 20
"""Characters of the longest number that is read."""
EPOCH = 1e9
"""A reset that is larger is a time since 1970, a smaller one a number of seconds."""


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that `Retry-After` asks to wait, up to a day; None if there is none that can be read.

    It has seconds or a date (RFC 9110, 10.2.3). `now` counts from 1970.
    """
    value = headers.get("Retry-After", "")
    return _bounded(_number(value) if value[:1].isdigit() else _date(value, now))


def limited_for(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a 429 asks to wait, as `retry_after`; else those to `X-RateLimit-Reset`.

    That has seconds too, or a time since 1970.
    """
    wait = retry_after(headers, now)
    reset = _number(headers.get("X-RateLimit-Reset", "")) if wait is None else None
    return wait if reset is None else _bounded(reset - now if reset > EPOCH else reset)


def backoff(attempt: int, first: float, timing: Timing) -> float:
    """Return the seconds to wait after the try with this number (from 1): twice as long each time, spread by half.

    Spread, because requests that failed together would come back together.
    """
    return min(LONGEST, first * 2.0 ** (attempt - 1)) * (0.5 + timing.chance())


def moment(seconds: float, now: float) -> datetime:
    """Return the time so many seconds from now, to a whole second."""
    return datetime.fromtimestamp(int(now + seconds + 0.999), UTC)


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None else min(max(seconds, 0.0), DAY)


def _number(value: str) -> float | None:
    digits = value.strip()
    is_number = digits.isascii() and digits.replace(".", "", 1).isdigit() and len(digits) <= DIGITS
    return float(digits) if is_number else None


def _date(value: str, now: float) -> float | None:
    try:
        found = parsedate_to_datetime(value[:64])
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
