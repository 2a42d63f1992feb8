"""What the log remembers (paper, section "Data Management"): authorization_m of every commit, and its time.

"The transaction log stores the merchant's authorization (authorization_m) whenever it produces a global commit." An
abort is a statement, not an entry; that its time has been reached is what must be remembered, so that nothing is
recorded as if it had come before. Everything about entries is kept by shard, since whole shards are dropped. What goes
when: docs/data.md.
"""

from __future__ import annotations

from anonnet.limits import ENTRIES_MAX, FOLLOW_BYTES_MAX, FORGET_ROWS_MAX, RETENTION_SECONDS, SHARDS_MAX
from anonnet.protocol.known_log import CHAIN, expirations_of, shard_of
from anonnet.protocol.logbook import Entry, Recorded
from anonnet.store import errands
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database
from anonnet.wire.codec import encode

VERSION = 2

SCHEMA = (
    errands.SCHEMA
    + """
create table if not exists entry(
    shard integer not null,
    position integer not null,      -- 0, 1, 2, ...
    time integer not null,
    body blob not null,
    signature blob not null,        -- of the commit that names this entry, where there is one
    primary key(shard, position)
) without rowid;
create table if not exists outcome(
    shard integer not null,
    outcome_key blob not null,      -- at most one entry for each transaction
    position integer not null,
    primary key(shard, outcome_key)
) without rowid;
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

    # Entries.

    def size(self, shard: int) -> int:
        """How many entries a shard has."""
        last = self._last(shard)
        return last[0] + 1 if last else 0

    def last_time(self, shard: int) -> int:
        """The time of a shard's newest entry; 0 without any."""
        last = self._last(shard)
        return last[1] if last else 0

    def _last(self, shard: int) -> tuple[int, int] | None:
        row = self._db.one("select position, time from entry where shard = ? order by position desc limit 1", shard)
        return (int(row[0]), int(row[1])) if row else None

    def sizes(self, time: int) -> list[tuple[int, int]]:
        """(shard, size) of those that have entries, among the newest SHARDS_MAX."""
        shards = self._db.all(
            "select distinct shard from entry where shard = ? or shard >= ? order by shard", CHAIN, shard_of(time) - 1
        )
        return [(int(shard), self.size(shard)) for (shard,) in shards[:SHARDS_MAX]]

    def append(self, shard: int, index: int, entry: Entry, signature: bytes = b"") -> None:
        """Add the entry at the next index of a shard."""
        self._db.run("insert into entry values(?, ?, ?, ?, ?)", shard, index, entry.time, encode(entry), signature)

    def entries(self, shard: int, start: int) -> tuple[Recorded, ...]:
        """Entries of a shard from an index on, as many as one answer holds."""
        rows = self._db.all(
            "select body, signature from entry where shard = ? and position >= ? order by position limit ?",
            *(shard, start, ENTRIES_MAX),
        )
        room, fitting = FOLLOW_BYTES_MAX, []
        for body, signature in rows:
            room -= len(body)
            if room < 0:
                break
            fitting.append(Recorded(entry=body, signature=signature))
        return tuple(fitting)

    # Outcomes.

    def record(self, shard: int, outcome_key: bytes, index: int) -> bool:
        """Take the one place of an outcome for the entry at this index; false if it is taken."""
        self.touch(outcome_key)
        return self._db.run("insert or ignore into outcome values(?, ?, ?)", shard, outcome_key, index) == 1

    def recorded(self, shard: int, outcome_key: bytes) -> tuple[int, Recorded] | None:
        """The entry of a transaction and its index."""
        self.touch(outcome_key)
        row = self._db.one(
            "select position, body, signature from outcome join entry using(shard, position)"
            " where shard = ? and outcome_key = ?",
            *(shard, outcome_key),
        )
        return (int(row[0]), Recorded(entry=row[1], signature=row[2])) if row else None

    def call_late(self, shard: int, outcome_key: bytes, until: int) -> None:
        """Give the place back, and remember that P4 was called late until the clock that never falls shows it."""
        self.touch(outcome_key)
        self._db.run("delete from outcome where shard = ? and outcome_key = ?", shard, outcome_key)
        self._db.run("insert or ignore into late values(?, ?)", outcome_key, until)
        self._db.run("delete from late where until < (select time from clock)")

    def called_late(self, outcome_key: bytes) -> bool:
        """True if P4 of this transaction has been called late, and the clock might not show it."""
        self.touch(outcome_key)
        return self._db.one("select 1 from late where outcome_key = ?", outcome_key) is not None

    # Forgetting.

    def is_dropped(self, shard: int) -> bool:
        """True if the retention delay of all that can stand in this shard is over."""
        return shard != CHAIN and self.time() >= expirations_of(shard).stop + RETENTION_SECONDS

    def forget(self) -> int:
        """Drop some of what stands in dropped shards; return how many entries.

        By the log's own time, which never falls, and which is durable with what it lets go.
        """
        self._db.run("delete from late where until < (select time from clock)")
        row = self._db.one("select shard from entry where shard > ? order by shard limit 1", CHAIN)
        if row is None or not self.is_dropped(row[0]):
            return 0
        for table, key in (("outcome", "outcome_key"), ("entry", "position")):
            piece = f"select {key} from {table} where shard = ?1 order by {key} limit ?2"
            gone = self._db.run(f"delete from {table} where shard = ?1 and {key} in ({piece})", row[0], FORGET_ROWS_MAX)
        return gone
