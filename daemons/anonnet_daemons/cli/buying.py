"""Buying from the command line: from an order in words to one of the outcomes in words."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import trio

from anonnet.protocol.goods import GoodsM, Offer
from anonnet.protocol.local import Purchase, PurchaseOf, Wallet, WalletOf
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.steps import Step
from anonnet.store import wallet
from anonnet.store.tokens import FREE
from anonnet.wire.codec import decode
from anonnet_daemons.cli.progress import Told, bar
from anonnet_daemons.cli.verbs import DONE as EXIT_DONE
from anonnet_daemons.cli.verbs import FAILED, NOT_YET, Found, amount, named
from anonnet_daemons.config import Kind
from anonnet_daemons.owner import Failed, Owner, owner_of
from anonnet_daemons.shopping import Wish, buy, catalogue, ended, worth

UNKNOWN = "unknown"
OUTCOMES = {
    wallet.DONE: wallet.DONE,
    wallet.DISPUTED: wallet.DISPUTED,
    wallet.ABORTED: wallet.REFUSED,
    wallet.REFUSED: wallet.REFUSED,
}
"""What became of a purchase, by its state; any other state: not known yet."""
CODES = {wallet.DONE: EXIT_DONE, wallet.DISPUTED: FAILED, wallet.REFUSED: FAILED, UNKNOWN: NOT_YET}


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asks for: parties by their names."""

    item: str
    merchant: str | None
    limit: tuple[int, str] | None
    size: int | None
    bank: str | None
    log: str | None
    lead: int
    receipt: bool
    at_once: bool


async def order_from(owner: Owner, order: Order) -> Wish:
    """The parties behind the names; what is not named is what the catalogue says. Raises Failed.

    Of several banks at which the item can be paid, the first one is taken of which the wallet has the money.
    """
    network = owner.network
    merchant, log = named(network, Role.MERCHANT, order.merchant), named(network, Role.LOG, order.log)
    limit, size = order.limit, order.size
    bank = named(network, Role.BANK, order.bank) if order.bank else None
    if limit is None or size is None or bank is None:
        offer = await _offer(owner, merchant, order.item)
        limit, size = limit or (offer.price, offer.currency), offer.size if size is None else size
        bank = await _payer(owner, offer, bank)
    price_max, currency = limit
    return Wish(merchant, order.item, currency, price_max, bank, log, order.lead, size, order.receipt, order.at_once)


def payable_at(network: Network, offer: Offer) -> list[Peer]:
    """The banks of this network at which an item can be paid."""
    return [bank for bank in network.all(Role.BANK) if bank.key in offer.banks]


async def _payer(owner: Owner, offer: Offer, bank: Peer | None) -> Peer:
    """At whom to pay: this bank, or one of which the wallet has the money. Raises Failed."""
    accepted = payable_at(owner.network, offer)
    if bank is not None:
        accepted = [each for each in accepted if each == bank]
    holdings = (await owner.ask(WalletOf(), Wallet)).holdings
    banks = owner.network.all(Role.BANK)
    free = {each: worth([held for held in holdings if held.bank == each.key], FREE) for each in banks}
    for each in accepted:
        if free[each][offer.currency] >= offer.price:
            return each
    price = amount(offer.price, offer.currency)
    has = [f"{amount(units, currency)} at {each.name}" for each in free for currency, units in free[each].items()]
    names = ", ".join(each.name for each in payable_at(owner.network, offer)) or "no bank of this network"
    raise Failed(
        f"{offer.item} costs {price}, to be paid at {names}; the wallet has free: {', '.join(has) or 'nothing'}: "
        "withdraw where it can be paid, or wait for tokens that are in a sale"
    )


async def _offer(owner: Owner, merchant: Peer, item: str) -> Offer:
    offers = {each.item: each for each in await catalogue(owner, merchant)}
    if item not in offers:
        raise Failed(f"{merchant.name} does not sell {item}: see anonnet wallet catalogue {merchant.name}")
    return offers[item]


async def bought(owner: Owner, data: Path, wish: Wish, timeout: float, to: Path | None) -> Found:
    """Buy, wait for the outcome, and say it. Raises Failed."""
    if to is not None and not _can_be_written(to):  # before anything is paid
        raise Failed(f"{to} cannot be written: choose another place for the goods; nothing has been paid")
    purchase = await buy(owner, wish)
    with trio.move_on_after(timeout), bar("Fetching the goods") as told:
        async with trio.open_nursery() as nursery:
            progress = _Progress(told)
            nursery.start_soon(progress.watch, data)
            await ended(owner, purchase, progress.now)
            nursery.cancel_scope.cancel()
    shown = await owner.ask(PurchaseOf(purchase=purchase), Purchase)
    if shown.state != wallet.DONE or to is None:
        return purchase_found(shown)
    try:
        shutil.copyfile(shown.path, to)
    except OSError as why:
        return _not_copied(purchase_found(shown), f"It cannot be copied to {to}: {why.strerror or why}")
    return purchase_found(shown, to)


def _can_be_written(to: Path) -> bool:
    """False if it is plain that no file can be made there; a disk may still be full later."""
    place = to if os.path.exists(to) else to.parent
    return os.path.isdir(to.parent) and not os.path.isdir(to) and os.access(place, os.W_OK)


def _not_copied(found: Found, problem: str) -> Found:
    """The goods are paid for and are in the wallet's folder: it says where."""
    return Found({**found.values, "error": problem, "exit": FAILED}, [*found.words, problem], FAILED)


class _Progress:
    """Counts chunks as the wallet takes them in. Other purchases at the same time make it run ahead."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._done = self._total = 0

    def now(self, shown: Purchase) -> None:
        """Hear how the purchase stands."""
        terms = next((decode(paper.body) for paper in shown.papers if paper.step == Step.P1), None)
        self._total = terms.contract.chunks if isinstance(terms, GoodsM) else 0

    async def watch(self, data: Path) -> None:
        """Hear what the wallet takes in, until cancelled."""
        async with owner_of(data, Kind.CONSUMER) as watcher:
            async for step in watcher.watch():
                self._done += step.step_name == Step.CHUNK.name
                self._told(min(self._done, self._total), self._total)


def purchase_found(shown: Purchase, copied: Path | None = None) -> Found:
    """A purchase in words, with the exit code of its outcome."""
    outcome = OUTCOMES.get(shown.state, UNKNOWN)
    papers = [Step(paper.step).name for paper in shown.papers]
    values = {
        "purchase": shown.purchase.hex(),
        "outcome": outcome,
        "state": shown.state,
        "item": shown.item,
        "price": shown.price,
        "currency": shown.currency,
        "detail": shown.detail,
        "path": str(copied or shown.path),
        "papers": papers,
    }
    words = [_sentence(shown, str(copied or shown.path)), f"purchase {shown.purchase.hex()}"]
    return Found(values, [*words, f"papers {' '.join(papers) or 'none yet'}"], CODES[outcome])


def _sentence(shown: Purchase, path: str) -> str:
    price = amount(shown.price, shown.currency)
    match shown.state:
        case wallet.DONE:
            return f"Done: {shown.item} for {price}, checked against its contract, is at {path}"
        case wallet.DISPUTED:
            return f"Paid {price}, but {shown.detail}: keep this wallet's papers, a judge can decide from them."
        case wallet.ABORTED:
            return (
                f"Refused: the sale of {shown.item} has been aborted, and {price} go back to the wallet by themselves."
            )
        case wallet.REFUSED:
            return f"Refused: {shown.detail or 'the sale did not come about'}; nothing has been paid."
        case wallet.COMMITTED:
            return f"Not known yet: {shown.item} is paid for and is being opened; ask again with wallet show."
        case state:
            return f"Not known yet ({state}): the wallet goes on by itself; ask again with wallet show."
