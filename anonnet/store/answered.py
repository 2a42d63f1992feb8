"""What a party was answered that may have to be shown to a judge: refusals, credits, mirrors' receipts, aborts.

It moves nothing by itself; what it means for a purchase or a sale stands in that row's state. Of each kind the last one
is kept, so that who is asked again and again cannot fill the disk.
"""

from __future__ import annotations

from anonnet.store.database import Database
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.signed import Signed

SCHEMA = """
create table if not exists answered(
    subject blob not null,      -- the purchase, or the number of the sale
    kind text not null,         -- credit, abort, receipt and whose, the reason of a refusal, or dispute
    paper blob not null,
    primary key(subject, kind)
) without rowid;
"""

DISPUTE = "dispute"


class Answered:
    """Answers kept as evidence."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def keep(self, subject: bytes, kind: str, paper: Signed) -> None:
        """Keep this one, in the place of an earlier one of its kind."""
        self._db.run("insert or replace into answered values(?, ?, ?)", subject, kind, encode(paper))

    def of(self, subject: bytes) -> list[Signed]:
        """All that are kept about a purchase or a sale, in the order of their kinds; not the answer to a dispute."""
        rows = self._db.all(
            "select paper from answered where subject = ? and kind != ? order by kind", subject, DISPUTE
        )
        return [decode_record(Signed, paper) for (paper,) in rows]

    def begin_dispute(self, subject: bytes) -> None:
        """A new dispute about this has no answer yet."""
        self._db.run("delete from answered where subject = ? and kind = ?", subject, DISPUTE)

    def end_dispute(self, subject: bytes, answer: Signed) -> None:
        """The accused has answered."""
        self.keep(subject, DISPUTE, answer)

    def to_dispute(self, subject: bytes) -> Signed | None:
        """What the accused has answered to the last dispute about this."""
        row = self._db.one("select paper from answered where subject = ? and kind = ?", subject, DISPUTE)
        return decode_record(Signed, row[0]) if row else None

    def drop(self, subject: bytes) -> None:
        """The purchase or the sale goes, and with it what was answered."""
        self._db.run("delete from answered where subject = ?", subject)
