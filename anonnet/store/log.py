"""What the log remembers (paper, section "Data Management"): authorization_m of every commit, and its time.

"The transaction log stores the merchant's authorization (authorization_m) whenever it produces a global commit." An
abort is a statement, not an entry; that its time has been reached is what must be remembered, so that nothing is
recorded as if it had come before. What goes when: docs/data.md.
"""

from __future__ import annotations

from anonnet.limits import ENTRIES_MAX, FOLLOW_BYTES_MAX, RETENTION_SECONDS
from anonnet.protocol.logbook import Recorded
from anonnet.protocol.transaction import expired
from anonnet.store import errands
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database

VERSION = 1

SCHEMA = (
    errands.SCHEMA
    + """
create table if not exists entry(
    position integer primary key,   -- 0, 1, 2, ...
    body blob not null,
    signature blob not null,        -- of the commit that names this entry
    expiration integer not null     -- of the transaction
);
create table if not exists outcome(
    outcome_key blob primary key,   -- at most one entry for each transaction
    position integer not null references entry deferrable initially deferred
) without rowid;
create unique index if not exists outcome_position on outcome(position);
create table if not exists late(
    outcome_key blob primary key,   -- its P4 has been called late
    until integer not null          -- from then on the clock alone says so
) without rowid;
create table if not exists clock(
    only integer primary key check(only = 0),
    time integer not null           -- the log has said that it is this late
);
insert or ignore into clock values(0, 0);
"""
)


class LogStore(Store):
    """Entries, their outcome keys, and how late it is."""

    def __init__(self, path: str = MEMORY) -> None:
        super().__init__(Database(path, schema=SCHEMA, version=VERSION))

    def advance(self, now: int) -> int:
        """The log's time at a frame that arrived at `now`: it never falls, and what was said of it is durable."""
        self._db.run("update clock set time = ? where time < ?", now, now)
        return self.time()

    def time(self) -> int:
        """The latest time that the log has acted on."""
        (time,) = self._db.one("select time from clock")
        return int(time)

    def size(self) -> int:
        """How many entries there are."""
        (size,) = self._db.one("select coalesce(max(position) + 1, 0) from entry")
        return int(size)

    def first(self) -> int:
        """The index of the oldest entry that is still here."""
        (first,) = self._db.one("select coalesce(min(position), 0) from entry")
        return int(first)

    def last(self) -> Recorded | None:
        """The newest entry."""
        row = self._db.one("select body, signature from entry order by position desc limit 1")
        return Recorded(entry=row[0], signature=row[1]) if row else None

    def record(self, outcome_key: bytes, index: int) -> bool:
        """Take the one place of an outcome for the entry at this index; false if it is taken."""
        self.touch(outcome_key)
        return self._db.run("insert or ignore into outcome values(?, ?)", outcome_key, index) == 1

    def call_late(self, outcome_key: bytes, until: int) -> None:
        """Give the place back, and remember that P4 was called late until the clock that never falls shows it."""
        self.touch(outcome_key)
        self._db.run("delete from outcome where outcome_key = ?", outcome_key)
        self._db.run("insert or ignore into late values(?, ?)", outcome_key, until)
        self._db.run("delete from late where until < (select time from clock)")

    def called_late(self, outcome_key: bytes) -> bool:
        """True if P4 of this transaction has been called late, and the clock might not show it."""
        self.touch(outcome_key)
        return self._db.one("select 1 from late where outcome_key = ?", outcome_key) is not None

    def append(self, index: int, entry: bytes, signature: bytes, expiration: int) -> None:
        """Add the entry at the next index."""
        self._db.run("insert into entry values(?, ?, ?, ?)", index, entry, signature, expiration)

    def recorded(self, outcome_key: bytes) -> tuple[int, Recorded] | None:
        """The entry of a transaction and its index."""
        self.touch(outcome_key)
        row = self._db.one(
            "select position, body, signature from outcome join entry using(position) where outcome_key = ?",
            outcome_key,
        )
        return (int(row[0]), Recorded(entry=row[1], signature=row[2])) if row else None

    def entries(self, start: int) -> tuple[Recorded, ...]:
        """Entries from an index on, as many as one answer holds."""
        rows = self._db.all(
            "select body, signature from entry where position >= ? order by position limit ?", start, ENTRIES_MAX
        )
        room, fitting = FOLLOW_BYTES_MAX, []
        for body, signature in rows:
            room -= len(body)
            if room < 0:
                break
            fitting.append(Recorded(entry=body, signature=signature))
        return tuple(fitting)

    def forget(self) -> int:
        """Drop the oldest bundle of entries if every transaction in it is past the retention delay; return how many.

        By the log's own time, which never falls, and which is durable with what it lets go. The newest bundle stays:
        size and times go on from there, and it is where new followers start.
        """
        self._db.run("delete from late where until < (select time from clock)")
        end = self.first() + ENTRIES_MAX
        if end >= self.size():
            return 0
        (latest,) = self._db.one("select max(expiration) from entry where position < ?", end)
        if not expired(latest + RETENTION_SECONDS, self.time()):
            return 0
        self._db.run("delete from outcome where position < ?", end)
        return self._db.run("delete from entry where position < ?", end)
