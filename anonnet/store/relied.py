"""The checkpoints of logs that a bank or a merchant has relied on, and shows to mirrors: of each shard the newest."""

from __future__ import annotations

from anonnet.protocol.known_log import CHAIN, shard_of
from anonnet.store.database import Database
from anonnet.times import RETENTION_SECONDS

SCHEMA = """
create table if not exists relied(
    log blob not null,
    shard integer not null,
    place integer not null,     -- 0, 1, 2, ... in the order of their coming
    size integer not null,
    note blob not null,         -- with the log's signature alone
    primary key(log, shard, place),
    unique(log, shard, size)
) without rowid;
"""


def about(log: bytes, shard: int) -> bytes:
    """What errands to mirrors about a shard's checkpoints are about."""
    return b"relied on %d of " % shard + log


class Relied:
    """The checkpoints in one database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of_size(self, log: bytes, shard: int, size: int) -> bytes | None:
        """The checkpoint of this size that is kept."""
        kept = self._db.one("select note from relied where (log, shard, size) = (?, ?, ?)", log, shard, size)
        return bytes(kept[0]) if kept else None

    def count(self, log: bytes, shard: int) -> int:
        """How many of this shard are kept."""
        return int(self._db.one("select count(*) from relied where (log, shard) = (?, ?)", log, shard)[0])

    def keep(self, log: bytes, shard: int, size: int, note: bytes, *, most: int) -> None:
        """Keep a checkpoint of another size than those that are kept, and the `most` - 1 that came before it."""
        newest = "select coalesce(max(place), -1) from relied where (log, shard) = (?, ?)"
        place = self._db.one(newest, log, shard)[0] + 1
        self._db.run("insert into relied values(?, ?, ?, ?, ?)", log, shard, place, size, note)
        self._db.run("delete from relied where (log, shard) = (?, ?) and place <= ?", log, shard, place - most)

    def since(self, log: bytes, shard: int, note: bytes, *, most: int) -> list[bytes]:
        """Those that came after this one, the oldest first; all where it is not kept any more."""
        rows = self._db.all(
            "select note from relied where (log, shard) = (?1, ?2) and place > coalesce("
            "(select place from relied where (log, shard) = (?1, ?2) and note = ?3), -1) order by place limit ?4",
            *(log, shard, note, most),
        )
        return [each for (each,) in rows]

    def forget(self, now: int) -> None:
        """Drop what mirrors have forgotten, too, and the errands about it."""
        oldest = shard_of(max(0, now - RETENTION_SECONDS))
        old = self._db.all("select distinct log, shard from relied where shard > ? and shard < ?", CHAIN, oldest)
        for log, shard in old:
            self._db.run("delete from relied where (log, shard) = (?, ?)", log, shard)
            self._db.run("delete from errand where subject = ?", about(log, shard))
