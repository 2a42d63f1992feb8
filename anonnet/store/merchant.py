"""What the merchant remembers (paper, section "Data Management").

"The merchant stores the bank's authorization (authorization_b) and then the global commit (commit). ... Once the bank
has issued the credit, the merchant may discard all data on the transaction." And, before all that, the merchandise key
of each order: it is used for one sale and never again. What goes when: docs/data.md. A number that was forgotten is
unknown, and no second P4 is ever signed for it: it commits to a key that only its row held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anonnet.errors import Refused, Why
from anonnet.limits import ORDER_SECONDS, RECEIPTS_MAX
from anonnet.protocol.goods import GoodsM, Offer
from anonnet.protocol.local import SaleLine, Sell
from anonnet.protocol.purchase import AuthorizationB
from anonnet.protocol.transaction import Transaction
from anonnet.store import alerts, answered, errands, parts, relied
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database
from anonnet.store.goods import Measured
from anonnet.times import CLAIM_SECONDS, RETENTION_SECONDS
from anonnet.wire.codec import decode, encode
from anonnet.wire.signed import Signed, paper_or_none, said_in

VERSION = 3

SCHEMA = (
    errands.SCHEMA
    + parts.SCHEMA
    + alerts.SCHEMA
    + relied.SCHEMA
    + answered.SCHEMA
    + """
create table if not exists item(
    name text primary key,
    sell blob not null,         -- the owner's command
    size integer not null,
    hash blob not null,
    root blob not null
) without rowid;
create table if not exists sale(
    number blob primary key,    -- n
    order_id blob not null unique,
    item text not null,
    key blob not null,          -- k
    entry_seed blob not null,   -- of W, which signs the entry where it is sealed
    outcome_key blob unique,    -- of the transaction, once there is one
    opened integer not null,
    state text not null,        -- sealing, offered, authorized, released, late, committed, credited, failed
    goods_m blob,
    leaves blob,                -- leaf hashes of the sealed chunks
    authorization_b blob,
    authorization_m blob,       -- at most one for each n, ever
    outcome blob,               -- the commit
    expiration integer,         -- of the transaction, once there is one
    kept integer not null       -- it goes after this second, or moves on before
) without rowid;
create table if not exists receipt(
    number blob not null,
    signer blob not null,       -- Q
    goods_q blob not null,
    primary key(number, signer)
) without rowid;
create index if not exists sale_state on sale(state, opened);
create index if not exists sale_deadline on sale(expiration) where state = 'authorized';
create index if not exists sale_kept on sale(kept);
"""
)

SEALING, OFFERED, AUTHORIZED = "sealing", "offered", "authorized"
RELEASED, LATE, COMMITTED, CREDITED, FAILED = "released", "late", "committed", "credited", "failed"
MOVES = {
    SEALING: {OFFERED},
    OFFERED: {AUTHORIZED},
    AUTHORIZED: {COMMITTED, FAILED, LATE, RELEASED},
    RELEASED: {COMMITTED, FAILED},  # under a quorum: the pledge is certified, and k is out
    LATE: {COMMITTED, FAILED, RELEASED},  # P4 is sent no more: it would only show the key
    FAILED: {COMMITTED},  # an abort that was shown may be a lie, and a commit can still be claimed
    COMMITTED: {CREDITED},
}
"""A sale's state moves one way; what is not here does not happen."""

KEPT_SECONDS = {
    AUTHORIZED: RETENTION_SECONDS,
    LATE: RETENTION_SECONDS,
    RELEASED: RETENTION_SECONDS,
    COMMITTED: RETENTION_SECONDS,  # beyond the claim time: a bank that does not pay may have to be shown to a judge
    CREDITED: CLAIM_SECONDS,  # the goods are handed out again so long; "may discard all data on the transaction"
    FAILED: CLAIM_SECONDS,  # as long as a commit that turns up may be claimed
}
"""How long after its expiration a sale is kept in each state, and beyond as long as an errand is about it; before,
ORDER_SECONDS after it was opened, or later where its chunks are still fetched."""


@dataclass(frozen=True, slots=True)
class Item:
    """Goods for sale: the owner's command and what was measured then."""

    sell: Sell
    measured: Measured

    @property
    def offer(self) -> Offer:
        """Its line in the catalogue."""
        sell = self.sell
        return Offer(
            item=sell.item,
            description=sell.description,
            media_type=sell.media_type,
            size=self.measured.size,
            currency=sell.currency,
            price=sell.price,
            banks=sell.banks,
            receipt=sell.receipt,
        )


@dataclass(frozen=True, slots=True)
class MerchantSale:
    """One order and what became of it."""

    number: bytes
    order_id: bytes
    item: str
    key: bytes
    entry_seed: bytes
    state: str
    goods_m: Signed | None
    authorization_b: Signed | None
    authorization_m: Signed | None
    outcome: Signed | None

    @property
    def terms(self) -> GoodsM:
        """The body of P1."""
        return said_in(self.goods_m, GoodsM)

    @property
    def receiver_key(self) -> bytes:
        """Q of the promise that was taken; empty without one, or where the contract wants no receipt."""
        body = decode(self.authorization_b.body) if self.authorization_b else None
        return body.receiver_key if isinstance(body, AuthorizationB) else b""


class MerchantStore(Store):
    """Items, orders and sales."""

    def __init__(
        self, path: str = MEMORY, *, read_only: bool = False, database: Callable[..., Database] = Database
    ) -> None:
        super().__init__(database(path, schema=SCHEMA, version=VERSION, read_only=read_only))
        self.answered = answered.Answered(self._db)
        self.parts = parts.Parts(self._db)
        self.alerts = alerts.Alerts(self._db)
        self.relied = relied.Relied(self._db)

    # Items.

    def put_item(self, sell: Sell, measured: Measured) -> None:
        """Offer an item, or offer it anew."""
        row = encode(sell), measured.size, measured.hash, measured.root
        self._db.run("insert or replace into item values(?, ?, ?, ?, ?)", sell.item, *row)

    def item(self, name: str) -> Item | None:
        row = self._db.one("select sell, size, hash, root from item where name = ?", name)
        return _item(row) if row else None

    def items(self, after: str, *, most: int) -> list[Item]:
        """Items by name, from the one after `after` on."""
        rows = self._db.all("select sell, size, hash, root from item where name > ? order by name limit ?", after, most)
        return [_item(row) for row in rows]

    # Sales.

    def begin_order(self, order_id: bytes, number: bytes, key: bytes, entry_seed: bytes, item: str, now: int) -> None:
        """Insert an order with its fresh keys, or find that it stands."""
        self.touch(order_id)
        self._db.run(
            "insert or ignore into sale(number, order_id, item, key, entry_seed, opened, state, kept)"
            " values(?, ?, ?, ?, ?, ?, ?, ?)",
            *(number, order_id, item, key, entry_seed, now, SEALING, now + ORDER_SECONDS),
        )

    def unpaid(self) -> int:
        """Orders that have cost a pass over the goods and have not been paid."""
        (count,) = self._db.one("select count(*) from sale where state in (?, ?)", SEALING, OFFERED)
        return int(count)

    def forget_unpaid(self, now: int) -> None:
        """Drop orders that nobody has paid in their time. Their keys were shown to nobody."""
        unpaid = "from sale where state in (?, ?) and kept < ?"
        self._db.run(f"delete from receipt where number in (select number {unpaid})", SEALING, OFFERED, now)
        self._db.run(f"delete {unpaid}", SEALING, OFFERED, now)

    def forget(self, now: int, *, most: int) -> int:
        """Drop at most `most` sales that need not be kept at `now`, with their keys; return how many.

        While a claim has no answer, or the question for an outcome, its sale stays, whatever the clock says: he may be
        owed for it."""
        self.parts.forget(now)
        self.relied.forget(now)
        numbers = self._db.all(
            "select number from sale where kept < ?"
            " and not exists (select 1 from errand where subject = number) order by kept limit ?",
            *(now, most),
        )
        for (number,) in numbers:
            self.answered.drop(number)
            self._db.run("delete from receipt where number = ?", number)
            self._db.run("delete from sale where number = ?", number)
        return len(numbers)

    def by_order(self, order_id: bytes) -> MerchantSale | None:
        self.touch(order_id)
        return self._sale("order_id", order_id)

    def by_number(self, number: bytes) -> MerchantSale | None:
        self.touch(number)
        return self._sale("number", number)

    def by_outcome_key(self, outcome_key: bytes) -> MerchantSale | None:
        return self._sale("outcome_key", outcome_key)

    def _sale(self, column: str, value: bytes) -> MerchantSale | None:
        row = self._db.one(
            "select number, order_id, item, key, entry_seed, state, goods_m, authorization_b, authorization_m, outcome"
            f" from sale where {column} = ?",
            value,
        )
        return MerchantSale(*row[:6], *(paper_or_none(paper) for paper in row[6:])) if row else None

    def leaves(self, number: bytes) -> bytes:
        """Leaf hashes of the sealed chunks, 32 bytes each."""
        (leaves,) = self._db.one("select leaves from sale where number = ?", number)
        return bytes(leaves)

    def offer(self, number: bytes, goods_m: Signed, leaves: bytes) -> None:
        """The goods are sealed and P1 is signed."""
        self._move(number, OFFERED)
        self._db.run("update sale set goods_m = ?, leaves = ? where number = ?", encode(goods_m), leaves, number)

    def keep_on(self, number: bytes, now: int) -> None:
        """Somebody fetches an offer's chunks. Written when half of its time is over, not for each of them."""
        self._db.run(
            "update sale set kept = ? where number = ? and state = ? and kept < ?",
            *(now + ORDER_SECONDS, number, OFFERED, now + ORDER_SECONDS // 2),
        )

    def keep_receipt(self, number: bytes, signer: bytes, goods_q: Signed) -> None:
        """Somebody has signed for the goods of this order. Refuses one key too many."""
        self.touch(number)
        self._db.run("insert or ignore into receipt values(?, ?, ?)", number, signer, encode(goods_q))
        (count,) = self._db.one("select count(*) from receipt where number = ?", number)
        if count > RECEIPTS_MAX:
            raise Refused(Why.FULL, "too many keys have signed for these goods")

    def receipt(self, number: bytes, signer: bytes) -> Signed | None:
        """Goods_q by this key."""
        self.touch(number)
        row = self._db.one("select goods_q from receipt where number = ? and signer = ?", number, signer)
        return paper_or_none(row[0]) if row else None

    def authorize(self, number: bytes, promise: Signed, authorization_m: Signed, transaction: Transaction) -> None:
        """P3 is taken and P4 is signed: never another one for this number."""
        self._db.run(
            "update sale set authorization_b = ?, authorization_m = ?, expiration = ?, outcome_key = ?"
            " where number = ? and authorization_m is null",
            *(encode(promise), encode(authorization_m), transaction.expiration, transaction.outcome_key, number),
        )
        self._move(number, AUTHORIZED)

    def overdue(self, now: int, *, most: int) -> list[MerchantSale]:
        """Sales whose expiration has passed while P4 was on its way."""
        rows = self._db.all(
            "select number from sale where state = ? and expiration < ? order by expiration limit ?",
            *(AUTHORIZED, now, most),
        )
        sales = [self.by_number(number) for (number,) in rows]
        return [sale for sale in sales if sale is not None]

    def next_deadline(self) -> int | None:
        (expiration,) = self._db.one("select min(expiration) from sale where state = ?", AUTHORIZED)
        return None if expiration is None else int(expiration) + 1

    def release(self, number: bytes) -> None:
        """The pledge is certified: from now on k may be shown."""
        self._move(number, RELEASED)
        self.errands.end_all(number)

    def stop_sending(self, number: bytes) -> None:
        """It is too late for P4."""
        self._move(number, LATE)
        self.errands.end_all(number)

    def commit_sale(self, number: bytes, commit: Signed) -> None:
        """The log has recorded P4."""
        self._move(number, COMMITTED)
        self._db.run("update sale set outcome = ? where number = ?", encode(commit), number)
        self.errands.end_all(number)

    def fail_sale(self, number: bytes) -> None:
        """The log will not record P4 any more."""
        self._move(number, FAILED)
        self.errands.end_all(number)

    def credit(self, number: bytes, paper: Signed) -> None:
        """The bank has paid, and says so in this paper."""
        self._move(number, CREDITED)
        self.answered.keep(number, "credit", paper)
        self.errands.end_all(number)

    def _move(self, number: bytes, state: str) -> None:
        self.touch(number)
        (before,) = self._db.one("select state from sale where number = ?", number)
        assert state in MOVES.get(before, ()), f"a sale does not move from {before} to {state}"
        self._db.run(
            "update sale set state = ?, kept = coalesce(expiration + ?, kept) where number = ?",
            *(state, KEPT_SECONDS.get(state), number),
        )

    def numbers(self) -> list[bytes]:
        """The numbers of all orders."""
        return [number for (number,) in self._db.all("select number from sale order by number")]

    def states(self) -> list[tuple[str, int]]:
        """How many sales stand in which state."""
        return self._db.all("select state, count(*) from sale group by state order by state")

    def newest(self, *, most: int) -> list[SaleLine]:
        """The newest orders, for their owner."""
        rows = self._db.all(
            "select number, item, opened, state, goods_m from sale order by opened desc, number limit ?", most
        )
        return [_line(*row) for row in rows]


def _line(number: bytes, item: str, opened: int, state: str, goods_m: bytes | None) -> SaleLine:
    currency, price = "", 0
    if signed := paper_or_none(goods_m):
        contract = said_in(signed, GoodsM).contract
        currency, price = contract.currency, contract.price
    return SaleLine(number=number, item=item, opened=opened, state=state, currency=currency, price=price)


def _item(row: tuple[bytes, int, bytes, bytes]) -> Item:
    sell = decode(row[0])
    assert isinstance(sell, Sell)
    return Item(sell, Measured(*row[1:]))
