"""Two-sided delivery by hand: a sale whose consumer signs for the goods, with the papers of that variation."""

from __future__ import annotations

from dataclasses import replace

from anonnet.protocol.goods import GoodsQ
from anonnet.protocol.purchase import AuthorizationB
from anonnet.protocol.refusal import Noted
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer
from tests.paper.scenes import PRICE, Coin, Deal, Hand, Scene
from tests.stage import NETWORK

SIGNED_FOR = "score"
"""An item that is sold against a receipt."""


def offered(scene: Scene) -> Deal:
    """P1 under a contract that wants a receipt; P2 names Q, the key of the first coin. Nothing of it is sent."""
    scene.sell(SIGNED_FOR, receipt=1)
    hand = Hand(scene)
    hand.open(2 * PRICE)
    deal = Deal.offered(scene, hand, hand.withdraw(4, 1))
    goods_m, secret = hand.order(SIGNED_FOR)
    offer = decode(goods_m.body)
    transaction = replace(deal.transaction, number=offer.number)  # type: ignore[attr-defined]
    deal = replace(deal, goods_m=goods_m, secret=secret, transaction=transaction)
    return naming(deal, deal.coins[0])


def naming(deal: Deal, coin: Coin) -> Deal:
    """The same sale with the key of this coin as Q in P2."""
    body = decode(deal.hand.pays(deal.coins, deal.transaction).body)
    named = replace(body, receiver_key=coin.token.public_key)  # type: ignore[call-arg]
    signed = Signer(NETWORK, *(each.secrets.key for each in deal.coins)).sign(named)
    return replace(deal, authorization_q=signed)


def goods_q(deal: Deal, coin: Coin | None = None) -> Signed:
    """CD2, signed with the key of this coin, or of the one that P2 names."""
    body = GoodsQ(merchant=deal.transaction.merchant, number=deal.number, goods_m=deal.goods_m.hash)
    return Signer(NETWORK, (coin or deal.coins[0]).secrets.key).sign(body)


def signed_for(deal: Deal, coin: Coin | None = None) -> Signed:
    """CD2, said to the merchant, who has taken it in."""
    receipt = goods_q(deal, coin)
    assert isinstance(deal.scene.ask(deal.scene.merchant, receipt, deal.hand.name), Noted)
    return receipt


def promised(deal: Deal) -> Deal:
    """The bank has answered P2 with P3."""
    assert isinstance(deal.scene.ask(deal.scene.bank, deal.authorization_q, deal.hand.name), AuthorizationB)
    return deal
