"""One sale between real processes, each with its ears open: what there was to know of it, and what everybody has of it.

The figures are such that they are found again wherever they stand: a price that no other number is, an item with a
name of its own.
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
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import LocalNetwork
from anonnet_daemons.shopping import DONE, Wish, buy, ended, open_account, withdraw

from anonnet.protocol.local import Fund, OpenAt, Purchase, Sales, SalesOf, Sell, Started
from anonnet.protocol.network import Network
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.wire.codec import decode
from anonnet.wire.frames import Frame
from anonnet.wire.signed import Signed, payload
from tests.privacy.pieces import Line, Piece, View, received, stored

SECONDS = 90
CURRENCY = "EUR"
DENOMINATIONS = (600_011, 1_200_043)
PRICE = sum(DENOMINATIONS)
WITHDRAWN = 3 * PRICE
"""Three tokens of each brand, of which one is spent."""
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
    authorization_q: Signed
    """P2."""
    blinded: tuple[bytes, ...]
    """The blinded messages of her withdrawals."""

    @property
    def order(self) -> AuthorizationQ:
        """The body of P2."""
        body = decode(self.authorization_q.body)
        assert isinstance(body, AuthorizationQ)
        return body

    @property
    def order_bytes(self) -> int:
        """The size of the frame of P2."""
        return len(bytes(Frame(self.authorization_q.step, 1, payload(self.authorization_q))))

    @property
    def seeds(self) -> list[bytes]:
        """By what the sale is known: its number, its transaction, its tokens."""
        transaction = self.order.transaction
        return [transaction.number, transaction.outcome_key, *(each.token.id for each in self.order.payments)]


@dataclass
class Taken:
    """Everybody's view of the sale, and what there was to know."""

    facts: Facts
    views: dict[str, View]

    def warrant(self) -> View:
        """What is kept by everybody but the consumer."""
        others = [name for name in self.views if name != Kind.CONSUMER]
        return View([piece for name in others for piece in self.views[name].pieces if is_stored(piece)])

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
            account, purchase = await _buy(local)
    addresses = {name: read_setup(home / name, local[name].kind).bind for name in names}
    views = {}
    for name in names:
        views[name] = received(folder / f"{name}.tape", addresses[name])
        views[name].pieces += stored(home / name)
    return Taken(_facts(network, account, addresses, purchase, views), views)


async def _buy(local: LocalNetwork) -> tuple[bytes, Purchase]:
    """Accounts, money, tokens, goods, and the sale until the merchant has his money."""
    bank, merchant, log = (local.peer(kind) for kind in (Kind.BANK, Kind.MERCHANT, Kind.LOG))
    path = local.home.parent / "goods"
    path.write_bytes(GOODS)
    async with (
        local.owner(Kind.BANK) as banker,
        local.owner(Kind.MERCHANT) as seller,
        local.owner(Kind.CONSUMER) as she,
    ):
        await seller.ask(OpenAt(bank=bank.key), Started)
        account = (await open_account(she, bank, SECONDS)).account
        await banker.ask(Fund(account=account, currency=CURRENCY, amount=WITHDRAWN, reference=bytes(32)), Started)
        await withdraw(she, bank, WITHDRAWN, CURRENCY, SECONDS, lambda done, of: None)
        about = {"description": DESCRIPTION, "media_type": "audio/pavane", "valid_until": int(time.time()) + 3600}
        await seller.ask(Sell(item=ITEM, path=str(path), currency=CURRENCY, price=PRICE, **about), Started)
        wish = Wish(merchant, ITEM, CURRENCY, PRICE, bank, log, lead=60, size_max=len(GOODS))
        shown = await ended(she, await buy(she, wish))
        assert shown.state == DONE, shown
        while [each.state for each in (await seller.ask(SalesOf(), Sales)).counts] != ["credited"]:
            await trio.sleep(0.05)
    return account, shown


def _facts(
    network: Network, account: bytes, addresses: dict[str, str], purchase: Purchase, views: dict[str, View]
) -> Facts:
    q = next(paper for paper in purchase.papers if paper.step == AuthorizationQ.step)
    rows = [piece for piece in views[Kind.BANK].pieces if piece.where == "table blinded"]
    modulus_bytes = 256
    blinded = tuple(value for row in rows for value in row.values if len(value) == modulus_bytes)
    assert len(blinded) == WITHDRAWN // PRICE * len(DENOMINATIONS)
    return Facts(network, account, addresses, q, blinded)
