"""The payments of a purchase in whose place another one was made, each with the refusal that allowed that.

A token of such a payment is spent, so no bank can take it any more. One that keeps its other tokens all the same is
held to what it has said.
"""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.store.database import Database
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.signed import Signed

SCHEMA = """
create table if not exists replaced(
    hash blob primary key,      -- of the authorization_q
    purchase blob not null,
    authorization_q blob not null,
    refusal blob not null
) without rowid;
"""


class Replaced:
    """The replaced payments of one wallet."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def keep(self, purchase: bytes, authorization_q: Signed, refusal: Signed) -> None:
        """Keep a payment that is about to be replaced."""
        row = authorization_q.hash, purchase, encode(authorization_q), encode(refusal)
        self._db.run("insert or replace into replaced values(?, ?, ?, ?)", *row)

    def all(self) -> list[tuple[Signed, Sequence[Signed]]]:
        """Every authorization_q with its refusal."""
        rows = self._db.all("select authorization_q, refusal from replaced order by hash")
        return [(decode_record(Signed, q), [decode_record(Signed, refusal)]) for q, refusal in rows]
