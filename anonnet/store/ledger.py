"""The bank's books: append-only double-entry postings; the postings of each turn sum to zero in each currency.

Books are named by text: "account" (one for each account key), "cash" (what was paid in, negative), and for each brand
"tokens" (withdrawn and not used), "locked" (in a running sale) and "expired" (not used in its time: the bank's income).
Balances are a cache of the postings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from anonnet.errors import Fatal
from anonnet.store.database import Database

SCHEMA = """
create table if not exists posting(
    book text not null,         -- account, cash, tokens, locked, expired
    owner blob not null,        -- account key or brand; empty for cash
    position integer not null,  -- 0, 1, 2, ... in its book
    currency text not null,
    amount integer not null,    -- in the currency's smallest unit; a negative one leaves the book
    kind text not null,         -- fund, withdrawal, exchange, lock, release, lapse, credit, expiry
    reference blob not null,    -- what moved it: a request's hash or a transaction's outcome key
    time integer not null,
    primary key(book, owner, position)
) without rowid;
create table if not exists balance(
    book text not null,
    owner blob not null,
    currency text not null,
    amount integer not null,
    primary key(book, owner, currency)
) without rowid;
"""

CASH = "cash"
ACCOUNT = "account"
TOKENS = "tokens"
LOCKED = "locked"
EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a movement: `amount` is added to the book."""

    book: str
    owner: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of a book as it stands there."""

    position: int
    currency: str
    amount: int
    kind: str
    reference: bytes
    time: int


class Ledger:
    """Postings and balances. `settle` is called at the end of every turn."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._open: dict[str, int] = {}

    def move(self, kind: str, reference: bytes, currency: str, time: int, *legs: Leg) -> None:
        """Post all legs of one movement."""
        for leg in legs:
            self._db.run(
                "insert into posting select ?1, ?2, coalesce(max(position) + 1, 0), ?, ?, ?, ?, ?"
                " from posting where book = ?1 and owner = ?2",
                *(leg.book, leg.owner, currency, leg.amount, kind, reference, time),
            )
            self._db.run(
                "insert into balance values(?, ?, ?, ?) on conflict do update set amount = amount + excluded.amount",
                *(leg.book, leg.owner, currency, leg.amount),
            )
            self._open[currency] = self._open.get(currency, 0) + leg.amount

    def has_moved(self, kind: str, reference: bytes, currency: str, leg: Leg) -> bool:
        """True if this leg has been posted."""
        found = self._db.one(
            "select 1 from posting where (book, owner, amount, kind, reference, currency) = (?, ?, ?, ?, ?, ?)",
            *(leg.book, leg.owner, leg.amount, kind, reference, currency),
        )
        return found is not None

    def balance(self, book: str, owner: bytes, currency: str) -> int:
        """What a book holds of one currency."""
        row = self._db.one(
            "select amount from balance where book = ? and owner = ? and currency = ?", book, owner, currency
        )
        return int(row[0]) if row else 0

    def balances(self, book: str, owner: bytes) -> list[tuple[str, int]]:
        """What a book holds, by currency, in the order of their names."""
        return self._db.all(
            "select currency, amount from balance where book = ? and owner = ? order by currency", book, owner
        )

    def totals(self) -> Iterator[tuple[str, str, int]]:
        """(book, currency, sum over all owners), from the postings themselves."""
        yield from self._db.all("select book, currency, sum(amount) from posting group by book, currency order by 1, 2")

    def postings(self, book: str, owner: bytes, start: int, *, most: int) -> list[Posting]:
        """Lines `start`, `start` + 1, ... of a book."""
        rows = self._db.all(
            "select position, currency, amount, kind, reference, time from posting"
            " where book = ? and owner = ? and position >= ? order by position limit ?",
            *(book, owner, start, most),
        )
        return [Posting(*row) for row in rows]

    def settle(self) -> None:
        """End a turn that is kept. Raises Fatal if its postings do not sum to zero."""
        wrong = {currency: amount for currency, amount in self._open.items() if amount}
        self._open.clear()
        if wrong:
            raise Fatal(f"postings of one turn do not sum to zero: {wrong}")

    def forget_open(self) -> None:
        """End a turn that is taken back."""
        self._open.clear()
