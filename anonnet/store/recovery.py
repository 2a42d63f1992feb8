"""A recovery under way: which places of the seed are being asked for, lane by lane.

Rows, like errands: a wallet that stops in the middle goes on after its next start.
"""

from __future__ import annotations

from dataclasses import dataclass

from anonnet.protocol.seed import Lane
from anonnet.store.database import Database

SCHEMA = """
create table if not exists scan(
    brand blob not null,
    lane text not null,
    next integer not null,      -- places below have been asked for
    spread integer not null,    -- seconds over which requests are spread
    primary key(brand, lane)
) without rowid;
create table if not exists restoring(
    hash blob primary key,      -- of the RESTORE that asks for this place
    brand blob not null,
    lane text not null,
    position integer not null
) without rowid;
create index if not exists restoring_lane on restoring(brand, lane);
create table if not exists comparing(brand blob primary key, spread integer not null) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Scan:
    """One lane that is being scanned."""

    brand: bytes
    lane: Lane
    next: int
    spread: int


class Recovery:
    """What a recovering wallet still has to find out."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, brand: bytes, lane: Lane, spread: int) -> None:
        """Scan a lane from its first place on, unless it is being scanned."""
        self._db.run("insert or ignore into scan values(?, ?, 0, ?)", brand, lane.value, spread)

    def scans(self) -> list[Scan]:
        """The lanes that are being scanned."""
        rows = self._db.all("select brand, lane, next, spread from scan order by brand, lane")
        return [Scan(brand, Lane(lane), start, spread) for brand, lane, start, spread in rows]

    def end_scan(self, scan: Scan) -> None:
        """The end of this lane has been reached; its brand's tokens are to be compared with the used ones."""
        self._db.run("delete from scan where brand = ? and lane = ?", scan.brand, scan.lane.value)
        self._db.run("insert or ignore into comparing values(?, ?)", scan.brand, scan.spread)

    def ask(self, hash: bytes, scan: Scan, position: int) -> None:
        """A place is being asked for by the request with this hash."""
        self._db.run("insert or ignore into restoring values(?, ?, ?, ?)", hash, scan.brand, scan.lane.value, position)
        self._db.run(
            "update scan set next = max(next, ?) where brand = ? and lane = ?",
            position + 1,
            scan.brand,
            scan.lane.value,
        )

    def asked(self, hash: bytes) -> tuple[bytes, Lane, int] | None:
        """The place that this request asks for: brand, lane, position."""
        row = self._db.one("select brand, lane, position from restoring where hash = ?", hash)
        return (row[0], Lane(row[1]), int(row[2])) if row else None

    def answered(self, hash: bytes) -> None:
        """The bank has said what it knows of this place."""
        self._db.run("delete from restoring where hash = ?", hash)

    def waiting(self, scan: Scan) -> bool:
        """True while a place of this lane has been asked for and not answered."""
        return (
            self._db.one("select 1 from restoring where brand = ? and lane = ?", scan.brand, scan.lane.value)
            is not None
        )

    def comparing(self) -> list[tuple[bytes, int]]:
        """Brands whose tokens are still to be compared with the used ones, each with its spread in seconds."""
        return self._db.all("select brand, spread from comparing order by brand")

    def compared(self, brand: bytes) -> None:
        """What is used of this brand is known."""
        self._db.run("delete from comparing where brand = ?", brand)

    @property
    def under_way(self) -> bool:
        """True while the wallet does not know yet what it has."""
        return bool(self._db.one("select 1 from scan") or self._db.one("select 1 from comparing"))
