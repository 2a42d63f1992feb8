"""What an owner of a wallet does in several steps: open an account, withdraw, look at a catalogue, buy, and wait.

Used by the `anonnet` command, the demo, the benchmarks and the tests of real processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from shlex import quote

import trio

from anonnet.errors import Malformed, Why
from anonnet.limits import GOODS_BYTES_MAX
from anonnet.protocol.account import Statement
from anonnet.protocol.brand import Brand
from anonnet.protocol.goods import Catalogue, CatalogueOf, Offer
from anonnet.protocol.local import (
    Buy,
    BuyNow,
    Holding,
    OpenAt,
    Purchase,
    PurchaseOf,
    Started,
    Wallet,
    WalletOf,
    Withdraw,
)
from anonnet.protocol.network import Network, Peer, Role
from anonnet.store.tokens import FREE, WITHDRAWING
from anonnet.store.wallet import ABORTED, DISPUTED, DONE, MOVES, REFUSED
from anonnet.wire.codec import decode
from anonnet_daemons.config import PARTY_FILE
from anonnet_daemons.owner import Failed, NotYet, Owner, noun

ENDED = (DONE, DISPUTED, ABORTED, REFUSED)
"""States of a purchase for whose end nobody waits any longer."""

LOOK_SECONDS = 0.05
"""Between two looks at something that the daemon does not tell by itself."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be bought, from whom, for how much at most, through whom, how long the sale may take, how large the
    goods may be, and whether to sign for them where the merchant wants that."""

    merchant: Peer
    item: str
    currency: str
    price_max: int
    bank: Peer
    log: Peer
    lead: int
    size_max: int = GOODS_BYTES_MAX
    receipt: bool = False
    at_once: bool = False

    @property
    def command(self) -> Buy | BuyNow:
        """The same for the daemon."""
        return BuyNow(wish=self._wish) if self.at_once else self._wish

    @property
    def _wish(self) -> Buy:
        return Buy(
            merchant=self.merchant.key,
            item=self.item,
            currency=self.currency,
            price_max=self.price_max,
            bank=self.bank.key,
            log=self.log.identity,
            lead=self.lead,
            size_max=self.size_max,
            receipt=int(self.receipt),
        )


async def open_account(owner: Owner, bank: Peer, seconds: float) -> Statement:
    """Open an account, wait until the bank has it, return its statement. Raises NotYet."""
    await owner.ask(OpenAt(bank=bank.key), Started)
    last: Failed | None = None
    with trio.move_on_after(seconds):
        while True:
            try:
                return await owner.statement(bank)
            except Failed as failed:  # the bank does not know the account yet, or cannot be reached
                last = failed
            await trio.sleep(LOOK_SECONDS)
    raise NotYet(f"{bank.name} has not opened the account in {seconds:g} s ({last}): {owner.setup.name} keeps asking")


async def withdraw(
    owner: Owner, bank: Peer, amount: int, currency: str, seconds: float, told: Callable[[int, int], None]
) -> list[Holding]:
    """Withdraw and wait for the tokens; `told` hears how many of them there are. Raises Failed, NotYet."""
    await _check_funds(owner, bank, amount, currency)
    before = await held(owner, bank, currency, WITHDRAWING)
    asked = 0
    for part in portions(amount, denominations(owner.network, bank, currency)):
        try:
            await owner.ask(Withdraw(bank=bank.key, currency=currency, amount=part), Started)
        except Failed as why:
            raise Failed(f"only {asked} {currency} are being withdrawn: {why}" if asked else str(why)) from why
        asked += part
    total = 0
    with trio.move_on_after(seconds):
        while True:
            wallet = await owner.ask(WalletOf(), Wallet)
            mine = [each for each in wallet.holdings if (each.bank, each.currency) == (bank.key, currency)]
            waiting = sum(each.count for each in mine if each.state == WITHDRAWING) - before
            total = max(total, waiting)
            told(total - max(waiting, 0), total)
            if waiting <= 0 or not wallet.withdrawals:
                return [each for each in mine if each.state == FREE]
            await trio.sleep(LOOK_SECONDS)
    raise NotYet(
        f"{bank.name} has not given all tokens in {seconds:g} s: the wallet goes on by itself; see wallet balance"
    )


def denominations(network: Network, bank: Peer, currency: str) -> list[int]:
    """What this bank's tokens of a currency are worth, in ascending order."""
    mine = (each for each in _brands(network) if (each.bank, each.currency) == (bank.key, currency))
    return sorted({each.denomination for each in mine})


def tills(network: Network) -> list[tuple[Peer, str]]:
    """Each bank with each currency that it has tokens of."""
    kinds = {(each.bank, each.currency) for each in _brands(network)}
    banks = network.all(Role.BANK)
    return [(bank, currency) for bank in banks for currency in sorted({c for key, c in kinds if key == bank.key})]


def _brands(network: Network) -> Iterator[Brand]:
    bodies = (decode(offer.brand.body) for offer in network.brands)
    return (each for each in bodies if isinstance(each, Brand))


def portions(amount: int, denominations: list[int]) -> list[int]:
    """Amounts to withdraw one by one, so that with the tokens of all every price up to `amount` can be paid exactly.

    A wallet makes an amount of few large tokens; 16 + 4 cannot pay 5. So the first portion has one token of each
    denomination as far as it goes (1 + 2 + 4 + 8), and the second is the rest (4 + 1).
    """
    ladder = 0
    for each in denominations:
        if ladder + each > amount:
            break
        ladder += each
    return [part for part in (ladder, amount - ladder) if part] or [amount]


async def _check_funds(owner: Owner, bank: Peer, amount: int, currency: str) -> None:
    """A withdrawal that the account cannot pay would be asked for again and again."""
    try:
        statement = await owner.statement(bank)
    except Failed as why:
        raise in_plain_words(owner, bank, why) from why
    there = next((each.amount for each in statement.balances if each.currency == currency), 0)
    if there < amount:
        raise Failed(
            f"the account at {bank.name} holds {there} {currency}, not {amount}: withdraw less, or have it funded: "
            f"{funding(owner, bank, statement.account, currency)}"
        )


def in_plain_words(owner: Owner, bank: Peer, why: Failed) -> Failed:
    """Why there is no statement: mostly because this bank knows no account of this owner's."""
    if why.why is not Why.UNKNOWN:
        return why
    opened = f"anonnet {noun(owner.setup.kind)} open-account --bank {bank.name}"
    return Failed(f"{owner.setup.name} has no account at {bank.name}: open one with {opened}", why.why)


def funding(owner: Owner, bank: Peer, account: bytes, currency: str = "CURRENCY") -> str:
    """The command by which a bank's owner notes what was paid in; on this machine also with the bank's folder."""
    folder = owner.setup.folder.parent / bank.name
    there = f" --data {quote(str(folder))}" if (folder / PARTY_FILE).exists() else ""
    return f"anonnet bank fund {account.hex()} AMOUNT {currency}{there}"


async def held(owner: Owner, bank: Peer, currency: str, state: str) -> int:
    """How many tokens of this bank and currency are in one state."""
    wallet = await owner.ask(WalletOf(), Wallet)
    kind = bank.key, currency, state
    return sum(each.count for each in wallet.holdings if (each.bank, each.currency, each.state) == kind)


def worth(holdings: list[Holding], state: str) -> Counter[str]:
    """What the tokens in one state are worth, by currency, in the order of the currencies' names."""
    sums: Counter[str] = Counter()
    for each in sorted(holdings, key=lambda each: each.currency):
        if each.state == state:
            sums[each.currency] += each.count * each.denomination
    return sums


async def catalogue(owner: Owner, merchant: Peer) -> list[Offer]:
    """Everything that a merchant sells, page by page. Raises Failed."""
    offers: list[Offer] = []
    more = True
    while more:
        after = offers[-1].item if offers else ""
        page = (await owner.forward(merchant, CatalogueOf(merchant=merchant.key, after=after), Catalogue)).body
        if any(left >= right for left, right in pairwise([after, *(each.item for each in page.offers)])):
            raise Failed(f"the catalogue of {merchant.name} is not in order: do not trust this merchant")
        offers += page.offers
        more = bool(page.more and page.offers)
    return offers


async def buy(owner: Owner, wish: Wish) -> bytes:
    """Begin a purchase durably, return its id. Raises Failed."""
    try:
        command = wish.command
    except Malformed as why:
        raise Failed(f"this cannot be bought ({why}): check the item's name, the amount and the lead") from why
    return (await owner.ask(command, Started)).subject


async def ended(owner: Owner, purchase: bytes, told: Callable[[Purchase], None] | None = None) -> Purchase:
    """Wait for the outcome of a purchase; `told` hears of each new state. Waits as long as it is let."""
    known: tuple[str, ...] = () if told else tuple(MOVES)
    while True:
        shown = await owner.ask(PurchaseOf(purchase=purchase, known=known), Purchase)
        if told and shown.state not in known:
            told(shown)
            known = (shown.state,)
        if shown.state in ENDED:
            return shown


async def until_state(owner: Owner, purchase: bytes, *states: str) -> Purchase:
    """Wait until a purchase stands in one of these states. Raises Failed where it has ended in another."""
    found: list[Purchase] = []

    with trio.CancelScope() as scope:

        def look(shown: Purchase) -> None:
            if shown.state in states:
                found.append(shown)
                scope.cancel()

        last = await ended(owner, purchase, look)
        if last.state not in states:
            raise Failed(f"the purchase is {last.state} ({last.detail}), and will not be {' or '.join(states)}")
    return found[0]
