"""The merchant's shop: what is on sale, for which price and through which banks, and what has become of the orders."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from anonnet.errors import Malformed, Refused, Why
from anonnet.limits import CATALOGUE_MAX
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.goods import Catalogue, CatalogueOf
from anonnet.protocol.local import ROWS_MAX, OpenAt, Sales, SalesOf, Sell, Started, StateCount
from anonnet.store.goods import Measured, measure
from anonnet.store.merchant import MerchantStore
from anonnet.wire.signed import Signer

MerchantTurn = Turn[MerchantStore]


@dataclass(frozen=True, slots=True)
class Measure:
    """Read a file that shall be sold."""

    sell: Sell

    def run(self) -> ItemMeasured:
        """Outside the turn: what is found."""
        try:
            return ItemMeasured(self.sell, measure(Path(self.sell.path)))
        except (OSError, Malformed):
            return ItemMeasured(self.sell, None)


@dataclass(frozen=True, slots=True)
class ItemMeasured:
    """The shell brings what `Measure` found; None: the file cannot be read or is too large."""

    sell: Sell
    measured: Measured | None


class Shop:
    """The desk of the shop. A promise is worth as much as its bank: items are sold through these banks alone."""

    def __init__(self, signer: Signer, banks: Collection[bytes]) -> None:
        self._signer = signer
        self._banks = tuple(sorted(banks))

    @on(Sell, by=From.OWNER)
    def sell(self, turn: MerchantTurn, asked: Asked[Sell]) -> Answer:
        """Where the owner names no bank, every bank that this merchant accepts is named."""
        sell = asked.body
        if not set(sell.banks) <= set(self._banks):
            raise Refused(Why.WRONG_SIGNER, "not a bank that this merchant accepts")
        return Answer(finish=Measure(replace(sell, banks=sell.banks or self._banks)))

    @on(ItemMeasured, by=From.OWNER)
    def item_measured(self, turn: MerchantTurn, asked: Asked[ItemMeasured]) -> Answer:
        sell, measured = asked.body.sell, asked.body.measured
        if measured is None:
            raise Refused(Why.BAD_GOODS, "the file cannot be read, or is larger than goods may be")
        turn.store.put_item(sell, measured)
        return Answer(Started(subject=measured.hash))

    @on(OpenAt, by=From.OWNER)
    def open_at(self, turn: MerchantTurn, asked: Asked[OpenAt]) -> Answer:
        request = self._signer.sign(OpenAccount(bank=asked.body.bank))
        turn.store.errands.add(asked.body.bank, request, subject=request.hash, due=turn.now)
        return Answer(Started(subject=request.hash))

    @on(SalesOf, by=From.OWNER)
    def sales(self, turn: MerchantTurn, asked: Asked[SalesOf]) -> Answer:
        counts = tuple(StateCount(state=state, count=count) for state, count in turn.store.states())
        return Answer(Sales(lines=tuple(turn.store.newest(most=ROWS_MAX)), counts=counts))

    @on(CatalogueOf)
    def catalogue(self, turn: MerchantTurn, asked: Asked[CatalogueOf]) -> Answer:
        items = turn.store.items(asked.body.after, most=CATALOGUE_MAX + 1)
        page = tuple(item.offer for item in items[:CATALOGUE_MAX])
        return Answer(Catalogue(offers=page, more=int(len(items) > CATALOGUE_MAX)))
