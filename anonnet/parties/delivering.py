"""The merchant's desk for goods: an order, P1, the sealed chunks, and the receipt where the contract wants one.

    P1.   M -> C   [n, contract, root of E_k(goods)]_m, then the encrypted goods   goods_m
    CD2.  C -> M   [goods_m]_q                                                     goods_q

Chunks are handed to who ordered them and to nobody else: once the log has published k, they would be the goods.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from anonnet.crypto.hashing import Label, hkdf
from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed, Refused, Why
from anonnet.limits import TREES_MAX, UNPAID_ORDERS_MAX
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.goods import Chunk, ChunkOf, Contract, GoodsM, GoodsQ, Order, order_id
from anonnet.protocol.refusal import Noted
from anonnet.protocol.transaction import expired, number_of
from anonnet.store.goods import Leaves, Measured, Sealed, seal, sealed_chunk
from anonnet.store.merchant import Item, MerchantSale, MerchantStore
from anonnet.wire.signed import Signer

MerchantTurn = Turn[MerchantStore]


@dataclass(frozen=True, slots=True)
class SealGoods:
    """Pass over the goods of an order to know the root that P1 signs."""

    number: bytes
    path: str
    key: bytes = field(repr=False)
    measured: Measured

    def run(self) -> GoodsSealed:
        """Outside the turn: what is found."""
        try:
            return GoodsSealed(self.number, seal(Path(self.path), self.key, self.measured.size))
        except (OSError, Malformed):
            return GoodsSealed(self.number, None)


@dataclass(frozen=True, slots=True)
class GoodsSealed:
    """The shell brings what `SealGoods` found; None: the file is not what it was when it was put on sale."""

    number: bytes
    sealed: Sealed | None


@dataclass(frozen=True, slots=True)
class SealChunk:
    """One chunk of an order, and its place under the root."""

    number: bytes
    path: str
    key: bytes = field(repr=False)
    size: int
    index: int
    leaves: Leaves = field(repr=False, compare=False)

    def run(self) -> Chunk:
        """Outside the turn: the chunk. Raises Refused where the file has changed."""
        try:
            sealed = sealed_chunk(Path(self.path), self.key, self.size, self.index, self.leaves.leaf(self.index))
        except (OSError, Malformed):
            raise Refused(Why.BAD_GOODS, "the file is not what it was when it was sealed") from None
        return Chunk(index=self.index, sealed=sealed, path=self.leaves.path(self.index))


class Delivering:
    """The desk for goods."""

    def __init__(self, signer: Signer, key: bytes, logs: Iterable[bytes]) -> None:
        self._signer = signer
        self._key = key
        self._logs = tuple(logs)
        self._leaves = lru_cache(TREES_MAX)(leaves_of)

    @on(Order, keys=lambda asked: [asked.body.id])  # -> P1
    def order(self, turn: MerchantTurn, asked: Asked[Order]) -> Answer:
        """Draw a fresh k, n from it, and W; the goods are sealed outside the turn."""
        order = asked.body
        sale = turn.store.by_order(order.id)
        if sale is None:
            turn.store.forget_unpaid(asked.arrival)
            if turn.store.unpaid() >= UNPAID_ORDERS_MAX:
                raise Refused(Why.FULL, "too many orders are unpaid")
            key, entry_seed = (hkdf(asked.entropy, label) for label in (Label.MERCHANDISE_KEY, Label.ENTRY_KEY))
            number = number_of(self._key, key)
            turn.store.begin_order(order.id, number, key, entry_seed, order.item, asked.arrival)
            sale = turn.store.by_order(order.id)
        assert sale is not None
        if sale.item != order.item:
            raise Refused(Why.UNKNOWN, "this secret ordered another item")
        if sale.goods_m:
            return Answer(sale.goods_m)
        item = self._item(turn, order.item)
        if expired(item.sell.valid_until, asked.arrival):
            raise Refused(Why.EXPIRED, "the item is no longer sold")
        return Answer(finish=SealGoods(sale.number, item.sell.path, sale.key, item.measured))

    @on(GoodsSealed, keys=lambda asked: [asked.body.number], by=From.OWNER)  # -> P1
    def goods_sealed(self, turn: MerchantTurn, asked: Asked[GoodsSealed]) -> Answer:
        """Sign P1 over contract and root."""
        sale, sealed = sale_of(turn, asked.body.number), asked.body.sealed
        if sale.goods_m:
            return Answer(sale.goods_m)
        item = self._item(turn, sale.item)
        if sealed is None or sealed.measured != item.measured:
            raise Refused(Why.BAD_GOODS, "the file is not what it was when it was put on sale")
        contract = self._contract(item)
        entry_key = SigningKey(sale.entry_seed).public if item.sell.sealed else b""
        offer = GoodsM(number=sale.number, contract=contract, root=sealed.root, entry_key=entry_key)
        goods_m = self._signer.sign(offer)
        turn.store.offer(sale.number, goods_m, sealed.leaves)
        return Answer(goods_m)

    @on(GoodsQ, keys=lambda asked: [asked.body.number])  # CD2
    def goods_q(self, turn: MerchantTurn, asked: Asked[GoodsQ]) -> Answer:
        """CD2 "supplies the merchant with the signature by q of the goods description" (paper), before any P4."""
        sale = sale_of(turn, asked.body.number)
        if sale.goods_m is None or not sale.terms.contract.receipt:
            raise Refused(Why.UNKNOWN, "no contract that wants a receipt")
        if not asked.body.is_for(sale.goods_m, self._key):
            raise Refused(Why.UNKNOWN, "no such contract")
        turn.store.keep_receipt(sale.number, asked.signer, asked.signed)
        return Answer(Noted(request=asked.signed.hash))

    def _contract(self, item: Item) -> Contract:
        sell, measured = item.sell, item.measured
        return Contract(
            item=sell.item,
            description=sell.description,
            media_type=sell.media_type,
            size=measured.size,
            hash=measured.hash,
            root=measured.root,
            currency=sell.currency,
            price=sell.price,
            banks=sell.banks,
            logs=self._logs,
            valid_until=sell.valid_until,
            receipt=sell.receipt,
        )

    def _item(self, turn: MerchantTurn, name: str) -> Item:
        item = turn.store.item(name)
        if item is None:
            raise Refused(Why.UNKNOWN, "no such item")
        return item

    @on(ChunkOf, keys=lambda asked: [asked.body.number])
    def chunk(self, turn: MerchantTurn, asked: Asked[ChunkOf]) -> Answer:
        """After P5a the key is public: only who shows the order's secret gets the goods."""
        sale = sale_of(turn, asked.body.number)
        if sale.order_id != order_id(asked.body.secret) or sale.goods_m is None:
            raise Refused(Why.UNKNOWN, "no such order")
        contract = sale.terms.contract
        if asked.body.index >= contract.chunks:
            raise Refused(Why.UNKNOWN, "no such chunk")
        path = self._item(turn, sale.item).sell.path
        turn.store.keep_on(sale.number, asked.arrival)
        leaves = self._leaves(turn.store, sale.number)
        return Answer(finish=SealChunk(sale.number, path, sale.key, contract.size, asked.body.index, leaves))


def sale_of(turn: MerchantTurn, number: bytes) -> MerchantSale:
    """The sale of this number. Raises Refused."""
    sale = turn.store.by_number(number)
    if sale is None:
        raise Refused(Why.UNKNOWN, "no such order")
    return sale


def leaves_of(store: MerchantStore, number: bytes) -> Leaves:
    """Those of an order whose goods are sealed: they never change."""
    return Leaves(store.leaves(number))
