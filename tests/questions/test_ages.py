from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from blobkit import AgeError
from blobkit.questions.inputs.ages import parse_age


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 86400),
        ("7d", 7 * 86400),
        ("30m", 1800),
        ("90s", 90),
        ("2w", 14 * 86400),
        ("1d12h", 36 * 3600),
        (" 1D 12h ", 36 * 3600),
        ("30min", 1800),
        ("2 weeks 1 day", 15 * 86400),
        ("0", 0),
        (0, 0),
        ("0h", 0),
        (timedelta(minutes=3), 180),
        (pd.Timedelta("2h"), 7200),
    ],
)
def test_what_is_an_age(text: str | int | timedelta, seconds: int) -> None:
    assert parse_age(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "24",
            24,
            "h",
            "-1h",
            "1.5h",
            "1y",
            "1month",
            "1h 5",
            "\N{ARABIC-INDIC DIGIT ONE}h",
            "9" * 30 + "d",
            "400000d",
        ),
        *("1h" * 100, timedelta(-1), pd.NaT, None, "x\x1b[2J" * 50),
    ],
)
def test_what_is_no_age(text: str | int | timedelta) -> None:
    with pytest.raises(AgeError, match="not an age: write 30m, 24h, 7d") as caught:
        parse_age(text)
    assert len(str(caught.value)) < 200
    assert "\x1b" not in str(caught.value)
