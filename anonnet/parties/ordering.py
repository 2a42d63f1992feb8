"""The consumer's desk where a purchase begins: her owner's wish becomes an order under a fresh download secret."""

from __future__ import annotations

from typing import Any

from anonnet.errors import Refused, Why
from anonnet.parties.errands import answered
from anonnet.parties.heeding import Heeding
from anonnet.parties.purse import Purse
from anonnet.parties.resting import Resting
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.goods import Order, order_id
from anonnet.protocol.local import Buy, BuyNow, Started
from anonnet.protocol.network import Network, Peer, Role
from anonnet.store.wallet import Bought, WalletStore
from anonnet.times import LEAD_SECONDS_MAX

WalletTurn = Turn[WalletStore]


class Ordering:
    """The desk for wishes."""

    def __init__(self, network: Network, purse: Purse, resting: Resting, heeding: Heeding) -> None:
        self._network = network
        self._purse = purse
        self._resting = resting
        self._heeding = heeding

    @on(Buy, by=From.OWNER)
    def buy(self, turn: WalletTurn, asked: Asked[Buy]) -> Answer:
        """Order the item, to be paid with tokens that have rested."""
        self._resting.check(turn, asked.body)
        return self._order(turn, asked.body, asked.entropy)

    @on(BuyNow, by=From.OWNER)
    def buy_now(self, turn: WalletTurn, asked: Asked[BuyNow]) -> Answer:
        """The same, to be paid with any."""
        turn.store.resting.hurry(order_id(asked.entropy))
        return self._order(turn, asked.body.wish, asked.entropy)

    def _order(self, turn: WalletTurn, wish: Buy, secret: bytes) -> Answer:
        self._known(wish.merchant, Role.MERCHANT)
        bank = self._known(wish.bank, Role.BANK)
        self._known(wish.log, Role.LOG)
        if not self._purse.brands_of(wish.bank, wish.currency):
            raise Refused(Why.BAD_CURRENCY, f"{bank.name} gives out no tokens in {wish.currency}")
        if wish.lead > LEAD_SECONDS_MAX:
            raise Refused(Why.TOO_LATE, f"no bank or log takes a sale that expires in more than {LEAD_SECONDS_MAX} s")
        if complaint := self._heeding.complaint(turn, wish.log):
            raise Refused(Why.LOG_CONVICTED, complaint)
        self._heeding.ask(turn)
        purchase = order_id(secret)
        turn.store.begin_purchase(purchase, wish, secret)
        order = Order(merchant=wish.merchant, item=wish.item, secret=secret)
        turn.store.errands.add(wish.merchant, order, subject=purchase, due=turn.now)
        return Answer(Started(subject=purchase))

    def _known(self, identity: bytes, role: Role) -> Peer:
        """The party that is named. Refuses one that this network does not have."""
        peer = self._network.peer(identity)
        if peer is None or peer.role is not role:
            raise Refused(Why.UNKNOWN, f"no such {role} in this network")
        return peer


def purchase_of(turn: WalletTurn, id: bytes) -> Bought:
    """The purchase of this id. Raises Refused."""
    bought = turn.store.purchase(id)
    if bought is None:
        raise Refused(Why.UNKNOWN, "no such purchase")
    return bought


def about(turn: WalletTurn, asked: Asked[Any]) -> Bought:
    """The purchase that the answered errand was about. Raises Refused."""
    return purchase_of(turn, answered(asked).subject)
