"""The memory of the explorer of a saved snapshot, step by step: `python benchmarks/explore_memory.py FILE`.

The steps of `explore_browser.py` without a browser, in a process of its own (Linux). Each row: what the process has
more than with the snapshot, its graph and numba alone, after the step and at the peak of it. It includes compiled code
and libraries that the first answer loads: about 100 MB at any size. `explore.py --memory` runs it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets  # noqa: F401 (a notebook has it before it shows a widget)
import numba  # noqa: F401 (not counted)
from floors import against, table

import blobkit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

if TYPE_CHECKING:
    from collections.abc import Callable

    from explorer_pages import FakePage

MEMORY = 300
"""The most MB above the snapshot."""
MANY = 10_000
STATUS = Path("/proc/self/status")
SORTS = ("next", "modified", "closure", "alone")


def main() -> None:
    snapshot = blobkit.Snapshot.load(sys.argv[1])
    size = f"{snapshot.blobs:,} blobs, {len(snapshot.graph.indices):,} links, {snapshot.pins.num_rows:,} tags"
    found = measured(snapshot)
    rows = [[what, f"{after:,.0f} MB", f"{peak:,.0f} MB"] for what, after, peak in found]
    most = max(peak for _, _, peak in found)
    rows.append(["the most", f"{max(after for _, after, _ in found):,.0f} MB", f"{most:,.0f} MB"])
    table(f"{size}: memory above the snapshot", ["step", "after it", "peak"], rows)
    print(f"the peak against {MEMORY} MB: {against(most, MEMORY, above=False)}")


def measured(snapshot: blobkit.Snapshot) -> list[tuple[str, float, float]]:
    """Return each step with the MB above the snapshot after it, and at its peak."""
    before, found = memory("VmRSS"), []
    page: FakePage | None = None
    for what, step in steps():
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
        page = step(page or snapshot) or page
        found.append((what, memory("VmRSS") - before, memory("VmHWM") - before))
    return found


def steps() -> list[tuple[str, Callable[..., FakePage | None]]]:
    tick = {"act": "tick", "on": True}
    return [
        ("explore, first answer", opened),
        ("in the background", warmed),
        ("two ticks", lambda page: [page.act(tick | {"labels": [label]}) for label in (5, 7)] and None),
        ("sorted, flat, found", looked),
        ("10,000 ticked", many),
        ("a tick more", lambda page: page.act(tick | {"labels": [9]}) and None),
        ("clear", lambda page: page.act({"act": "clear"}) and None),
        ("tick all", everything),
        ("its effects", lambda page: page.act({"act": "effects"}) and None),
        ("undo, redo", lambda page: [page.act({"act": act}) for act in ("undo", "redo", "effects")] and None),
        ("undo", lambda page: page.act({"act": "undo"}) and None),
    ]


def opened(snapshot: blobkit.Snapshot) -> FakePage:
    from explorer_pages import FakePage  # noqa: PLC0415 (what it imports counts)

    page = FakePage.of(snapshot)
    page.act()
    return page


def warmed(page: FakePage) -> None:
    warming = page.widget._session._warming  # noqa: SLF001 (it ends before the figure is read)
    if warming is not None:
        warming.join()


def looked(page: FakePage) -> None:
    for sort in SORTS:
        page.act(sort=sort)
    page.act(flat=True)
    page.act(search="app*:v7")


def many(page: FakePage) -> None:
    names = page.widget.what_if.alone.index
    page.widget.value = tuple(names[:: max(1, len(names) // MANY)])
    page.act({"act": "effects"})


def everything(page: FakePage) -> None:
    from explorer_pages import VIEW  # noqa: PLC0415 (the same)

    page.act({"act": "all", "on": True, "view": VIEW})


def memory(field: str) -> float:
    """Return a figure of the system about this process, in MB."""
    found = re.search(rf"{field}:\s+(\d+)", STATUS.read_text())
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
