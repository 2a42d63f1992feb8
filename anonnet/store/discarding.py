"""What a wallet discards: purchases that their owner is done with, and tokens whose brand is over.

"If the goods are satisfactory, then the consumer may discard all data on the transaction" (paper, section "Data
Management"). The rows go in one turn; the files that they named go afterwards, and a row says so until they have.
"""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.store.database import Database
from anonnet.store.jobs import RemoveFiles

SCHEMA = """
create table if not exists discarded(purchase blob primary key) without rowid;  -- its files are still there
"""


class Discarding:
    """What a wallet is done with."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def discard(self, purchase: bytes) -> None:
        """Drop a purchase with its papers, and that its tokens went into it. Its files are to be removed."""
        self._db.run("update token set bound = null where bound = ?", purchase)
        self._db.run("delete from purchase where id = ?", purchase)
        self._db.run("delete from answered where subject = ?", purchase)
        self._db.run("delete from replaced where purchase = ?", purchase)
        self._db.run("delete from hurried where purchase = ?", purchase)
        self._db.run("insert into discarded values(?)", purchase)

    def removed(self, purchase: bytes) -> None:
        """Its files are gone."""
        self._db.run("delete from discarded where purchase = ?", purchase)

    def jobs(self) -> list[RemoveFiles]:
        """Purchases whose files are to be removed."""
        return [RemoveFiles(id) for (id,) in self._db.all("select purchase from discarded order by purchase")]

    def drop_tokens(self, brand: bytes, states: Sequence[str], *, most: int) -> int:
        """Drop at most `most` parts of tokens of this brand that are in one of these states; return how many."""
        marks = ", ".join("?" * len(states))
        part = "brand, lane, position, part"
        return self._db.run(
            f"delete from token where ({part}) in"
            f" (select {part} from token where brand = ? and state in ({marks}) limit ?)",
            *(brand, *states, most),
        )
