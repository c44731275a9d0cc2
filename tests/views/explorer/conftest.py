"""One JupyterLab, one chromium and one notebook for all tests of the explorer in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browsing import NO_CHROMIUM, browsing, chromium, running_book, running_lab, visiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from browsing import Book

START = """
import dataclasses, tempfile
import ipywidgets, numpy
import blobkit
from blobkit import demo
from blobkit.snapshot.snapshot import build

def show(name, x, **how):
    made[name] = w = blobkit.explore(x, **how)
    box = ipywidgets.VBox([w])
    box.add_class(name)
    display(box)
    return w

made = {}
images = dataclasses.replace(demo.small().snapshot(), address="demo")
"""
SIMPLE = "".join(f"show({name!r}, images)\n" for name in ("mouse", "keys", "finding", "zooming", "themes", "python"))
TWO_VIEWS = """
box = ipywidgets.HBox([made["python"]])
box.add_class("second")
display(box)
"""
LOST = """
w = show("lost", images)
w.send = (lambda send: lambda content, buffers=None: send(content))(w.send)
"""
REGISTRY = """
place = demo.registry(tempfile.mkdtemp() + "/registry", unit=1)
show("registry", f"registry:{place}")
"""
HOSTILE = """
names = ["<img src=x onerror=alert(1)>", "a\\u202eb\\u0000c\\td\\ne", "</script><script>alert(2)</script>"]
names += ["x" * 5000, "$(reboot)"]
nodes = {"key": [f"sha256:{i:064x}" for i in range(len(names))], "size": [1000 + i for i in range(len(names))]}
pins = {"node": list(range(len(names))), "name": names, "kind": "entry"}
show("hostile", build("oci", "<b>here</b>", nodes=nodes, links={"source": [], "target": []}, pins=pins))
"""
EMPTY = """
nothing = {"source": [], "target": []}
show("empty", build("oci", "nowhere", nodes={"key": [], "size": []}, links=nothing, pins={"node": [], "name": []}))
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    pytest.importorskip("playwright.sync_api", reason="no playwright: pip install '.[browser]'")
    if chromium() is None:
        pytest.skip(NO_CHROMIUM)
    with browsing() as found:
        yield found


@pytest.fixture(scope="session")
def book(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """A notebook with an explorer for each test: the classes of their outputs are the names in `made`."""
    pytest.importorskip("jupyterlab", reason="no JupyterLab: pip install '.[browser]'")
    cells = (START, SIMPLE, TWO_VIEWS, LOST, REGISTRY, HOSTILE, EMPTY)
    place = tmp_path_factory.mktemp("lab")
    with running_lab(place) as lab, visiting(browser) as visit, running_book(lab, visit, *cells) as found:
        yield found
        visit.check()
