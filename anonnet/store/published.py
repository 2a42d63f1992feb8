"""What a log or a mirror publishes, read beside its daemon: checkpoints, hashes of the trees, entries.

Read-only connections of their own, so that no reader waits for a turn and no turn for a reader. Of a log only that
counts as published which its lock has moved to: what it has not answered for yet is shown to nobody. A method returns
None for what is not there, or not any more; all but the list of shards read a bounded number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from anonnet.protocol.known_log import CHAIN, KnownLog
from anonnet.protocol.logbook import Entry, EntryKind
from anonnet.store import lock, log, mirror
from anonnet.store.database import Database
from anonnet.store.places import BITS, PLACED, number_of, place, places
from anonnet.store.trees import node_number
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import inclusion_path
from anonnet.tlog.tiles import TILE_BITS, TILE_WIDTH, Bundle, Tile
from anonnet.wire.codec import decode_record


@dataclass(frozen=True, slots=True)
class Shown:
    """A shard as it is published now. `note` is its newest checkpoint with all cosignatures known here."""

    log: bytes
    shard: int
    note: bytes
    size: int
    """How many entries the checkpoint covers."""
    tree: int
    """What names its rows."""
    certified: int = 0
    """How many entries the newest checkpoint covers that a quorum has cosigned; 0 where the log decides alone."""
    frozen: bool = False
    """There is evidence here that the log has forked this shard or broken a rule in it."""


class Shelf(Protocol):
    """What the web shows, of a log or of a mirror."""

    def shards(self) -> list[Shown]:
        """All that are published, the newest first."""

    def shard(self, log: bytes, shard: int) -> Shown | None: ...

    def tile(self, shown: Shown, tile: Tile) -> bytes | None:
        """Hashes, one after the other."""

    def entries(self, shown: Shown, bundle: Bundle) -> list[bytes] | None: ...

    def inclusion(self, shown: Shown, index: int) -> list[bytes] | None:
        """The path from the entry at this index to the root of the checkpoint."""

    def close(self) -> None: ...


class _Gone(Exception):
    """A node is not kept any more."""


class _Rows:
    """Nodes, entries and checkpoints of one database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def tile(self, shown: Shown, tile: Tile) -> bytes | None:
        if not tile.within(shown.size):
            return None
        start, level = tile.index * TILE_WIDTH, TILE_BITS * tile.level
        try:
            return b"".join(self._node(shown, level, position) for position in range(start, start + tile.width))
        except _Gone:
            return None

    def entries(self, shown: Shown, bundle: Bundle) -> list[bytes] | None:
        end = bundle.start + bundle.width
        if end > shown.size:
            return None
        rows = self._db.all(
            "select body from entry where place >= ? and place < ? order by place",
            *places(shown.tree, bundle.start, end),
        )
        return [body for (body,) in rows] if len(rows) == bundle.width else None

    def inclusion(self, shown: Shown, index: int) -> list[bytes] | None:
        if index >= shown.size:
            return None
        try:
            return inclusion_path(lambda level, position: self._node(shown, level, position), index, shown.size)
        except _Gone:
            return None

    def _node(self, shown: Shown, level: int, position: int) -> bytes:
        row = self._db.one("select hash from node where place = ?", place(shown.tree, node_number(level, position)))
        if row is None:
            raise _Gone
        return bytes(row[0])

    def cosigned(self, tree: int, size: int, note: bytes) -> bytes:
        """The note of a checkpoint with all cosignatures that are known of it."""
        lines = self._db.all("select line from cosignature where place = ? order by mirror", place(tree, size))
        return note + "".join(line for (line,) in lines).encode()

    def certified(self, tree: int) -> int:
        """How many entries the newest checkpoint covers that a quorum has cosigned; 0 where there is none."""
        (met,) = self._db.one(f"select max(place) from checkpoint where {PLACED} and met = 1", tree)
        return number_of(met) if met else 0


def _size(note: bytes) -> int:
    return SignedCheckpoint.parse(note).body.size


class LogShelf:
    """What a log publishes."""

    def __init__(self, path: Path | str, known: KnownLog, within: Path | None = None) -> None:
        """Open `path` and the lock beside it, which the log's daemon has made; `within`: the file of another party that
        a merged log's rows stand in, while its lock stands where it would be. Raises BadStart."""
        self._db = Database(within or path, version=log.VERSION, read_only=True)
        self._lock = Database(lock.beside(str(path)), version=lock.VERSION, read_only=True)
        self._known = known
        self._rows = rows = _Rows(self._db)
        self.tile, self.entries, self.inclusion = rows.tile, rows.entries, rows.inclusion

    def shards(self) -> list[Shown]:
        rows = self._db.all("select shard from head union select shard from final order by shard desc")
        found = (self.shard(self._known.identity, shard) for (shard,) in rows)
        return [shown for shown in found if shown]

    def shard(self, log: bytes, shard: int) -> Shown | None:
        if log != self._known.identity:
            return None
        row = self._lock.one("select note from lock where origin = ?", self._known.origin(shard))
        if row is None:
            return None
        note, size = row[0], _size(row[0])
        final = self._db.one("select note from final where shard = ?", shard)
        if final:
            return Shown(log, shard, final[0], _size(final[0]), shard)
        cosigned, certified = self._rows.cosigned(shard, size, note), self._rows.certified(shard)
        return Shown(log, shard, cosigned, size, shard, certified)

    def outcomes(self) -> list[tuple[bytes, int, int]]:
        """(outcome key, shard, position) of all commits that are kept."""
        rows = self._db.all("select outcome_key, shard, position from outcome order by shard, position")
        return [(key, shard, position) for key, shard, position in rows]

    def anchors(self) -> list[tuple[int, bytes]]:
        """(position, entry) of the chain's anchors."""
        rows = self._db.all(f"select place, body from entry where {PLACED} order by place", CHAIN)
        return [(number_of(at), body) for at, body in rows if decode_record(Entry, body).kind == EntryKind.ANCHOR]

    def entry(self, shard: int, position: int) -> bytes | None:
        row = self._db.one("select body from entry where place = ?", place(shard, position))
        return bytes(row[0]) if row else None

    def close(self) -> None:
        self._lock.close()
        self._db.close()


class MirrorShelf:
    """What a mirror publishes of the logs that it follows: what it has verified."""

    def __init__(self, path: Path | str) -> None:
        """Open `path`, which the mirror's daemon has made. Raises BadStart."""
        self._db = Database(path, version=mirror.VERSION, read_only=True)
        self._rows = rows = _Rows(self._db)
        self.tile, self.entries, self.inclusion = rows.tile, rows.entries, rows.inclusion

    def shards(self) -> list[Shown]:
        rows = self._db.all("select log, shard from copy where size > 0 and state = 'kept' order by log, shard desc")
        found = (self.shard(*row) for row in rows)
        return [shown for shown in found if shown]

    def shard(self, log: bytes, shard: int) -> Shown | None:
        row = self._db.one(
            "select tree, place, note, frozen from copy"
            f" join checkpoint on place >= tree << {BITS} and place < tree + 1 << {BITS}"
            " where log = ? and shard = ? and state = 'kept' order by place desc limit 1",
            *(log, shard),
        )
        if row is None:
            return None
        tree, at, note, frozen = row
        cosigned, certified = self._rows.cosigned(tree, number_of(at), note), self._rows.certified(tree)
        return Shown(log, shard, cosigned, number_of(at), tree, certified, bool(frozen))

    def close(self) -> None:
        self._db.close()
