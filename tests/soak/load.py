"""Purchases all the time: several at once through the relay, some of which abort or are refused by design."""

from __future__ import annotations

import random

import trio
from anonnet_daemons.config import Kind

from .shop import LOOK_SECONDS, Shop

SHOPPERS = 6
LEAD, SHORT_LEAD = 10, 1
"""A merchant does not take a promise that leaves him so short a lead, so that these sales abort."""
LOW, WITHDRAWAL = 60, 60


class Load:
    """Shoppers who buy all the time, and one who sees to it that there is money."""

    def __init__(self, shop: Shop, chance: random.Random) -> None:
        self.shop = shop
        self.chance = chance
        self.enough = False
        self.ended = self.running = 0

    async def run(self) -> None:
        """Buy until `enough`; what is begun then is waited for."""
        async with trio.open_nursery() as nursery:
            for _ in range(SHOPPERS):
                nursery.start_soon(self._shopper)
            nursery.start_soon(self._money)
            nursery.start_soon(self._witness)

    async def _shopper(self) -> None:
        while not self.enough:
            kind = self.chance.random()
            item = self.chance.choice(("note", "song"))
            if kind < 0.1:
                wish = self.shop.wish(item, LEAD, price_max=1)  # is refused: the merchant asks for more
            else:
                wish = self.shop.wish(item, SHORT_LEAD if kind < 0.25 else LEAD)
            purchase = await self.shop.begin(wish)
            if purchase is None:
                await trio.sleep(LOOK_SECONDS)
                continue
            self.running += 1
            await self.shop.ended(purchase)
            self.running -= 1
            self.ended += 1

    async def _money(self) -> None:
        """Fund and withdraw: also the bank's debits happen under fire."""
        while not self.enough:
            wallet = await self.shop.wallet()
            held = sum(each.count * each.denomination for each in wallet.holdings if each.state != "spent")
            if held < LOW:
                await self.shop.pay_in(WITHDRAWAL)
                await self.shop.withdraw(WITHDRAWAL)
            await trio.sleep(LOOK_SECONDS)

    async def _witness(self) -> None:
        """Look at statements, log and wallet all the time, so that whatever is taken back later has been told."""
        while not self.enough:
            for kind in (Kind.MERCHANT, Kind.CONSUMER):
                await self.shop.look_at_account(kind)
            await self.shop.look_at_log()
            self.shop.told.heard_of((await self.shop.wallet()).purchases)
            await trio.sleep(LOOK_SECONDS)
