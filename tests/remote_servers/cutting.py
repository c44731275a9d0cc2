"""A socket before a database server that loses one answer: the request arrives, or it does not, and nobody is told."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Cutter", "cutting"]

SOCKET = ".s.PGSQL.5432"
COMMIT = b"COMMIT"


class Cutter:
    """Cuts the connection at the next COMMIT when it is told to: before it is sent, or instead of its answer."""

    def __init__(self, place: str, server: Path) -> None:
        self._server = server
        self.at = ""
        self.cuts = 0
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"{place}/{SOCKET}")
        self._listening.listen()
        self._start(self._accept)

    def close(self) -> None:
        for one in (self._listening, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in (self._listening, *self._sockets):
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                self._sockets += [client, server]
                server.connect(str(self._server / SOCKET))
                lost = threading.Event()
                for work in (self._requests, self._answers):
                    self._start(work, client, server, lost)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _requests(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if self.at and COMMIT in data:
                    self.cuts += 1
                    before, self.at = self.at == "before", ""
                    if before:
                        server.shutdown(socket.SHUT_RDWR)
                        client.shutdown(socket.SHUT_RDWR)
                        return
                    lost.set()
                server.sendall(data)

    def _answers(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if lost.is_set():
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)


@contextmanager
def cutting(place: str, server: Path) -> Iterator[Cutter]:
    """Give a socket in `place` to a server whose socket is in another directory."""
    cutter = Cutter(place, server)
    try:
        yield cutter
    finally:
        cutter.close()
