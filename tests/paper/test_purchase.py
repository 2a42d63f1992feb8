"""The paper's section "Purchase", P1 to P3."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anonnet.crypto.hashing import H, Label
from anonnet.errors import Malformed, Why
from anonnet.protocol.goods import Chunk, ChunkOf, GoodsM
from anonnet.protocol.local import Buy
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.refusal import Noted
from anonnet.protocol.transaction import log_id
from anonnet.times import LEAD_SECONDS_MAX, MERCHANT_MARGIN_SECONDS
from anonnet.wire.codec import decode, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, checked
from tests.paper.scenes import GOODS, ITEM, LEAD, PRICE, Deal, Hand, Scene, by, tampered
from tests.stage import NETWORK, key_of

# P1.


def test_goods_m_is_a_signed_copy_of_contract_and_sealed_goods(scene: Scene) -> None:
    """Section "Purchase", P1: "a signed copy of the contract and goods"."""
    deal = Deal.offered(scene)

    said = checked(NETWORK, deal.goods_m, GoodsM)

    contract = said.body.contract
    assert said.signer == scene.merchant_key
    assert (contract.item, contract.description) == (ITEM, f"The {ITEM}, as sung at noon")
    assert (contract.price, contract.size) == (PRICE, len(GOODS))
    assert len(deal.chunks()) == 3  # each of them is under the root that goods_m signs


def test_a_contract_that_another_signed_is_not_taken(scene: Scene) -> None:
    """Section "Purchase", P1: [n, contract, E_k(goods)]_m, and nobody else's."""
    purchase = scene.buy()
    (errand,) = scene.consumer.store.errands.due(scene.now, most=2)
    offer = scene.merchant.takes(frame(errand.said, 1))
    assert isinstance(offer, Signed)
    forged = by("bank", decode(offer.body))

    scene.consumer.takes(frame(forged, 1), answers=errand)

    assert scene.purchase(purchase).state == "ordering"
    assert not scene.said(AuthorizationQ)


def test_the_merchandise_key_is_used_once(scene: Scene) -> None:
    """Section "Purchase", P1: "encrypted with a single-use private key (k)"."""
    first, second = (Deal.offered(scene) for _ in range(2))

    assert first.key != second.key
    assert not set(first.chunks()) & set(second.chunks())


def test_each_transaction_number_is_new(scene: Scene) -> None:
    """Section "Purchase", P1: n "should be different from any previously generated transaction number"."""
    hand = Hand(scene)

    numbers = {decode(hand.order()[0].body).number for _ in range(10)}  # type: ignore[attr-defined]

    assert len(numbers) == 10


def test_a_duplicate_number_hurts_only_the_merchant(scene: Scene) -> None:
    """Section "Purchase", P1: "A duplicate number could be detrimental only to the merchant".

    The merchant sells one n twice. He is paid once, the other buyer has her money back, and the key is public.
    """
    alice, eve = Hand(scene, "alice"), Hand(scene, "eve")
    alice.open(PRICE)
    eve.open(PRICE)
    paid = Deal.authorized(scene, alice)
    coins = eve.withdraw(4, 1)
    same_number = replace(paid.transaction, expiration=paid.transaction.expiration + 1)
    unpaid = replace(paid, hand=eve, coins=coins, transaction=same_number, authorization_q=eve.pays(coins, same_number))
    scene.ask(scene.bank, unpaid.authorization_q)

    scene.ask(scene.log, paid.authorization_m)
    scene.pass_time(LEAD + 10)

    assert scene.income == PRICE
    assert isinstance(decode(paid.outcome.body), Commit)
    assert isinstance(decode(unpaid.outcome.body), Abort)
    freed = scene.ask(scene.bank, Deal.offered(scene, eve, coins).authorization_q)
    assert isinstance(freed, AuthorizationB)


def test_the_key_is_told_to_nobody_before_the_sale_commits(scene: Scene) -> None:
    """Section "Purchase", P1: the key "will be revealed to the log and the consumer if the transaction commits"."""
    purchase = scene.buy()

    scene.settle()

    (number,) = {line.body.transaction.number for line in scene.said(AuthorizationM)}
    key = scene.merchant.store.by_number(number).key
    telling = [line for line in scene.heard if key in encode(line.said)]
    assert (telling[0].kind, telling[0].receiver) == (AuthorizationM, "log")
    assert telling[1].kind is Commit
    assert scene.purchase(purchase).state == "done"


@pytest.mark.parametrize("refuses", ["price", "item", "log", "bank"])
def test_the_consumer_verifies_that_the_contract_is_acceptable(scene: Scene, refuses: str) -> None:
    """Section "Purchase", P1: "Upon receipt, the consumer verifies that the contract is acceptable"."""
    purchase = scene.buy()
    (errand,) = scene.consumer.store.errands.due(scene.now, most=2)
    offer = decode(scene.merchant.takes(frame(errand.said, 1)).body)  # type: ignore[union-attr]
    assert isinstance(offer, GoodsM)
    elsewhere = (bytes(32),)
    change = {"price": PRICE + 1, "item": "noise", "log": elsewhere, "bank": elsewhere}[refuses]
    field = {"log": "logs", "bank": "banks"}.get(refuses, refuses)
    other = replace(offer, contract=replace(offer.contract, **{field: change}))

    scene.consumer.takes(frame(by("merchant", other), 1), answers=errand)
    scene.settle()

    assert scene.purchase(purchase).state == "refused"
    assert not scene.said(AuthorizationQ)
    assert scene.tokens() == {"free": 10}


# P2.


def test_the_consumer_decides_upon_expiration_and_log(scene: Scene) -> None:
    """Section "Purchase", P2: "the consumer decides upon an expiration time" and "also selects a transaction log"."""
    scene.buy()

    scene.settle()

    (order,) = (line.body for line in scene.said(AuthorizationQ))
    assert isinstance(order, AuthorizationQ)
    assert (order.transaction.expiration, order.transaction.log) == (scene.now + LEAD, scene.log_name)
    for kind in (AuthorizationB, AuthorizationM):
        assert {line.body.transaction for line in scene.said(kind)} == {order.transaction}  # type: ignore[attr-defined]


def test_the_bank_has_a_veto_over_expiration_and_log(scene: Scene) -> None:
    """Section "Purchase", P2: bank and merchant "have effective veto power over ... L and expiration"."""
    deal = Deal.offered(scene)
    before = scene.books()
    far = replace(deal.transaction, expiration=scene.now + LEAD_SECONDS_MAX + 1)
    past = replace(deal.transaction, expiration=scene.now - 1)
    elsewhere = replace(deal.transaction, log=log_id(key_of("another log").public))

    reasons = [scene.refused(scene.bank, deal.hand.pays(deal.coins, other)).why for other in (far, past, elsewhere)]

    assert reasons == [Why.TOO_LATE, Why.EXPIRED, Why.WRONG_LOG]
    assert scene.books() == before


def test_the_merchant_has_a_veto_over_expiration_and_log(scene: Scene) -> None:
    """Section "Purchase", P2: they "will not provide authorization before knowing these values"."""
    deal = Deal.authorized(scene)
    promise = decode(deal.authorization_b.body)
    soon = replace(deal.transaction, expiration=scene.now + MERCHANT_MARGIN_SECONDS - 1)
    elsewhere = replace(deal.transaction, log=log_id(key_of("another log").public))

    reasons = [
        scene.refused(scene.merchant, by("bank", replace(promise, transaction=other))).why
        for other in (soon, elsewhere)
    ]
    scene.send(scene.merchant, AuthorizationM)

    assert reasons == [Why.TOO_SOON, Why.WRONG_LOG]
    assert not scene.said(AuthorizationM)


def test_a_token_that_the_bank_did_not_sign_pays_nothing(scene: Scene) -> None:
    """Section "Purchase", P2: "The bank must verify the validity of Q*"."""
    deal = Deal.offered(scene)
    coin = deal.coins[0]
    signature = bytes([coin.token.signature[0] & 0x3F]) + coin.token.signature[1:-1] + b"\x05"
    forged = replace(coin, token=replace(coin.token, signature=signature))
    before = scene.books()

    refusal = scene.refused(scene.bank, deal.hand.pays([forged, *deal.coins[1:]], deal.transaction))

    assert refusal.why == Why.BAD_TOKEN
    assert scene.books() == before


def test_a_token_is_locked_to_one_transaction(scene: Scene) -> None:
    """Section "Purchase", P2: the validity of Q*, "including a check against reuse"."""
    first = Deal.authorized(scene)
    before = scene.books()
    second = Deal.offered(scene, first.hand, first.coins)

    refusal = scene.refused(scene.bank, second.authorization_q)

    assert (refusal.why, refusal.evidence) == (Why.TOKEN_USED, (first.authorization_q,))
    assert scene.books() == before


def test_authorization_q_is_signed_by_the_token_s_key(scene: Scene) -> None:
    """Section "Purchase", P2: "The bank then uses Q to check the message's signature"."""
    deal = Deal.offered(scene)
    thief = deal.hand.withdraw(4, 1)
    before = scene.books()

    by_others = scene.say("thief", scene.bank, deal.hand.pays(deal.coins, deal.transaction, signers=thief))
    broken = scene.say("thief", scene.bank, tampered(deal.authorization_q))

    assert (by_others, broken) == (None, None)
    assert scene.books() == before


def test_one_transaction_is_authorized_once(scene: Scene) -> None:
    """Section "Purchase", P2: other tokens for the same (n, expiration, M, L) would pay for one and the same P3."""
    deal = Deal.authorized(scene)
    before = scene.books()
    other = deal.hand.pays(deal.hand.withdraw(4, 1), deal.transaction)
    withdrawn = scene.books()

    refusal = scene.refused(scene.bank, other)

    assert refusal.why == Why.SALE_AUTHORIZED
    assert refusal.evidence == (deal.authorization_b,), "the promise shows nothing of who paid"
    assert scene.books() == withdrawn
    assert withdrawn["locked"] == before["locked"] == PRICE


# P3.


def test_authorization_b_promises_the_value_of_tokens_that_are_locked(scene: Scene) -> None:
    """Section "Purchase", P3: the bank tells that it and the consumer are ready, "and includes ... the value"."""
    deal = Deal.offered(scene)

    promise = scene.ask(scene.bank, deal.authorization_q)

    assert isinstance(promise, AuthorizationB)
    assert (promise.transaction, promise.value) == (deal.transaction, PRICE)
    assert scene.books()["locked"] == PRICE


@pytest.mark.parametrize("wrong", ["number", "value", "currency", "bank"])
def test_the_merchant_verifies_the_promise(scene: Scene, wrong: str) -> None:
    """Section "Purchase", P3: "the transaction number is correct and ... the token value ... acceptable"."""
    deal = Deal.authorized(scene)
    promise = decode(deal.authorization_b.body)
    assert isinstance(promise, AuthorizationB)
    changed = {
        "number": replace(promise, transaction=replace(deal.transaction, number=bytes(32))),
        "value": replace(promise, value=PRICE - 1),
        "currency": replace(promise, currency="SHELLS"),
        "bank": promise,
    }[wrong]

    refusal = scene.refused(scene.merchant, by("log" if wrong == "bank" else "bank", changed))
    scene.send(scene.merchant, AuthorizationM)

    expected = {"number": Why.UNKNOWN, "bank": Why.WRONG_SIGNER}.get(wrong, Why.WRONG_PRICE)
    assert refusal.why == expected
    assert not scene.said(AuthorizationM)


def test_the_merchant_signs_one_commitment_for_each_number(scene: Scene) -> None:
    """Section "Purchase", P3: one n, one P4, even where the bank promises twice."""
    deal = Deal.authorized(scene)
    later = replace(deal.transaction, expiration=deal.transaction.expiration + 1)
    promise = decode(deal.authorization_b.body)

    taken = scene.ask(scene.merchant, deal.authorization_b)
    refusal = scene.refused(scene.merchant, by("bank", replace(promise, transaction=later)))
    again = scene.ask(scene.merchant, deal.authorization_b)
    scene.settle()

    assert isinstance(taken, Noted)
    assert taken == again
    assert refusal.why == Why.NUMBER_USED
    assert {line.body.transaction for line in scene.said(AuthorizationM)} == {deal.transaction}  # type: ignore[attr-defined]


def test_the_transaction_number_commits_to_the_key(scene: Scene) -> None:
    """Section "Purchase", P4: the key that the log records is the one under which the goods of P1 are sealed."""
    deal = Deal.authorized(scene)
    wrong = by("merchant", AuthorizationM(transaction=deal.transaction, key=H(Label.REQUEST, b"another key")))

    said = scene.say("merchant", scene.log, wrong)

    assert said is None
    assert scene.log.closed == ["the key is not the one that the transaction number promised"]


def test_the_goods_are_handed_to_who_ordered_them(scene: Scene) -> None:
    """Section "Purchase", P5a: after the key is public, goods go only to who shows the secret of the order."""
    deal = Deal.committed(scene)
    asked = ChunkOf(merchant=scene.merchant_key, number=deal.number, secret=bytes(32), index=0)

    refusal = scene.refused(scene.merchant, asked)
    chunk = scene.ask(scene.merchant, replace(asked, secret=deal.secret))

    assert refusal.why == Why.UNKNOWN
    assert isinstance(chunk, Chunk)


def test_a_wish_names_the_parties_and_no_others_are_taken(scene: Scene) -> None:
    """Section "Assumptions": "All parties have well-known or verifiable public keys"."""
    wish = Buy(
        merchant=bytes(32), item=ITEM, currency="EUR", price_max=PRICE, bank=scene.bank_key, log=scene.log_name, lead=60
    )

    refusal = decode(scene.consumer.command(wish).body)

    assert refusal.why == Why.UNKNOWN  # type: ignore[attr-defined]
    with pytest.raises(Malformed):
        replace(wish, merchant=b"somebody")
