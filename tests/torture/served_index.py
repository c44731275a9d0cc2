"""An index in memory that a process serves to others, as a database does: of a client that dies nothing stays begun.

python tests/torture/served_index.py SOCKET
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Client, Listener
from typing import TYPE_CHECKING, Any, TypeVar

from blobkit.index.memory_places import PlacedMemoryIndex, _PlacedState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

T = TypeVar("T")


class RollbackError(Exception):
    """The client wants its transaction, or a part of it, undone."""


def serve(socket: str) -> None:
    """Serve one index to any number of clients, until killed."""
    index = PlacedMemoryIndex()
    with Listener(socket, "AF_UNIX") as listener:
        print("ready", flush=True)  # noqa: T201 (its output)
        while True:
            threading.Thread(target=converse, args=(index, listener.accept()), daemon=True).start()


def converse(index: PlacedMemoryIndex, client: Connection) -> None:
    """Do the transactions of one client."""
    with suppress(EOFError, ConnectionError):
        while True:
            client.recv()
            with suppress(RollbackError), index.writing() as tx:
                answer(tx, client)
            client.send(None)


def answer(tx: Any, client: Connection) -> None:  # noqa: ANN401 (any transaction)
    """Do what is asked in a transaction, or within a savepoint of it, until its end."""
    client.send(None)
    while True:
        name, *arguments = client.recv()
        if name == "end":
            return
        if name == "rollback":
            raise RollbackError
        if name == "savepoint":
            with suppress(RollbackError), tx.savepoint():
                answer(tx, client)
            client.send(None)
        else:
            client.send(getattr(tx, name)(*arguments))


class _Transaction:
    """A transaction in the other process; it has just the methods that one there has."""

    def __init__(self, server: Connection) -> None:
        self._server = server

    def __getattr__(self, name: str) -> Callable[..., Any]:
        getattr(_PlacedState, name)
        return partial(self._ask, name)

    def _ask(self, *message: object) -> Any:  # noqa: ANN401 (any answer)
        self._server.send(message)
        return self._server.recv()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        with self.part("savepoint"):
            yield

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Begin a transaction or savepoint; end it, or undo it where there is an error."""
        self._ask(name)
        try:
            yield
        except BaseException:
            self._ask("rollback")
            raise
        self._ask("end")


class ServedIndex:
    """The index that a process serves at a socket."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._here = threading.local()
        self.closed = False

    @contextmanager
    def writing(self, **_: object) -> Iterator[_Transaction]:
        tx = _Transaction(Client(self._socket, "AF_UNIX"))
        with tx._server, tx.part("begin"):
            yield tx

    def write(self, plan: Callable[[Any], T], **_: object) -> T:
        with self.writing() as tx:
            return plan(tx)

    read = write

    def peek(self, _: object) -> None:
        """Return None."""

    def close(self) -> None:
        self.closed = True


if __name__ == "__main__":
    serve(sys.argv[1])
