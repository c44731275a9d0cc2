"""The explorer in JupyterLab and chromium: from click to drawn, bytes, memory. Called by `explore.py --browser`.

Milliseconds of the wall clock, as the page measures them from a request to its answer in the page; a search waits
150 ms for the end of typing, which is not in them. Each figure is the 95th percentile of some turns. The machine
must be quiet. Memory is what the kernel has more than with the snapshot, its graph and numba alone (Linux).
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from floors import against, table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browsing import browsing, running_book, running_lab, visiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit import Snapshot
    from browsing import Book, Explorer

GOALS = {"first picture": 2_000, "tick all": 1_000, "start": 50_000, "a tick": 10_000, "memory": 300}
PATIENCE = 30.0
GOAL = 200
"""The most milliseconds of an interaction."""
START = """
import ipywidgets, numba, re, time
import blobkit
snapshot = blobkit.Snapshot.load({path!r})
snapshot.graph
def memory(field="VmRSS"):
    return int(re.search(field + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
open("/proc/self/clear_refs", "w").write("5")  # the peak is counted anew
before = memory()
sent = []
def size(content, buffers):
    import json
    return len(json.dumps(content).encode()) + sum(map(len, buffers or ()))
def show():
    global w
    w = blobkit.explore(snapshot)
    send = w.send
    def noted(content, buffers=None):
        sent.append(size(content, buffers))
        send(content, buffers)
    w.send = noted
    box = ipywidgets.VBox([w])
    box.add_class("big")
    return box
"""
SHOW = """
started = time.time()
display(show())
"""


def browser_figures(snapshot: Snapshot, turns: int) -> None:
    """Print the figures of the explorer of one snapshot in a browser."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "snapshot.blobkit"
        snapshot.save(path)
        (Path(place) / "lab").mkdir()
        with running_lab(Path(place) / "lab") as lab, browsing() as browser, visiting(browser) as visit:
            with running_book(lab, visit, START.format(path=str(path)), SHOW) as book:
                found = measured(book, turns)
            visit.check()
    rows = [[what, f"{value:,.0f} {unit}", against(value, goal, above=False)] for what, value, unit, goal in found]
    table(f"{snapshot.blobs:,} blobs, {snapshot.pins.num_rows:,} tags in a browser", ["what", "taken", "goal"], rows)


def measured(book: Book, turns: int) -> list[tuple[str, float, str, float]]:
    shown = book.explorer("big")
    shown.box.locator(".row").first.wait_for()
    drawn = time.time()
    first = 1_000 * (drawn - book.evaluate("started"))
    start = book.evaluate("sent[0] + len(w._esm) + len(w._css)")
    found = [("first picture", first, "ms", GOALS["first picture"]), ("start", start, "bytes", GOALS["start"])]
    book.run("w._session._warming and w._session._warming.join()")
    shown.act(shown.box.locator("label", has_text="flat").locator("input").click)
    shown.act(shown.box.locator(".row input").first.click)
    shown.button("Undo")
    acts = interactions(shown)
    for name in ("", ", 10,000 ticked"):
        if name:
            book.run("names = w.what_if.alone.index; w.value = tuple(names[:: max(1, len(names) // 10_000)])")
            settled(shown)
        for what, act in acts.items():
            taken = [timed(shown, act, what) for _ in range(turns + 1)][1:]
            if what == "search":
                shown.search("")
            found.append((f"{what}{name}", float(np.percentile(taken, 95)), "ms", GOAL))
        found.append((f"a tick{name}", book.evaluate("max(sent[-20:])"), "bytes", GOALS["a tick"]))
    shown.button("Clear")
    settled(shown)
    found.append(("tick all", timed(shown, shown.box.locator(".all input").click, "tick all"), "ms", GOALS["tick all"]))
    settled(shown)
    found.append(("memory above the snapshot", book.evaluate("memory() - before"), "MB", GOALS["memory"]))
    found.append(("the peak of it", book.evaluate("memory('VmHWM') - before"), "MB", GOALS["memory"]))
    return found


def interactions(shown: Explorer) -> dict[str, Callable[[], object]]:
    """What a user does, each to be done again and again."""
    turn = iter(range(10_000))
    body, crumb = shown.box.locator(".body"), shown.box.locator(".crumbs button").first

    def zoom() -> None:
        (crumb if next(turn) % 2 else shown.box.locator(".blocks .l1[data-label]").first).click()

    return {
        "tick": lambda: shown.box.locator(".row input").nth(next(turn) % 9).click(),
        "page": lambda: body.evaluate("(body, at) => { body.scrollTop = at; }", 2_000 + 900 * (next(turn) % 7)),
        "sort": lambda: shown.box.locator(f".cols .{('alone', 'next', 'modified')[next(turn) % 3]} button").click(),
        "search": lambda: shown.box.locator(".find").fill(f"app*:v{next(turn) % 89}"),
        "zoom": zoom,
    }


def timed(shown: Explorer, act: Callable[[], object], what: str) -> float:
    """Do something; return the milliseconds to the first answer."""
    before = shown.seq
    act()
    script = "(box, before) => +(box.dataset.seq ?? 0) > before && +box.dataset.ms"
    handle = shown.box.element_handle()
    end = time.monotonic() + PATIENCE
    while not (taken := handle.evaluate(script, before)):
        time.sleep(0.002)
        if time.monotonic() > end:
            msg = f"no answer was drawn: {what}"
            raise RuntimeError(msg)
    settled(shown)
    return float(taken)


def settled(shown: Explorer) -> None:
    """Wait until nothing is asked any more."""
    quiet = 0
    while quiet < 5:
        quiet = 0 if "busy" in (shown.box.get_attribute("class") or "") else quiet + 1
        time.sleep(0.03)
