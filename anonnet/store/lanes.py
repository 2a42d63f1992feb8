"""How far a wallet's lanes have been used: the indices that are taken, and how far the bank has signed.

A wallet that has only its seed left finds a lane's tokens again until RESTORE_GAP places in a row are unknown to the
bank. So no more than that may be taken ahead of the last place that the bank has signed.
"""

from __future__ import annotations

from anonnet.protocol.seed import Lane
from anonnet.store.database import Database
from anonnet.times import RESTORE_GAP

SCHEMA = """
create table if not exists lane(
    brand blob not null,
    lane text not null,
    next integer not null,      -- advanced before anything made from an index is sent
    signed integer not null,    -- the bank has signed no place from here on, as far as is known
    primary key(brand, lane)
) without rowid;
"""


class Lanes:
    """The lanes of one wallet."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def next_place(self, brand: bytes, lane: Lane) -> int:
        """The next index of a lane that has not been taken."""
        return self._row(brand, lane)[0]

    def room(self, brand: bytes, lane: Lane) -> int:
        """How many new indices may be taken so that a recovery would still find them."""
        start, signed = self._row(brand, lane)
        return max(0, signed + RESTORE_GAP - start)

    def take(self, brand: bytes, lane: Lane, count: int) -> range:
        """Take the next `count` indices, for ever."""
        start = self.next_place(brand, lane)
        self._reach(brand, lane, start + count, 0)
        return range(start, start + count)

    def signed(self, brand: bytes, lane: Lane, position: int) -> None:
        """The bank has signed the token at this index."""
        self._reach(brand, lane, position + 1, position + 1)

    def _row(self, brand: bytes, lane: Lane) -> tuple[int, int]:
        row = self._db.one("select next, signed from lane where brand = ? and lane = ?", brand, lane.value)
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def _reach(self, brand: bytes, lane: Lane, next: int, signed: int) -> None:
        self._db.run(
            "insert into lane values(?, ?, ?, ?) on conflict(brand, lane) do update set"
            " next = max(next, excluded.next), signed = max(signed, excluded.signed)",
            *(brand, lane.value, next, signed),
        )
