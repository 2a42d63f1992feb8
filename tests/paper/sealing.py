"""Sealed entries by hand: a sale whose place in the log only its parties can read, and a merchant who seals garbage."""

from __future__ import annotations

from dataclasses import replace

from anonnet.crypto.keys import SigningKey
from anonnet.crypto.padded import SEALED_BYTES
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.logbook import EntryKind
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ
from anonnet.protocol.refusal import Noted
from anonnet.protocol.sealed import SealedM, Submission, Ticket
from anonnet.wire.codec import Message, decode
from anonnet.wire.signed import Signed, Signer
from tests.paper.scenes import PRICE, Deal, Hand, Scene, by
from tests.stage import CURRENCY, NETWORK

UNSEEN = "diary"
"""An item whose sales are sealed."""


def offered(scene: Scene, hand: Hand | None = None) -> Deal:
    """P1 names W, and so does P2. Nothing of it is sent."""
    scene.sell(UNSEEN, sealed=1)
    if hand is None:
        hand = Hand(scene)
        hand.open(2 * PRICE)
    deal = Deal.offered(scene, hand, hand.withdraw(4, 1))
    goods_m, secret = hand.order(UNSEEN)
    offer = decode(goods_m.body)
    assert isinstance(offer, GoodsM)
    transaction = replace(deal.transaction, number=offer.number, entry_key=offer.entry_key)
    signed = hand.pays(deal.coins, transaction)
    return replace(deal, goods_m=goods_m, secret=secret, transaction=transaction, authorization_q=signed)


def promised(deal: Deal) -> Deal:
    """The bank has answered P2 with P3."""
    assert isinstance(deal.scene.ask(deal.scene.bank, deal.authorization_q, deal.hand.name), AuthorizationB)
    return deal


def ticket(deal: Deal, bank: str = "bank") -> Signed:
    """The bank's ticket for the deal's place."""
    return by(bank, Ticket.admitting(deal.transaction))


def authorization_b(deal: Deal) -> Signed:
    """P3 as the bank says it, with its ticket."""
    q = decode(deal.authorization_q.body)
    assert isinstance(q, AuthorizationQ)
    return by("bank", AuthorizationB.answering(q, CURRENCY, ticket(deal).signatures[0].signature))


def authorization_m(deal: Deal) -> Signed:
    """P4, before it is sealed."""
    return by("merchant", AuthorizationM(transaction=deal.transaction, key=deal.key))


def by_w(deal: Deal, message: Message) -> Signed:
    """Signed with the one-time key of the sale, which only the merchant has."""
    sale = deal.scene.merchant.store.by_number(deal.number)
    return Signer(NETWORK, SigningKey(sale.entry_seed)).sign(message)


def submission(deal: Deal, paper: Signed | None = None) -> Submission:
    """P4, or another paper in its place, as the merchant submits it."""
    sealed_m = SealedM.of(EntryKind.COMMIT, deal.transaction, paper or authorization_m(deal))
    return Submission(sealed_m=by_w(deal, sealed_m), ticket=ticket(deal))


def garbage(deal: Deal) -> Submission:
    """W signs what nobody can open."""
    sealed_m = replace(submission(deal).said, sealed=bytes(SEALED_BYTES))
    return Submission(sealed_m=by_w(deal, sealed_m), ticket=ticket(deal))


def filled_for_another(deal: Deal) -> Signed:
    """The deal's place is taken at this bank under an n that nobody has a key for; then the merchant, who was paid
    elsewhere, fills it, and the bank hears of it. The commit; the deal's own P2 is not sent."""
    promised(replace(deal, authorization_q=under_no_key(deal)))
    deal.scene.ask(deal.scene.log, submission(deal))
    commit = outcome(deal)
    assert isinstance(deal.scene.ask(deal.scene.bank, commit), Noted)
    return commit


def under_no_key(deal: Deal) -> Signed:
    """P2 of the deal's tokens for its place under another n."""
    return deal.hand.pays(deal.coins, replace(deal.transaction, number=bytes(32)))


def outcome(deal: Deal) -> Signed:
    """What the log says of it, asked as it must be."""
    return replace(deal, transaction=deal.transaction.public).outcome
