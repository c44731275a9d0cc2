"""The explorer where no Python runs: sentence, icicle and the biggest tags as HTML and SVG, without a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.present.page import escaped, shortened
from blobkit.questions.blocks import SEVERAL, SMALLER
from blobkit.questions.rows import View
from blobkit.render import human_bytes, truncate
from blobkit.views.explorer.protocol import Zoom
from blobkit.views.explorer.result import result_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.questions.rows import Window
    from blobkit.views.explorer.session import Session
    from blobkit.views.explorer.shapes import Shape

__all__ = ["static_html"]

ROWS, NAME_SHOWN = 15, 80
WIDE, HIGH, LETTER = 1000, 26, 6.3
SHOWN_WIDE = 2.5
"""The least width of a shape."""
LINES = 3
GO, STAY, SMALL, HATCH = "#d55e00aa", "#0072b244", "#8882", "url(#bkx-hatch)"
PATTERN = (
    '<defs><pattern id="bkx-hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="8" height="8" fill="#8882"/><rect width="4" height="8" fill="#8883"/></pattern></defs>'
)
STYLE = (
    "<style>.blobkit-x{font:13px system-ui,sans-serif;max-width:1000px}"
    ".blobkit-x table{font-size:12px;border-spacing:1em .1em;border-collapse:separate}"
    ".blobkit-x :is(td,th){text-align:right;padding:0}.blobkit-x :is(td,th):first-child{text-align:left}"
    ".blobkit-x small{opacity:.75}</style>"
)


def static_html(session: Session, rows: int = ROWS) -> str:
    """Return the state as HTML that takes the colours of the page around it, below 15 kB; all text is escaped."""
    return shortened(lambda most: _page(session, most), rows)


def _page(session: Session, rows: int) -> str:
    result = result_of(session.what_if, session.words)
    before, strong, after = map(escaped, result.say)
    head = f'<div style="font-size:16px">{before}<b>{strong}</b>{after}</div>'
    caption = f"<small>{escaped(result.caption)}; as it was when it was shown</small>"
    body = "" if result.is_empty else _svg(session) + _table(session, rows)
    return f'<div class="blobkit-x">{STYLE}{head}{caption}{body}</div>'


def _svg(session: Session) -> str:
    drawn = session.picture.drawn(Zoom(), WIDE)
    shapes = [shape for shape in drawn.shapes if shape.level < LINES and shape.width * WIDE >= SHOWN_WIDE][:90]
    label = escaped(f"Bytes by who alone keeps them. {drawn.title}")
    size = f'viewBox="0 0 {WIDE} {LINES * HIGH}" style="width:100%;margin:8px 0;display:block"'
    picture = f'<svg {size} role="img" aria-label="{label}">{PATTERN}{"".join(map(_shape, shapes))}</svg>'
    return f"{picture}<small>{escaped(drawn.title)}</small>"


def _shape(shape: Shape) -> str:
    x, wide, y = shape.left * WIDE, max(1.0, shape.width * WIDE - 1), shape.level * HIGH
    high = HIGH * (LINES - 1) - 1 if "strip" in shape.kind else HIGH - 1
    fill = HATCH if SEVERAL in shape.kind else SMALL if shape.kind == SMALLER or not shape.level else STAY
    goes = _rect(x, y, max(1.0, wide * shape.freed / max(1, shape.bytes)), high, GO) if shape.freed else ""
    return (
        f"<g><title>{escaped(shape.text)}</title>{_rect(x, y, wide, high, fill)}{goes}{_label(shape, x, y, wide)}</g>"
    )


def _rect(x: float, y: float, wide: float, high: float, fill: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:g}" width="{wide:.1f}" height="{high:g}" fill="{fill}"/>'


def _label(shape: Shape, x: float, y: float, wide: float) -> str:
    letters = int((wide - 6) / LETTER)
    if letters < 4:  # noqa: PLR2004 (nobody reads less)
        return ""
    text = escaped(truncate(f"{shape.name} {human_bytes(shape.bytes)}", letters))
    return f'<text x="{x + 4:.1f}" y="{y + 17:g}" font-size="11" fill="currentColor">{text}</text>'


def _table(session: Session, rows: int) -> str:
    window = session.rows.window(View(flat=True), session.ticks, 0, rows)
    head = "<tr><th>biggest</th><th>frees alone</th><th>frees next</th><th>reaches</th></tr>"
    names = [session.words.name(label) for label in window.label.tolist()]
    return f"<table>{head}{''.join(_row(window, names, i) for i in range(len(names)))}</table>"


def _row(window: Window, names: Sequence[str], i: int) -> str:
    box = "☒" if window.ticked[i] else "☐"
    alone, after, reached = (human_bytes(int(column[i])) for column in (window.alone, window.next, window.closure))
    cells = "".join(f"<td>{cell}</td>" for cell in (alone, "goes" if window.ticked[i] else after, reached))
    return f"<tr><td>{box} {escaped(truncate(names[i], NAME_SHOWN))}</td>{cells}</tr>"
