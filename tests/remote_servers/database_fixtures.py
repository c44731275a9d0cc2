"""A database server that the tests of a process share, and indexes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote_servers.databases import running_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.index.postgres.index import PostgresIndex
    from remote_servers.databases import DatabaseServer

__all__ = ["database_server", "open_index"]


@pytest.fixture(scope="session")
def database_server() -> Iterator[DatabaseServer]:
    """A server; use a schema of your own."""
    with running_database() as server:
        yield server


@pytest.fixture
def open_index(database_server: DatabaseServer) -> Iterator[Callable[..., PostgresIndex]]:
    """What opens an index, in the one new schema of this test; all are closed at its end."""
    from blobkit.index.postgres.index import PostgresIndex  # noqa: PLC0415 (skips without psycopg)

    schema, opened = database_server.schema(), []

    def open_it(**options: object) -> PostgresIndex:
        opened.append(PostgresIndex(**{"url": database_server.url, "schema": schema, **options}))
        return opened[-1]

    yield open_it
    for index in opened:
        index.close()
