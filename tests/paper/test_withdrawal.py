"""The paper's section "Withdrawal and Exchange"."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anonnet.crypto.blind import Method, blind_by, encode, finalize, verify
from anonnet.crypto.keys import SigningKey
from anonnet.crypto.keys import verify as verify_signature
from anonnet.errors import Malformed, Why
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.purchase import AuthorizationB
from anonnet.protocol.token import Token
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.times import BRAND_WINDOW_SECONDS_MIN
from anonnet.wire.codec import encode as written
from tests.paper.scenes import PRICE, Deal, Hand, Scene, exchange_q, tampered
from tests.rsa_keys import brand_key

R = 0x5EED_0F_B11D
"""The blinding factor of the example: any number below the modulus without a factor in common with it."""


def test_a_withdrawal_turns_money_of_the_account_into_a_token(scene: Scene) -> None:
    """Section "Protocols": C obtains a token "as a result of withdrawing money from the consumer's account"."""
    hand = Hand(scene)
    hand.open(10)
    before = scene.books()

    (coin,) = hand.withdraw(4)

    assert coin.token.holds(scene.brand(4))
    assert hand.balance == 6
    assert scene.books() == before | {"account": before["account"] - 4, "tokens": before["tokens"] + 4}


def test_only_the_account_s_own_key_withdraws_from_it(scene: Scene) -> None:
    """Section "Withdrawal and Exchange", W1: [blinded-request]_c."""
    alice, eve = Hand(scene, "alice"), Hand(scene, "eve")
    alice.open(10)
    scene.ask(scene.bank, eve.signer.sign(OpenAccount(bank=scene.bank_key)))
    request = eve.withdraw_c(eve.secrets(4))

    refusal = scene.refused(scene.bank, eve.signer.sign(request))
    forged = scene.say("eve", scene.bank, tampered(alice.signer.sign(request)))

    assert refusal.why == Why.OVERDRAFT
    assert forged is None
    assert alice.balance == 10


def test_unblinding_the_answer_gives_the_token(scene: Scene) -> None:
    """Section "Withdrawal and Exchange": "After W2, the consumer can form the token Q* by unblinding"."""
    hand = Hand(scene)
    hand.open(10)
    secrets, brand = hand.secrets(4), scene.brand(4)

    answer = scene.ask(scene.bank, hand.signer.sign(hand.withdraw_c(secrets)))

    assert isinstance(answer, WithdrawB)
    (blind_signature,) = answer.signatures
    assert not verify(brand.public_key, secrets.id, blind_signature)
    assert secrets.token(blind_signature).holds(brand)


def test_a_token_names_the_public_key_whose_private_half_signs_for_it(scene: Scene) -> None:
    """Section "Withdrawal and Exchange": "Q* specif[ies] the public key Q whose private half is known only to C"."""
    hand = Hand(scene)
    hand.open(10)

    (coin,) = hand.withdraw(4)

    signature = coin.secrets.key.sign(b"it is I")
    assert verify_signature(coin.token.public_key, b"it is I", signature)
    for line in scene.heard:
        assert coin.token.public_key not in written(line.said)


def test_the_bank_is_sent_the_hash_times_the_blinding_factor() -> None:
    """Section "Withdrawal and Exchange", steps 1 to 3: W1 carries h(Q) r^3 mod N."""
    bank = brand_key("2048-e3", Method.FDH)
    public, key = bank.public, SigningKey(bytes(32)).public

    blinded = blind_by(public, key, factor=R, salt=b"")

    hashed = int.from_bytes(encode(public, key, b""), "big")
    assert int.from_bytes(blinded.blinded_message, "big") == hashed * R**3 % public.modulus


def test_the_bank_answers_with_the_root_times_the_blinding_factor() -> None:
    """Section "Withdrawal and Exchange", steps 4 and 5: the bank computes (h(Q) r^3)^t = h(Q)^t r mod N."""
    bank = brand_key("2048-e3", Method.FDH)
    public, key = bank.public, SigningKey(bytes(32)).public
    blinded = blind_by(public, key, factor=R, salt=b"")

    answer = int.from_bytes(bank.sign(blinded.blinded_message), "big")

    root = bank.root(int.from_bytes(encode(public, key, b""), "big"))
    assert answer == root * R % public.modulus


def test_the_consumer_divides_by_the_blinding_factor_and_has_her_token() -> None:
    """Section "Withdrawal and Exchange", steps 6 and 7: r^-1, then h(Q)^t, so that Q* = Q, h(Q)^t mod N."""
    bank = brand_key("2048-e3", Method.FDH)
    public, key = bank.public, SigningKey(bytes(32)).public
    blinded = blind_by(public, key, factor=R, salt=b"")
    answer = bank.sign(blinded.blinded_message)

    signature = finalize(public, key, answer, blinded.inverse)

    assert blinded.inverse * R % public.modulus == 1
    assert int.from_bytes(signature, "big") == int.from_bytes(answer, "big") * blinded.inverse % public.modulus
    assert pow(int.from_bytes(signature, "big"), 3, public.modulus) == int.from_bytes(encode(public, key, b""), "big")


def test_a_brand_has_its_own_key_and_determines_the_denomination(scene: Scene) -> None:
    """Section "Withdrawal and Exchange": "multiple signature keys ... corresponding to different brands"."""
    hand = Hand(scene)
    hand.open(10)

    (coin,) = hand.withdraw(1)
    fields = {"public_key": coin.token.public_key, "signature": coin.token.signature}
    as_larger = Token(brand=scene.brand(4).id, **fields)

    assert len({each.brand.modulus for each in scene.minted}) == len(scene.minted)
    assert coin.token.holds(scene.brand(1))
    assert not as_larger.holds(scene.brand(4))


def test_a_brand_determines_its_withdrawal_dates(scene: Scene) -> None:
    """Section "Withdrawal and Exchange": "The brand of a token determines its denomination and its withdrawal date"."""
    hand = Hand(scene)
    hand.open(10)
    scene.now = scene.brand(4).closes + 1

    refusal = scene.refused(scene.bank, hand.signer.sign(hand.withdraw_c(hand.secrets(4))))

    assert refusal.why == Why.NOT_OPEN
    assert hand.balance == 10


def test_no_sale_outlives_the_brand_of_its_tokens(scene: Scene) -> None:
    """Section "Withdrawal and Exchange": tokens are "worthless after the brand withdrawal date", declared a priori."""
    deal = Deal.offered(scene)
    last = scene.brand(4).pays_until
    scene.now = last - 100
    late = deal.hand.pays(deal.coins, replace(deal.transaction, expiration=last + 1))
    in_time = deal.hand.pays(deal.coins, replace(deal.transaction, expiration=last))

    refusal = scene.refused(scene.bank, late)
    promise = scene.ask(scene.bank, in_time)

    assert refusal.why == Why.NOT_OPEN
    assert isinstance(promise, AuthorizationB)


def test_a_withdrawal_asked_for_again_is_answered_and_not_debited_again(scene: Scene) -> None:
    """Section "Withdrawal and Exchange": one blinded request is one token, however often W1 arrives and in what order.

    The second request overlaps the first in one blinded message, as when a wallet packs its requests anew.
    """
    hand = Hand(scene)
    hand.open(20)
    one, two = hand.secrets(4), hand.secrets(4)

    first = scene.ask(scene.bank, hand.signer.sign(hand.withdraw_c(one)))
    again = scene.ask(scene.bank, hand.signer.sign(hand.withdraw_c(one, until=scene.now + 61)))
    overlapping = scene.ask(scene.bank, hand.signer.sign(hand.withdraw_c(two, one)))

    assert isinstance(overlapping, WithdrawB)
    assert first == again
    assert first == WithdrawB(signatures=overlapping.signatures[1:])
    assert hand.balance == 12


def test_a_brand_is_open_long_enough_to_hide_its_holders(scene: Scene) -> None:
    """Section "Data Management": "expiration dates should have a coarse granularity so that many tokens ... issued"."""
    brand = scene.brand(4)

    shortest = replace(brand, closes=brand.opens + BRAND_WINDOW_SECONDS_MIN)

    assert shortest.closes - shortest.opens >= 24 * 3600
    with pytest.raises(Malformed):
        replace(shortest, closes=shortest.closes - 1)


def test_a_blinded_message_belongs_to_the_account_that_brought_it_first(scene: Scene) -> None:
    """Section "Withdrawal and Exchange", W1: what was signed for one account is not signed for another."""
    alice, eve = Hand(scene, "alice"), Hand(scene, "eve")
    alice.open(10)
    eve.open(10)
    request = alice.withdraw_c(alice.secrets(4))
    scene.ask(scene.bank, alice.signer.sign(request))

    refusal = scene.refused(scene.bank, eve.signer.sign(request))

    assert refusal.why == Why.BAD_BLINDED
    assert eve.balance == 10


def test_a_withdrawal_is_asked_for_until_it_is_answered(scene: Scene) -> None:
    """Section "Withdrawal and Exchange", W2: a lost answer costs nobody anything."""
    scene.fund(scene.account(scene.consumer), 4)
    free = scene.tokens()["free"]
    scene.lost = lambda line: line.kind is WithdrawB
    scene.withdraw(4)
    debited = scene.books()

    scene.lost = lambda line: False
    scene.settle()

    assert scene.tokens() == {"free": free + 4}
    assert scene.books() == debited
    assert len({written(line.said) for line in scene.said(WithdrawC)}) == 1


def test_a_token_is_exchanged_for_new_ones_by_its_own_key(scene: Scene) -> None:
    """Section "Withdrawal and Exchange", E1, E2: "replacing the consumer's public key with the token's ... key"."""
    hand = Hand(scene)
    hand.open(10)
    (old,) = hand.withdraw(4)
    new = [hand.secrets(1) for _ in range(4)]
    scene.heard.clear()

    answer = scene.ask(scene.bank, exchange_q([old], *new))
    reuse = scene.refused(scene.bank, Deal.offered(scene, hand, [old]).authorization_q)

    assert isinstance(answer, ExchangeB)
    for secrets, signature in zip(new, answer.signatures, strict=True):
        assert secrets.token(signature).holds(scene.brand(1))
    assert reuse.why == Why.TOKEN_USED
    assert hand.key.public not in b"".join(written(line.said) for line in scene.heard)
    assert hand.balance == 6


def test_a_wallet_makes_change_by_itself_and_says_no_name(scene: Scene) -> None:
    """Section "Withdrawal and Exchange": "a token may be anonymously exchanged for a new token"."""
    scene.sell("jingle", price=3)  # her tokens are 4, 4, 1 and 1
    account = scene.account(scene.consumer)
    scene.heard.clear()

    purchase = scene.buy(item="jingle")
    scene.settle()

    (exchange,) = scene.said(ExchangeQ)
    assert isinstance(exchange.body, ExchangeQ)
    assert exchange.body.value == 4
    assert scene.purchase(purchase).state == "done"
    assert scene.tokens() == {"free": 2 * PRICE - 3, "spent": 3}
    assert all(account not in written(line.said) for line in scene.heard)
