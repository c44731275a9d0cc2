"""A server that answers as a test says, also in ways that no sound server answers in."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

from remote_servers.processes import HOST

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from email.message import Message

__all__ = ["Asked", "Reply", "Scripted", "scripted"]


class Asked(NamedTuple):
    """A request as it arrived; `headers` match in any case."""

    method: str
    path: str
    headers: Message
    body: bytes


class Reply(NamedTuple):
    """An answer. `cut`: the connection breaks off after so many bytes of the body, -1 before any answer.

    `until` is waited for before the answer is sent; the body is sent so many `times`.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] | list[tuple[str, str]] = {}  # noqa: RUF012 (nobody writes into it)
    cut: int | None = None
    until: threading.Event | None = None
    times: int = 1


@dataclass
class Scripted:
    """A running server: its URL, the requests that it saw, and how many clients left before the end of an answer."""

    url: str
    seen: list[Asked] = field(default_factory=list)
    left: int = 0

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [asked.path for asked in self.seen]


@contextmanager
def scripted(answer: Callable[[Asked], Reply], tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Run a server until the block ends, that answers each request with `answer`."""
    server = _Server((HOST, 0), _Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.answer = answer
    server.made = Scripted(f"{'https' if tls else 'http'}://{HOST}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    answer: Callable[[Asked], Reply]
    made: Scripted

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients go away in many tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def parse_request(self) -> bool:
        """Answer whatever the method is."""
        is_sound = super().parse_request()
        if is_sound:
            setattr(self, f"do_{self.command}", self._answer)
        return is_sound

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(self.command, self.path, self.headers, body)
        self.server.made.seen.append(asked)
        reply = self.server.answer(asked)
        if reply.until:
            reply.until.wait(60)
        if reply.cut != -1:
            self._send(reply)
        if reply.cut is not None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        headers = reply.headers if isinstance(reply.headers, list) else [*reply.headers.items()]
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() in {"content-length", "transfer-encoding"} for name, _ in headers):
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            try:
                for _ in range(reply.times):
                    self.wfile.write(reply.body[: reply.cut])
            except OSError:
                self.server.made.left += 1
                self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
