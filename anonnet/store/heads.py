"""A log's heads: for each shard the tree, every checkpoint that counts still, and what mirrors have put under it.

A head is made in the transaction that adds its entries, once for all of a batch, and at each step of its shard: between
two checkpoints that stay there are never more entries than one answer holds, or nobody could follow any further. Those
between two that everyone is handed (CHECKPOINT_STEP) go when they are ENTRIES_MAX entries old, unless a quorum has
cosigned them, or they are the chain's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from anonnet.limits import CHAIN_STEP, CHECKPOINT_STEP, CHECKPOINTS_MAX, ENTRIES_MAX
from anonnet.protocol.known_log import CHAIN
from anonnet.store import shards, trees
from anonnet.store.database import Database
from anonnet.store.places import PLACED, number_of, place, places
from anonnet.store.shards import Mark, Shards
from anonnet.store.trees import Trees
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import Frontier, leaf_hash

SCHEMA = (
    trees.SCHEMA
    + shards.SCHEMA
    + """
create table if not exists head(
    shard integer primary key,      -- also the number of its tree
    size integer not null,
    root blob not null,
    note blob not null              -- the checkpoint, with the log's signature alone
);
create table if not exists checkpoint(
    place integer primary key,      -- of a shard and a size
    note blob not null,             -- with the log's signature alone
    everyones integer not null,     -- it is the first to cover a multiple of CHECKPOINT_STEP
    met integer not null            -- a quorum has cosigned it
);
create index if not exists checkpoint_met on checkpoint(place) where met = 1;
create table if not exists final(
    shard integer primary key,      -- its entries are gone
    note blob not null              -- its last checkpoint, with all cosignatures
);
"""
)

Seal = Callable[[int, int, bytes], bytes]
"""Signs the checkpoint of a shard with so many leaves and this root; the same bytes whenever it is done again."""


def step_of(shard: int) -> int:
    """At each multiple of so many entries a checkpoint of this shard ends."""
    return CHAIN_STEP if shard == CHAIN else CHECKPOINT_STEP


@dataclass(frozen=True, slots=True)
class Head:
    """The newest checkpoint of a shard, and the note of the one before it, if any."""

    shard: int
    size: int
    root: bytes
    note: bytes
    before: bytes | None = None

    @property
    def origin(self) -> str:
        return SignedCheckpoint.parse(self.note).body.origin


class Heads(Shards):
    """The heads of one log."""

    def __init__(self, db: Database, seal: Seal) -> None:
        super().__init__(db)
        self._seal = seal
        self.trees = Trees(db)

    def head(self, shard: int) -> Head | None:
        """The newest checkpoint of a shard that is not dropped."""
        row = self._db.one("select shard, size, root, note from head where shard = ?", shard)
        return Head(*row) if row else None

    def all(self) -> list[Head]:
        """Those of all shards that are not dropped, in ascending order."""
        return [Head(*row) for row in self._db.all("select shard, size, root, note from head order by shard")]

    def size(self, shard: int) -> int:
        """How many entries of a shard stand under a checkpoint."""
        row = self._db.one("select size from head where shard = ?", shard)
        return int(row[0]) if row else 0

    def sealed(self, shard: int, size: int, root: bytes) -> bytes:
        """The checkpoint with the log's signature."""
        return self._seal(shard, size, root)

    def grow(self, shard: int, leaves: Sequence[bytes]) -> Head:
        """Put leaf hashes behind those of a shard, and sign the head that they lead to, and one at each step before."""
        before, step = self.head(shard), step_of(shard)
        frontier = self.trees.frontier(shard, before.size if before else 0)
        ends = [*range(step - frontier.size % step, len(leaves), step), len(leaves)]
        heads = [self._grown(shard, frontier, leaves[start:end]) for start, end in pairwise([0, *ends])]
        return replace(heads[-1], before=before.note if before else None)

    def _grown(self, shard: int, frontier: Frontier, leaves: Sequence[bytes]) -> Head:
        """Write these leaf hashes behind what the frontier has grown to, and a checkpoint behind them."""
        old = frontier.size
        self.trees.append(shard, old, map(frontier.append, leaves))
        size, root = frontier.size, frontier.root()
        note = self._seal(shard, size, root)
        self._db.run(
            "insert into head values(?, ?, ?, ?) on conflict do update set"
            " size = excluded.size, root = excluded.root, note = excluded.note",
            *(shard, size, root, note),
        )
        everyones = old // CHECKPOINT_STEP < size // CHECKPOINT_STEP
        self._db.run("insert into checkpoint values(?, ?, ?, 0)", place(shard, size), note, int(everyones))
        if shard != CHAIN:
            self._drop(shard, max(0, old - ENTRIES_MAX + 1), max(0, size - ENTRIES_MAX + 1))
        return Head(shard, size, root, note)

    def _drop(self, shard: int, start: int, end: int) -> None:
        """Drop checkpoints with start <= size < end that nobody will cosign any more, with what is put under them."""
        old = "place >= ?1 and place < ?2 and not everyones and not met"
        between = places(shard, start, end)
        self._db.run(f"delete from cosignature where place in (select place from checkpoint where {old})", *between)
        self._db.run(f"delete from checkpoint where {old}", *between)

    def mend(self) -> None:
        """Put right what logs of before have left behind."""
        self._db.run("delete from cosignature where place not in (select place from checkpoint)")
        self._fill_gaps()

    def _fill_gaps(self) -> None:
        """Sign the checkpoints that are missing at a step where one answer does not lead from one that is there to the
        next: before, a batch ended one in each bundle of ENTRIES_MAX entries alone."""
        gaps = [(head.shard, *gap) for head in self.all() for gap in self._gaps(head.shard)]
        if gaps:
            self._db.begin()
            for gap in gaps:
                self._fill(*gap)
            self._db.commit()

    def _gaps(self, shard: int) -> list[tuple[int, int]]:
        """The sizes of two checkpoints, one after the other, with more entries between than one answer holds."""
        rows = self._db.all(
            "select before, place from (select place, lag(place, 1, ?2) over (order by place) as before from checkpoint"
            f" where {PLACED}) where place - before > ?3",
            *(shard, place(shard), step_of(shard)),
        )
        wide = [(number_of(before), number_of(at)) for before, at in rows]
        return [(start, end) for start, end in wide if len(self.entries(shard, start, end)) < end - start]

    def _fill(self, shard: int, start: int, end: int) -> None:
        """By the entries, and only where they lead to the checkpoint that was signed: a damaged tree is not signed."""
        frontier, between = self.trees.frontier(shard, start), list[tuple[int, bytes]]()
        rows = self._db.all(
            "select body from entry where place >= ? and place < ? order by place", *places(shard, start, end)
        )
        for (body,) in rows:
            frontier.append(leaf_hash(body))
            if frontier.size % step_of(shard) == 0:
                between.append((frontier.size, frontier.root()))
        signed = self.mark(shard, end)
        if signed and SignedCheckpoint.parse(signed.note).body.root == frontier.root():
            for size, root in between:
                note = self._seal(shard, size, root)
                self._db.run("insert or ignore into checkpoint values(?, ?, 1, 0)", place(shard, size), note)

    # Checkpoints.

    def marks(self, shard: int, start: int, end: int) -> list[Mark]:
        """Some of the checkpoints with start <= size <= end, none older than ENTRIES_MAX entries before the end.

        At most CHECKPOINTS_MAX: the newest, in the chain the newest that a quorum has cosigned, since no other leads a
        wallet on, those that everyone is handed, and then the others.
        """
        end, among = min(end, self.size(shard)), "from checkpoint where place >= ?1 and place < ?2"
        rows = self._db.all(
            f"select place {among} order by place = (select max(place) {among}) desc,"
            f" place = (select max(place) {among} and met = 1 and ?4) desc, everyones desc, place desc limit ?3",
            *(*places(shard, max(start, end - ENTRIES_MAX), end + 1), CHECKPOINTS_MAX, shard == CHAIN),
        )
        marks = (self.mark(shard, number_of(at)) for (at,) in sorted(rows))
        return [mark for mark in marks if mark]

    # The end of a shard.

    def end(self, shard: int) -> None:
        """From now on nothing is kept of this shard but its last checkpoint."""
        head = self.head(shard)
        assert head is not None, "a shard without entries has no end"
        last = self.mark(shard, head.size)
        assert last is not None, "the newest checkpoint is never dropped"
        self.keep_final(shard, last.cosigned)
        self._db.run("delete from head where shard = ?", shard)

    def keep_final(self, shard: int, note: bytes) -> None:
        """This was the last checkpoint of a shard whose entries are gone."""
        self._db.run("insert into final values(?, ?)", shard, note)

    def final(self, shard: int) -> bytes | None:
        """The last checkpoint of a shard whose entries are gone."""
        row = self._db.one("select note from final where shard = ?", shard)
        return bytes(row[0]) if row else None
