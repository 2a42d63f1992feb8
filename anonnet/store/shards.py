"""What a log and its mirrors keep of a shard alike: entries to hand out, and checkpoints with what is put under them.

Their tables `entry` and `checkpoint` differ in what they hold besides.
"""

from __future__ import annotations

from dataclasses import dataclass

from anonnet.limits import ENTRIES_MAX, FOLLOW_BYTES_MAX
from anonnet.protocol.logbook import Recorded
from anonnet.store.database import Database
from anonnet.store.places import number_of, place, places

SCHEMA = """
create table if not exists cosignature(
    place integer not null,         -- of the checkpoint
    mirror blob not null,
    line text not null,             -- as it stands in the note
    primary key(place, mirror)
) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A checkpoint with the cosignatures that are known of it: mirror -> line."""

    size: int
    note: bytes
    """With the log's signature alone."""
    cosignatures: dict[bytes, str]

    @property
    def cosigned(self) -> bytes:
        """The note with all its cosignatures."""
        return self.note + "".join(line for _, line in sorted(self.cosignatures.items())).encode()

    def fitting(self, most: int) -> bytes:
        """The note with so many of its cosignatures as fit into `most` bytes: a quorum of any policy does."""
        note = self.note
        for _, line in sorted(self.cosignatures.items()):
            if len(note) + len(line.encode()) <= most:
                note += line.encode()
        return note


class Shards:
    """The shards of one database, each under a number."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def entries(self, shard: int, start: int, size: int) -> tuple[Recorded, ...]:
        """Entries with start <= index < size, as many as one answer holds."""
        rows = self._db.all(
            "select body, signature from entry where place >= ? and place < ? order by place limit ?",
            *(*places(shard, start, size), ENTRIES_MAX),
        )
        room, fitting = FOLLOW_BYTES_MAX, []
        for body, signature in rows:
            room -= len(body)
            if room < 0:
                break
            fitting.append(Recorded(entry=body, signature=signature))
        return tuple(fitting)

    def mark(self, shard: int, size: int) -> Mark | None:
        """The checkpoint of this size."""
        row = self._db.one("select note from checkpoint where place = ?", place(shard, size))
        if row is None:
            return None
        lines = self._db.all("select mirror, line from cosignature where place = ?", place(shard, size))
        return Mark(size, row[0], dict(lines))

    def certifying(self, shard: int, index: int) -> Mark | None:
        """The smallest checkpoint with a quorum that covers the entry at this index."""
        row = self._db.one(
            "select place from checkpoint where met = 1 and place >= ? and place < ? order by place limit 1",
            *places(shard, index + 1),
        )
        return self.mark(shard, number_of(row[0])) if row else None

    def certified(self, shard: int, beyond: int) -> Mark | None:
        """The newest checkpoint with a quorum, if it has more than so many entries."""
        row = self._db.one(
            "select place from checkpoint where met = 1 and place >= ? and place < ? order by place desc limit 1",
            *places(shard, beyond + 1),
        )
        return self.mark(shard, number_of(row[0])) if row else None

    def keep_cosignature(self, shard: int, size: int, mirror: bytes, line: str) -> bool:
        """A cosignature that holds; of each mirror the first that came. True if this was it."""
        return self._db.run("insert or ignore into cosignature values(?, ?, ?)", place(shard, size), mirror, line) == 1

    def call_met(self, shard: int, size: int) -> None:
        """A quorum has cosigned this checkpoint."""
        self._db.run("update checkpoint set met = 1 where place = ?", place(shard, size))
