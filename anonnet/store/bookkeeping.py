"""What the books of a bank are checked against: withdrawals as their accounts signed them, and a look at everything.

The look is for an auditor, who reads a bank's store and writes nothing: signed messages, and the rows that should
follow from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationQ
from anonnet.protocol.transaction import Transaction
from anonnet.store.database import Database
from anonnet.wire.codec import decode, decode_record, encode
from anonnet.wire.signed import Signed, paper_or_none

SCHEMA = """
create table if not exists withdrawal(
    hash blob primary key,
    withdraw_c blob not null,
    brand blob not null         -- it goes with its brand
) without rowid;
create index if not exists withdrawal_brand on withdrawal(brand);
"""
OF_AN_ENDED_BRAND = "delete from withdrawal where hash in (select hash from withdrawal where brand = ?1 limit ?2)"


@dataclass(frozen=True, slots=True)
class Posted:
    """One line of any book."""

    book: str
    owner: bytes
    position: int
    currency: str
    amount: int
    kind: str
    reference: bytes


@dataclass(frozen=True, slots=True)
class SaleRow:
    """A sale as it stands in its row."""

    outcome_key: bytes
    state: str
    currency: str
    authorization_q: Signed | None
    authorization_b: Signed | None
    proof: Signed | None

    @property
    def transaction(self) -> Transaction | None:
        """What it is about, as a paper of the row says: of a sealed one that has failed by an abort its place in the
        log alone, without n and M. None where its claim time has run out, since no paper is left."""
        for paper in (self.authorization_q, self.authorization_b, self.proof):
            body = decode(paper.body) if paper else None
            if isinstance(body, AuthorizationQ | AuthorizationB | Abort):
                return body.transaction
        return None


class Bookkeeping:
    """Withdrawals kept, and everything read."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def keep(self, withdraw_c: Signed, brand: bytes) -> None:
        """An account has been debited by this."""
        row = withdraw_c.hash, encode(withdraw_c), brand
        self._db.run("insert or ignore into withdrawal values(?, ?, ?)", *row)

    # Signed messages.

    def withdrawals(self) -> Iterator[Signed]:
        yield from self._papers("select withdraw_c from withdrawal order by hash")

    def exchanges(self) -> Iterator[Signed]:
        yield from self._papers("select exchange_q from exchange order by hash")

    def sales(self) -> Iterator[SaleRow]:
        rows = self._db.all(
            "select outcome_key, state, currency, authorization_q, authorization_b, proof from sale order by 1"
        )
        for key, state, currency, *papers in rows:
            yield SaleRow(key, state, currency, *map(paper_or_none, papers))

    def _papers(self, sql: str) -> Iterator[Signed]:
        for (paper,) in self._db.all(sql):
            yield decode_record(Signed, paper)

    # What should follow from them.

    def postings(self) -> Iterator[Posted]:
        """Every line, book by book, in its order."""
        rows = self._db.all(
            "select book, owner, position, currency, amount, kind, reference from posting order by 1, 2, 3"
        )
        yield from (Posted(*row) for row in rows)

    def balances(self) -> dict[tuple[str, bytes, str], int]:
        """(book, owner, currency): amount."""
        return {(b, o, c): amount for b, o, c, amount in self._db.all("select * from balance")}

    def used(self) -> dict[tuple[bytes, bytes], tuple[bytes, bytes, int]]:
        """(token, in what it is used): its brand, its published name, how much of it."""
        rows = self._db.all("select token, user, brand, name, amount from used")
        return {(token, user): (brand, name, amount) for token, user, brand, name, amount in rows}

    def blinded(self) -> dict[tuple[bytes, bytes], bytes]:
        """(brand, blinded message): for whom it was signed."""
        return {(brand, message): origin for brand, message, origin in self._db.all("select * from blinded")}

    def accounts(self) -> dict[bytes, int]:
        """Account key: when it was opened."""
        return dict(self._db.all("select key, opened from account"))

    def funded(self) -> dict[bytes, bytes]:
        """Reference: the account that it was paid in for."""
        return dict(self._db.all("select * from funding"))

    def ended(self) -> set[bytes]:
        """Brands that the bank has closed, whose papers are gone."""
        return {brand for (brand,) in self._db.all("select brand from ended")}
