"""The lock of a log's heads: the latest checkpoint that it may have shown, by origin, in a small database of its own.

A log that has signed two trees for one origin has forked, and nobody can take that back. So the lock is no part of a
backup, and is moved from one checkpoint to the next by compare-and-swap, after the entries are durable and before any
answer leaves: an older log.db that was put back, or a second daemon on a copy, finds the lock ahead of itself. It is no
help where the lock was put back too: in a snapshot of the disk both are old, and fit each other. Then mirrors show the
log what it had signed, and what they show stays here until it is in log.db as well, or for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from anonnet.errors import Fatal
from anonnet.store.database import MEMORY, Database
from anonnet.store.heads import Head

FILE = "lock.db"
VERSION = 1

SCHEMA = """
create table if not exists lock(
    origin text primary key,
    note blob not null          -- with the log's signature alone
) without rowid;
create table if not exists began(only integer primary key check(only = 0)); -- a log has started with this lock
create table if not exists shown(
    origin text primary key,
    note blob not null          -- with the log's signature alone: mirrors have more entries than log.db
) without rowid;
create table if not exists ended(
    only integer primary key check(only = 0),
    note blob not null          -- signed with the log's key, and none of its own: there are two histories
);
"""


def beside(path: str) -> str:
    """Where the lock of this log.db is."""
    return MEMORY if path == MEMORY else str(Path(path).with_name(FILE))


def noted(path: Path) -> dict[str, bytes]:
    """The latest note of each origin in a lock that is only looked at, also where mirrors had to show it. Raises
    BadStart."""
    db = Database(path, version=VERSION, read_only=True)
    try:
        notes = dict(db.all("select origin, note from lock"))
        if db.one("select 1 from sqlite_master where name = 'shown'"):  # no log has started on an older one since
            notes |= db.all("select origin, note from shown")
        return notes
    finally:
        db.close()


class Lock:
    """The latest notes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def began(self) -> bool:
        """Whether a log has ever started with this lock."""
        return self._db.one("select 1 from began") is not None

    def begin(self) -> None:
        """A log starts with it: nothing forbids that. Raises Fatal."""
        self._db.begin()
        self._db.run("insert or ignore into began values(0)")
        self._db.commit()

    def end(self, note: bytes) -> None:
        """This checkpoint has the log's signature, and the log has not made it: never start again. Raises Fatal."""
        self._db.begin()
        self._db.run("insert or ignore into ended values(0, ?)", note)
        self._db.commit()

    def ended(self) -> bytes | None:
        """The checkpoint that has ended this log."""
        row = self._db.one("select note from ended")
        return bytes(row[0]) if row else None

    def show(self, origin: str, note: bytes) -> None:
        """A mirror has this checkpoint of the log, of more entries than are here: do not go on. Raises Fatal."""
        self._db.begin()
        self._db.run("insert or replace into shown values(?, ?)", origin, note)
        self._db.commit()

    def shown(self) -> dict[str, bytes]:
        """What mirrors have shown, by origin: of each the largest."""
        return dict(self._db.all("select origin, note from shown"))

    def found(self, origin: str) -> None:
        """What mirrors have shown of this origin is here. Raises Fatal."""
        self._db.begin()
        self._db.run("delete from shown where origin = ?", origin)
        self._db.commit()

    def reach(self) -> None:
        """Stand at what mirrors have shown: it leads to what stood here. Raises Fatal."""
        self._db.begin()
        self._db.run("insert or replace into lock select origin, note from shown")
        self._db.run("delete from shown")
        self._db.commit()

    def notes(self) -> dict[str, bytes]:
        """The latest note of each origin."""
        return dict(self._db.all("select origin, note from lock"))

    def swap(self, heads: Iterable[Head]) -> None:
        """Move the lock from what was before each head to the head, durably. Raises Fatal where it stood elsewhere."""
        self._db.begin()
        for head in heads:
            if head.before is None:
                moved = self._db.run("insert or ignore into lock values(?, ?)", head.origin, head.note)
            else:
                moved = self._db.run(
                    "update lock set note = ? where origin = ? and note = ?", head.note, head.origin, head.before
                )
            if not moved:
                self._db.rollback()
                raise Fatal(f"another checkpoint of {head.origin} stands in {FILE}: does a second log write here?")
        self._db.commit()

    def close(self) -> None:
        self._db.close()
