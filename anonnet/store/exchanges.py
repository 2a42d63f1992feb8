"""The exchanges that a bank has done, and which it has called late.

"After `until` a refusal is final", also where the machine's clock is set back then: whoever has it may hold the bank to
it. That is a row for each token, and none for each request, since a token can sign any number of these.
"""

from __future__ import annotations

from anonnet.protocol.token import Payment
from anonnet.store.database import Database
from anonnet.wire.codec import encode
from anonnet.wire.signed import Signed

SCHEMA = """
create table if not exists exchange(
    hash blob primary key,
    exchange_q blob not null,
    kept integer not null       -- goes after this second
) without rowid;
create index if not exists exchange_over on exchange(kept);
create table if not exists overdue(
    token blob primary key,     -- the first of those given
    brand blob not null,
    until integer not null      -- an exchange of it that asks no later than this has been late before
) without rowid;
"""
OF_AN_ENDED_BRAND = "delete from overdue where token in (select token from overdue where brand = ?1 limit ?2)"
PAST = "delete from exchange where hash in (select hash from exchange where kept < ? limit ?)"


class Exchanges:
    """The exchanges of one bank."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, exchange_q: Signed, kept: int) -> bool:
        """Insert an exchange, or find that it stands; true if it is new. It may go after the second `kept`."""
        row = exchange_q.hash, encode(exchange_q), kept
        return self._db.run("insert or ignore into exchange values(?, ?, ?)", *row) == 1

    def stands(self, hash: bytes) -> bool:
        """True if this exchange was done, and can be shown."""
        return self._db.one("select 1 from exchange where hash = ?", hash) is not None

    def call_late(self, exchange_q: Signed, first: Payment, until: int) -> None:
        """Give up one that has just begun, and remember that it was late."""
        self._db.run("delete from exchange where hash = ?", exchange_q.hash)
        self._db.run(
            "insert into overdue values(?, ?, ?) on conflict do update set until = max(until, excluded.until)",
            *(first.token.id, first.token.brand, until),
        )

    def called_late(self, first: Payment, until: int) -> bool:
        """True if an exchange of this token with this `until` or a later one has been called late."""
        found = self._db.one("select 1 from overdue where token = ? and until >= ?", first.token.id, until)
        return found is not None
