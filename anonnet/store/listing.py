"""The brands that logs have published, as a wallet has read them: from chains, each verified up to a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable

from anonnet.protocol.brand import Brand, BrandOffer
from anonnet.store.database import Database
from anonnet.store.tokens import EXCHANGED, SPENT, VOID
from anonnet.times import BRAND_MARGIN_SECONDS
from anonnet.tlog.merkle import HASH_BYTES, Frontier
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.signed import Signed, said_in

SCHEMA = """
create table if not exists chain(
    log blob primary key,
    size integer not null,      -- entries of its chain that have been read, and lead to a checkpoint
    subtrees blob not null      -- the right edge of the tree over them: what comes next must extend it
) without rowid;
create table if not exists listed(
    brand blob not null,
    log blob not null,          -- in whose chain it stands
    signed blob not null,
    in_time integer not null,   -- 1: long enough before it opens
    ends integer not null,
    primary key(brand, log)
) without rowid;
create table if not exists accepted(
    brand blob primary key,
    offer blob not null,        -- with its key proof, which holds
    ends integer not null
) without rowid;
create table if not exists rival(
    first blob not null,        -- two brands, as their bank signed them, that are open at the same time
    second blob not null,
    primary key(first, second)
) without rowid;
"""


class Listing:
    """What has been read of chains, and the brands that are accepted because of it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def frontier(self, log: bytes) -> Frontier:
        """The right edge of a log's chain as far as it has been read."""
        row = self._db.one("select size, subtrees from chain where log = ?", log)
        if row is None:
            return Frontier()
        size, subtrees = row
        return Frontier(size, [subtrees[at : at + HASH_BYTES] for at in range(0, len(subtrees), HASH_BYTES)])

    def read_to(self, log: bytes, frontier: Frontier) -> None:
        """All entries up to there have been taken in."""
        self._db.run(
            "insert into chain values(?, ?, ?) on conflict do update set"
            " size = excluded.size, subtrees = excluded.subtrees",
            *(log, frontier.size, b"".join(frontier.subtrees)),
        )

    def add(self, log: bytes, brand: Brand, signed: Signed, in_time: bool) -> None:
        """A brand stands in this log's chain."""
        row = brand.id, log, encode(signed), int(in_time), brand.ends
        self._db.run("insert or ignore into listed values(?, ?, ?, ?, ?)", *row)

    def stands_in_time(self, brand: bytes, logs: Iterable[bytes]) -> bool:
        """True if it stands long enough in the chain of each of these logs."""
        found = self._db.all("select log from listed where brand = ? and in_time", brand)
        return set(logs) <= {log for (log,) in found}

    def listed(self) -> list[Signed]:
        """Every brand that stands somewhere."""
        rows = self._db.all("select distinct signed from listed order by signed")
        return [decode_record(Signed, signed) for (signed,) in rows]

    def accept(self, brand: Brand, offer: BrandOffer) -> bool:
        """Its tokens are accepted from now on; false if they were before."""
        row = brand.id, encode(offer), brand.ends
        return self._db.run("insert or ignore into accepted values(?, ?, ?)", *row) == 1

    def accepted(self) -> list[BrandOffer]:
        """The accepted ones; none in the file of a wallet that has not run since there are any."""
        if not self._db.one("select 1 from sqlite_master where name = 'accepted'"):
            return []
        rows = self._db.all("select offer from accepted order by ends, brand")
        return [decode_record(BrandOffer, offer) for (offer,) in rows]

    def contest(self, first: Signed, second: Signed) -> None:
        """Their bank could tell by them whom it gave which."""
        one, other = sorted([encode(first), encode(second)])
        self._db.run("insert or ignore into rival values(?, ?)", one, other)

    def rivals(self) -> list[tuple[Signed, Signed]]:
        """Pairs of brands that convict their bank."""
        if not self._db.one("select 1 from sqlite_master where name = 'rival'"):
            return []
        rows = self._db.all("select first, second from rival order by first, second")
        return [(decode_record(Signed, first), decode_record(Signed, second)) for first, second in rows]

    def forget(self, now: int) -> None:
        """Drop brands that are over; an accepted one only where nothing of it is free or under way."""
        over = now - BRAND_MARGIN_SECONDS
        self._db.run("delete from listed where ends < ?", over)
        self._db.run(
            "delete from accepted where ends < ?1 and brand not in"
            " (select brand from token where state not in (?2, ?3, ?4))",
            *(over, EXCHANGED, SPENT, VOID),
        )


def brand_of(signed: Signed) -> Brand:
    """The brand that was signed."""
    return said_in(signed, Brand)
