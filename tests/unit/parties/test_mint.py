"""The bank's mint: withdrawals that are not granted, and those that are granted once, however they are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anonnet.crypto.blind import SecretKey
from anonnet.errors import Malformed, Why
from anonnet.parties.mint import BlindSign, Mint
from anonnet.protocol.exchange import ExchangeB, ExchangeQ, Wanted
from anonnet.protocol.history import used_by
from anonnet.protocol.recovery import Restore, State, StateOf, Used, UsedOf, used_name
from anonnet.protocol.token import Payment
from anonnet.protocol.withdrawal import WithdrawB
from anonnet.times import USED_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer
from tests.paper.scenes import PRICE, Coin, Deal, Hand, Scene
from tests.rsa_keys import PRIMES
from tests.stage import NETWORK, key_of
from tests.unit.parties.copies import restart_bank
from tests.unit.parties.refusing import closed, refused

OTHER = key_of("other").public


def test_a_withdrawal_that_is_not_granted(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(3)
    brand = scene.brand(4)

    def asked(denomination: int = 1, **changes: Any) -> Signed:
        return hand.signer.sign(replace(hand.withdraw_c(hand.secrets(denomination)), **changes))

    refused(scene, scene.bank, asked(4), Why.OVERDRAFT)
    refused(scene, scene.bank, asked(brand=OTHER), Why.BAD_BRAND)
    refused(scene, scene.bank, asked(until=scene.now - 1), Why.EXPIRED)
    assert isinstance(scene.ask(scene.bank, asked(until=scene.now)), WithdrawB)
    for now, granted in (
        (brand.opens - 1, False),
        (brand.opens, True),
        (brand.closes, True),
        (brand.closes + 1, False),
    ):
        scene.now = now
        if granted:
            assert isinstance(scene.ask(scene.bank, asked()), WithdrawB)
        else:
            refused(scene, scene.bank, asked(), Why.NOT_OPEN)
    refused(scene, scene.bank, Hand(scene, "nobody").signer.sign(hand.withdraw_c(hand.secrets(1))), Why.NOT_OPEN)


def test_who_has_no_account_has_nothing_to_withdraw(scene: Scene) -> None:
    nobody = Hand(scene, "nobody")

    refused(scene, scene.bank, nobody.signer.sign(nobody.withdraw_c(nobody.secrets(1))), Why.OVERDRAFT)


def test_withdrawals_are_debited_once_however_they_are_cut(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(5)
    secrets = [hand.secrets(1) for _ in range(4)]

    def signatures(*numbers: int) -> tuple[bytes, ...]:
        answer = scene.ask(scene.bank, hand.signer.sign(hand.withdraw_c(*(secrets[number] for number in numbers))))
        assert isinstance(answer, WithdrawB)
        return answer.signatures

    first, second = signatures(0, 1)
    assert hand.balance == 3
    assert signatures(0, 1) == (first, second)
    assert signatures(1, 0) == (second, first)
    assert hand.balance == 3
    assert signatures(2, 1, 3)[1] == second
    assert hand.balance == 1
    refused(scene, scene.bank, hand.signer.sign(hand.withdraw_c(hand.secrets(1), hand.secrets(1))), Why.OVERDRAFT)
    scene.now = scene.brand(1).closes + 1
    assert signatures(0) == (first,)


class Counted(SecretKey):
    """A brand's key that counts what it signs."""

    signed = 0

    def sign(self, blinded_message: bytes) -> bytes:
        Counted.signed += 1
        return super().sign(blinded_message)


def test_a_repeated_request_costs_no_further_signature(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(1)
    (minted,) = [each for each in scene.minted if each.brand == scene.brand(1)]
    secret = Counted.from_bytes(minted.secret.to_bytes())
    mint = Mint(Signer(NETWORK, key_of("bank")), scene.bank_key, [replace(minted, secret=secret)])
    job = BlindSign(tuple((scene.brand(1).id, hand.secrets(1).blinded().blinded_message) for _ in range(3)), WithdrawB)

    answers = {mint.finish(job).signatures for _ in range(9)}

    assert len(answers) == 1
    assert Counted.signed == 3


def test_a_blinded_message_of_another_account(scene: Scene) -> None:
    hand, thief = Hand(scene), Hand(scene, "thief")
    hand.open(1)
    thief.open(1)
    order = hand.withdraw_c(hand.secrets(1))
    scene.ask(scene.bank, hand.signer.sign(order))

    refused(scene, scene.bank, thief.signer.sign(order), Why.BAD_BLINDED)

    assert thief.balance == 1


MODULUS = PRIMES["2048-a"][0] * PRIMES["2048-a"][1]  # of the brand of 1
UNFIT = {"0": 0, "1": 1, "n - 1": MODULUS - 1, "n": MODULUS, "n + 1": MODULUS + 1, "p": PRIMES["2048-a"][0]}


@pytest.mark.parametrize("blinded", UNFIT.values(), ids=UNFIT)
def test_blinded_messages_that_nobody_may_have_signed(scene: Scene, blinded: int) -> None:
    hand = Hand(scene)
    hand.open(1)
    assert int.from_bytes(scene.brand(1).modulus, "big") == MODULUS
    good = hand.withdraw_c(hand.secrets(1))

    closed(scene, scene.bank, hand.signer.sign(replace(good, blinded=(blinded.to_bytes(256, "big"),))))
    closed(scene, scene.bank, hand.signer.sign(replace(good, blinded=(b"\0" + good.blinded[0],))))
    with pytest.raises(Malformed):
        replace(good, blinded=(good.blinded[0][1:],))


# Exchange, and what a wallet asks later.


def exchange(scene: Scene, hand: Hand, coin: Coin, **changes: Any) -> Signed:
    """E1: a token of 4 for two of 2."""
    fresh = hand.withdraw_c(hand.secrets(2), hand.secrets(2))
    body = ExchangeQ(
        bank=scene.bank_key,
        payments=(Payment(token=coin.token, amount=coin.worth),),
        wanted=(Wanted(brand=fresh.brand, blinded=fresh.blinded),),
        until=scene.now,
    )
    return Signer(NETWORK, coin.secrets.key).sign(replace(body, **changes))


def test_exchanges_that_are_not_granted(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(5)
    (coin,) = hand.withdraw(4)
    single, known = hand.withdraw_c(hand.secrets(2)), hand.withdraw_c(hand.secrets(1))
    scene.ask(scene.bank, hand.signer.sign(known))
    ones = hand.withdraw_c(*(hand.secrets(1) for _ in range(3)))
    mixed = tuple(sorted((known.blinded[0], *ones.blinded)))
    forged = replace(coin.token, signature=b"\1" * 256)

    def wanted(brand: bytes, *blinded: bytes) -> tuple[Wanted, ...]:
        return (Wanted(brand=brand, blinded=blinded),)

    def refuse(why: Why, **changes: Any) -> None:
        refused(scene, scene.bank, exchange(scene, hand, coin, **changes), why)

    refuse(Why.BAD_AMOUNT, wanted=wanted(single.brand, *single.blinded))
    refuse(Why.BAD_AMOUNT, payments=(Payment(token=coin.token, amount=5),))
    refuse(Why.BAD_TOKEN, payments=(Payment(token=forged, amount=4),))
    refuse(Why.BAD_BRAND, wanted=wanted(OTHER, *single.blinded))
    refuse(Why.BAD_BLINDED, wanted=wanted(known.brand, *mixed))
    closed(scene, scene.bank, exchange(scene, hand, coin, wanted=wanted(single.brand, bytes(256), *single.blinded)))
    closed(scene, scene.bank, hand.signer.sign(exchange_body(exchange(scene, hand, coin))))
    assert isinstance(scene.ask(scene.bank, exchange(scene, hand, coin)), ExchangeB)


def exchange_body(signed: Signed) -> ExchangeQ:
    body = decode(signed.body)
    assert isinstance(body, ExchangeQ)
    return body


def test_a_token_is_exchanged_once_and_answered_again(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(4)
    (coin,) = hand.withdraw(4)
    asked = exchange(scene, hand, coin)
    first = scene.ask(scene.bank, asked)

    assert scene.ask(scene.bank, asked) == first
    refusal = refused(scene, scene.bank, exchange(scene, hand, coin), Why.TOKEN_USED, [ExchangeQ])
    assert used_by(NETWORK, scene.network.logs, refusal.evidence) == {coin.token.id: {asked.hash: 4}}
    assert scene.books()["tokens"] == 4 + 2 * PRICE


def test_an_exchange_that_was_called_late_is_never_done(scene: Scene) -> None:
    """Whoever has the refusal may show it: the bank's clock may have been wrong, and still it is held to its word."""
    hand = Hand(scene)
    hand.open(4)
    (coin,) = hand.withdraw(4)
    late = exchange(scene, hand, coin, until=scene.now + 60)
    scene.now += 61
    first = scene.refused(scene.bank, late)
    scene.now -= 61

    assert first.why == Why.EXPIRED
    assert refused(scene, scene.bank, late, Why.EXPIRED) == first
    in_time = exchange(scene, hand, coin, until=scene.now + 61)
    assert isinstance(scene.ask(scene.bank, in_time), ExchangeB), "what was not called late is not"
    assert scene.books()["tokens"] == 4 + 2 * PRICE


def test_what_remains_of_a_token_is_told_to_its_key_on_its_channel(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(4)
    (coin,) = hand.withdraw(4)
    asked, by_key = StateOf(bank=scene.bank_key, token=coin.token, channel=bytes(32)), Signer(NETWORK, coin.secrets.key)

    refused(scene, scene.bank, hand.signer.sign(asked), Why.WRONG_SIGNER)
    refused(scene, scene.bank, by_key.sign(replace(asked, channel=OTHER)), Why.WRONG_RECEIVER)
    assert scene.ask(scene.bank, by_key.sign(asked)) == State(token=coin.token.id, remaining=4)
    refused(scene, scene.bank, Restore(bank=scene.bank_key, brand=coin.token.brand, blinded=bytes(256)), Why.UNKNOWN)


def test_a_bank_that_has_dropped_a_brand_restores_nothing_of_it(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(1)
    order = hand.withdraw_c(hand.secrets(1))
    again = Restore(bank=scene.bank_key, brand=order.brand, blinded=order.blinded[0])
    scene.ask(scene.bank, hand.signer.sign(order))

    assert isinstance(scene.ask(scene.bank, again), WithdrawB)
    restart_bank(scene, order.brand)
    refused(scene, scene.bank, again, Why.BAD_BRAND)


def test_everybody_is_told_once_a_day_which_tokens_are_used(scene: Scene) -> None:
    deal = Deal.committed(scene)
    scene.settle()
    (exchanged,) = deal.hand.withdraw(4)
    scene.ask(scene.bank, exchange(scene, deal.hand, exchanged))
    brand, coin = scene.brand(4).id, deal.coins[0]
    asked, midnight = (
        UsedOf(bank=scene.bank_key, brand=brand, after=b""),
        (scene.now // USED_SECONDS + 1) * USED_SECONDS,
    )

    nobody = Used(names=(), more=0)
    assert scene.ask(scene.bank, asked) == nobody
    scene.now = midnight - 1
    assert scene.ask(scene.bank, asked) == nobody
    scene.now = midnight
    both = sorted(used_name(each.token.id) for each in (coin, exchanged))
    assert scene.ask(scene.bank, asked) == Used(names=tuple(both), more=0)
