"""A shop under load: what is on sale, what is paid in, and, kept outside of all daemons, what they have said.

Whoever asks a daemon that is dead asks again when it lives: commands that may be repeated are repeated until they are
answered. What an answer has said is noted in `Told`, and must hold for ever after.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import LocalNetwork
from anonnet_daemons.owner import Failed, NoDaemon, NotYet
from anonnet_daemons.shopping import ENDED, Wish

from anonnet.errors import BadStart
from anonnet.protocol.account import LedgerEntry
from anonnet.protocol.local import Fund, OpenAt, Purchase, PurchaseOf, Sell, Started, Wallet, WalletOf, Withdraw
from anonnet.protocol.logbook import Entries, Follow, Recorded, Time, TimeOf
from anonnet.store.wallet import DONE, MOVES, ORDERING
from anonnet.wire.codec import Message

CURRENCY = "EUR"
DENOMINATIONS = (1, 2, 4, 8)
GOODS = {"note": 1_000, "song": 200_000}
"""Bytes of what is on sale from the start: one chunk, and some."""
PRICES = {"note": 3, "song": 5, "film": 7}
PIECE_BYTES = 2**20
LOOK_SECONDS = 0.1
DEEP = os.environ.get("ANONNET_DEEP") == "1"
SEED = int(os.environ.get("ANONNET_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
"""Of everything that is chosen by chance in this run."""

M = TypeVar("M", bound=Message)
T = TypeVar("T")


@dataclass(frozen=True)
class Account:
    """A bank's signed statement, all its pages."""

    held: int
    entries: list[LedgerEntry]


@dataclass
class Told:
    """What daemons have said to their owners."""

    purchases: dict[bytes, str] = field(default_factory=dict)
    """The last state that was told, by purchase."""
    prices: dict[bytes, int] = field(default_factory=dict)
    """What was paid, by purchase that is done."""
    statements: dict[Kind, list[LedgerEntry]] = field(default_factory=dict)
    entries: dict[int, list[Recorded]] = field(default_factory=dict)
    """Of the log, by shard."""
    paid_in: int = 0

    def purchase(self, shown: Purchase) -> None:
        """A purchase only ever moves on."""
        before = self.purchases.get(shown.purchase, shown.state)
        assert shown.state in reachable(before), f"{before} was told, and now it is {shown.state}"
        self.purchases[shown.purchase] = shown.state
        if shown.state == DONE:
            self.prices[shown.purchase] = PRICES[shown.item]

    def heard_of(self, purchases: Iterable[bytes]) -> None:
        """Purchases that the wallet knows."""
        for id in purchases:
            self.purchases.setdefault(id, ORDERING)

    @property
    def running(self) -> list[bytes]:
        """Purchases that have not ended, as far as was told."""
        return [id for id, state in self.purchases.items() if state not in ENDED]

    def statement(self, kind: Kind, entries: list[LedgerEntry]) -> None:
        """A statement only ever grows."""
        before = self.statements.get(kind, [])
        assert entries[: len(before)] == before, f"entries of the {kind}'s statement have changed"
        self.statements[kind] = entries

    def log(self, shard: int, entries: list[Recorded]) -> None:
        """A shard of a log only ever grows."""
        before = self.entries.get(shard, [])
        assert entries[: len(before)] == before, "entries of the log have changed"
        self.entries[shard] = entries


def reachable(state: str) -> set[str]:
    """This state, and all that a purchase can move to from it."""
    found, new = {state}, {state}
    while new:
        new = {after for each in new for after in MOVES.get(each, ())} - found
        found |= new
    return found


class Shop:
    """A network whose daemons may be dead at any time."""

    def __init__(self, local: LocalNetwork) -> None:
        self.local = local
        self.told = Told()
        self.goods: dict[str, bytes] = {}
        """SHA-256 of each item's file."""

    # Speaking with daemons that die.

    async def once(self, kind: Kind, command: Message, expected: type[M]) -> M | None:
        """Ask once; None where the daemon was dead, or died before it had answered."""
        try:
            async with self.local.owner(kind) as owner:
                return await owner.ask(command, expected)
        except (NoDaemon, NotYet, BadStart):  # the last: its disk has no power
            return None

    async def insist(self, kind: Kind, command: Message, expected: type[M]) -> M:
        """Ask until there is an answer."""
        while (answer := await self.once(kind, command, expected)) is None:
            await trio.sleep(LOOK_SECONDS)
        return answer

    # Before the load.

    async def open(self) -> None:
        """Accounts, and goods on sale."""
        bank = self.local.peer(Kind.BANK)
        for kind in (Kind.MERCHANT, Kind.CONSUMER):
            await self.insist(kind, OpenAt(bank=bank.key), Started)
            await self.seen(partial(self.look_at_account, kind))
        for item, size in GOODS.items():
            await self.put_on_sale(item, size)

    async def put_on_sale(self, item: str, size: int) -> None:
        """Have the merchant sell a file of so many random bytes."""
        path, whole = self.local.home / item, hashlib.sha256()
        with path.open("wb") as file:
            for at in range(0, size, PIECE_BYTES):
                piece = os.urandom(min(PIECE_BYTES, size - at))
                file.write(piece)
                whole.update(piece)
            file.flush()
            os.fsync(file.fileno())  # what is on sale is durable, or a loss of power takes it from the merchant
        self.goods[item] = whole.digest()
        await self.insist(Kind.MERCHANT, self._sell(item, path), Started)

    def _sell(self, item: str, path: Path) -> Sell:
        return Sell(
            item=item,
            path=str(path),
            description="",
            media_type="application/octet-stream",
            currency=CURRENCY,
            price=PRICES[item],
            valid_until=int(time.time()) + 24 * 3600,
        )

    async def pay_in(self, amount: int) -> None:
        """Have the bank fund the consumer's account, once, however often it must be told."""
        account = (await self.wallet()).account(self.local.peer(Kind.BANK).key)
        fund = Fund(account=account, currency=CURRENCY, amount=amount, reference=os.urandom(32))
        await self.insist(Kind.BANK, fund, Started)
        self.told.paid_in += amount

    async def withdraw(self, amount: int) -> None:
        """Begin a withdrawal. Where the answer is lost it may have begun; money is conserved either way."""
        command = Withdraw(bank=self.local.peer(Kind.BANK).key, currency=CURRENCY, amount=amount)
        await self.once(Kind.CONSUMER, command, Started)

    async def withdrawn(self) -> None:
        """Wait until no token is on its way."""
        while (await self.wallet()).withdrawals:
            await trio.sleep(LOOK_SECONDS)

    # Looking.

    async def wallet(self) -> Wallet:
        return await self.insist(Kind.CONSUMER, WalletOf(), Wallet)

    async def purchase(self, id: bytes, known: tuple[str, ...] = ()) -> Purchase:
        """How a purchase stands. One whose Started was told is known for ever."""
        shown = await self.insist(Kind.CONSUMER, PurchaseOf(purchase=id, known=known), Purchase)
        self.told.purchase(shown)
        return shown

    async def ended(self, id: bytes) -> Purchase:
        """How a purchase ends."""
        while (shown := await self.purchase(id, tuple(MOVES))).state not in ENDED:
            pass
        return shown

    async def seen(self, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look until there is something to see."""
        while (found := await look()) is None:
            await trio.sleep(LOOK_SECONDS)
        return found

    async def look_at_account(self, kind: Kind) -> Account | None:
        """What the bank signs of an account now; None where somebody was dead."""
        bank, entries = self.local.peer(Kind.BANK), list[LedgerEntry]()
        try:
            async with self.local.owner(kind) as owner:
                while (page := await owner.statement(bank, len(entries))).entries:
                    entries += page.entries
        except (NoDaemon, NotYet, BadStart, Failed):
            return None
        self.told.statement(kind, entries)
        return Account({each.currency: each.amount for each in page.balances}.get(CURRENCY, 0), entries)

    async def look_at_log(self) -> list[Recorded] | None:
        """All entries of the log; None where it was dead."""
        log, found = self.local.peer(Kind.LOG), list[Recorded]()
        time = await self.once(Kind.LOG, TimeOf(log=log.identity), Time)
        if time is None:
            return None
        for each in time.shards:
            entries = list[Recorded]()
            while len(entries) < each.size:
                asked = Follow(log=log.identity, shard=each.shard, start=len(entries))
                page = await self.once(Kind.LOG, asked, Entries)
                if page is None:
                    return None
                entries += page.entries
            self.told.log(each.shard, entries)
            found += entries
        return found

    # Buying.

    def wish(self, item: str, lead: int, price_max: int | None = None) -> Wish:
        """An item, for its price unless another is named."""
        merchant, bank, log = (self.local.peer(kind) for kind in (Kind.MERCHANT, Kind.BANK, Kind.LOG))
        return Wish(merchant, item, CURRENCY, PRICES[item] if price_max is None else price_max, bank, log, lead)

    async def begin(self, wish: Wish) -> bytes | None:
        """Begin a purchase, return its id; None where the answer was lost, and it may have begun or not."""
        started = await self.once(Kind.CONSUMER, wish.command, Started)
        if started is None:
            return None
        self.told.heard_of([started.subject])
        return started.subject


@asynccontextmanager
async def shop_in(
    folder: Path,
    *,
    seconds: float,
    mirrors: int = 0,
    quorum: int = 0,
    merged: Kind | None = None,
    prepare: Callable[[LocalNetwork], object] = lambda local: None,
) -> AsyncIterator[Shop]:
    """A shop that runs for the time of the block, which has a deadline. Its processes end with the block.

    `prepare` is called when there is a network and nothing of it runs yet.
    """
    with trio.fail_after(seconds):
        await found(Plan(folder / "n", CURRENCY, DENOMINATIONS, mirrors=mirrors, quorum=quorum, merged=merged))
        local = LocalNetwork(folder / "n")
        prepare(local)
        try:
            await local.start()
            shop = Shop(local)
            await shop.open()
            yield shop
        finally:
            await local.end_now()
