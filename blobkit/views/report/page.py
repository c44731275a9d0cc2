"""The page of a report: HTML without script and network, light and dark, for the screen and for print, all escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.present.page import escaped, section_html
from blobkit.views.svg import DARK, LIGHT, variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.present.sections import Section
    from blobkit.views.report.asked import Chapter

__all__ = ["page"]

NAME_SHOWN = 120
"""The most characters of a name: on paper there is no title to hover over."""
SAFE = "default-src 'none'; style-src 'unsafe-inline'"
"""The content security policy: nothing is loaded, nothing runs."""
COLOURS = {
    "ground": (LIGHT.ground, DARK.ground),
    "ink": (LIGHT.ink, DARK.ink),
    "faint": (LIGHT.faint, DARK.faint),
    "line": ("#d0d7de", "#343a41"),
    "code": ("#f0f2f4", "#22272d"),
    "length": ("#cfe2f3", "#1f3f5b"),
    "error": ("#b3261e", "#ff8a80"),
    "warning": ("#8a4b00", "#f0b060"),
    "link": ("#0b5cad", "#6cb6ff"),
}
STYLE = """
:root{color-scheme:light dark;--face:"DejaVu Sans",Verdana,Geneva,sans-serif}
svg text{font-family:var(--face)}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,Arial,sans-serif}
main{max-width:62rem;margin:0 auto;padding:1.5rem 1.25rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:0 0 .6rem}
h3{display:inline;font-size:1rem;margin:0}
section{border-top:1px solid var(--line);margin-top:1.6rem;padding-top:1.2rem}
nav ol{columns:18rem 2;margin:.8rem 0 0;padding-left:1.4rem}
a{color:var(--link)}
summary{cursor:pointer;margin-top:1rem}
div{overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin-top:.4rem}
figure{margin:.6rem 0}
svg{display:block;width:100%;min-width:38rem;height:auto}
.halo text{paint-order:stroke;stroke:var(--ground);stroke-width:3px}
svg.bar{min-width:0;height:1.9rem}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;list-style:none;margin:.4rem 0 0;padding:0}
.key span{display:inline-block;width:.8em;height:.8em;margin-right:.4em}
svg *{stroke-linejoin:round;stroke-linecap:butt}
table{border-collapse:collapse;font-size:.9rem;margin:.2rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem .9rem .25rem .3rem;border-bottom:1px solid var(--line);
white-space:nowrap}
th{color:var(--faint);font-weight:600}
.p,.w{white-space:normal;overflow-wrap:anywhere}
.p{min-width:15em}
.w{min-width:12em}
.n{text-align:right;font-variant-numeric:tabular-nums}
.b{background:linear-gradient(to left,var(--length) var(--w),transparent var(--w))
no-repeat left/calc(100% - .6rem) 100%}
.error{color:var(--error);font-weight:600}
.warning{color:var(--warning);font-weight:600}
code{display:block;font:.92em/1.45 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;background:var(--code);
padding:.15em .45em;border-radius:3px}
code span{display:inline-block;max-width:100%}
@media print{
@page{margin:14mm}
html{font-size:9.5pt}
body{font-size:9.5pt}
table{font-size:8pt}
th,td{padding-right:.6rem}
.p{min-width:10em}
.w{min-width:7em}
main{max-width:none;padding:0}
nav{display:none}
svg{min-width:0}
summary{list-style:none}
h2,h3,summary,thead{break-after:avoid}
tr,figure,svg{break-inside:avoid}
thead{display:table-header-group}
.scroll{overflow:visible}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""


def page(title: str, chapters: Sequence[Chapter]) -> str:
    """Return the whole page. Cost: the rows and pictures shown."""
    links = "".join(f'<li><a href="#c{at}">{escaped(one.title)}</a></li>' for at, one in enumerate(chapters))
    body = "".join(_chapter(at, one) for at, one in enumerate(chapters))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{SAFE}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{_colours(chapters)}{STYLE}</style>\n</head>\n"
        f'<body>\n<main>\n<h1>{escaped(title)}</h1>\n<nav aria-label="Chapters"><ol>{links}</ol></nav>\n'
        f"{body}</main>\n</body>\n</html>\n"
    )


def _colours(chapters: Sequence[Chapter]) -> str:
    """Return the values of all colours on a light and on a dark screen; paper is light."""
    drawn = sorted({pair for one in chapters if one.picture for pair in one.picture.colours})
    pairs = {f"--{name}": pair for name, pair in COLOURS.items()} | {variable(*pair): pair for pair in drawn}
    light, dark = (";".join(f"{name}:{pair[look]}" for name, pair in pairs.items()) for look in (0, 1))
    return f"\n:root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _chapter(at: int, chapter: Chapter) -> str:
    """Return a chapter: sections without a title, then the picture, then the other sections."""
    parts = [_part(one, chapter.title) for one in chapter.sections]
    first = [text for text, one in zip(parts, chapter.sections, strict=True) if not one.title]
    others = [text for text, one in zip(parts, chapter.sections, strict=True) if one.title]
    body = "".join([*first, _figure(chapter), *others])
    return f'<section id="c{at}">\n<h2>{escaped(chapter.title)}</h2>\n{body}</section>\n'


def _figure(chapter: Chapter) -> str:
    if chapter.picture is None:
        return ""
    return _scrolled(f"{chapter.title}: picture", f"<figure>{chapter.picture.svg}</figure>") + "\n"


def _scrolled(label: str, body: str) -> str:
    """Return a region that scrolls on a narrow screen, also by keys."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escaped(label)}">{body}</div>'


def _part(section: Section, chapter: str) -> str:
    """Return a section: open, so that it is on paper too; "" if it is empty."""
    body = section_html(section, NAME_SHOWN)
    if not body:
        return ""
    if section.table is not None and len(section.table):
        body = _scrolled(section.title or chapter, body)
    title = f"<summary><h3>{escaped(section.title)}</h3></summary>"
    return f"<details open>{title}{body}</details>\n" if section.title else f"{body}\n"
