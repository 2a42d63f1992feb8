"""What a wallet tells mirrors of a sale that commits under a quorum: where a bundle of entries begins, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anonnet.limits import ENTRIES_MAX
from anonnet.protocol.breach import AlertsOf
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.local import OpenAt
from anonnet.protocol.outcome import committed
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.wire.codec import Message, encode
from anonnet.wire.signed import said_in
from tests.actor import Actor
from tests.mirrors import MIRRORS
from tests.paper.scenes import PRICE, Line
from tests.quorum import QuorumScene
from tests.stage import NETWORK


class Buyers(QuorumScene):
    """Two wallets, whose sales stand in one bundle, and not at one place."""

    def prepare(self, units: int = 2 * PRICE) -> None:
        super().prepare(units)
        self.another = self.add_consumer("another")
        self.another.command(OpenAt(bank=self.bank_key))
        self.settle()
        self.fund(self.account(self.another), units)
        self.withdraw(PRICE, self.another)

    def buys(self, consumer: Actor, item: str) -> bytes:
        purchase = self.buy(consumer, item=item)
        self.settle()
        self.wait(6)
        assert self.purchase(purchase, consumer).state == "done"
        return purchase

    def told(self, consumer: Actor) -> list[Line]:
        """All that this wallet has said to mirrors, but whether it asked for alerts."""
        mine = [line for line in self.heard if line.sender == consumer.name and line.receiver in MIRRORS]
        return [line for line in mine if line.kind is not AlertsOf]

    def sizes(self, consumer: Actor, mirror: str) -> set[int]:
        """Of the checkpoints that this mirror has told this wallet."""
        lines = [line for line in self.said(Proofs) if (line.sender, line.receiver) == (mirror, consumer.name)]
        return {each.size for line in lines if isinstance(each := line.body, Proofs) and each.checkpoint}


def names_of(known: KnownLog, consumer: Actor, purchase: bytes) -> Iterator[bytes]:
    """Whatever the sale can be known by."""
    sale: Any = consumer.store.purchase(purchase)
    order, terms = said_in(sale.authorization_q, AuthorizationQ), sale.terms
    yield from (terms.number, order.transaction.outcome_key, order.transaction.merchant, sale.secret)
    yield order.transaction.expiration.to_bytes(4, "big")
    yield from filter(None, [terms.entry_key])
    yield from (payment.token.public_key for payment in order.payments)
    recorded = committed(NETWORK, known, sale.outcome, order.transaction)
    assert recorded is not None
    yield recorded.key


@pytest.mark.parametrize("sealed", [0, 1], ids=["open", "sealed"])
def test_mirrors_are_told_nothing_by_which_a_sale_that_commits_can_be_known(tmp_path: Path, sealed: int) -> None:
    scene = Buyers(tmp_path)
    scene.prepare()
    scene.sell("tune", sealed=sealed)
    scene.wait(1)
    bought = {each.name: scene.buys(each, "tune") for each in (scene.consumer, scene.another)}

    known = scene.network.logs[scene.log_name]
    asked: list[set[Message]] = []
    for consumer in (scene.consumer, scene.another):
        told = scene.told(consumer)
        assert {line.receiver for line in told} == set(MIRRORS)
        for line in told:
            said = line.body
            assert isinstance(said, ProofsOf), "nothing but bundles is asked for"
            assert said.start % ENTRIES_MAX == 0
            assert said.beyond in scene.sizes(consumer, line.receiver) | {0}, "the asker's own place"
            for name in names_of(known, consumer, bought[consumer.name]):
                assert name not in encode(said)
        asked.append({line.body for line in told if line.body.beyond == 0})  # type: ignore[attr-defined]

    mine, other = asked
    assert len(mine) == 1
    assert mine == other, "the same bytes, whichever entry of the bundle is looked for"
