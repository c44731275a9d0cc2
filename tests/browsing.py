"""A real browser on this machine: JupyterLab on 127.0.0.1, chromium, and explorers in a notebook.

Requests to other machines are refused and noted. The tests and benchmarks/explore.py share this.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

    Json = Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]
PATIENCE = 60_000
"""Milliseconds after which a test gives up: far beyond what anything takes on a busy machine."""
OURS = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:")
QUIET = {"@jupyterlab/apputils-extension:announcements": True, "@jupyterlab/extensionmanager-extension": True}
TRACKER = "@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
NO_CHROMIUM = "no chromium is here: apt-get install chromium (BLOBKIT_CHROMIUM names another one)"


@dataclass
class Visit:
    """A page, the requests that left the machine, and the errors in it."""

    page: Page
    off_host: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def check(self) -> None:
        assert self.off_host == []
        assert self.errors == []


@dataclass
class Lab:
    """A running JupyterLab."""

    base: str
    token: str
    books: Path
    runtime: Path

    def api(self, method: str, path: str) -> Json:
        headers = {"Authorization": f"token {self.token}"}
        request = Request(f"{self.base}/api/{path}", method=method, headers=headers)  # noqa: S310 (the same)
        with urlopen(request, timeout=60) as reply:  # noqa: S310 (the server that was started here)
            return json.loads(reply.read() or "null")


@dataclass
class Explorer:
    """One explorer on a page."""

    box: Locator
    name: str = ""

    @property
    def page(self) -> Page:
        return self.box.page

    def act(self, what: Callable[[], object]) -> None:
        """Do something, and wait until an answer to it is drawn."""
        before = self.seq
        what()
        self.answered(before)

    def answered(self, before: int) -> None:
        """Wait for an answer after this one, and until none is awaited."""
        script = "(box, before) => +(box.dataset.seq ?? 0) > before && !box.classList.contains('busy')"
        handle = self.box.element_handle()
        for _ in range(PATIENCE // 10):
            if handle.evaluate(script, before):
                return
            time.sleep(0.01)
        msg = "no answer was drawn"
        raise AssertionError(msg)

    @property
    def seq(self) -> int:
        return int(self.box.get_attribute("data-seq") or 0)

    @property
    def milliseconds(self) -> int:
        """From the last request to its answer, drawn."""
        return int(self.box.get_attribute("data-ms") or 0)

    def row(self, name: str) -> Locator:
        """The row that is called this."""
        exact = re.compile(rf"^{re.escape(name)}(?!\S)")
        return self.box.locator(".row").filter(has=self.box.page.locator(".name", has_text=exact)).first

    def tick(self, name: str, **how: Json) -> None:
        self.act(lambda: self.row(name).locator("input").click(**how))

    def open(self, name: str) -> None:
        self.act(lambda: self.row(name).locator(".twist").click())

    def press(self, key: str) -> None:
        self.act(lambda: self.page.keyboard.press(key))

    def button(self, text: str) -> None:
        self.act(lambda: self.box.locator(".tools button", has_text=re.compile(f"^{text}$")).click())

    def search(self, text: str) -> None:
        self.act(lambda: self.box.locator(".find").fill(text))

    def blocks(self, name: str) -> Locator:
        return self.box.locator(".blocks > div", has_text=name)

    @property
    def freed(self) -> int:
        """The bytes that the sentence says, exactly."""
        return int((self.box.locator(".say").get_attribute("title") or "").partition(" ")[0].replace(",", ""))

    @property
    def names(self) -> list[str]:
        """The names of the rows that are drawn."""
        return self.box.locator(".row .name").evaluate_all("all => all.map((one) => one.firstChild.textContent)")

    def text(self, part: str) -> str:
        return self.box.locator(part).inner_text()


@dataclass
class Book:
    """A notebook that runs in JupyterLab, and its kernel."""

    visit: Visit
    lab: Lab
    kernel: str
    client: Any

    def explorer(self, name: str, which: int = 0) -> Explorer:
        """The explorer in the output of this class, when it is drawn."""
        box = self.visit.page.locator(f".{name} .bkx").nth(which)
        box.locator(".say").filter(has_text=re.compile(".")).wait_for()
        return Explorer(box, name)

    def evaluate(self, expression: str) -> Json:
        """Evaluate an expression in the kernel, whose value JSON can hold."""
        coded = f"__import__('json').dumps({expression})"
        reply = self.client.execute("", user_expressions={"it": coded}, reply=True, timeout=PATIENCE // 1000)
        found = reply["content"]["user_expressions"]["it"]
        assert found["status"] == "ok", found
        return json.loads(eval(found["data"]["text/plain"]))  # noqa: S307 (the repr of a text)

    def run(self, code: str) -> None:
        """Run code in the kernel."""
        reply = self.client.execute(code, reply=True, timeout=PATIENCE // 1000)
        assert reply["content"]["status"] == "ok", reply["content"]

    def restart(self) -> None:
        """Restart the kernel: it forgets everything."""
        self.lab.api("POST", f"kernels/{self.kernel}/restart")

    def theme(self, name: str) -> None:
        script = "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
        self.visit.page.evaluate(script, f"JupyterLab {name}")
        light = "true" if name == "Light" else "false"
        self.visit.page.wait_for_function("want => document.body.dataset.jpThemeLight === want", arg=light)


def chromium() -> str | None:
    """The program, None if it is not here."""
    return os.environ.get("BLOBKIT_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start chromium, without a screen."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (only these need it)

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield found
        found.close()


@contextmanager
def visiting(browser: Browser, width: int = 1200, height: int = 1100) -> Iterator[Visit]:
    """Open an empty page that refuses and notes what leaves the machine."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(PATIENCE)
    found = Visit(context.new_page())

    def gate(route: Json) -> None:
        if route.request.url.startswith(OURS):
            route.continue_()
        else:
            found.off_host.append(route.request.url)
            route.abort()

    context.route("**/*", gate)
    found.page.on("pageerror", lambda error: found.errors.append(str(error)))
    yield found
    context.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(command: list[str], url: str, log: Path, env: dict[str, str], cwd: Path | None = None) -> Iterator[None]:
    """Run a server until it answers, and stop it in the end."""
    with log.open("wb") as out, subprocess.Popen(command, env=env, cwd=cwd, stdout=out, stderr=out) as server:
        try:
            _await(server, url, log)
            yield
        finally:
            server.terminate()


def _await(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(PATIENCE // 200):
        if server.poll() is not None:
            break
        try:
            urlopen(url, timeout=1).close()  # noqa: S310 (the server that was started here)
        except OSError:
            time.sleep(0.2)
        else:
            return
    msg = f"the server does not answer:\n{log.read_text()[-2000:]}"
    raise RuntimeError(msg)


@contextmanager
def running_lab(place: Path) -> Iterator[Lab]:
    """Run JupyterLab with empty settings, that renders all cells at once."""
    (place / "books").mkdir()
    _write(place / "config/labconfig/page_config.json", {"disabledExtensions": QUIET})
    _write(place / "settings" / TRACKER, {"windowingMode": "none"})
    port, token = free_port(), secrets.token_hex(16)
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": place / "books",
        "IdentityProvider.token": token,
        "LabApp.expose_app_in_browser": True,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with serving(command, f"http://127.0.0.1:{port}/api?token={token}", place / "lab.log", _own(place)):
        yield Lab(f"http://127.0.0.1:{port}", token, place / "books", place / "run")


def _own(place: Path) -> dict[str, str]:
    """The environment of a JupyterLab that reads no settings of the user."""
    names = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "run"}
    names |= {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython"}
    return {**os.environ, **{name: str(place / part) for name, part in names.items()}}


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@contextmanager
def running_book(lab: Lab, visit: Visit, *cells: str, name: str = "book") -> Iterator[Book]:
    """Run a notebook with these cells, and connect to its kernel."""
    from jupyter_client.blocking.client import BlockingKernelClient  # noqa: PLC0415 (only these need it)

    _write(lab.books / f"{name}.ipynb", _book(cells))
    page = visit.page
    page.goto(f"{lab.base}/lab/tree/{name}.ipynb?reset&token={lab.token}")
    ready = "() => window.jupyterapp?.shell?.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'"
    page.wait_for_function(ready)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    (session,) = (one for one in lab.api("GET", "sessions") if one["path"] == f"{name}.ipynb")
    client = BlockingKernelClient(connection_file=str(lab.runtime / f"kernel-{session['kernel']['id']}.json"))
    client.load_connection_file()
    client.start_channels()
    yield Book(visit, lab, session["kernel"]["id"], client)
    client.stop_channels()


def _book(cells: tuple[str, ...]) -> dict[str, object]:
    made = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
        for i, cell in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
