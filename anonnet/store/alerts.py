"""Alerts: proofs that a log has forked, as somebody brought them. Each stands for itself and is kept for ever."""

from __future__ import annotations

from anonnet.store.database import Database

SCHEMA = """
create table if not exists alert(
    log blob not null,
    shard integer not null,
    fork blob not null,         -- the proof
    time integer not null,      -- when it came
    primary key(log, shard)
) without rowid;
"""


class Alerts:
    """The alerts in one database: of each shard the first, since one convicts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def keep(self, log: bytes, shard: int, fork: bytes, now: int) -> bool:
        """Keep a proof that holds; false where there was one."""
        return self._db.run("insert or ignore into alert values(?, ?, ?, ?)", log, shard, fork, now) == 1

    def against(self, log: bytes) -> bool:
        """True if this log has forked."""
        return self._db.one("select 1 from alert where log = ?", log) is not None

    def all(self) -> list[tuple[bytes, int, bytes]]:
        """(log, shard, proof), the oldest first."""
        return self._db.all("select log, shard, fork from alert order by time, log, shard")
