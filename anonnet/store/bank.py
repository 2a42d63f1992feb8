"""What the bank remembers (paper, section "Data Management").

"The database for a brand of tokens tracks the status of tokens of that brand. During the transaction phase, the bank
receives an authorization (authorization_q) to commit a token to a transaction. This message is logged in the database,
so that attempts at token reuse can be detected. Once the bank receives the commit or abort for a transaction, it
stores that as well." What goes when: docs/data.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from anonnet.errors import Refused, Why
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.outcome import is_commit
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.token import Payment
from anonnet.protocol.transaction import Transaction
from anonnet.store import alerts, announced, bookkeeping, errands, exchanges, ledger, parts, relied, sales, uses
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database
from anonnet.store.ledger import ACCOUNT, CASH, EXPIRED, LOCKED, TOKENS, Ledger, Leg
from anonnet.store.sales import ABORTED, COMMITTED, LAPSED, Sale
from anonnet.times import CLAIM_SECONDS
from anonnet.wire.signed import Signed

VERSION = 4

SCHEMA = (
    errands.SCHEMA
    + parts.SCHEMA
    + alerts.SCHEMA
    + relied.SCHEMA
    + ledger.SCHEMA
    + bookkeeping.SCHEMA
    + announced.SCHEMA
    + uses.SCHEMA
    + exchanges.SCHEMA
    + sales.SCHEMA
    + """
create table if not exists account(key blob primary key, opened integer not null) without rowid;
create table if not exists funding(reference blob primary key, account blob not null) without rowid;
create table if not exists blinded(
    brand blob not null,
    message blob not null,
    origin blob not null,       -- for whom it was signed: an account, or the hash of an exchange_q
    primary key(brand, message)
) without rowid;
create table if not exists ended(brand blob primary key, time integer not null) without rowid;
create table if not exists followed(
    log blob not null,
    shard integer not null,
    next integer not null,      -- the index of the entry to read next
    primary key(log, shard)
) without rowid;
"""
)

OF_AN_ENDED_BRAND = (
    uses.OF_AN_ENDED_BRAND,
    exchanges.OF_AN_ENDED_BRAND,
    "delete from blinded where brand = ?1 and message in (select message from blinded where brand = ?1 limit ?2)",
    bookkeeping.OF_AN_ENDED_BRAND,
    announced.OF_AN_ENDED_BRAND,
)
PAST = (sales.PAST, exchanges.PAST)
"""What goes when its second has passed; a piece at a time."""


class BankStore(Store):
    """Accounts, the ledger, blinded messages, sales and used tokens."""

    def __init__(
        self, path: str = MEMORY, *, read_only: bool = False, database: Callable[..., Database] = Database
    ) -> None:
        super().__init__(database(path, schema=SCHEMA, version=VERSION, read_only=read_only))
        self.ledger = Ledger(self._db)
        self.bookkeeping = bookkeeping.Bookkeeping(self._db)
        self.announced = announced.Announced(self._db)
        self.parts = parts.Parts(self._db)
        self.alerts = alerts.Alerts(self._db)
        self.relied = relied.Relied(self._db)
        self.uses = uses.Uses(self._db)
        self.exchanges = exchanges.Exchanges(self._db)
        self.sales = sales.Sales(self._db)

    def end_turn(self) -> None:
        self.ledger.settle()
        super().end_turn()

    def take_back(self) -> None:
        self.ledger.forget_open()
        super().take_back()

    # Accounts.

    def open_account(self, key: bytes, now: int) -> None:
        """Open an account, or find it open."""
        self.touch(key)
        self._db.run("insert or ignore into account values(?, ?)", key, now)

    def has_account(self, key: bytes) -> bool:
        self.touch(key)
        return self._db.one("select 1 from account where key = ?", key) is not None

    def fund(self, account: bytes, currency: str, amount: int, reference: bytes, now: int) -> None:
        """Credit what was paid in, once for each reference. Refuses one under which something else was paid in."""
        self.touch(account)
        credit = Leg(ACCOUNT, account, amount)
        if self._db.run("insert or ignore into funding values(?, ?)", reference, account):
            self.ledger.move("fund", reference, currency, now, Leg(CASH, b"", -amount), credit)
        elif not self.ledger.has_moved("fund", reference, currency, credit):
            raise Refused(Why.NUMBER_USED, "another account, currency or amount was paid in under this reference")

    # Withdrawal.

    def take_blinded(self, origin: bytes, brand: bytes, messages: tuple[bytes, ...]) -> int:
        """Note blinded messages as of this origin; return how many are new. Refuses one of another origin."""
        new = 0
        for message in messages:
            self.touch(message)
            if self._db.run("insert or ignore into blinded values(?, ?, ?)", brand, message, origin):
                new += 1
                continue
            (known,) = self._db.one("select origin from blinded where brand = ? and message = ?", brand, message)
            if known != origin:
                raise Refused(Why.BAD_BLINDED, "signed before for another account or exchange")
        return new

    def knows_blinded(self, brand: bytes, message: bytes) -> bool:
        """True if this blinded message has been paid for."""
        self.touch(message)
        return self._db.one("select 1 from blinded where brand = ? and message = ?", brand, message) is not None

    def debit(self, account: bytes, brand: Brand, count: int, reference: bytes, now: int) -> None:
        """Turn money of the account into `count` live tokens of the brand. Refuses an overdraft."""
        amount = count * brand.denomination
        self.touch(account)
        if self.ledger.balance(ACCOUNT, account, brand.currency) < amount:
            raise Refused(Why.OVERDRAFT)
        legs = Leg(ACCOUNT, account, -amount), Leg(TOKENS, brand.id, amount)
        self.ledger.move("withdrawal", reference, brand.currency, now, *legs)

    # Exchange.

    def begin_exchange(self, exchange_q: Signed, kept: int) -> bool:
        """Insert an exchange, or find that it stands; true if it is new. It may go after the second `kept`."""
        self.touch(exchange_q.hash)
        return self.exchanges.begin(exchange_q, kept)

    def use_in_exchange(
        self,
        payments: tuple[Payment, ...],
        worth: Mapping[bytes, int],
        hash: bytes,
        given: dict[bytes, int],
        currency: str,
        now: int,
    ) -> None:
        """Use this much of these tokens, each `worth` by its brand, for new ones that are worth `given` by brand.
        Refuses, with the evidence, more than what remains of one."""
        self._use(payments, worth, hash)
        self.uses.settle(hash, now)
        taken = [Leg(TOKENS, brand, -amount) for brand, amount in _by_brand(payments).items()]
        self.ledger.move("exchange", hash, currency, now, *taken, *(Leg(TOKENS, b, a) for b, a in given.items()))
        self._check_outstanding(payments, currency)

    def _use(self, payments: tuple[Payment, ...], worth: Mapping[bytes, int], user: bytes) -> None:
        for payment in payments:
            self.touch(payment.token.id)
            self.uses.take(payment, user, worth[payment.token.brand])

    def _check_outstanding(self, payments: tuple[Payment, ...], currency: str) -> None:
        for brand in _by_brand(payments):
            outstanding = self.ledger.balance(TOKENS, brand, currency)
            assert outstanding >= 0, "more tokens come back than were withdrawn"

    def refuse_used(self, token: bytes, worth: int) -> None:
        """Refuse, with the evidence, where nothing is left of a token worth so much."""
        self.touch(token)
        if self.uses.taken(token) >= worth:
            raise Refused(Why.TOKEN_USED, evidence=self.uses.history(token, beyond=worth - 1))

    # Sales.

    def begin_sale(self, signed: Signed, transaction: Transaction, promise: Signed, currency: str, kept: int) -> bool:
        """Insert the sale of a transaction, or find that it stands; true if it is new.

        Its lock lapses with the claim time. If it commits, it may go after the second `kept`.
        """
        self.touch(transaction.outcome_key)
        return self.sales.begin(signed, transaction, promise, currency, kept)

    def sale(self, outcome_key: bytes) -> Sale | None:
        """The sale of a transaction."""
        self.touch(outcome_key)
        return self.sales.find(outcome_key)

    def is_locked(self, outcome_key: bytes) -> bool:
        """True while this sale's tokens wait for its outcome."""
        self.touch(outcome_key)
        return self.sales.is_locked(outcome_key)

    def lock(self, body: AuthorizationQ, worth: Mapping[bytes, int], currency: str, now: int) -> None:
        """Lock what a payment takes of each token, `worth` by its brand. Refuses, with the evidence, more than what
        remains of one."""
        outcome_key = body.transaction.outcome_key
        self._use(body.payments, worth, outcome_key)
        for brand, amount in _by_brand(body.payments).items():
            legs = Leg(TOKENS, brand, -amount), Leg(LOCKED, brand, amount)
            self.ledger.move("lock", outcome_key, currency, now, *legs)
        self._check_outstanding(body.payments, currency)

    def commit_sale(self, sale: Sale, commit: Signed, now: int) -> None:
        """Credit the merchant. The tokens are spent for good."""
        transaction = sale.order.transaction
        self._end(transaction, COMMITTED, commit)
        self.uses.settle(transaction.outcome_key, now)
        for brand, amount in _by_brand(sale.order.payments).items():
            legs = Leg(LOCKED, brand, -amount), Leg(ACCOUNT, transaction.merchant, amount)
            self.ledger.move("credit", transaction.outcome_key, sale.currency, now, *legs)

    def abort_sale(self, sale: Sale, abort: Signed, now: int) -> None:
        """Free the tokens: the log has said that the sale failed. Where what it recorded is sealed, it takes the
        transaction, which stands in the promise, to see that."""
        self._end(sale.order.transaction, ABORTED, abort)
        self._free(sale, "release", now, promise=sale.authorization_b if is_commit(abort) else None)

    def lapse_sale(self, sale: Sale, now: int) -> None:
        """Free the tokens: the claim time has run out without an outcome."""
        self._end(sale.order.transaction, LAPSED, None)
        self._free(sale, "lapse", now)

    def _end(self, transaction: Transaction, state: str, proof: Signed | None) -> None:
        self.touch(transaction.outcome_key)
        self.sales.end(transaction.outcome_key, state, proof)
        self.errands.end_all(transaction.outcome_key)

    def _free(self, sale: Sale, kind: str, now: int, promise: Signed | None = None) -> None:
        """Let the tokens go, and who paid with them; of the promise there stays what is given here."""
        key = sale.order.transaction.outcome_key
        self.uses.free(key)
        self.sales.shrink(key, promise)
        for brand, amount in _by_brand(sale.order.payments).items():
            legs = Leg(LOCKED, brand, -amount), Leg(TOKENS, brand, amount)
            self.ledger.move(kind, key, sale.currency, now, *legs)

    def next_deadline(self) -> int | None:
        return self.sales.next_deadline()

    # Forgetting.

    def has_ended(self, brand: bytes) -> bool:
        """True if the bank has closed this brand and may have forgotten which of its tokens are used."""
        return self._db.one("select 1 from ended where brand = ?", brand) is not None

    def forget(self, now: int, over: Mapping[bytes, str], *, most: int) -> int:
        """Drop at most `most` rows that need not be kept at `now`; return how many.

        `over` are the brands that are past their margin, with their currencies.
        """
        gone = 0
        for brand, currency in over.items():
            if self._end_brand(brand, currency, now):
                for each in OF_AN_ENDED_BRAND:
                    gone += self._db.run(each, brand, most - gone)
        self.parts.forget(now)
        self.relied.forget(now)
        for each in PAST:
            gone += self._db.run(each, now, most - gone)
        self._db.run("delete from followed where shard < ?", shard_of(max(0, now - CLAIM_SECONDS)))
        return gone

    def _end_brand(self, brand: bytes, currency: str, now: int) -> bool:
        """Close a brand for good: what is left of it is the bank's. False while a sale holds some of it."""
        if self.ledger.balance(LOCKED, brand, currency):
            return False
        left = self.ledger.balance(TOKENS, brand, currency)
        self.errands.end_all(brand)
        if self._db.run("insert or ignore into ended values(?, ?)", brand, now) and left:
            self.ledger.move("expiry", brand, currency, now, Leg(TOKENS, brand, -left), Leg(EXPIRED, brand, left))
        return True

    # Following the log.

    def follows_from(self, log: bytes, shard: int) -> int:
        """The index of the next entry of this shard to read."""
        row = self._db.one("select next from followed where log = ? and shard = ?", log, shard)
        return int(row[0]) if row else 0

    def followed_to(self, log: bytes, shard: int, next_index: int) -> None:
        """Entries of this shard below this index have been read."""
        self._db.run(
            "insert into followed values(?, ?, ?) on conflict do update set next = max(next, excluded.next)",
            *(log, shard, next_index),
        )


def _by_brand(payments: tuple[Payment, ...]) -> dict[bytes, int]:
    """What a payment moves, by brand."""
    amounts: dict[bytes, int] = defaultdict(int)
    for payment in payments:
        amounts[payment.token.brand] += payment.amount
    return amounts
