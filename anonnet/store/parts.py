"""Shares of aborts: under a quorum an abort is one message that enough mirrors have signed, one after the other."""

from __future__ import annotations

from anonnet.store.database import Database
from anonnet.wire.signed import Signature

SCHEMA = """
create table if not exists abort_part(
    outcome_key blob not null,
    signer blob not null,
    signature blob not null,
    until integer not null,     -- nobody waits for the whole any more
    primary key(outcome_key, signer)
) without rowid;
"""


class Parts:
    """The shares in one database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, outcome_key: bytes, signature: Signature, until: int) -> tuple[Signature, ...]:
        """Keep a mirror's share, which has been checked; return all shares of this transaction, by signer."""
        self._db.run(
            "insert or ignore into abort_part values(?, ?, ?, ?)",
            *(outcome_key, signature.signer, signature.signature, until),
        )
        rows = self._db.all(
            "select signer, signature from abort_part where outcome_key = ? order by signer", outcome_key
        )
        return tuple(Signature(signer=signer, signature=value) for signer, value in rows)

    def drop(self, outcome_key: bytes) -> None:
        """The outcome is known."""
        self._db.run("delete from abort_part where outcome_key = ?", outcome_key)

    def forget(self, now: int) -> None:
        """Drop what nobody waits for any more."""
        self._db.run("delete from abort_part where until < ?", now)
