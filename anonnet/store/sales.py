"""The sales that a bank has promised to pay if they commit, and how each of them ended (paper, section "Data
Management").

"During the transaction phase, the bank receives an authorization (authorization_q) to commit a token to a transaction.
[...] Once the bank receives the commit or abort for a transaction, it stores that as well." What is done with the money
stands in `bank`; which tokens a sale holds, in `uses`.
"""

from __future__ import annotations

from dataclasses import dataclass

from anonnet.errors import Refused, Why
from anonnet.protocol.known_log import expirations_of
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ
from anonnet.protocol.transaction import Transaction
from anonnet.store.database import Database
from anonnet.times import CLAIM_SECONDS
from anonnet.wire.codec import encode
from anonnet.wire.signed import Signed, paper_or_none, said_in

SCHEMA = """
create table if not exists sale(
    outcome_key blob primary key,
    authorization_q blob,       -- null once no money is bound: "the bank need keep only abort"
    authorization_b blob,
    currency text not null,
    state text not null,        -- locked, committed, aborted, lapsed
    proof blob,                 -- the commit or the abort that ended it
    log blob not null,
    lapses integer not null,    -- end of the claim time
    kept integer not null       -- once it has ended, it goes after this second
) without rowid;
create index if not exists sale_open on sale(lapses, log, state) where state = 'locked';  -- state: to be read alone
create index if not exists sale_over on sale(kept) where state != 'locked';
"""
OVER = "select outcome_key from sale where state != 'locked' and kept < ? limit ?"
PAST = f"delete from sale where outcome_key in ({OVER})"
"""What goes when its second has passed; a piece at a time."""

LOCKED_SALE, COMMITTED, ABORTED, LAPSED = "locked", "committed", "aborted", "lapsed"
MOVES = {LOCKED_SALE: {COMMITTED, ABORTED, LAPSED}}
"""A sale's state moves one way; what is not here does not happen."""


@dataclass(frozen=True, slots=True)
class Sale:
    """One transaction as the bank knows it: the authorization it was given, the promise it made, how it ended."""

    authorization_q: Signed | None
    authorization_b: Signed | None
    currency: str
    state: str
    proof: Signed | None

    @property
    def order(self) -> AuthorizationQ:
        """The body of the authorization that locked the tokens, as long as it does or has spent them."""
        return said_in(self.authorization_q, AuthorizationQ)

    def refuse_another(self, transaction: Transaction) -> None:
        """Refuse another transaction than the one that has its place in the log: a sealed commit that does not open
        under the n that was promised may open under this one, so only the promise shows that its payment was not taken.
        """
        if self.state == ABORTED and self.authorization_b:
            if said_in(self.authorization_b, AuthorizationB).transaction != transaction:
                raise Refused(Why.SALE_AUTHORIZED, evidence=[self.authorization_b])


class Sales:
    """The sales of one bank, by their outcome keys."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, signed: Signed, transaction: Transaction, promise: Signed, currency: str, kept: int) -> bool:
        """Insert a sale, or find that it stands; true if it is new. It lapses with the claim time; if it commits, it
        may go after the second `kept`."""
        inserted = self._db.run(
            "insert or ignore into sale values(?, ?, ?, ?, ?, null, ?, ?, ?)",
            *(transaction.outcome_key, encode(signed), encode(promise), currency),
            *(LOCKED_SALE, transaction.log, transaction.expiration + CLAIM_SECONDS, kept),
        )
        return inserted == 1

    def find(self, outcome_key: bytes) -> Sale | None:
        row = self._db.one(
            "select authorization_q, authorization_b, currency, state, proof from sale where outcome_key = ?",
            outcome_key,
        )
        if row is None:
            return None
        q, b, currency, state, proof = row
        q, b, proof = map(paper_or_none, (q, b, proof))
        return Sale(q, b, currency, state, proof)

    def is_locked(self, outcome_key: bytes) -> bool:
        """True while its tokens wait for its outcome."""
        found = self._db.one("select 1 from sale where outcome_key = ? and state = ?", outcome_key, LOCKED_SALE)
        return found is not None

    def end(self, outcome_key: bytes, state: str, proof: Signed | None) -> None:
        """Move a sale to one of its last states, with the commit or the abort that shows it."""
        (before,) = self._db.one("select state from sale where outcome_key = ?", outcome_key)
        assert state in MOVES.get(before, ()), f"a sale does not move from {before} to {state}"
        row = state, proof and encode(proof), outcome_key
        self._db.run("update sale set state = ?, proof = ? where outcome_key = ?", *row)

    def shrink(self, outcome_key: bytes, promise: Signed | None) -> None:
        """Keep no more than how it ended, and this promise: that refuses its P2 as long as it is in time."""
        self._db.run(
            "update sale set authorization_q = null, authorization_b = ?, kept = lapses where outcome_key = ?",
            *(promise and encode(promise), outcome_key),
        )

    def lapsing(self, now: int, *, most: int) -> list[Sale]:
        """Locked sales whose claim time has run out."""
        rows = self._db.all(
            "select outcome_key from sale where state = ? and lapses < ? order by lapses limit ?",
            *(LOCKED_SALE, now, most),
        )
        sales = [self.find(key) for (key,) in rows]
        return [sale for sale in sales if sale is not None]

    def locked_by(self, now: int) -> dict[bytes, int]:
        """The logs of locked sales whose claim time is not over at `now`, each with the last end of it. The index alone
        answers that, and holds nothing but locked sales."""
        query = "select log, max(lapses) from sale where state = 'locked' and lapses >= ? group by log"
        return dict(self._db.all(query, now))

    def next_deadline(self) -> int | None:
        """When the claim time of a locked sale will have run out next."""
        (lapses,) = self._db.one("select min(lapses) from sale where state = ?", LOCKED_SALE)
        return None if lapses is None else int(lapses) + 1

    def waits_for(self, log: bytes, shard: int) -> bool:
        """True while a sale that is decided in this shard is locked."""
        expirations = expirations_of(shard)
        row = self._db.one(
            "select 1 from sale where state = 'locked' and lapses >= ? and lapses < ? and log = ? limit 1",
            *(expirations.start + CLAIM_SECONDS, expirations.stop + CLAIM_SECONDS, log),
        )
        return row is not None
