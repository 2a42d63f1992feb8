"""Whose sales a log records beside those of the network file's merchants, and how many it has of each in this hour."""

from __future__ import annotations

from anonnet.store.database import Database

SCHEMA = """
create table if not exists admitted(merchant blob primary key) without rowid;
create table if not exists quota(
    merchant blob primary key,
    hour integer not null,      -- the last one in which something of his was recorded
    entries integer not null    -- how many then
) without rowid;
"""


class Admissions:
    """Merchants that a log knows."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def admit(self, merchant: bytes) -> None:
        """Record his sales from now on."""
        self._db.run("insert or ignore into admitted values(?)", merchant)

    def admitted(self, merchant: bytes) -> bool:
        return self._db.one("select 1 from admitted where merchant = ?", merchant) is not None

    def count(self, merchant: bytes, hour: int) -> int:
        """Count one more of his in this hour; return how many there are."""
        (entries,) = self._db.one(
            "insert into quota values(?, ?, 1) on conflict do update set"
            " entries = iif(hour = excluded.hour, entries + 1, 1), hour = excluded.hour returning entries",
            *(merchant, hour),
        )
        return int(entries)

    def forget(self, hour: int) -> None:
        """Drop counts of earlier hours."""
        self._db.run("delete from quota where hour < ?", hour)
