"""What a log's chain records: brands of its banks, and the ends of its shards.

The chain is never dropped, and anybody may bring a brand again that stands there. So what stands under a checkpoint is
read once, and kept in memory; what the open batch has put behind it, and may still take back, is read anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import CHAIN
from anonnet.protocol.logbook import Entry, EntryKind
from anonnet.store.database import Database
from anonnet.store.heads import Heads
from anonnet.store.places import places
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.wire.codec import decode, decode_record
from anonnet.wire.signed import Signed


@dataclass(slots=True)
class Chained:
    """A few brands for each bank and month, and one end for each week, in the order of their entries."""

    brands: dict[bytes, tuple[Brand, Signed]] = field(default_factory=dict)
    """As their banks have signed them, by the bytes that are signed."""
    ends: dict[int, bytes] = field(default_factory=dict)
    """The last checkpoint of each anchored shard."""

    def take(self, body: bytes) -> None:
        """One further entry."""
        entry = decode_record(Entry, body)
        if entry.kind == EntryKind.BRAND:
            signed = decode_record(Signed, entry.body)
            brand = decode(signed.body)
            assert isinstance(brand, Brand), "an entry of this kind holds nothing else"
            self.brands[signed.body] = brand, signed
        elif entry.kind == EntryKind.ANCHOR:
            self.ends[shard_in(SignedCheckpoint.parse(entry.body).body.origin)] = entry.body


class Chain:
    """Reads the chain of one log."""

    def __init__(self, db: Database, heads: Heads) -> None:
        self._db = db
        self._heads = heads
        self.forget()

    def forget(self) -> None:
        """Keep nothing in memory: what was read may have been taken back."""
        self._kept, self._size = Chained(), 0

    def read(self) -> Chained:
        """All that stands there."""
        size = self._heads.size(CHAIN)
        for body in self._bodies(self._size, size):
            self._kept.take(body)
        self._size = size
        behind = self._bodies(size)
        if not behind:
            return self._kept
        whole = Chained(dict(self._kept.brands), dict(self._kept.ends))
        for body in behind:
            whole.take(body)
        return whole

    def _bodies(self, start: int, *end: int) -> list[bytes]:
        """Its entries from `start` on, to before the end."""
        sql = "select body from entry where place >= ? and place < ? order by place"
        return [body for (body,) in self._db.all(sql, *places(CHAIN, start, *end))]


def shard_in(origin: str) -> int:
    """The number in an origin of a log of ours."""
    name = origin.rpartition("/")[2]
    return CHAIN if name == "chain" else int(name)
