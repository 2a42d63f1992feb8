"""The exchanges that a bank has refused this wallet, with what it said: a judge may have to see both.

"After `until` a refusal is final": a bank that takes the tokens all the same, or calls them used, is convicted by its
own word. An exchange that is done in the end needs no proof: then this goes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from anonnet.store.database import Database
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.signed import Signed

SCHEMA = """
create table if not exists unexchanged(
    hash blob not null,         -- of the exchange_q
    kind text not null,         -- exchange_q, or the reason of a refusal
    paper blob not null,
    kept integer not null,      -- goes after this second
    primary key(hash, kind)
) without rowid;
create index if not exists unexchanged_over on unexchanged(kept);
"""
REQUEST = "exchange_q"


class Unexchanged:
    """The refused exchanges of one wallet."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def keep(self, exchange_q: Signed, why: str, refusal: Signed, kept: int) -> None:
        """Keep this exchange until the second `kept`, and of each reason the last refusal."""
        for kind, paper in ((REQUEST, exchange_q), (why, refusal)):
            row = exchange_q.hash, kind, encode(paper), kept
            self._db.run("insert or replace into unexchanged values(?, ?, ?, ?)", *row)

    def drop(self, hash: bytes) -> None:
        """The bank has done it after all."""
        self._db.run("delete from unexchanged where hash = ?", hash)

    def all(self) -> list[tuple[Signed, Sequence[Signed]]]:
        """Every exchange_q with its refusals."""
        papers: dict[bytes, dict[str, Signed]] = defaultdict(dict)
        for hash, kind, paper in self._db.all("select hash, kind, paper from unexchanged order by hash, kind"):
            papers[hash][kind] = decode_record(Signed, paper)
        return [(kinds.pop(REQUEST), list(kinds.values())) for kinds in papers.values()]

    def forget(self, now: int, *, most: int) -> int:
        """Drop what goes before `now`, at most `most` rows and the rest of a last exchange; return how many."""
        over = "select hash from unexchanged where kept < ? limit ?"
        return self._db.run(f"delete from unexchanged where hash in ({over})", now, most)
