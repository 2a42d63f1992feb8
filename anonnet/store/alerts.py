"""Alerts: what convicts logs, as somebody brought it, or as this party has found it. Kept for ever."""

from __future__ import annotations

from anonnet.limits import ALERTS_MAX
from anonnet.store.database import Database

SCHEMA = """
create table if not exists alert(
    log blob not null,
    shard integer not null,
    evidence blob not null,
    time integer not null,      -- when it came
    proven integer not null,    -- 1: it convicts the log before everybody; 0: it is what this party itself has seen
    primary key(log, shard)
) without rowid;
"""


class Alerts:
    """The alerts in one database: of each shard the first that is proven, since one convicts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def keep(self, log: bytes, shard: int, evidence: bytes, now: int) -> bool:
        """Keep what convicts; false where there is such for this shard, or for ALERTS_MAX shards of the log."""
        written = self._db.run(
            "insert into alert select ?1, ?2, ?3, ?4, 1"
            " where (select count(*) from alert where log = ?1 and proven) < ?5"
            " on conflict do update set evidence = excluded.evidence, time = excluded.time, proven = 1"
            " where not proven",
            *(log, shard, evidence, now, ALERTS_MAX),
        )
        return written == 1

    def note(self, log: bytes, shard: int, evidence: bytes, now: int) -> None:
        """Keep what this party has seen itself and cannot prove to others."""
        self._db.run("insert or ignore into alert values(?, ?, ?, ?, 0)", log, shard, evidence, now)

    def against(self, log: bytes) -> tuple[int, bytes] | None:
        """(shard, evidence) of the first that convicts this log, or None."""
        found: tuple[int, bytes] | None = self._db.one(
            "select shard, evidence from alert where log = ? and proven order by time, shard", log
        )
        return found

    def proven(self, start: int, *, most: int) -> list[tuple[bytes, int, bytes]]:
        """(log, shard, evidence) of those that convict, the oldest first, from this one on; none as below."""
        if self._is_missing:
            return []
        return self._db.all(
            "select log, shard, evidence from alert where proven order by time, log, shard limit ? offset ?",
            *(most, start),
        )

    @property
    def _is_missing(self) -> bool:
        return not self._db.one("select 1 from sqlite_master where name = 'alert'")

    def all(self) -> list[tuple[bytes, int, bytes]]:
        """(log, shard, evidence) of all, the oldest first; none in a file that is older than this table."""
        if self._is_missing:
            return []
        return self._db.all("select log, shard, evidence from alert order by time, log, shard")
