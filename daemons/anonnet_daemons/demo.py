"""The demo: processes on this machine, a sale that commits and a sale that aborts, and a count of all money.

The log decides with four mirrors, of which three are a quorum; or alone, as in the paper. Everything that is claimed is
also checked: it ends with a failure if a step is missing, if the goods are not what the contract says, if a token is
lost, or if the money does not add up to what was paid in.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from anonnet.protocol.goods import GoodsM
from anonnet.protocol.local import Books, BooksOf, Fund, Purchase, Sell, Started, Wallet, WalletOf
from anonnet.protocol.steps import Step
from anonnet.store.goods import measure
from anonnet.store.tokens import FREE, SPENT
from anonnet.store.wallet import ABORTED, DONE, TIMING
from anonnet.times import SETTLE_SECONDS
from anonnet.wire.codec import encode
from anonnet.wire.signed import said_in
from anonnet_daemons.bells import ring
from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import LocalNetwork
from anonnet_daemons.owner import Owner
from anonnet_daemons.shopping import Wish, buy, catalogue, ended, open_account, until_state, withdraw, worth
from anonnet_daemons.telling import OTHER_NAMES, PAPER_NAMES, Line, Teller, milestones

CURRENCY = "EUR"
PAID_IN, WITHDRAWN, PRICE = 100, 20, 5
GOODS_BYTES = 3 * 1024 * 1024
ITEM = "bells.wav"
MIRRORS, QUORUM = 4, 3
PATIENCE_SECONDS = 60.0
"""Nothing in the demo takes this long on a machine that works."""
LEAD_SECONDS = 60
SHORT_LEAD_SECONDS = 3
LOOK_SECONDS = 0.05
COMMITTED_STEPS = {Step.P1, Step.P2, Step.P3, Step.P4, Step.P5A}
QUORUM_STEPS = {Step.PLEDGE, Step.CERTIFICATE}
"""What comes to them where the log does not decide alone."""
ABORTED_STEPS = {Step.P1, Step.P2, Step.P3, Step.P5B}

Say = Callable[[str, str], None]
"""Say a line, in a style: "title", "step", "good", "bad" or ""."""


@dataclass
class Demo:
    """The demo as it goes. `failures` is what was not so."""

    say: Say
    play: Callable[..., Play]
    """Makes the acts, on a network that runs."""
    mirrors: int = MIRRORS
    """How many decide with the log; 0: it decides alone."""
    programs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What is started for a party, where it is not the `anonnet` command."""
    failures: list[str] = field(default_factory=list)

    def check(self, claim: str, holds: bool) -> None:
        """Say that something is so, or note that it is not."""
        self.say(f"  {'ok ' if holds else 'NOT SO: '} {claim}", "good" if holds else "bad")
        if not holds:
            self.failures.append(claim)

    async def run(self) -> list[str]:
        """Play everything; return what was not so."""
        with tempfile.TemporaryDirectory(prefix="anonnet-") as folder:
            home = Path(folder) / "demo"
            began = time.monotonic()
            network = await found(Plan(home, CURRENCY, mirrors=self.mirrors, quorum=QUORUM if self.mirrors else 0))
            self.say(f"1. A network on this machine ({network.name})", "title")
            for peer in network.peers:
                self.say(f"  {peer.name:<10}{peer.host} port {peer.port}", "")
            self.say("  consumer  knows all of them, and is known to none", "")
            self.say(f"  a sale is decided by {self._deciding}", "")
            async with LocalNetwork.running(home, programs=self.programs) as local:
                self.say(f"  {len(local.daemons)} processes run after {time.monotonic() - began:.1f} s", "")
                async with self._told(local) as teller, local.owner(Kind.CONSUMER) as consumer:
                    await self.play(self, local, teller, consumer, home).play()
                codes = await local.stop()
            self.check("every process has ended properly when asked to", set(codes.values()) == {0})
        return self.failures

    @property
    def _deciding(self) -> str:
        return f"{QUORUM} of {self.mirrors} mirrors, by what the log records" if self.mirrors else "the log alone"

    @asynccontextmanager
    async def _told(self, local: LocalNetwork) -> AsyncIterator[Teller]:
        """Tell the steps of all daemons for the time of the block."""
        teller = Teller(self._tell)
        async with trio.open_nursery() as nursery:
            for kind in (
                Kind.CONSUMER,
                Kind.BANK,
                Kind.MERCHANT,
            ):  # the log begins no exchange, the relay tells nothing
                await nursery.start(teller.hear, local, kind)
            nursery.start_soon(teller.run)
            yield teller
            nursery.cancel_scope.cancel()

    def _tell(self, line: Line) -> None:
        self.say(line.text, "step" if line.step in PAPER_NAMES or line.step is Step.ENTRIES else "")


@dataclass
class Play:
    """The acts, on a network that runs."""

    demo: Demo
    local: LocalNetwork
    teller: Teller
    consumer: Owner
    home: Path

    async def play(self) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            await self._accounts()
            await self._withdrawal()
            await self._shop()
            await self._sale_that_commits()
            await self._sale_that_aborts()
            await self._count()

    async def _accounts(self) -> None:
        self._title("2. Accounts at the bank; 100 EUR are paid in for the consumer")
        bank = self.local.peer(Kind.BANK)
        statement = await open_account(self.consumer, bank, PATIENCE_SECONDS)
        async with self.local.owner(Kind.MERCHANT) as merchant:
            await open_account(merchant, bank, PATIENCE_SECONDS)
        fund = Fund(account=statement.account, currency=CURRENCY, amount=PAID_IN, reference=bytes(32))
        async with self.local.owner(Kind.BANK) as owner:
            await owner.ask(fund, Started)
        await self.teller.settle()

    async def _withdrawal(self) -> None:
        self._title(f"3. Withdrawal of {WITHDRAWN} EUR: the bank signs tokens that it cannot see")
        free = await withdraw(
            *(self.consumer, self.local.peer(Kind.BANK), WITHDRAWN, CURRENCY, PATIENCE_SECONDS),
            told=lambda done, total: None,
        )
        await self.teller.settle()
        coins = " + ".join(
            map(str, sorted((each.denomination for each in free for _ in range(each.count)), reverse=True))
        )
        self.demo.check(f"tokens of {coins} EUR are free to spend", worth(free, FREE)[CURRENCY] == WITHDRAWN)

    async def _shop(self) -> None:
        self._title("4. The merchant puts a file on sale; the consumer looks, through the relay")
        path = self.home / ITEM
        await trio.to_thread.run_sync(ring, path, GOODS_BYTES)
        sell = Sell(
            item=ITEM,
            path=str(path),
            description="Half a minute of bells.",
            media_type="audio/wav",
            currency=CURRENCY,
            price=PRICE,
            valid_until=int(time.time()) + 24 * 3600,
        )
        async with self.local.owner(Kind.MERCHANT) as merchant:
            await merchant.ask(sell, Started)
        for offer in await catalogue(self.consumer, self.local.peer(Kind.MERCHANT)):
            self.demo.say(f"  {offer.item}: {offer.price} {offer.currency}, {offer.size} bytes, {offer.media_type}", "")

    def _wish(self, lead: int) -> Wish:
        merchant, bank, log = (self.local.peer(kind) for kind in (Kind.MERCHANT, Kind.BANK, Kind.LOG))
        return Wish(merchant, ITEM, CURRENCY, PRICE, bank, log, lead)

    async def _sale_that_commits(self) -> None:
        self._title("5. A sale: sealed goods first, then the promise, then the key, in public")
        began = time.monotonic()
        purchase = await buy(self.consumer, self._wish(LEAD_SECONDS))
        shown = await ended(self.consumer, purchase)
        seconds = time.monotonic() - began
        await self._credited()
        await self.teller.settle()
        self.demo.check(f"the purchase is done, {seconds:.2f} s after the order", shown.state == DONE)
        if shown.state == DONE:
            self._check_goods(shown)
        if self.demo.mirrors:
            self.demo.say(f"  {milestones(self.teller.heard)}", "")
            self.demo.say(f"  the certificate of the key has {len(shown.papers[-1].body)} bytes", "")
        self._check_steps(COMMITTED_STEPS | (QUORUM_STEPS if self.demo.mirrors else set()))

    async def _credited(self) -> None:
        """Wait until the bank has credited the merchant: the last step of a sale."""
        async with self.local.owner(Kind.MERCHANT) as merchant:
            while not (await merchant.statement(self.local.peer(Kind.BANK))).balances:
                await trio.sleep(LOOK_SECONDS)

    def _check_goods(self, shown: Purchase) -> None:
        contract, measured = said_in(shown.papers[0], GoodsM).contract, measure(Path(shown.path))
        same = (measured.size, measured.hash, measured.root) == (contract.size, contract.hash, contract.root)
        self.demo.check(f"the file has the contract's size and hash, {contract.hash.hex()[:16]}...", same)

    async def _sale_that_aborts(self) -> None:
        self._title("6. A sale in which the merchant dies once the goods are delivered")
        log, merchant = self.local[Kind.LOG], self.local[Kind.MERCHANT]
        log.pause()  # so that the consumer cannot pay before the merchant is dead
        purchase = await buy(self.consumer, self._wish(SHORT_LEAD_SECONDS))
        await until_state(self.consumer, purchase, TIMING)
        await self.teller.settle()
        await merchant.kill()
        log.go_on()
        self.demo.say(f"  ... merchant killed (pid {merchant.pid}); the consumer pays, nobody commits ...", "")
        wait = SHORT_LEAD_SECONDS + SETTLE_SECONDS
        self.demo.say(f"  ... the sale expires after {SHORT_LEAD_SECONDS} s, and can end after {wait} s ...", "")
        shown = await ended(self.consumer, purchase)
        wallet = await self._settled()
        await self.teller.settle()
        self.demo.check(f"the sale has ended as {shown.state}", shown.state == ABORTED)
        free = worth(list(wallet.holdings), FREE)[CURRENCY]
        self.demo.check("the consumer's tokens are free again", free == WITHDRAWN - PRICE)
        if self.demo.mirrors:
            abort = shown.papers[-1]
            whole = len(abort.signatures) == QUORUM
            self.demo.check(f"{QUORUM} mirrors have signed the abort, {len(encode(abort))} bytes", whole)
        self._check_steps(ABORTED_STEPS)
        await merchant.start()
        await merchant.ready()

    async def _settled(self) -> Wallet:
        """Wait until no token is bound to a sale any more."""
        while True:
            wallet = await self.consumer.ask(WalletOf(), Wallet)
            if all(each.state in (FREE, SPENT) for each in wallet.holdings):
                return wallet
            await trio.sleep(LOOK_SECONDS)

    def _check_steps(self, steps: set[Step]) -> None:
        """Every step of the sale has been seen; what was told is then over."""
        names = " ".join(PAPER_NAMES[step][0] if step in PAPER_NAMES else OTHER_NAMES[step] for step in sorted(steps))
        seen = {line.step for line in self.teller.told}
        self.demo.check(f"seen on the way: {names}", steps <= seen)
        self.teller.begin_anew()

    async def _count(self) -> None:
        self._title("7. All money, counted")
        bank = self.local.peer(Kind.BANK)
        async with self.local.owner(Kind.MERCHANT) as merchant, self.local.owner(Kind.BANK) as owner:
            held = {"the consumer's account": await self.consumer.statement(bank)}
            held["the merchant's account"] = await merchant.statement(bank)
            books = {each.book: each.amount for each in (await owner.ask(BooksOf(), Books)).totals}
        rows = {name: sum(each.amount for each in statement.balances) for name, statement in held.items()}
        accounts = sum(rows.values())
        wallet = await self.consumer.ask(WalletOf(), Wallet)
        rows["the consumer's tokens"] = tokens = worth(list(wallet.holdings), FREE)[CURRENCY]
        for name, units in rows.items():
            self.demo.say(f"  {name:<30}{units:>6} {CURRENCY}", "")
        self.demo.say(f"  {'sum':<30}{sum(rows.values()):>6} {CURRENCY}", "title")
        self.demo.check(f"the sum is what was paid in, {PAID_IN} {CURRENCY}", sum(rows.values()) == PAID_IN)
        self.demo.check(f"the merchant has the price, {PRICE} {CURRENCY}", rows["the merchant's account"] == PRICE)
        mine = {"cash": -PAID_IN, "account": accounts, "tokens": tokens}
        theirs = {book: amount for book, amount in books.items() if amount}
        self.demo.check("the bank's books say the same, and lock nothing", theirs == mine)

    def _title(self, text: str) -> None:
        self.demo.say("", "")
        self.demo.say(text, "title")
