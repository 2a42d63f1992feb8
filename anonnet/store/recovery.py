"""A recovery under way: which places of the seed are being asked for, lane by lane.

Rows, like errands: a wallet that stops in the middle goes on after its next start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anonnet.protocol.seed import Lane
from anonnet.store.database import Database

SCHEMA = """
create table if not exists scan(
    brand blob not null,
    lane text not null,
    next integer not null,      -- places below have been asked for
    spread integer not null,    -- seconds over which requests are spread
    found integer not null,     -- how many of them the bank has signed
    ended integer not null,     -- 1: the end of the lane has been reached
    primary key(brand, lane)
) without rowid;
create table if not exists restoring(
    hash blob primary key,      -- of the RESTORE that asks for this place
    brand blob not null,
    lane text not null,
    position integer not null
) without rowid;
create index if not exists restoring_lane on restoring(brand, lane, position);
create table if not exists comparing(brand blob primary key, spread integer not null) without rowid;
create table if not exists forgotten(bank blob primary key) without rowid;
"""

Place = tuple[bytes, Lane, int]
"""Brand, lane, position."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One lane that is being scanned."""

    brand: bytes
    lane: Lane
    next: int
    spread: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the last recovery is."""

    places: int
    answered: int
    found: int
    comparing: int


class Recovery:
    """What a recovering wallet still has to find out."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, brand: bytes, lane: Lane, spread: int) -> None:
        """Scan a lane from its first place on. Where that is under way, only its spread may become smaller."""
        self._db.run(
            "insert into scan values(?, ?, 0, ?, 0, 0) on conflict(brand, lane) do update set"
            " next = iif(ended, 0, next), found = iif(ended, 0, found),"
            " spread = iif(ended, excluded.spread, min(spread, excluded.spread)), ended = 0",
            *(brand, lane.value, spread),
        )

    def scans(self) -> list[Scan]:
        """The lanes that are being scanned."""
        rows = self._db.all("select brand, lane, next, spread from scan where not ended order by brand, lane")
        return [Scan(brand, Lane(lane), start, spread) for brand, lane, start, spread in rows]

    def end_scan(self, scan: Scan) -> None:
        """The end of this lane has been reached; its brand's tokens are to be compared with the used ones."""
        self._db.run("update scan set ended = 1 where brand = ? and lane = ?", scan.brand, scan.lane.value)
        self._db.run("insert or ignore into comparing values(?, ?)", scan.brand, scan.spread)

    def ask(self, hash: bytes, place: Place) -> None:
        """A place is being asked for by the request with this hash."""
        brand, lane, position = place
        self._db.run("insert or ignore into restoring values(?, ?, ?, ?)", hash, brand, lane.value, position)

    def asked_to(self, scan: Scan, end: int) -> None:
        """Places below `end` of this lane have been asked for."""
        self._db.run("update scan set next = ? where brand = ? and lane = ?", end, scan.brand, scan.lane.value)

    def asked(self, hash: bytes) -> Place | None:
        """The place that this request asks for."""
        row = self._db.one("select brand, lane, position from restoring where hash = ?", hash)
        return (row[0], Lane(row[1]), int(row[2])) if row else None

    def found(self, place: Place) -> None:
        """The bank has signed this place."""
        brand, lane, _ = place
        self._db.run("update scan set found = found + 1 where brand = ? and lane = ? and not ended", brand, lane.value)

    def answered(self, hash: bytes) -> None:
        """The bank has said what it knows of this place."""
        self._db.run("delete from restoring where hash = ?", hash)

    def waiting(self, brand: bytes, lane: Lane) -> bool:
        """True while a place of this lane has been asked for and not answered."""
        return self._db.one("select 1 from restoring where brand = ? and lane = ?", brand, lane.value) is not None

    def waits_for(self, place: Place) -> bool:
        """True while this place has been asked for and not answered."""
        brand, lane, position = place
        found = self._db.one(
            "select 1 from restoring where brand = ? and lane = ? and position = ?", brand, lane.value, position
        )
        return found is not None

    def questions(self, brands: Sequence[bytes]) -> list[bytes]:
        """The hashes of the requests for places of these brands that have not been answered."""
        marks = ", ".join("?" * len(brands))
        return [hash for (hash,) in self._db.all(f"select hash from restoring where brand in ({marks})", *brands)]

    def comparing(self) -> list[tuple[bytes, int]]:
        """Brands whose tokens are still to be compared with the used ones, each with its spread in seconds."""
        return self._db.all("select brand, spread from comparing order by brand")

    def compared(self, brand: bytes) -> None:
        """What is used of this brand is known."""
        self._db.run("delete from comparing where brand = ?", brand)

    def drop(self, brand: bytes, brands: Sequence[bytes]) -> None:
        """This brand is over, and nobody looks for tokens of it again. The last one of these, its bank's, that has been
        scanned stays: brands that are learned later are scanned because others were."""
        marks = ", ".join("?" * len(brands))
        self._db.run(
            "delete from scan where brand = ?1 and ended"
            f" and exists (select 1 from scan where brand in ({marks}) and brand != ?1)",
            *(brand, *brands),
        )

    def hurry(self, brand: bytes) -> None:
        """Spread what is still to be asked about this brand over no time."""
        self._db.run("update comparing set spread = 0 where brand = ?", brand)

    def spread(self, brand: bytes, otherwise: int) -> int:
        """Over how many seconds the last recovery of this brand is spread; `otherwise` where there was none."""
        (spread,) = self._db.one("select max(spread) from scan where brand = ?", brand)
        return otherwise if spread is None else int(spread)

    def spreads(self, brands: Sequence[bytes]) -> list[int]:
        """Over how many seconds the last recovery of each lane of these brands is spread; of none without one."""
        marks = ", ".join("?" * len(brands))
        return [spread for (spread,) in self._db.all(f"select spread from scan where brand in ({marks})", *brands)]

    def progress(self, brands: Sequence[bytes]) -> Progress:
        """How far the last recovery of these brands is."""
        marks = ", ".join("?" * len(brands))

        def count(sql: str) -> int:
            (total,) = self._db.one(f"{sql} where brand in ({marks})", *brands)
            return int(total)

        places = count("select coalesce(sum(next), 0) from scan")
        waiting = count("select count(*) from restoring")
        found, comparing = count("select coalesce(sum(found), 0) from scan"), count("select count(*) from comparing")
        return Progress(places, max(places - waiting, 0), found, comparing)

    def under_way(self, brands: Sequence[bytes]) -> bool:
        """True while the wallet does not know yet what it has of these brands."""
        scanning = any(scan.brand in brands for scan in self.scans())
        return scanning or any(brand in brands for brand, _ in self.comparing())

    # A wallet made anew from its words.

    def forget(self, bank: bytes) -> None:
        """This wallet does not know what it has at this bank until it has been recovered."""
        self._db.run("insert or ignore into forgotten values(?)", bank)

    def remember(self, bank: bytes) -> None:
        """A recovery has begun."""
        self._db.run("delete from forgotten where bank = ?", bank)

    def forgotten(self, bank: bytes) -> bool:
        return self._db.one("select 1 from forgotten where bank = ?", bank) is not None
