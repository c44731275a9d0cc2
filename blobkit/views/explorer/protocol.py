"""Requests of a page, checked: nothing from a page is trusted, neither types nor ranges nor sizes.

A request has acts (ticks and so on) to do in order, and says what is visible: a view of the table, the rows on the
screen, and perhaps where the picture is. It is read as a whole before anything is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.questions.inputs.patterns import anywhere
from blobkit.questions.rows import SORTS, View
from blobkit.render import truncate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Act", "Request", "RequestError", "Zoom", "read"]

ACTS = frozenset(("all", "clear", "code", "effects", "goal", "planned", "range", "redo", "script", "tick", "undo"))
SLOW = frozenset(("code", "goal", "script"))
"""Acts that each may take seconds: a request has few."""
MOST = (1 << 53) - 1
"""The largest whole number of a page."""
ACTS_MOST, LABELS_MOST, OPEN_MOST, ROWS_MOST = 1_000, 1_000, 2_000, 200
SLOW_MOST = 20
ID_LONGEST, TEXT_LONGEST, GOAL_LONGEST = 40, 1_000, 40
DAYS_MOST, PIXELS_LEAST, PIXELS_MOST = 99_999, 100, 4_000
SHOWN = 40


EVERYTHING = View()


class RequestError(ValueError):
    """A message that no page of the explorer sends; it changes nothing."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act: `labels` to tick or untick (`on`), the ends of a range in a view, or the text of a goal."""

    name: str
    labels: tuple[int, ...] = ()
    on: bool = False
    view: View = EVERYTHING
    text: str = ""


@dataclass(frozen=True, slots=True)
class Zoom:
    """The place of the picture: a label (None: the store), a set of what several keep (-1: all), parts to skip."""

    label: int | None = None
    of_set: int = -1
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the page `ask`: acts, then rows `start` to `start + number` of a view, and a picture, if asked for.

    `plain`: the page gets no buffers, so they are sent as text.
    """

    ask: str
    seq: int
    acts: tuple[Act, ...]
    view: View
    start: int
    number: int
    zoom: Zoom | None
    pixels: int
    plain: bool


def read(message: object) -> Request:
    """Return a message as a request; RequestError says what is wrong with it, PatternError what with its search."""
    found = _mapping(message, "a message")
    rows = _mapping(found.get("rows"), "rows")
    picture = None if found.get("picture") is None else _mapping(found["picture"], "a picture")
    return Request(
        ask=_text(found.get("ask"), "ask", ID_LONGEST),
        seq=_whole(found.get("seq"), "seq"),
        acts=_acts(found.get("acts")),
        view=_view(found.get("view")),
        start=_whole(rows.get("start"), "start"),
        number=_whole(rows.get("n"), "n", most=ROWS_MOST),
        zoom=None if picture is None else _zoom(picture.get("zoom")),
        pixels=PIXELS_LEAST if picture is None else _whole(picture.get("pixels"), "pixels", PIXELS_LEAST, PIXELS_MOST),
        plain=_flag(found.get("plain", False), "plain"),
    )


def _acts(value: object) -> tuple[Act, ...]:
    acts = tuple(_act(one) for one in _list(value, "acts", ACTS_MOST))
    if sum(act.name in SLOW for act in acts) > SLOW_MOST:
        msg = f"more than {SLOW_MOST} goals, calls and scripts at once"
        raise RequestError(msg)
    return acts


def _act(value: object) -> Act:
    found = _mapping(value, "an act")
    name = _text(found.get("act"), "act", ID_LONGEST)
    if name not in ACTS:
        msg = f"there is no act {truncate(name, SHOWN)!r}"
        raise RequestError(msg)
    if name == "tick":
        labels = tuple(_whole(one, "a label") for one in _list(found.get("labels"), "labels", LABELS_MOST))
        return Act(name, labels, _flag(found.get("on"), "on"))
    if name == "range":
        ends = (_whole(found.get("from"), "from"), _whole(found.get("to"), "to"))
        return Act(name, ends, _flag(found.get("on"), "on"), _view(found.get("view")))
    if name == "all":
        return Act(name, (), _flag(found.get("on"), "on"), _view(found.get("view")))
    return Act(name, text=_text(found.get("text", ""), "text", GOAL_LONGEST) if name == "goal" else "")


def _view(value: object) -> View:
    found = _mapping(value, "a view")
    sort, search = _text(found.get("sort"), "sort", ID_LONGEST), _text(found.get("search"), "search", TEXT_LONGEST)
    if sort not in SORTS:
        msg = f"there is no column {truncate(sort, SHOWN)!r}"
        raise RequestError(msg)
    anywhere(search.strip())
    return View(
        search=search,
        sort=sort,
        up=_flag(found.get("up"), "up"),
        flat=_flag(found.get("flat"), "flat"),
        open=tuple(_whole(one, "a label") for one in _list(found.get("open"), "open", OPEN_MOST)),
        older=_days(found.get("older"), "older"),
        keep=_days(found.get("keep"), "keep"),
        only=_flag(found.get("only"), "only"),
    )


def _days(value: object, noun: str) -> int | None:
    return None if value is None else _whole(value, noun, most=DAYS_MOST)


def _zoom(value: object) -> Zoom:
    if value is None:
        return Zoom()
    parts = _list(value, "zoom", 3)
    if len(parts) != 3:  # noqa: PLR2004 (label, set, skip)
        msg = "zoom has three numbers"
        raise RequestError(msg)
    label = _whole(parts[0], "a label", least=-MOST)
    return Zoom(label, _whole(parts[1], "a set", least=-1), _whole(parts[2], "skip"))


def _mapping(value: object, noun: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        msg = f"{noun} is no object"
        raise RequestError(msg)
    return value


def _list(value: object, noun: str, most: int) -> list[object]:
    if not isinstance(value, list) or len(value) > most:
        msg = f"{noun} is no list of at most {most:,}"
        raise RequestError(msg)
    return value


def _text(value: object, noun: str, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        msg = f"{noun} is no text of at most {longest:,} characters"
        raise RequestError(msg)
    return value


def _flag(value: object, noun: str) -> bool:
    if not isinstance(value, bool):
        msg = f"{noun} is neither true nor false"
        raise RequestError(msg)
    return value


def _whole(value: object, noun: str, least: int = 0, most: int = MOST) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        msg = f"{noun} is no whole number from {least:,} to {most:,}"
        raise RequestError(msg)
    return value
