"""What the log remembers (paper, section "Data Management"): authorization_m of every commit, and its time.

"The transaction log stores the merchant's authorization (authorization_m) whenever it produces a global commit." An
abort is a statement, not an entry; that its time has been reached is what must be remembered, so that nothing is
recorded as if it had come before. Everything about entries is kept by shard, since whole shards are dropped. What goes
when: docs/data.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from anonnet.errors import BadStart
from anonnet.limits import ENTRY_BYTES_MAX, FORGET_ROWS_MAX, SALE_ENTRY_MAX, SHARDS_MAX
from anonnet.protocol.known_log import CHAIN, expirations_of
from anonnet.protocol.logbook import Entry, EntryKind, Recorded
from anonnet.store import admission, alerts, errands, heads, lock
from anonnet.store.base import Store
from anonnet.store.chain import Chain, shard_in
from anonnet.store.database import MEMORY, Database
from anonnet.store.heads import Head, Heads, Seal
from anonnet.store.lock import Lock
from anonnet.store.places import BITS, PLACED, number_of, place, places, tree_of
from anonnet.store.trees import Damaged
from anonnet.times import RETENTION_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import leaf_hash
from anonnet.wire.codec import decode_record, encode

VERSION = 3

SCHEMA = (
    errands.SCHEMA
    + heads.SCHEMA
    + admission.SCHEMA
    + alerts.SCHEMA
    + """
create table if not exists entry(
    place integer primary key,      -- of a shard and a position
    time integer not null,
    body blob not null,
    signature blob not null         -- of the commit that names this entry, where there is one
);
create table if not exists outcome(
    shard integer not null,
    outcome_key blob not null,
    kind integer not null,          -- at most one entry of a kind for each transaction
    position integer not null,
    primary key(shard, outcome_key, kind)
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


def entries_of(shard: int) -> bytes:
    """What the store's news call further entries of a shard."""
    return b"entries of %d" % shard


def checkpoints_of(shard: int) -> bytes:
    """What the store's news call further checkpoints of a shard, and cosignatures of those that are there."""
    return b"checkpoints of %d" % shard


class LogStore(Store):
    """Entries, their outcome keys, and how late it is.

    A batch that adds entries is one transaction with the signed heads that they lead to; then the lock moves on to
    these heads; only then is anything said. What fails between ends the process, and the next start goes on from there.
    """

    def __init__(
        self,
        path: str = MEMORY,
        *,
        seal: Seal,
        database: Callable[..., Database] = Database,
        merged: Store | None = None,
    ) -> None:
        """Open `path`, and the lock beside it. Raises BadStart where the log must not go on from what is there.

        `merged`: all but the lock is kept in the database of this store, and is committed with it.
        """
        there = merged.database.admit(SCHEMA, VERSION) if merged else None
        super().__init__(there or database(path, schema=SCHEMA, version=VERSION))
        self.heads = Heads(self._db, seal)
        self.chain = Chain(self._db, self.heads)
        self.alerts = alerts.Alerts(self._db)
        self.admissions = admission.Admissions(self._db)
        self._lock = Lock(database(lock.beside(path), schema=lock.SCHEMA, version=lock.VERSION))
        self._grown: set[int] = set()
        self._sealed: list[Head] = []
        recover(self.heads, self._lock, self.time())
        self.heads.mend()

    def seal(self) -> None:
        """Sign what each shard has grown to: what stands under a checkpoint is told to who follows."""
        grown = [self._head(shard) for shard in sorted(self._grown)]
        self._sealed += [head for head in grown if head]
        self._grown.clear()

    def commit(self) -> None:
        """Sign what each shard has grown to, make it durable, and move the lock. Raises Fatal."""
        self.seal()
        super().commit()
        moved, self._sealed = self._sealed, []
        if moved:
            self._lock.swap(moved)

    def _head(self, shard: int) -> Head | None:
        """The head over all entries of a shard; None where it is the one that stands."""
        rows = self._db.all(
            "select body from entry where place >= ? and place < ? order by place",
            *places(shard, self.heads.size(shard)),
        )
        return self.heads.grow(shard, [leaf_hash(body) for (body,) in rows]) if rows else None

    def answers_for(self, shard: int, note: bytes) -> bool:
        """True if this checkpoint of ours, which a mirror has shown, is one of what stands here. Else the log must not
        go on: the lock keeps it, and no start passes it by. Raises Fatal."""
        body = SignedCheckpoint.parse(note).body
        if body.size > self.heads.size(shard):
            before = self._lock.shown().get(body.origin)
            if before is None or SignedCheckpoint.parse(before).body.size < body.size:
                self._lock.show(body.origin, note)
            return False
        if self.heads.trees.root(shard, body.size) != body.root:
            self._lock.end(note)
            return False
        return True

    def check_shown(self) -> None:
        """Raise BadStart where mirrors have shown what this log must not go on without."""
        check_shown(self.heads, self._lock)

    def rollback(self) -> None:
        self._grown.clear()
        self._sealed.clear()
        self.chain.forget()
        super().rollback()

    def close(self) -> None:
        self._lock.close()
        super().close()

    def advance(self, now: int) -> int:
        """The log's time at a frame that arrived at `now`: it never falls, and what was said of it is durable."""
        before = self.time()
        if now > before:
            self._db.run("update clock set time = ?", now)
        return max(before, now)

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

    def newest(self, shard: int) -> Entry | None:
        """A shard's newest entry."""
        row = self._db.one(f"select body from entry where {PLACED} order by place desc limit 1", shard)
        return decode_record(Entry, row[0]) if row else None

    def is_closed(self, shard: int) -> bool:
        """True if nothing is ever added to this shard again."""
        newest = self.newest(shard)
        return newest is not None and newest.kind == EntryKind.CLOSE

    def _last(self, shard: int) -> tuple[int, int] | None:
        row = self._db.one(f"select place, time from entry where {PLACED} order by place desc limit 1", shard)
        return (number_of(row[0]), int(row[1])) if row else None

    def sizes(self) -> list[tuple[int, int]]:
        """(shard, size) of the newest shards."""
        rows = self._db.all("select shard, size from head order by shard desc limit ?", SHARDS_MAX)
        return sorted((int(shard), int(size)) for shard, size in rows)

    def append(self, shard: int, index: int, entry: Entry, signature: bytes = b"") -> None:
        """Add the entry at the next index of a shard."""
        body = encode(entry)
        assert len(body) <= (ENTRY_BYTES_MAX if shard == CHAIN else SALE_ENTRY_MAX), "no answer leads on behind this"
        self._grown.add(shard)
        self.news |= {entries_of(shard), checkpoints_of(shard)}
        self._db.run("insert into entry values(?, ?, ?, ?)", place(shard, index), entry.time, body, signature)

    def entries(self, shard: int, start: int) -> tuple[Recorded, ...]:
        """Entries of a shard from an index on that stand under a checkpoint, as many as one answer holds."""
        return self.heads.entries(shard, start, self.heads.size(shard))

    # Outcomes.

    def record(self, shard: int, outcome_key: bytes, kind: EntryKind, index: int) -> bool:
        """Take the one place of a transaction's entry of this kind, at this index; false if it is taken."""
        self.touch(outcome_key)
        row = shard, outcome_key, int(kind), index
        return self._db.run("insert or ignore into outcome values(?, ?, ?, ?)", *row) == 1

    def recorded(self, shard: int, outcome_key: bytes, kind: EntryKind) -> tuple[int, Recorded] | None:
        """A transaction's entry of this kind, and its index."""
        self.touch(outcome_key)
        row = self._db.one(
            f"select position, body, signature from outcome join entry on place = shard << {BITS} | position"
            " where shard = ? and outcome_key = ? and kind = ?",
            *(shard, outcome_key, int(kind)),
        )
        return (int(row[0]), Recorded(entry=row[1], signature=row[2])) if row else None

    def call_late(self, shard: int, outcome_key: bytes, kind: EntryKind, until: int) -> None:
        """Give the place back, and remember that P4 was called late until the clock that never falls shows it."""
        self.touch(outcome_key)
        self._db.run(
            "delete from outcome where shard = ? and outcome_key = ? and kind = ?", shard, outcome_key, int(kind)
        )
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
        """Drop some of what stands in dropped shards; return how many rows.

        By the log's own time, which never falls, and which is durable with what it lets go.
        """
        self._db.run("delete from late where until < (select time from clock)")
        row = self._db.one("select place from entry where place >= ? order by place limit 1", place(CHAIN + 1))
        if row is None or not self.is_dropped(shard := tree_of(row[0])):
            return 0
        if head := self.heads.head(shard):
            self.errands.end_all(head.origin.encode())
            self.heads.end(shard)
        for table, whose, key in DROPPED:
            piece = f"select {key} from {table} where {whose} limit ?2"
            gone = self._db.run(f"delete from {table} where {whose} and ({key}) in ({piece})", shard, FORGET_ROWS_MAX)
            if gone:
                return gone
        return 0


DROPPED = (
    ("outcome", "shard = ?1", "outcome_key, kind"),
    ("node", PLACED, "place"),
    ("cosignature", PLACED, "place, mirror"),
    ("checkpoint", PLACED, "place"),
    ("entry", PLACED, "place"),
)
"""The tables of a shard's rows, what tells which are its own, and the key of one among them. `entry` goes last."""


def recover(heads: Heads, lock: Lock, time: int) -> None:
    """Compare what is here with what may have been shown, and go on where a crash came between. `time`: how late the
    log has said that it is; 0: it has never run. Raises BadStart, and then has written nothing that the next start
    could pass by."""
    if note := lock.ended():
        raise two_histories(note)
    notes, found = lock.notes(), heads.all()
    if (found or time) and not lock.began():
        raise BadStart(
            "log.db is that of a log that has run, but there is no lock.db of it: is it a backup, or a copy? Start the"
            " log where its lock.db is; if that is lost, this log cannot go on, since it could sign a second history"
        )
    ahead = list[Head]()
    for head in found:
        if head.note != heads.sealed(head.shard, head.size, head.root):
            raise BadStart(f"log.db is that of another log: {head.origin} was not signed with this log's key")
        if _root(heads, head.origin, head.size) != head.root:
            raise _damaged(head.origin)
        locked = notes.pop(head.origin, None)
        _check(heads, head, locked)
        if locked != head.note:
            ahead.append(replace(head, before=locked))
    for origin, note in notes.items():
        if heads.final(shard_in(origin)) is None:
            raise _behind(origin, SignedCheckpoint.parse(note).body.size, 0)
    lock.begin()
    lock.swap(ahead)
    check_shown(heads, lock)


def _check(heads: Heads, head: Head, locked: bytes | None) -> None:
    """Raise BadStart where the lock is not on the way to this head."""
    seen = SignedCheckpoint.parse(locked).body if locked else None
    if seen and seen.size > head.size:
        raise _behind(head.origin, seen.size, head.size)
    if seen and _root(heads, head.origin, seen.size) != seen.root:
        raise BadStart(
            f"log.db and lock.db show two histories of {head.origin} at {seen.size} entries: this is a copy that went"
            " on by itself. Never start it; start the log that others follow"
        )


def check_shown(heads: Heads, lock: Lock) -> None:
    """Raise BadStart where mirrors have shown this log checkpoints of its own that nothing here leads to."""
    if note := lock.ended():
        raise two_histories(note)
    for origin, note in lock.shown().items():
        shard, seen = shard_in(origin), SignedCheckpoint.parse(note).body
        if seen.size > (here := heads.size(shard)):
            raise BadStart(
                f"mirrors have {origin} of {seen.size} entries, signed by this log, and here are {here}: was the log's"
                " folder, or its disk, put back from a snapshot? Run `anonnet log repair`, which gets the entries from"
                " the mirrors, and start the log again; from here it would sign a second history"
            )
        if _root(heads, origin, seen.size) != seen.root:
            lock.end(note)
            raise two_histories(note)
        lock.found(origin)


def _root(heads: Heads, origin: str, size: int) -> bytes:
    """The root of the first `size` entries. Raises BadStart where a node is missing."""
    try:
        return heads.trees.root(shard_in(origin), size)
    except Damaged:
        raise _damaged(origin) from None


def _damaged(origin: str) -> BadStart:
    return BadStart(f"the tree of {origin} is damaged: run `anonnet log fsck` to see where, then `anonnet log repair`")


def two_histories(note: bytes) -> BadStart:
    """Somebody has shown this checkpoint, which is the log's by its signature alone."""
    seen = SignedCheckpoint.parse(note).body
    return BadStart(
        f"a mirror has shown {seen.origin} of {seen.size} entries, signed with this log's key, and not by this log:"
        " it has two histories, and never starts again. Begin a new log, with a new key"
    )


def _behind(origin: str, seen: int, here: int) -> BadStart:
    return BadStart(
        f"log.db is older than lock.db: {origin} had {seen} entries when the log last ran, and has {here} here. Was a"
        " backup put back? Put the newest log.db there, or run `anonnet log repair`, which gets the entries from the"
        " log's mirrors; from an older one this log would sign a second history"
    )
