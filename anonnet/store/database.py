"""One SQLite file and its transactions. SQL stands in `store` only; this is the one place that opens a connection.

WAL with synchronous=FULL: what COMMIT has acknowledged survives a power loss. One read-write connection per file
(SQLite 3.40 can corrupt a WAL with two writers), readers are read-only. An error of storage is Fatal: after a failed
fsync nobody knows what is on the disk, so nothing may be said any more.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anonnet.errors import BadStart, Fatal
from anonnet.limits import WAL_BYTES_MAX

MEMORY = ":memory:"
"""A database without a file, for simulations."""

CACHE_KIB = 16 * 1024
"""Keys are hashes, so that every turn touches pages all over the file: SQLite's own 2 MB are soon too few."""

VERSIONS = 1 << 8
"""So many versions a schema can have: two stores of one file have theirs in one number."""

PRIMARY = 0xFF
"""The part of SQLite's error codes that names the kind: the rest says where."""

BUSY_SECONDS = 5.0
"""How long a reader waits for SQLite's own short locks."""


class Database:
    """A connection in autocommit mode; transactions are begun and ended by name. To open it raises BadStart, Fatal."""

    def __init__(self, path: Path | str, *, schema: str = "", version: int = 1, read_only: bool = False) -> None:
        self.path = path
        uri = _uri(path, "?mode=ro" if read_only else "")
        if path != MEMORY and not read_only:
            _for_the_owner_alone(path)
        try:
            self._db = sqlite3.connect(
                uri,
                uri=path != MEMORY,
                isolation_level=None,
                check_same_thread=False,  # the shell may run COMMIT in a thread; never two threads at once
                cached_statements=256,
                timeout=BUSY_SECONDS,
            )
            self._prepare(schema, version, read_only)
        except sqlite3.Error as why:
            raise _unopened(path, why) from why

    def _prepare(self, schema: str, version: int, read_only: bool) -> None:
        own, guest = self._versions()
        if own not in (0, version) and not (read_only and guest == version):
            raise self._unknown(own, version)
        if read_only:
            return
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.execute("pragma fullfsync = on")  # macOS: fsync alone does not reach the disk there
        self._db.execute("pragma foreign_keys = on")
        self._db.execute("pragma wal_autocheckpoint = 0")  # SQLite's own tells nobody of a sync that fails
        self._db.execute(f"pragma journal_size_limit = {WAL_BYTES_MAX}")
        self._db.execute(f"pragma cache_size = -{CACHE_KIB}")
        self._db.execute("pragma temp_store = memory")  # what a savepoint may have to put back, of each turn anew
        self._make(schema, version, guest)

    def admit(self, schema: str, version: int) -> Database:
        """Make room for the tables of a second store, whose version is kept beside the first one's. Raises BadStart,
        Fatal."""
        own, guest = self._versions()
        if guest not in (0, version):
            raise self._unknown(guest, version)
        try:
            self._make(schema, own, version)
        except sqlite3.Error as why:
            raise _unopened(self.path, why) from why
        return self

    def _versions(self) -> tuple[int, int]:
        """Of the schema of the store that made the file, and of that which it has admitted; 0: there is none yet."""
        (found,) = self._db.execute("pragma user_version").fetchone()
        guest, own = divmod(found, VERSIONS)
        return own, guest

    def _make(self, schema: str, own: int, guest: int) -> None:
        """Write nothing where all of it is there: a full disk is found out by who has something to write."""
        mark = "" if self._versions() == (own, guest) else f"pragma user_version = {own + VERSIONS * guest};"
        self._db.executescript(f"begin immediate; {schema}; {mark} commit")

    def _unknown(self, found: int, version: int) -> BadStart:
        return BadStart(
            f"{self.path} has schema version {found}, this program writes {version}: use the version that made it"
        )

    def run(self, sql: str, *values: Any) -> int:
        """Execute one statement, return how many rows it changed."""
        try:
            return self._db.execute(sql, values).rowcount
        except sqlite3.Error as why:
            raise Fatal(f"storage failed: {why}") from why

    @property
    def changes(self) -> int:
        """How many rows this connection has ever changed, also where the change was taken back."""
        return self._db.total_changes

    def run_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute one statement for each row of values."""
        try:
            self._db.executemany(sql, rows)
        except sqlite3.Error as why:
            raise Fatal(f"storage failed: {why}") from why

    def all(self, sql: str, *values: Any) -> list[Any]:
        """Return all rows of a query."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as why:
            raise Fatal(f"storage failed: {why}") from why

    def one(self, sql: str, *values: Any) -> Any:
        """Return the first row of a query, or None."""
        try:
            return self._db.execute(sql, values).fetchone()
        except sqlite3.Error as why:
            raise Fatal(f"storage failed: {why}") from why

    def begin(self) -> None:
        """Begin a transaction that will write."""
        self.run("begin immediate")

    def commit(self) -> None:
        """End it durably. An error here is Fatal: nobody knows what was kept."""
        self.run("commit")
        if self.path != MEMORY and self._wal_bytes() > WAL_BYTES_MAX:
            self.all("pragma wal_checkpoint(passive)")

    def _wal_bytes(self) -> int:
        """How long the WAL is: it begins anew after a checkpoint, and is then cut to WAL_BYTES_MAX."""
        try:
            return os.stat(f"{self.path}-wal").st_size
        except OSError as why:
            raise Fatal(f"storage failed: {why}") from why

    def rollback(self) -> None:
        """End it as if it had not been."""
        self.run("rollback")

    def savepoint(self) -> None:
        """Begin one turn inside the transaction."""
        self.run("savepoint turn")

    def release(self) -> None:
        """Keep what the turn wrote."""
        self.run("release turn")

    def take_back(self) -> None:
        """Undo what the turn wrote."""
        self.run("rollback to turn")
        self.run("release turn")

    def close(self) -> None:
        self._db.close()


def begun(path: Path) -> bool:
    """True if a store was made in this file: not where it is missing, or was copied without what its -wal held. Raises
    BadStart, Fatal."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(_uri(path, "?mode=ro"), uri=True, timeout=BUSY_SECONDS)) as database:
            (versions,) = database.execute("pragma user_version").fetchone()
    except sqlite3.Error as why:
        raise _unopened(path, why) from why
    return bool(versions)


def _unopened(path: Path | str, why: sqlite3.Error) -> BadStart | Fatal:
    """Fatal where the disk is full or fails, at an opening too: a service tries again, and there may be room then."""
    if getattr(why, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return Fatal(f"storage failed: {path} cannot be opened: {why}")
    return BadStart(f"{path} cannot be opened as a database: {why}")


def _uri(path: Path | str, query: str) -> str:
    """Quoted: behind a # or a ? in a folder's name SQLite would read no more of the path, and write another file."""
    return MEMORY if path == MEMORY else f"file:{quote(os.fsencode(path))}{query}"


def _for_the_owner_alone(path: Path | str) -> None:
    """Make a file that is not there yet, whatever the umask; SQLite gives what it puts beside it the same mode."""
    with suppress(OSError):  # it is there, or SQLite says what is wrong
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
