"""The paper's section "Protocol Variations": those that the base protocol already has."""

from __future__ import annotations

from anonnet.errors import Why
from anonnet.parties.purse import Habits
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ
from anonnet.protocol.refusal import Noted
from anonnet.wire.signed import Signed
from tests.paper.scenes import GOODS, PRICE, Deal, Hand, Scene


def test_several_tokens_pay_one_price_signed_with_all_their_keys(scene: Scene) -> None:
    """Section "Multiple Token Transactions": P2 "must contain the various tokens, and be signed with all keys"."""
    deal = Deal.offered(scene)
    before = scene.books()

    partly = scene.say("hand", scene.bank, deal.hand.pays(deal.coins, deal.transaction, signers=deal.coins[:1]))
    unchanged = scene.books()
    promise = scene.ask(scene.bank, deal.authorization_q)

    assert len(deal.authorization_q.signatures) == len(deal.coins) == 2
    assert partly is None
    assert unchanged == before
    assert isinstance(promise, AuthorizationB)
    assert promise.value == PRICE


def test_a_payment_with_one_used_token_locks_none(scene: Scene) -> None:
    """Section "Multiple Token Transactions": tokens of one payment are locked together or not at all."""
    first = Deal.authorized(scene)
    (fresh,) = first.hand.withdraw(1)
    used = next(coin for coin in first.coins if coin.worth == 4)
    before = scene.books()
    mixed = Deal.offered(scene, first.hand, [used, fresh])

    refusal = scene.refused(scene.bank, mixed.authorization_q)
    (small,) = first.hand.withdraw(4)
    alone = scene.ask(scene.bank, Deal.offered(scene, first.hand, [small, fresh]).authorization_q)

    assert refusal.why == Why.TOKEN_USED
    assert before["locked"] == PRICE
    assert isinstance(alone, AuthorizationB)
    assert isinstance(first.authorization_q, Signed)


def test_a_token_pays_in_parts_until_all_its_value_is_used(scene: Scene) -> None:
    """Section "Partial Token Spending": "until all the value is used"; the signature covers the value."""
    hand = Hand(scene)
    hand.open(2 * PRICE)
    (coin,) = hand.withdraw(4)
    before = scene.income

    for amount in (3, 1):
        deal = Deal.committed(scene, hand, [coin.part(amount)])
        assert isinstance(scene.ask(scene.bank, deal.outcome), Noted)
    further = scene.refused(scene.bank, Deal.offered(scene, hand, [coin.part(1)]).authorization_q)

    assert scene.income - before == 4
    assert (further.why, len(further.evidence)) == (Why.TOKEN_USED, 4), "two authorizations and their commits"


def test_what_remains_of_a_token_is_exchanged_for_new_ones(scene: Scene) -> None:
    """Section "Partial Token Spending": a wallet that pays in parts exchanges the rest by itself, also when the sale
    fails."""
    purse = scene.consumer.party.purse  # type: ignore[attr-defined]
    purse.habits = Habits(in_parts=True)
    scene.sell("jingle", GOODS, price=3)
    before = scene.tokens()["free"]

    bought = scene.purchase(scene.buy(item="jingle"))
    scene.settle()
    (q,) = (each.body for each in scene.said(AuthorizationQ) if each.receiver == "bank")

    assert isinstance(q, AuthorizationQ)
    assert scene.purchase(bought.purchase).state == "done"
    assert sum(payment.amount for payment in q.payments) == 3
    assert scene.said(ExchangeQ), "what is left of the token is exchanged"
    assert scene.tokens() == {"free": before - 3, "spent": 3}


def test_a_payment_may_take_one_token_whole_and_a_part_of_another(scene: Scene) -> None:
    """Section "Partial Token Spending": "compatible with both key reuse and multiple token transactions"."""
    hand = Hand(scene)
    hand.open(2 * PRICE)
    large, small = hand.withdraw(4, 2)

    deal = Deal.authorized(scene, hand, [large, small.part(1)])

    assert scene.books()["locked"] == PRICE
    refusal = scene.refused(scene.bank, Deal.offered(scene, hand, [small]).authorization_q)
    assert refusal.evidence == (deal.authorization_q,)
