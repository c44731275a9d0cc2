"""The title of a picture: all of it, in lines that fit, as long as there is room."""

from __future__ import annotations

import pytest

from blobkit.views.heading import wrapped

TEXT = "Half of the 129.9 GiB is in 83 of 20,000 blobs, each of 259.9 MiB or more"


class Ruler:
    """Letters are half as wide as they are high, bold ones a fifth wider."""

    def measure(self, text: str, size: float | None = None, *, bold: bool = False) -> float:
        return len(text) * (size or 8) * (0.6 if bold else 0.5)

    def fitted(self, text: str, room: float, size: float | None = None, *, bold: bool = False) -> str:
        keep = int(room / self.measure("x", size, bold=bold))
        return text if len(text) <= keep else text[: max(keep - 1, 0)] + "…"


@pytest.mark.parametrize("width", [900, 490, 300, 170])
def test_all_words_are_shown_in_lines_that_fit(width: float) -> None:
    lines, size = wrapped(Ruler(), TEXT, width, (10, 7), [100, 100])
    assert " ".join(lines) == TEXT
    assert max(Ruler().measure(line, size, bold=True) for line in lines) <= width
    assert len(lines) == {900: 1, 490: 1, 300: 2, 170: 3}[width]


def test_a_title_without_room_ends_with_an_ellipsis() -> None:
    for heights, most in (([], 1), ([100], 2), ([100, 100], 3), ([3, 3], 1)):
        lines, size = wrapped(Ruler(), TEXT, 100, (10, 7), heights)
        assert (len(lines), size) == (most, 8)
        assert lines[-1].endswith("…")
    assert wrapped(Ruler(), "x" * 99, 100, (10, 7), [100])[0] == [f"{'x' * 14}…"]
    assert wrapped(Ruler(), "", 100, (10, 7), [100])[0] == [""]
