"""The bank's refusals, one by one, and the seconds at which its answers change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from anonnet.crypto.keys import SigningKey
from anonnet.errors import Why
from anonnet.limits import UNITS_MAX
from anonnet.parties.bank import Bank
from anonnet.parties.mint import Minted
from anonnet.protocol.account import Claim, Credit, OpenAccount, StatementOf
from anonnet.protocol.brand import BrandOffer, BrandsOf
from anonnet.protocol.exchange import ExchangeQ, Wanted
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.history import paid_by_another, used_by
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.local import Fund, Started
from anonnet.protocol.outcome import aborted
from anonnet.protocol.purchase import (
    Abort,
    AuthorizationB,
    AuthorizationQ,
    Commit,
)
from anonnet.protocol.recovery import Restore, StateOf, UsedOf
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.token import Payment
from anonnet.store.bank import BankStore
from anonnet.times import CLAIM_SECONDS, FREED_SECONDS, LEAD_SECONDS_MAX
from anonnet.wire.codec import Message, decode
from anonnet.wire.signed import Signed, Signer
from tests.actor import Actor, Said
from tests.dump import dump
from tests.paper.scenes import PRICE, Coin, Deal, Hand, Scene, by
from tests.paper.sealing import filled_for_another, offered, under_no_key
from tests.stage import CURRENCY, NETWORK, key_of, mint
from tests.unit.parties.refusing import closed, refused

OTHER = key_of("other").public
CHANNEL = bytes(32)  # of every connection on the stage


def asks(scene: Scene, **changes: Any) -> Callable[[Deal], Signed]:
    """P2 of a deal with another transaction."""
    return lambda deal: deal.hand.pays(deal.coins, replace(deal.transaction, **changes))


def repaid(deal: Deal, change: Callable[[Payment], Payment], **more: Any) -> Signed:
    """P2 of a deal with its first payment changed."""
    body = decode(deal.authorization_q.body)
    assert isinstance(body, AuthorizationQ)
    first, *rest = body.payments
    changed = tuple(sorted((change(first), *rest), key=lambda payment: payment.token.id))
    return Signer(NETWORK, *(coin.secrets.key for coin in deal.coins)).sign(replace(body, payments=changed, **more))


def with_token(**changes: Any) -> Callable[[Payment], Payment]:
    return lambda payment: replace(payment, token=replace(payment.token, **changes))


PAYMENTS: dict[str, tuple[Why, Callable[[Scene, Deal], Signed]]] = {
    "another log": (Why.WRONG_LOG, lambda scene, deal: asks(scene, log=OTHER)(deal)),
    "another log when claims are over": (
        Why.EXPIRED,
        lambda scene, deal: asks(scene, log=OTHER, expiration=scene.now - CLAIM_SECONDS - 1)(deal),
    ),
    "a merchant without an account": (Why.UNKNOWN, lambda scene, deal: asks(scene, merchant=OTHER)(deal)),
    "an expiration that has passed": (Why.EXPIRED, lambda scene, deal: asks(scene, expiration=scene.now - 1)(deal)),
    "an expiration too far ahead": (
        Why.TOO_LATE,
        lambda scene, deal: asks(scene, expiration=scene.now + LEAD_SECONDS_MAX + 1)(deal),
    ),
    "an unknown brand": (Why.BAD_BRAND, lambda scene, deal: repaid(deal, with_token(brand=OTHER))),
    "a forged signature": (Why.BAD_TOKEN, lambda scene, deal: repaid(deal, with_token(signature=b"\1" * 256))),
    "a signature longer than the modulus": (
        Why.BAD_TOKEN,
        lambda scene, deal: repaid(deal, with_token(signature=b"\1" * 300)),
    ),
    "the signature of another token": (
        Why.BAD_TOKEN,
        lambda scene, deal: repaid(deal, with_token(serial=b"another")),
    ),
    "more than the denomination": (Why.BAD_AMOUNT, lambda scene, deal: repaid(deal, lambda p: replace(p, amount=8))),
}


@pytest.mark.parametrize("name", PAYMENTS)
def test_a_payment_that_is_not_taken(scene: Scene, name: str) -> None:
    why, make = PAYMENTS[name]
    deal = Deal.offered(scene)

    refused(scene, scene.bank, make(scene, deal), why)

    assert isinstance(scene.ask(scene.bank, deal.authorization_q), AuthorizationB)


def test_the_seconds_of_an_expiration(scene: Scene) -> None:
    deal = Deal.offered(scene)
    for expiration in (scene.now, scene.now + LEAD_SECONDS_MAX):
        coins = deal.hand.withdraw(1)
        paid = deal.hand.pays(coins, replace(deal.transaction, expiration=expiration))
        assert isinstance(scene.ask(scene.bank, paid), AuthorizationB)


def test_a_sale_may_not_outlive_the_token_s_brand(scene: Scene) -> None:
    deal = Deal.offered(scene)
    last = scene.brand(4).ends - CLAIM_SECONDS - FREED_SECONDS
    scene.now = last - LEAD_SECONDS_MAX + 1

    refused(scene, scene.bank, asks(scene, expiration=last + 1)(deal), Why.NOT_OPEN)
    assert isinstance(scene.ask(scene.bank, asks(scene, expiration=last)(deal)), AuthorizationB)

    scene.lost = lambda line: line.receiver == "log"
    scene.now = last + CLAIM_SECONDS + 1
    scene.bank.remind()
    assert scene.books()["locked"] == 0
    assert scene.brand(4).ends - scene.now == FREED_SECONDS - 1, "what comes back last can still be exchanged"


def test_tokens_of_another_bank(scene: Scene) -> None:
    (foreign,) = mint(key_of("other bank"), {4: "3072"})
    deal = Deal.offered(scene)

    token = replace(deal.coins[0].token, brand=foreign.brand.id)
    signed = foreign.secret.root(int.from_bytes(token.id, "big")).to_bytes(384, "big")

    refused(scene, scene.bank, repaid(deal, with_token(brand=foreign.brand.id, signature=signed)), Why.BAD_BRAND)


def test_the_product_of_two_signatures_is_no_token(scene: Scene) -> None:
    deal = Deal.offered(scene)
    scene.fund(deal.hand.key.public, 8)
    one, two = (coin.token for coin in deal.hand.withdraw(4, 4))
    modulus = int.from_bytes(scene.brand(4).modulus, "big")
    product = int.from_bytes(one.signature, "big") * int.from_bytes(two.signature, "big") % modulus

    made = product.to_bytes(256, "big")
    refused(scene, scene.bank, repaid(deal, with_token(signature=made)), Why.BAD_TOKEN)


def of_two_currencies(scene: Scene) -> Actor:
    """Another bank under the same key, whose token of 4 is in another currency."""
    signer = Signer(NETWORK, key_of("bank"))
    minted = []
    for each in scene.minted:
        brand = replace(each.brand, currency="USD") if each.brand.denomination == 4 else each.brand
        minted.append(Minted(BrandOffer(brand=signer.sign(brand), roots=each.offer.roots), brand, each.secret))
    scene.minted = minted
    party = Bank(signer, scene.bank_key, minted, scene.network.logs)
    return replace(scene.bank, party=party, store=BankStore())


def test_one_payment_has_one_currency(scene: Scene) -> None:
    scene.bank = of_two_currencies(scene)
    hand = Hand(scene)
    hand.open(5)
    scene.ask(scene.bank, Signer(NETWORK, key_of("merchant")).sign(OpenAccount(bank=scene.bank_key)))
    coins = hand.withdraw(1)
    with pytest.raises(AssertionError):
        hand.withdraw(4)  # the account holds no USD
    deal = Deal.offered(scene, hand, coins)
    dollars = scene.brand(4)
    secrets = hand.secrets(4)
    blinded = secrets.blinded()
    signature = next(each.secret for each in scene.minted if each.brand is dollars).sign(blinded.blinded_message)
    both = [*coins, Coin(secrets, secrets.token(signature))]

    refused(scene, scene.bank, hand.pays(both, deal.transaction), Why.BAD_CURRENCY)


# Tokens and transactions that are taken.


def test_a_token_in_use_is_shown_to_who_holds_its_key(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    again = Deal.offered(scene, deal.hand, deal.coins)

    locked = refused(scene, scene.bank, again.authorization_q, Why.TOKEN_USED, [AuthorizationQ])
    assert locked.evidence == (deal.authorization_q,)
    assert not used_by(NETWORK, scene.network.logs, locked.evidence)

    scene.ask(scene.log, deal.authorization_m)
    scene.ask(scene.bank, deal.outcome)
    spent = refused(scene, scene.bank, again.authorization_q, Why.TOKEN_USED, [AuthorizationQ, Commit])
    proven = used_by(NETWORK, scene.network.logs, spent.evidence)
    assert proven == {coin.token.id: {deal.transaction: coin.worth} for coin in deal.coins}


def test_two_payments_for_one_transaction(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.fund(deal.hand.key.public, PRICE)
    other = deal.hand.pays(deal.hand.withdraw(4, 1), deal.transaction)

    refusal = refused(scene, scene.bank, other, Why.SALE_AUTHORIZED, [AuthorizationB])

    assert paid_by_another(NETWORK, scene.bank_key, refusal.evidence, deal.transaction)


def test_after_the_abort_the_payment_is_refused_with_it(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.to_expiration()

    refusal = refused(scene, scene.bank, deal.authorization_q, Why.SALE_ABORTED, [Abort])

    assert aborted(NETWORK, KnownLog(key_of("log").public), refusal.evidence[0]) == deal.transaction
    assert scene.books()["locked"] == 0


def test_a_place_that_was_promised_to_another_n_is_refused_with_that_promise(scene: Scene) -> None:
    """A sealed commit that opens under the n that is asked for shows no abort: by it the bank would call these tokens
    spent."""
    deal = offered(scene)
    commit = filled_for_another(deal)

    refusal = refused(scene, scene.bank, deal.authorization_q, Why.SALE_AUTHORIZED, [AuthorizationB])

    assert paid_by_another(NETWORK, scene.bank_key, refusal.evidence, deal.transaction)
    assert refused(scene, scene.bank, under_no_key(deal), Why.SALE_ABORTED, [Commit]).evidence == (commit,)
    assert scene.books()["locked"] == 0


def test_a_lock_ends_one_second_after_the_claim_time(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.lost = lambda line: line.receiver == "log"
    scene.now = deal.transaction.expiration + CLAIM_SECONDS
    scene.bank.remind()
    assert scene.books()["locked"] == PRICE
    assert isinstance(scene.ask(scene.bank, deal.authorization_q), AuthorizationB)

    scene.now += 1
    scene.bank.remind()

    assert scene.books()["locked"] == 0
    scene.lost = lambda line: False
    commit = by("log", Commit(authorization_m=deal.authorization_m, index=0))
    for late in (deal.authorization_q, commit, claim(deal, commit)):
        refused(scene, scene.bank, late, Why.TOO_LATE)


# Outcomes.


def claim(deal: Deal, commit: Signed, promise: Signed | None = None) -> Claim:
    return Claim(bank=deal.scene.bank_key, authorization_b=promise or deal.authorization_b, commit=commit)


def test_a_claim_needs_a_promise_of_this_bank_and_its_commit(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(2 * PRICE)
    deal, other = Deal.committed(scene, hand), Deal.authorized(scene, hand)
    strange = Signer(NETWORK, key_of("other")).sign(decode(deal.authorization_b.body))
    of_other_log = Signer(NETWORK, key_of("other")).sign(decode(deal.outcome.body))

    refused(scene, scene.bank, claim(deal, deal.outcome, strange), Why.WRONG_SIGNER)
    closed(scene, scene.bank, claim(deal, of_other_log))
    refused(scene, scene.bank, claim(deal, deal.outcome, other.authorization_b), Why.UNKNOWN)
    closed(scene, scene.bank, claim(deal, by("log", decode(deal.authorization_m.body))))

    credit = scene.ask(scene.bank, claim(deal, deal.outcome))
    assert credit == Credit(transaction=deal.transaction, currency="EUR", value=PRICE)
    assert scene.ask(scene.bank, claim(deal, deal.outcome)) == credit
    assert scene.income == PRICE


def test_an_outcome_is_believed_from_the_log_alone(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    wrong_key = replace(decode(deal.authorization_m.body), key=bytes(32))  # type: ignore[type-var]

    closed(scene, scene.bank, by("merchant", Abort(transaction=deal.transaction)))
    refused(scene, scene.bank, by("log", Abort(transaction=replace(deal.transaction, log=OTHER))), Why.WRONG_LOG)
    refused(scene, scene.bank, by("log", Abort(transaction=replace(deal.transaction, expiration=1))), Why.UNKNOWN)
    closed(scene, scene.bank, by("log", Commit(authorization_m=by("merchant", wrong_key), index=0)))
    closed(scene, scene.bank, by("log", Commit(authorization_m=by("bank", wrong_key), index=0)))
    closed(scene, scene.bank, by("other", Commit(authorization_m=deal.authorization_m, index=0)))
    assert scene.books()["locked"] == PRICE


def test_a_log_that_says_both_is_answered_with_what_it_said_first(scene: Scene) -> None:
    deal = Deal.committed(scene)
    scene.ask(scene.bank, deal.outcome)
    both = by("log", Abort(transaction=deal.transaction))

    refusal = refused(scene, scene.bank, both, Why.SALE_AUTHORIZED, [Commit])

    assert refusal.evidence == (deal.outcome,)
    assert scene.income == PRICE


# Who is asked, and by whom.


def test_every_step_that_names_another_bank(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    hand, coin, key = deal.hand, deal.coins[0], deal.coins[0].secrets.key
    paid = decode(deal.authorization_q.body)
    wanted = (Wanted(brand=scene.brand(1).id, blinded=hand.withdraw_c(hand.secrets(1)).blinded),)
    exchange = ExchangeQ(
        bank=OTHER, payments=(Payment(token=coin.token, amount=coin.worth),), wanted=wanted, until=scene.now
    )
    steps: list[Said] = [
        hand.signer.sign(OpenAccount(bank=OTHER)),
        hand.signer.sign(StatementOf(bank=OTHER, start=0, channel=CHANNEL)),
        hand.signer.sign(replace(hand.withdraw_c(hand.secrets(1)), bank=OTHER)),
        Signer(NETWORK, *(coin.secrets.key for coin in deal.coins)).sign(replace(paid, bank=OTHER)),  # type: ignore
        Signer(NETWORK, key).sign(exchange),
        Signer(NETWORK, key).sign(StateOf(bank=OTHER, token=coin.token, channel=CHANNEL)),
        Restore(bank=OTHER, brand=scene.brand(1).id, blinded=wanted[0].blinded[0]),
        UsedOf(bank=OTHER, brand=scene.brand(1).id, after=b""),
        BrandsOf(bank=OTHER),
        replace(claim(deal, by("log", Commit(authorization_m=deal.authorization_m, index=0))), bank=OTHER),
    ]

    for said in steps:
        refused(scene, scene.bank, said, Why.WRONG_RECEIVER)


def test_what_a_bank_does_not_take(scene: Scene) -> None:
    deal = Deal.authorized(scene)

    for said in (deal.goods_m, deal.authorization_b, deal.authorization_m, by("bank", decode(deal.goods_m.body))):
        closed(scene, scene.bank, said)
    assert isinstance(decode(deal.goods_m.body), GoodsM)


def test_a_statement_is_for_its_account_on_its_channel(scene: Scene) -> None:
    hand = Hand(scene)
    on_ours, on_another = (StatementOf(bank=scene.bank_key, start=0, channel=each) for each in (CHANNEL, OTHER))

    refused(scene, scene.bank, hand.signer.sign(on_ours), Why.UNKNOWN)
    hand.open(1)
    refused(scene, scene.bank, hand.signer.sign(on_another), Why.WRONG_RECEIVER)
    assert hand.balance == 1


def test_no_more_is_paid_in_than_every_balance_can_say(scene: Scene) -> None:
    """Otherwise a statement could not be made, and sums of the books would not fit into the database's integers."""
    hand = Hand(scene)
    hand.open(1)
    room = UNITS_MAX + scene.books()["cash"]

    def paid(amount: int, reference: int) -> Any:
        order = Fund(account=hand.key.public, currency=CURRENCY, amount=amount, reference=bytes([reference]) * 32)
        return scene.bank.command(order)

    refusal = decode(paid(room + 1, 1).body)
    assert isinstance(refusal, Refusal)
    assert refusal.why == Why.BAD_AMOUNT
    assert isinstance(paid(room, 2), Started)
    assert isinstance(paid(room, 2), Started), "what has been paid in is answered again"
    assert isinstance(paid(1, 3), Signed)
    assert hand.balance == room + 1


@pytest.mark.parametrize("other", [{"account": OTHER}, {"currency": "GBP"}, {"amount": 6}], ids=str)
def test_a_reference_stands_for_one_payment_in(scene: Scene, other: dict[str, Any]) -> None:
    """Otherwise the owner would be told that the second one has been credited."""
    hand = Hand(scene)
    hand.open(1)
    scene.bank.store.open_account(OTHER, scene.now)
    paid = Fund(account=hand.key.public, currency=CURRENCY, amount=5, reference=bytes(32))
    assert isinstance(scene.bank.command(paid), Started)
    before = dump(scene.bank.store)

    refusal = decode(scene.bank.command(replace(paid, **other)).body)

    assert isinstance(refusal, Refusal)
    assert refusal.why == Why.NUMBER_USED
    assert dump(scene.bank.store) == before
    assert isinstance(scene.bank.command(paid), Started), "the same one counts once"
    assert hand.balance == 1 + 5


def test_a_bug_is_taken_back_and_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_and_fail(store: BankStore, key: bytes, now: int) -> None:
        store.fund(key, "EUR", 1, key, now)
        raise ZeroDivisionError("a bug")

    scene.bank.turns.report = lambda bug, asked: f"17 {type(bug).__name__}"
    request = Signer(NETWORK, SigningKey(bytes(32))).sign(OpenAccount(bank=scene.bank_key))
    with monkeypatch.context() as patched:
        patched.setattr(BankStore, "open_account", write_and_fail)
        refusal = refused(scene, scene.bank, request, Why.INCIDENT)

    assert refusal.detail == "17 ZeroDivisionError"
    assert isinstance(scene.ask(scene.bank, request), Noted)


def test_what_is_asked_again_changes_nothing(scene: Scene) -> None:
    deal = Deal.committed(scene)
    said: list[Said] = [deal.hand.signer.sign(OpenAccount(bank=scene.bank_key)), deal.authorization_q, deal.outcome]
    for each in said:
        answer: Message = scene.ask(scene.bank, each)
        before = dump(scene.bank.store)
        assert scene.ask(scene.bank, each) == answer
        assert dump(scene.bank.store) == before
