"""Connections to PostgreSQL, and what its errors mean here. The one file that imports psycopg.

No message shows a password, or the address as it was given: that may hold one.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from blobkit.errors import (
    AddressError,
    CredentialsError,
    MissingExtraError,
    NotAStoreError,
    StoreBusyError,
    StoreClosedError,
    StoreError,
)
from blobkit.errors.remote import REMOTE_EXTRA
from blobkit.render import printable

try:
    import psycopg
    from psycopg import errors, sql
except ImportError as error:
    MISSING = "psycopg, which talks to PostgreSQL, is not installed"
    raise MissingExtraError(MISSING, hint=REMOTE_EXTRA) from error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Connection = psycopg.Connection[tuple[Any, ...]]

__all__ = ["AGAIN", "LOST", "DatabaseError", "Pool", "database_of", "fail", "overflows", "quoted", "show_address"]

DatabaseError = psycopg.Error
AGAIN = (errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation)
"""What other writers cause: the plan is run again."""
LOST = (psycopg.OperationalError, psycopg.InterfaceError)
"""What a lost connection raises, and much else: `Pool.is_lost` tells."""
BUSY = (
    errors.LockNotAvailable,
    errors.IdleInTransactionSessionTimeout,
    errors.TooManyConnections,
    errors.OutOfMemory,
    errors.DiskFull,
)
REFUSED = ("password authentication failed", "no password supplied", "no pg_hba.conf entry", "authentication failed")
WITHOUT_DATABASE = "does not exist"
SECONDS_TO_CONNECT = 10


def database_of(url: str) -> dict[str, Any]:
    """Return what an address says, as parameters; AddressError, which does not show it."""
    if not isinstance(url, str) or not url.startswith(("postgresql://", "postgres://")):
        shown = printable(url.partition("://")[0])[:20] if isinstance(url, str) and "://" in url else "something else"
        msg = f"the index of a remote store is in PostgreSQL, not in {shown}"
        raise AddressError(msg, hint="give postgresql://USER@HOST/DATABASE")
    try:
        return psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        msg = "the address of the database cannot be read"
        raise AddressError(msg, hint="give postgresql://USER@HOST/DATABASE, with special characters as %XX") from None


def show_address(parameters: dict[str, Any]) -> str:
    """Return an address to show: host and database, and nothing that was given beside them."""
    host = printable(str(parameters.get("host") or parameters.get("hostaddr") or "localhost"))
    port = f":{printable(str(parameters['port']))}" if parameters.get("port") else ""
    return f"postgresql://{host}{port}/{printable(str(parameters.get('dbname') or ''))}"


def quoted(name: str) -> str:
    """Return a name as an identifier in SQL."""
    return sql.Identifier(name).as_string(None)


def overflows(error: BaseException) -> bool:
    """Return whether a number would not fit the column."""
    return isinstance(error, errors.NumericValueOutOfRange)


def fail(error: psycopg.Error, address: str) -> NoReturn:
    """Raise what an error of the database means to a store."""
    said = _said(error)
    if isinstance(error, BUSY):
        msg = f"{address} is busy ({said})"
        raise StoreBusyError(msg, hint="try again later, keep batches short, or wait longer with timeout=") from error
    if isinstance(error, (errors.InsufficientPrivilege, errors.InvalidPassword)):
        msg = f"{address} does not permit this ({said})"
        raise CredentialsError(msg, hint="grant the user of the address CREATE on the database") from error
    if isinstance(error, errors.ReadOnlySqlTransaction):
        msg = f"{address} takes no writes ({said})"
        raise StoreBusyError(msg, hint="give the address of the primary server") from error
    msg = f"{address} cannot go on ({said})"
    raise StoreError(msg) from error


def _said(error: BaseException, password: str = "") -> str:
    """Return the first line of a message, without the password that it may repeat."""
    line = (str(error).strip() or type(error).__name__).split("\n", maxsplit=1)[0]
    return printable(line.replace(password, "***") if password else line)


class Pool:
    """Connections to one database and schema; each is used by one thread at a time."""

    def __init__(self, url: str, schema: str, timeout: float) -> None:
        self._parameters = database_of(url)
        self.address = show_address(self._parameters)
        self.schema = schema
        self.timeout = timeout
        self._pid = os.getpid()
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self.closed = False

    @contextmanager
    def connection(self, *, fresh: bool = False) -> Iterator[Connection]:
        """Give a connection for a block; one in an open transaction, or lost, is not used again.

        StoreClosedError, also in a process that was forked: the connections are those of its parent.
        """
        self._check()
        db = self._taken(fresh=fresh)
        try:
            yield db
        finally:
            self._put_back(db)

    def is_lost(self, db: Connection, error: BaseException) -> bool:
        """Return whether an error is that of a connection which is gone, and not one that the server answered."""
        return isinstance(error, LOST) and not isinstance(error, BUSY) and (db.closed or db.broken)

    def close(self) -> None:
        """Close the connections that nobody uses; those in use are closed when they come back."""
        with self._lock:
            self.closed, idle = True, self._idle
            self._idle = []
        if self._pid == os.getpid():
            for db in idle:
                db.close()

    def _check(self) -> None:
        if self.closed:
            msg = f"{self.address}: this store was closed; open it again"
            raise StoreClosedError(msg)
        if self._pid != os.getpid():
            msg = f"{self.address} was opened in the process that forked this one; open it again in this process"
            raise StoreClosedError(msg)

    def _taken(self, *, fresh: bool) -> Connection:
        while not fresh:
            with self._lock:
                if not self._idle:
                    break
                db = self._idle.pop()
            if not db.closed:
                return db
        return self.connect()

    def _put_back(self, db: Connection) -> None:
        if self._pid != os.getpid():
            return
        if not db.closed and db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            with suppress(psycopg.Error):
                db.rollback()
        with self._lock:
            keep = not (self.closed or db.closed or db.broken)
            if keep:
                self._idle.append(db)
        if not keep:
            db.close()

    def connect(self) -> Connection:
        """Return a new connection; CredentialsError, NotAStoreError, StoreBusyError."""
        settings = f"-c search_path={self.schema} -c lock_timeout={int(self.timeout * 1000)} -c client_encoding=UTF8"
        wanted = {"connect_timeout": SECONDS_TO_CONNECT, "application_name": "blobkit", **self._parameters}
        wanted["options"] = f"{self._parameters.get('options') or ''} {settings}".strip()
        try:
            return psycopg.connect(autocommit=True, prepare_threshold=2, **wanted)
        except psycopg.Error as error:
            self._refuse(error)

    def _refuse(self, error: psycopg.Error) -> NoReturn:
        said = _said(error, str(self._parameters.get("password") or ""))
        if any(text in said for text in REFUSED):
            msg = f"{self.address} refuses the user or the password"
            raise CredentialsError(msg, hint="give them in the address, or in ~/.pgpass or PGPASSWORD") from None
        if WITHOUT_DATABASE in said and "database" in said:
            msg = f"{self.address}: there is no such database"
            raise NotAStoreError(msg, hint="make it with createdb, or give another one") from None
        msg = f"{self.address} cannot be reached ({said})"
        raise StoreBusyError(msg, hint="look whether the server runs and the address is right") from None


def rows(db: Connection, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a statement; numbers and bytes travel in binary."""
    return db.execute(statement, parameters, binary=True).fetchall()
