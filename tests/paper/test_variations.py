"""The paper's section "Protocol Variations": those that the base protocol already has."""

from __future__ import annotations

from anonnet.errors import Why
from anonnet.protocol.purchase import AuthorizationB
from anonnet.wire.signed import Signed
from tests.paper.scenes import PRICE, Deal, Scene


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
