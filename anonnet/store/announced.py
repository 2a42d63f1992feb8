"""Which of a bank's brands which logs have recorded in their chains, or refused to."""

from __future__ import annotations

from anonnet.store.database import Database

SCHEMA = """
create table if not exists announced(
    brand blob not null,
    log blob not null,
    why text not null,          -- why the log has refused it; empty: it stands there
    primary key(brand, log)
) without rowid;
"""

OF_AN_ENDED_BRAND = (
    "delete from announced where brand = ?1 and log in (select log from announced where brand = ?1 limit ?2)"
)


class Announced:
    """What logs have said to brands."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def answer(self, brand: bytes, log: bytes) -> str | None:
        """Why this log has refused a brand; empty if it stands there, None if it has not answered yet."""
        row = self._db.one("select why from announced where brand = ? and log = ?", brand, log)
        return str(row[0]) if row else None

    def answers(self) -> list[tuple[bytes, str]]:
        """(brand, why) of all answers; none in the file of a bank that has not run since there are any."""
        if not self._db.one("select 1 from sqlite_master where name = 'announced'"):
            return []
        return self._db.all("select brand, why from announced order by brand, why desc")

    def keep(self, brand: bytes, log: bytes, why: str) -> None:
        """The log has answered."""
        self._db.run("insert or ignore into announced values(?, ?, ?)", brand, log, why)
