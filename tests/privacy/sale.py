"""Sales between real processes, each with its ears open: what there was to know, and what everybody has of them.

A plain sale, one against a receipt, a sealed one, disputes about the plain one, and one that fails, whose tokens are
then exchanged. All are of the same goods at the same price to the same consumer. The figures are such that they are
found again wherever they stand: a price that no other number is, an item with a name of its own.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import trio
from anonnet_daemons.config import Kind, read_setup
from anonnet_daemons.disputing import disputed
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import LocalNetwork
from anonnet_daemons.owner import Owner
from anonnet_daemons.shopping import LOOK_SECONDS, Wish, buy, ended, open_account, until_state, withdraw

from anonnet.protocol.dispute import Demand
from anonnet.protocol.local import Fund, OpenAt, Purchase, Sales, SalesOf, Sell, Started, Wallet, WalletOf
from anonnet.protocol.network import Network
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.store.wallet import ABORTED, DONE, TIMING
from anonnet.wire.frames import Frame
from anonnet.wire.signed import Signed, payload, said_in
from tests.privacy.pieces import Line, Piece, View, received, stored

SECONDS = 90
CURRENCY = "EUR"
DENOMINATIONS = (600_011, 1_200_043)
PRICE = sum(DENOMINATIONS)
WITHDRAWN = 5 * PRICE
"""Five tokens of each brand: one for each sale, and one that is kept."""
PLAIN, RECEIPT, SEALED, FAILED = "plain", "receipt", "sealed", "failed"
LEAD_SECONDS, FAILING_SECONDS = 60, 4
ITEM, DESCRIPTION = "Pavane-for-a-sleeping-observer", "A pavane that no other shop has, in one movement"
GOODS = os.urandom(200_000)
MIRROR = f"{Kind.MIRROR}-1"
TAPPED = Path(__file__).with_name("tapped.py")


@dataclass(frozen=True)
class Facts:
    """What there is to know, beside the figures above."""

    network: Network
    account: bytes
    """Hers, at the bank."""
    addresses: dict[str, str]
    """From where each party dials, by name."""
    authorizations: dict[str, Signed]
    """P2 of each sale."""
    blinded: tuple[bytes, ...]
    """The blinded messages of her withdrawals."""

    @property
    def authorization_q(self) -> Signed:
        """P2 of the plain sale."""
        return self.authorizations[PLAIN]

    @property
    def orders(self) -> dict[str, AuthorizationQ]:
        """The bodies of all."""
        return {name: said_in(each, AuthorizationQ) for name, each in self.authorizations.items()}

    @property
    def order(self) -> AuthorizationQ:
        """The body of the plain sale's."""
        return self.orders[PLAIN]

    @property
    def order_bytes(self) -> int:
        """The size of the frame of P2."""
        return len(bytes(Frame(self.authorization_q.step, 1, payload(self.authorization_q))))

    @property
    def seeds(self) -> list[bytes]:
        """By what the sales are known: their numbers, their transactions, their tokens."""
        orders = self.orders.values()
        named = [name for each in orders for name in (each.transaction.number, each.transaction.outcome_key)]
        return [*named, *(payment.token.id for each in orders for payment in each.payments)]

    @property
    def sealed_seeds(self) -> list[bytes]:
        """By what a log knows the sealed sale."""
        transaction = self.orders[SEALED].transaction
        return [transaction.entry_key, transaction.outcome_key]


@dataclass
class Taken:
    """Everybody's view of the sale, and what there was to know."""

    facts: Facts
    views: dict[str, View]

    def warrant(self) -> View:
        """What is kept by everybody but the consumer."""
        others = [name for name in self.views if name != Kind.CONSUMER]
        return View([piece for name in others for piece in self.views[name].pieces if is_stored(piece)])

    def both(self, one: str, other: str) -> View:
        """What two of them have together, as merged parties do; these say even less to each other."""
        views = self.views[one], self.views[other]
        return View([piece for view in views for piece in view.pieces], [line for view in views for line in view.lines])

    def lines(self, *, hers: bool) -> View:
        """All that goes over the network, without the consumer's own line to the relay or with it."""
        lines: list[Line] = []
        at = self.facts.addresses[Kind.CONSUMER]
        for view in self.views.values():
            lines += [each for each in view.lines if each.sender and (hers or at not in (each.sender, each.receiver))]
        return View(lines=lines)


def is_stored(piece: Piece) -> bool:
    """False for what was only received."""
    return not piece.where.startswith("frame ")


@cache
def taken() -> Taken:
    """The sale, made once for all tests of this process."""
    with tempfile.TemporaryDirectory(prefix="anonnet-privacy-") as folder:
        return trio.run(_take, Path(folder))


async def _take(folder: Path) -> Taken:
    home = folder / "n"
    with trio.fail_after(SECONDS):
        network = await found(Plan(home, CURRENCY, DENOMINATIONS, bits=2048, mirrors=1, quorum=1))
        names = [*(peer.name for peer in network.peers), Kind.CONSUMER.value]
        programs = {name: (sys.executable, "-P", str(TAPPED), str(folder / f"{name}.tape")) for name in names}
        async with LocalNetwork.running(home, programs=programs) as local:
            account, purchases = await _play(local)
    addresses = {name: read_setup(home / name, local[name].kind).bind for name in names}
    views = {}
    for name in names:
        views[name] = received(folder / f"{name}.tape", addresses[name])
        views[name].pieces += stored(home / name)
    return Taken(_facts(network, account, addresses, purchases, views), views)


async def _play(local: LocalNetwork) -> tuple[bytes, dict[str, Purchase]]:
    """Accounts, money, tokens, goods, and the sales until their money has gone where it should."""
    bank = local.peer(Kind.BANK)
    async with (
        local.owner(Kind.BANK) as banker,
        local.owner(Kind.MERCHANT) as seller,
        local.owner(Kind.CONSUMER) as she,
    ):
        await seller.ask(OpenAt(bank=bank.key), Started)
        account = (await open_account(she, bank, SECONDS)).account
        await banker.ask(Fund(account=account, currency=CURRENCY, amount=WITHDRAWN, reference=bytes(32)), Started)
        for _ in range(WITHDRAWN // PRICE):
            await withdraw(she, bank, PRICE, CURRENCY, SECONDS, lambda done, of: None)
        await _sell(local, seller)
        begun = {kind: await buy(she, _wish(local, kind)) for kind in (PLAIN, RECEIPT, SEALED)}
        bought = {kind: await ended(she, purchase) for kind, purchase in begun.items()}
        assert {each.state for each in bought.values()} == {DONE}, bought
        while [(each.state, each.count) for each in (await seller.ask(SalesOf(), Sales)).counts] != [("credited", 3)]:
            await trio.sleep(LOOK_SECONDS)
        for demand in (Demand.SPENT, Demand.DELIVERY):
            answer = await disputed(she, begun[PLAIN], demand, SECONDS)
            assert answer is not None
            assert not answer.denied, answer
        return account, {**bought, FAILED: await _fail(local, she)}


async def _sell(local: LocalNetwork, seller: Owner) -> None:
    """The goods, under a name for each way of selling them."""
    path = local.home.parent / "goods"
    path.write_bytes(GOODS)
    about = {"description": DESCRIPTION, "media_type": "audio/pavane", "valid_until": int(time.time()) + 3600}
    for kind in (PLAIN, RECEIPT, SEALED):
        ways = {"receipt": int(kind == RECEIPT), "sealed": int(kind == SEALED)}
        await seller.ask(
            Sell(item=item_of(kind), path=str(path), currency=CURRENCY, price=PRICE, **about, **ways), Started
        )


def item_of(kind: str) -> str:
    """What is sold in a sale of this kind."""
    return f"{ITEM}-{kind}" if kind in (RECEIPT, SEALED) else ITEM


def _wish(local: LocalNetwork, kind: str) -> Wish:
    merchant, bank, log = (local.peer(each) for each in (Kind.MERCHANT, Kind.BANK, Kind.LOG))
    lead = FAILING_SECONDS if kind == FAILED else LEAD_SECONDS
    return Wish(merchant, item_of(kind), CURRENCY, PRICE, bank, log, lead, len(GOODS), receipt=kind == RECEIPT)


async def _fail(local: LocalNetwork, she: Owner) -> Purchase:
    """A sale whose merchant dies when she has the goods; then her tokens are exchanged."""
    local[Kind.LOG].pause()  # nobody can pay before the log has told the time
    purchase = await buy(she, _wish(local, FAILED))
    await until_state(she, purchase, TIMING)
    await local[Kind.MERCHANT].kill()
    local[Kind.LOG].go_on()
    shown = await ended(she, purchase)
    assert shown.state == ABORTED, shown
    while {each.state for each in (await she.ask(WalletOf(), Wallet)).holdings} != {"free", "spent"}:
        await trio.sleep(LOOK_SECONDS)
    return shown


def _facts(
    network: Network, account: bytes, addresses: dict[str, str], purchases: dict[str, Purchase], views: dict[str, View]
) -> Facts:
    authorizations = {
        kind: next(paper for paper in shown.papers if paper.step == AuthorizationQ.step)
        for kind, shown in purchases.items()
    }
    rows = [piece for piece in views[Kind.BANK].pieces if piece.where == "table blinded" and account in piece.values]
    modulus_bytes = 256
    blinded = tuple(value for row in rows for value in row.values if len(value) == modulus_bytes)
    assert len(blinded) == WITHDRAWN // PRICE * len(DENOMINATIONS)
    return Facts(network, account, addresses, authorizations, blinded)
