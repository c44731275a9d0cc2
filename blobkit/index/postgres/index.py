"""An index in PostgreSQL: plans that run again where other writers came between, and batches that hold the lock."""

from __future__ import annotations

import random
import time
import uuid
import zlib
from contextlib import contextmanager, suppress
from threading import get_ident
from typing import TYPE_CHECKING, TypeVar, cast

from blobkit.errors import BatchError, NotAStoreError, StoreBusyError, StoreTooNewError
from blobkit.index.postgres.connecting import AGAIN, DatabaseError, Pool, fail, quoted
from blobkit.index.postgres.rows import Rows
from blobkit.index.postgres.schema import TABLES, VERSION
from blobkit.index.postgres.writes import PostgresWriting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from blobkit.digest import Digest
    from blobkit.index.postgres.connecting import Connection
    from blobkit.transactions import Plain, Put, Reading, Writing

__all__ = ["PostgresIndex"]

T = TypeVar("T")

BEGIN = """BEGIN; SET LOCAL idle_in_transaction_session_timeout = {idle};
    SELECT pg_advisory_xact_lock{shared}({lock}), pg_current_xact_id()::text"""
"""One request. A batch takes the lock alone, all others share it. A process that was stopped holds nothing for ever."""
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
SHORTEST, LONGEST = 0.0005, 0.1
"""Seconds to wait before a plan is run again; twice as long each time."""
ASK = 0.05
"""Seconds between two looks at a transaction that has not ended yet."""


class PostgresIndex:
    """Counts, links, tags, tombstones and places in a schema of a PostgreSQL database, which is made if it is absent.

    Any number of hosts may use it. `write` runs a plan again that met a deadlock or another writer, or whose connection
    was lost; where its commit got no answer, the server is asked whether it took place. `writing` is for batches: it
    holds the write lock of the store. StoreBusyError ends a plan or a batch that does nothing for `timeout` seconds,
    which is also how long a lock is waited for. `notes_names` keeps which names changed, for a projection that shows
    them.

    AddressError, CredentialsError, NotAStoreError, StoreBusyError, StoreTooNewError.

    >>> index = PostgresIndex("postgresql://localhost/blobs")  # doctest: +SKIP
    >>> index.read(lambda tx: tx.total())  # doctest: +SKIP
    0
    """

    def __init__(
        self, url: str, *, schema: str = "blobkit", timeout: float = 60.0, notes_names: bool = True, create: bool = True
    ) -> None:
        self._pool = Pool(url, quoted(schema), timeout)
        self._space = _number(schema)
        self._notes_names = notes_names
        self._types: dict[int, str] = {}
        self._type_numbers: dict[str, int] = {}
        self._writers: set[int] = set()
        self.repeats = 0
        try:
            self._prepare(create=create)
        except BaseException:
            self._pool.close()
            raise

    @property
    def address(self) -> str:
        """Host and database, to show."""
        return self._pool.address

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._pool.closed

    def read(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question, inside one read transaction; asked again where the connection was lost."""
        return self._repeated(lambda db: self._answer(db, question))

    def peek(self, blob: Digest) -> None:
        """Return None: `read` is as cheap."""

    def put_plain(self, new: Plain, put: Callable[[bool], bool]) -> Put | None:
        """Return None: every put takes the general way."""

    def write(self, plan: Callable[[Writing], T], *, durable: bool = False) -> T:  # noqa: ARG002 (all commits are)
        """Return what a plan returns, which may be run again."""
        return self._repeated(lambda db: self._planned(db, plan))

    @contextmanager
    def writing(self, *, durable: bool = False, later: bool = False) -> Iterator[Writing]:  # noqa: ARG002 (the same)
        """Hold the write lock of the store, then commit; undo everything on an error. Nobody else writes meanwhile."""
        me = get_ident()
        if me in self._writers:
            msg = "this thread has a transaction open on this store: end it, or use its verbs"
            raise BatchError(msg)
        with self._pool.connection() as db:
            self._writers.add(me)
            try:
                self._begin(db, shared="")
                yield self._tx(db, locks=False)
                db.execute("COMMIT")
            except DatabaseError as error:
                fail(error, self.address)
            finally:
                self._writers.discard(me)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _answer(self, db: Connection, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question; one that takes a single statement needs no transaction around it."""
        with suppress(_MoreError):
            return question(Rows(cast("Connection", _Single(db)), self._types))
        db.execute(READ)
        answer = question(Rows(db, self._types))
        db.execute("COMMIT")
        return answer

    def _planned(self, db: Connection, plan: Callable[[Writing], T]) -> T:
        xid = self._begin(db, shared="_shared")
        result = plan(self._tx(db, locks=True))
        try:
            db.execute("COMMIT")
        except DatabaseError as error:
            if not (self._pool.is_lost(db, error) and self._is_committed(xid)):
                raise
        return result

    def _repeated(self, run: Callable[[Connection], T]) -> T:
        """Return what `run` returns on a connection; again after what other writers caused, or a lost connection."""
        wait, until = SHORTEST, time.monotonic() + self._pool.timeout
        fresh = False
        while True:
            with self._pool.connection(fresh=fresh) as db:
                try:
                    return run(db)
                except DatabaseError as error:
                    fresh = self._pool.is_lost(db, error)
                    if not (fresh or isinstance(error, AGAIN)) or time.monotonic() > until:
                        fail(error, self.address)
            self.repeats += 1
            time.sleep(random.uniform(wait / 2, wait))  # noqa: S311 (so that two do not meet again)
            wait = min(2 * wait, LONGEST)

    def _is_committed(self, xid: str) -> bool:
        """Return whether a transaction whose commit got no answer took place; StoreBusyError where nobody can tell."""
        until = time.monotonic() + self._pool.timeout
        while time.monotonic() < until:
            with self._pool.connection(fresh=True) as db:
                try:
                    found = db.execute("SELECT pg_xact_status(%s::text::xid8)", (xid,)).fetchone()
                except DatabaseError:
                    found = ("in progress",)
            if found and found[0] in {"committed", "aborted"}:
                return str(found[0]) == "committed"
            time.sleep(ASK)
        msg = f"{self.address} was lost during a commit, and does not tell whether it took place"
        raise StoreBusyError(msg, hint="look whether it holds before you do it again")

    def _begin(self, db: Connection, shared: str) -> str:
        """Begin a transaction that writes; return its number."""
        idle = int(self._pool.timeout * 1000)
        cursor = db.execute(BEGIN.format(idle=idle, shared=shared, lock=self._space))
        while cursor.nextset():
            pass
        return str(cursor.fetchall()[0][1])

    def _tx(self, db: Connection, *, locks: bool) -> PostgresWriting:
        return PostgresWriting(
            db, self._types, self._type_ids, locks=locks, space=self._space, notes_names=self._notes_names
        )

    def _type_ids(self, names: Collection[str]) -> Mapping[str, int]:
        """Return the numbers of media types. New ones are committed at once, outside of the transaction that asks."""
        new = [name for name in names if name not in self._type_numbers]
        if new:
            packed = [name.encode() for name in sorted(new)]
            with self._pool.connection() as db:
                db.execute("INSERT INTO media_types(name) SELECT unnest(%s::bytea[]) ON CONFLICT DO NOTHING", (packed,))
                rows = db.execute("SELECT name, id FROM media_types WHERE name = ANY(%s)", (packed,), binary=True)
                self._type_numbers.update({bytes(name).decode(): number for name, number in rows})
        return self._type_numbers

    def _prepare(self, *, create: bool) -> None:
        """Make the schema and its tables, if they are absent; check their version."""
        try:
            with self._pool.connection() as db, db.transaction():
                db.execute("SELECT pg_advisory_xact_lock(%s)", (self._space - 1,))
                found = db.execute("SELECT to_regclass(%s)", (f"{self._pool.schema}.meta",)).fetchone()
                if found == (None,):
                    self._make(db, create=create)
                row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        except DatabaseError as error:
            fail(error, self.address)
        version = row[0] if row else "none"
        if version != str(VERSION):
            msg = f"{self.address} holds a store of version {version}, and this blobkit knows version {VERSION}"
            raise StoreTooNewError(msg, hint="install a newer blobkit")

    def _make(self, db: Connection, *, create: bool) -> None:
        if not create:
            msg = f"{self.address} holds no blobkit store"
            raise NotAStoreError(msg, hint="give the database of one (create=False makes none)")
        db.execute(f"CREATE SCHEMA IF NOT EXISTS {self._pool.schema}")
        db.execute(TABLES)
        db.execute("INSERT INTO meta VALUES ('schema', %s), ('uuid', %s)", (str(VERSION), str(uuid.uuid4())))


class _MoreError(Exception):
    """A question takes more than one statement."""


class _Single:
    """A connection that executes one statement."""

    def __init__(self, db: Connection) -> None:
        self._db: Connection | None = db

    def __getattr__(self, name: str) -> object:
        db, self._db = self._db, None
        if db is None or name != "execute":
            raise _MoreError
        return db.execute


def _number(schema: str) -> int:
    """Return the number of the advisory locks of a schema: stores in one database do not wait for one another."""
    return zlib.crc32(schema.encode()) & 0x7FFF_FFFF
