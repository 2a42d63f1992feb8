"""What a mirror remembers of the logs that it follows: every entry, each checkpoint that it cosigned, what others did.

A shard's copy grows by whole ranges that lead to a checkpoint of the log; `cosigned` is the mark below which this
mirror never cosigns again, kept in the transaction that makes the cosignature. What goes when: docs/data.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from anonnet.limits import AHEAD_MAX, CHECKPOINTS_MAX, FORGET_ROWS_MAX
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import CHAIN, shard_of
from anonnet.protocol.logbook import Entry, EntryKind, Recorded
from anonnet.protocol.rules import recorded, recorded_brand
from anonnet.store import alerts, errands, shards, trees, witnessed
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database
from anonnet.store.places import BITS, PLACED, number_of, place, places
from anonnet.store.shards import Mark, Shards
from anonnet.store.trees import Trees
from anonnet.store.witnessed import Witnessed
from anonnet.times import RETENTION_SECONDS
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.signed import Signed

VERSION = 4

SCHEMA = (
    errands.SCHEMA
    + alerts.SCHEMA
    + trees.SCHEMA
    + shards.SCHEMA
    + witnessed.SCHEMA
    + """
create table if not exists copy(
    tree integer primary key,       -- the number of this shard in the other tables, and in their places
    log blob not null,
    shard integer not null,
    size integer not null,          -- verified: all of it leads to a checkpoint of the log
    last_time integer not null,     -- of the newest entry; 0 without any
    closed integer not null,
    frozen integer not null,        -- the log has forked it or broken a rule: nothing more is taken in
    cosigned integer not null,      -- the size of the largest checkpoint that was cosigned
    state text not null check(state in ('kept', 'forgotten', 'gone')),
                                    -- forgotten: nothing of it is read; gone: no row but this one is left
    unique(log, shard)
);
create table if not exists entry(
    place integer primary key,      -- of a shard and a position
    kind integer not null,
    body blob not null,
    signature blob not null         -- of the log's P5a, as it was told: no tree covers it
);
create table if not exists outcome(
    tree integer not null,
    outcome_key blob not null,
    position integer not null,
    kind integer not null,
    primary key(tree, outcome_key, position)
) without rowid;
create table if not exists checkpoint(
    place integer primary key,      -- of a shard and a size
    note blob not null,             -- with the log's signature alone
    met integer not null            -- a quorum has cosigned it
);
create index if not exists checkpoint_met on checkpoint(place) where met = 1;
create table if not exists ahead(
    tree integer not null,
    size integer not null,          -- beyond the copy's
    note blob not null,             -- what somebody else was shown, with the log's signature alone
    primary key(tree, size)
) without rowid;
create table if not exists released(
    outcome_key blob primary key,
    tree integer not null,
    authorization_m blob not null,
    time integer not null           -- when it came: what the receipt says
) without rowid;
create table if not exists watch(
    only integer primary key check(only = 0),
    until integer not null          -- then other shards are to be followed
);
insert or ignore into watch values(0, 0);
"""
)

SOUGHT = f"kind in ({int(EntryKind.BRAND)}, {int(EntryKind.ANCHOR)})"
"""The kinds of which all entries are read at once. Only these have an index: it would cost each sale a write."""

SCHEMA += f"create index if not exists entry_sought on entry(kind, place) where {SOUGHT};"

NAMES = "tree, log, shard, size, last_time, closed, frozen, cosigned"


@dataclass(frozen=True, slots=True)
class Copy:
    """A mirror's copy of a shard, verified up to `size`: a prefix in the sense of the rules."""

    store: MirrorStore
    tree: int
    log: bytes
    shard: int
    size: int
    last_time: int
    closed: bool
    frozen: bool
    cosigned: int

    def standing(self, outcome_key: bytes) -> Sequence[Entry]:
        return [entry for _, entry in self.store.standing(self.tree, outcome_key)]

    def brands(self) -> Iterable[Brand]:
        return self.store.brands(self.tree)

    @property
    def news(self) -> bytes:
        """What the store's news call whatever changes in this copy."""
        return _news(self.tree)


class Growing:
    """A copy and entries behind it that are not kept yet: a prefix in the sense of the rules."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.taken: list[tuple[Entry, Recorded]] = []
        self.size, self.last_time, self.closed = copy.size, copy.last_time, copy.closed
        self._standing: dict[bytes, list[Entry]] = {}

    def take(self, entry: Entry, said: Recorded) -> None:
        """This one comes next, and is lawful there."""
        self.taken.append((entry, said))
        self.size, self.last_time, self.closed = self.size + 1, entry.time, entry.kind == EntryKind.CLOSE
        self._standing.setdefault(entry.outcome_key, []).append(entry)

    def standing(self, outcome_key: bytes) -> Sequence[Entry]:
        return [*self.copy.standing(outcome_key), *self._standing.get(outcome_key, ())]

    def brands(self) -> Iterable[Brand]:
        return [*self.copy.brands(), *(recorded_brand(each) for each, _ in self.taken if each.kind == EntryKind.BRAND)]


class MirrorStore(Store):
    """Copies of shards, checkpoints with their cosignatures, keys that merchants handed over, evidence."""

    def __init__(self, path: str = MEMORY, *, database: Callable[..., Database] = Database) -> None:
        super().__init__(database(path, schema=SCHEMA, version=VERSION))
        self.alerts = alerts.Alerts(self._db)
        self.shards = Shards(self._db)
        self.trees = Trees(self._db)
        self.witnessed = Witnessed(self._db)

    # Copies.

    def copy(self, log: bytes, shard: int) -> Copy | None:
        """The copy of a shard, unless it was never followed or has been forgotten."""
        row = self._db.one(f"select {NAMES} from copy where log = ? and shard = ? and state = 'kept'", log, shard)
        return self._copy(row) if row else None

    def open_copy(self, log: bytes, shard: int) -> Copy | None:
        """The same; an empty one where there never was one, frozen if there is an alert against it."""
        self._db.run(
            "insert or ignore into copy select null, ?1, ?2, 0, 0, 0, count(*), 0, 'kept'"
            " from alert where (log, shard) = (?1, ?2)",
            *(log, shard),
        )
        return self.copy(log, shard)

    def copies(self) -> list[Copy]:
        """All that are kept."""
        rows = self._db.all(f"select {NAMES} from copy where state = 'kept' order by log, shard")
        return [self._copy(row) for row in rows]

    def _copy(self, row: tuple[int, bytes, int, int, int, int, int, int]) -> Copy:
        tree, log, shard, size, last_time, closed, frozen, cosigned = row
        return Copy(self, tree, log, shard, size, last_time, bool(closed), bool(frozen), cosigned)

    def extend(self, grown: Growing, completed: Iterable[Sequence[bytes]]) -> Copy:
        """Put all this behind its copy: it leads to what the log signed, and keeps the rules. `completed`: what it
        completes in the tree."""
        copy, taken = grown.copy, list(enumerate(grown.taken, grown.copy.size))
        self.trees.append(copy.tree, copy.size, completed)
        self._db.run_many(
            "insert into entry values(?, ?, ?, ?)",
            [(place(copy.tree, at), entry.kind, said.entry, said.signature) for at, (entry, said) in taken],
        )
        outcomes = [(copy.tree, entry.outcome_key, at, entry.kind) for at, (entry, _) in taken if entry.outcome_key]
        self._db.run_many("insert into outcome values(?, ?, ?, ?)", outcomes)
        self._db.run(
            "update copy set size = ?, last_time = ?, closed = ? where tree = ?",
            *(grown.size, grown.last_time, int(grown.closed), copy.tree),
        )
        self.news.add(copy.news)
        return replace(copy, size=grown.size, last_time=grown.last_time, closed=grown.closed)

    @contextmanager
    def unkept(self, grown: Growing, completed: Iterable[Sequence[bytes]]) -> Iterator[Copy]:
        """The same while the block lasts: then nothing of it stays."""
        news = set(self.news)
        self._db.savepoint()
        try:
            yield self.extend(grown, completed)
        finally:
            self._db.take_back()
            self.news.intersection_update(news)

    def freeze(self, log: bytes, shard: int) -> None:
        """Take nothing more of this shard in."""
        self._db.run("update copy set frozen = 1 where log = ? and shard = ?", log, shard)

    # Entries.

    def standing(self, tree: int, outcome_key: bytes) -> list[tuple[int, Entry]]:
        """(index, entry) of what stands under an outcome key, in order."""
        rows = self._db.all(
            f"select position, body from outcome join entry on place = tree << {BITS} | position"
            " where tree = ? and outcome_key = ? order by position",
            *(tree, outcome_key),
        )
        return [(position, decode_record(Entry, body)) for position, body in rows]

    def beside(self, copy: Copy, entry: Entry) -> list[tuple[int, bytes]]:
        """(index, bytes) of what a bad next entry may stand against: the newest, its sale's, and brands."""
        rows = self._db.all(
            "select place, body from entry where place >= ?1 and place < ?2 and (place = ?2 - 1"
            " or place in (select ?1 | position from outcome where tree = ?3 and outcome_key = ?4)"
            " or (kind = ?5 and kind = ?6)) order by place desc",
            *(*places(copy.tree, 0, copy.size), copy.tree, entry.outcome_key, entry.kind, int(EntryKind.BRAND)),
        )
        return [(number_of(at), body) for at, body in rows]

    def anchors(self, log: bytes) -> list[bytes]:
        """The last checkpoints of shards that the copy of this log's chain records."""
        chain = self.copy(log, CHAIN)
        return [entry.body for entry in self._sought(chain.tree, EntryKind.ANCHOR)] if chain else []

    def brands(self, tree: int) -> list[Brand]:
        """The brands that a chain records."""
        said = [recorded(entry) for entry in self._sought(tree, EntryKind.BRAND)]
        return [brand for brand in said if isinstance(brand, Brand)]

    def _sought(self, tree: int, kind: EntryKind) -> list[Entry]:
        """All entries of one of the kinds of SOUGHT, in order."""
        rows = self._db.all(
            f"select body from entry indexed by entry_sought where {PLACED} and kind = ?2 and {SOUGHT} order by place",
            *(tree, int(kind)),
        )
        return [decode_record(Entry, body) for (body,) in rows]

    # Checkpoints.

    def keep_checkpoint(self, tree: int, size: int, note: bytes) -> None:
        """A checkpoint that the copy leads to, with the log's signature alone."""
        if self._db.run("insert or ignore into checkpoint values(?, ?, 0)", place(tree, size), note):
            self.news.add(_news(tree))

    def raise_mark(self, tree: int, size: int) -> bool:
        """Take the right to cosign at this size; false where something as large was cosigned before."""
        return self._db.run("update copy set cosigned = ? where tree = ? and cosigned < ?", size, tree, size) == 1

    def keep_cosignature(self, tree: int, size: int, mirror: bytes, line: str) -> None:
        """A cosignature that holds; of each mirror the first that came."""
        if self.shards.keep_cosignature(tree, size, mirror, line):
            self.news.add(_news(tree))

    def marks(self, tree: int, start: int, end: int) -> list[Mark]:
        """Some of the checkpoints with start <= size <= end: at most CHECKPOINTS_MAX, the newest among them."""
        rows = self._db.all(
            "select place from checkpoint where place >= ? and place < ? order by place desc limit ?",
            *(*places(tree, start, end + 1), CHECKPOINTS_MAX),
        )
        marks = (self.shards.mark(tree, number_of(at)) for (at,) in reversed(rows))
        return [mark for mark in marks if mark]

    def keep_ahead(self, tree: int, size: int, note: bytes) -> bytes | None:
        """A checkpoint beyond the copy, kept until the copy has grown so far; return the first that came of this size.
        None: AHEAD_MAX others are kept. None of those makes room: who showed it was told that it will be compared."""
        kept = self._db.one("select note from ahead where tree = ? and size = ?", tree, size)
        if kept is not None:
            return bytes(kept[0])
        (count,) = self._db.one("select count(*) from ahead where tree = ?", tree)
        if count >= AHEAD_MAX:
            return None
        self._db.run("insert into ahead values(?, ?, ?)", tree, size, note)
        return note

    def furthest(self, tree: int) -> list[bytes]:
        """The largest of those, if there is one."""
        rows = self._db.all("select note from ahead where tree = ? order by size desc limit 1", tree)
        return [note for (note,) in rows]

    def reached(self, tree: int, size: int) -> list[bytes]:
        """Those up to this size: they are kept no longer."""
        rows = self._db.all("select note from ahead where tree = ? and size <= ? order by size", tree, size)
        if rows:
            self._db.run("delete from ahead where tree = ? and size <= ?", tree, size)
        return [note for (note,) in rows]

    # Keys that merchants handed over.

    def keep_released(self, tree: int, outcome_key: bytes, authorization_m: Signed, now: int) -> None:
        """Keep P4, and when it came."""
        self._db.run("insert into released values(?, ?, ?, ?)", outcome_key, tree, encode(authorization_m), now)

    def released(self, outcome_key: bytes) -> tuple[Signed, int] | None:
        """The P4 of a sale that is kept, and when it came."""
        row = self._db.one("select authorization_m, time from released where outcome_key = ?", outcome_key)
        return (decode_record(Signed, row[0]), int(row[1])) if row else None

    # Time.

    def next_deadline(self) -> int:
        (until,) = self._db.one("select until from watch")
        return int(until)

    def look_again(self, until: int) -> None:
        """The shards that are to be followed are the same until then."""
        self._db.run("update watch set until = ?", until)

    # Forgetting.

    def forget(self, now: int) -> list[Copy]:
        """The copies past the retention delay, as they were: from now on they are not found, nor ever opened again.

        Their rows in `copy` stay, whatever the clock says later. A copy that began anew would have lost its mark, and
        what is read while the rest goes in pieces would pass for a prefix of the log.
        """
        oldest = shard_of(max(0, now - RETENTION_SECONDS))
        old = [copy for copy in self.copies() if CHAIN < copy.shard < oldest]
        for copy in old:
            self._db.run("update copy set state = 'forgotten' where tree = ?", copy.tree)
        return old

    def sweep(self) -> bool:
        """Drop some rows of a copy that is forgotten, and the errands of its keys; false if there was none."""
        row = self._db.one("select tree from copy where state = 'forgotten' limit 1")
        if row is None:
            return False
        gone = 0
        for table, whose, key in DROPPED:
            piece = f"select {key} from {table} where {whose} limit ?2"
            if table == "released":  # what is brought to the log stands under the sale's outcome key
                self._db.run(f"delete from errand where subject in ({piece})", row[0], FORGET_ROWS_MAX)
            gone += self._db.run(f"delete from {table} where {whose} and ({key}) in ({piece})", row[0], FORGET_ROWS_MAX)
        if not gone:
            self._db.run("update copy set state = 'gone' where tree = ?", row[0])
        return True


def _news(tree: int) -> bytes:
    return b"copy %d" % tree


DROPPED = (
    ("entry", PLACED, "place"),
    ("outcome", "tree = ?1", "outcome_key, position"),
    ("node", PLACED, "place"),
    ("cosignature", PLACED, "place, mirror"),
    ("checkpoint", PLACED, "place"),
    ("ahead", "tree = ?1", "size"),
    ("released", "tree = ?1", "outcome_key"),
)
"""The tables of a shard's rows, what tells which are its own, and the key of one among them."""
