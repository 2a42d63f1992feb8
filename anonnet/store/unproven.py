"""Entries of a wallet's own sales that a log has shown, and that no certificate proves yet.

Mirrors are asked for proofs of whole bundles of entries. With what stands here the wallet finds its own among them.
"""

from __future__ import annotations

from dataclasses import dataclass

from anonnet.store.database import Database

SCHEMA = """
create table if not exists unproven(
    purchase blob primary key,
    log blob not null,
    shard integer not null,
    bundle integer not null,    -- where its bundle begins
    position integer not null,  -- its index in the shard
    entry blob not null         -- with the key, as the log has shown it
) without rowid;
create index if not exists unproven_bundle on unproven(log, shard, bundle);
"""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle of a log's entries: which shard's, and where it begins."""

    log: bytes
    shard: int
    start: int


@dataclass(frozen=True, slots=True)
class Unproven:
    """The entry of one purchase."""

    purchase: bytes
    index: int
    entry: bytes


class UnprovenEntries:
    """Those of one wallet."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def keep(self, bundle: Bundle, found: Unproven) -> None:
        """What the log shows last of a purchase is what counts."""
        self._db.run(
            "insert or replace into unproven values(?, ?, ?, ?, ?, ?)",
            *(found.purchase, bundle.log, bundle.shard, bundle.start, found.index, found.entry),
        )

    def among(self, bundle: Bundle) -> list[Unproven]:
        """Those that stand in this bundle, in order."""
        rows = self._db.all(
            "select purchase, position, entry from unproven where log = ? and shard = ? and bundle = ?"
            " order by position",
            *(bundle.log, bundle.shard, bundle.start),
        )
        return [Unproven(*row) for row in rows]

    def drop(self, purchase: bytes) -> Bundle | None:
        """The purchase is over, or its certificate is here; return where its entry stood, if it was waited for."""
        row = self._db.one("select log, shard, bundle from unproven where purchase = ?", purchase)
        self._db.run("delete from unproven where purchase = ?", purchase)
        return Bundle(*row) if row else None
