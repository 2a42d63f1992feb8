"""The paper's section "Data Management": what each party keeps, and what it can still do with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from anonnet.errors import Malformed, Why
from anonnet.protocol.account import Claim, Credit
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.known_log import expirations_of, shard_of
from anonnet.protocol.local import Discard, SalesOf, WalletOf
from anonnet.protocol.logbook import Follow, OutcomeOf
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationQ, Commit, sells
from anonnet.protocol.recovery import State, StateOf
from anonnet.store.merchant import MerchantStore
from anonnet.times import BRAND_MARGIN_SECONDS, CLAIM_SECONDS, LEAD_SECONDS_MAX, RETENTION_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer
from tests.actor import Actor
from tests.paper.scenes import GOODS, PRICE, Coin, Deal, Hand, Scene
from tests.stage import NETWORK


def test_the_consumer_keeps_token_contract_goods_and_commit(scene: Scene) -> None:
    """Section "Data Management": "the token (Q*), the signed contract and goods (goods_m), and ... (commit)"."""
    purchase = scene.buy()
    scene.settle()

    shown = scene.purchase(purchase)

    bodies = {type(decode(paper.body)): paper for paper in shown.papers}
    assert list(bodies) == [GoodsM, AuthorizationQ, AuthorizationB, Commit]
    order = decode(bodies[AuthorizationQ].body)
    assert isinstance(order, AuthorizationQ)
    assert sells(decode(bodies[GoodsM].body), scene.merchant_key, order.transaction)
    assert [payment.token.holds(scene.brand(payment.amount)) for payment in order.payments] == [True, True]
    assert Path(shown.path).read_bytes() == GOODS


def test_the_consumer_discards_a_purchase_that_she_is_content_with(scene: Scene) -> None:
    """Section "Data Management": "If the goods are satisfactory, then the consumer may discard all data on the
    transaction". Her other tokens and purchases stay."""
    content, other = scene.buy(), scene.buy()
    scene.settle()
    goods = Path(scene.purchase(content).path), Path(scene.purchase(other).path)

    scene.consumer.command(Discard(purchase=content))
    scene.settle()

    assert scene.consumer.command(WalletOf()).purchases == (other,)
    assert [path.exists() for path in goods] == [False, True]
    assert scene.tokens() == {"spent": 2 * PRICE}


def test_the_merchant_keeps_promise_and_commit_until_he_is_credited(scene: Scene) -> None:
    """Section "Data Management": authorization_b and commit "are used to prove a completed transaction to the bank".

    His machine dies between the commit and the claim; a new one has his store and nothing else.
    """
    store = MerchantStore(str(scene.folder / "merchant.db"))
    first = Actor("merchant", scene.merchant.party, store, scene.merchant.clock, scene.merchant.entropy)
    scene.merchant = first
    scene.sell()
    scene.lost = lambda line: line.kind is Claim or (line.sender, line.receiver) == ("log", "bank")
    scene.buy()
    scene.settle()
    unpaid = scene.income
    store.close()

    again = MerchantStore(str(scene.folder / "merchant.db"))
    scene.merchant = Actor("merchant", first.party, again, first.clock, first.entropy)
    scene.lost = lambda line: False
    scene.settle()

    (claim,) = {line.said for line in scene.said(Claim)}
    assert isinstance(claim, Claim)
    assert (unpaid, scene.income) == (0, PRICE)
    assert isinstance(decode(claim.commit.body), Commit)
    assert len(scene.said(Credit)) == 1
    again.close()


def test_the_merchant_discards_a_sale_that_was_credited(scene: Scene) -> None:
    """Section "Data Management": "Once the bank has issued the credit, the merchant may discard all data". He has his
    money, and signs nothing about a number that he has forgotten."""
    deal = Deal.authorized(scene)
    scene.settle()
    scene.now = deal.transaction.expiration + CLAIM_SECONDS + 1

    scene.merchant.forget()

    assert scene.income == PRICE
    assert not scene.merchant.command(SalesOf()).lines
    assert scene.refused(scene.merchant, deal.authorization_b).why == Why.UNKNOWN


def test_the_log_makes_no_abort_after_the_delay(scene: Scene) -> None:
    """Section "Data Management": "the log not generate abort for any transaction with an expiration which has been
    exceeded by more than this delay period"."""
    deal = Deal.authorized(scene)
    scene.now = deal.transaction.expiration + RETENTION_SECONDS
    within = deal.outcome

    scene.now += 1
    refusal = scene.refused(scene.log, OutcomeOf(transaction=deal.transaction))

    assert isinstance(decode(within.body), Abort)
    assert refusal.why == Why.FORGOTTEN


def test_the_log_discards_what_is_past_the_delay(scene: Scene) -> None:
    """Section "Data Management": "This information may be discarded after some delay following the transaction
    expiration". It goes by shards, and what is gone is neither aborted nor recorded again."""
    deal = Deal.committed(scene)
    shard = shard_of(deal.transaction.expiration)
    scene.now = expirations_of(shard).stop - 1 + RETENTION_SECONDS
    scene.log.forget()
    kept = deal.outcome

    scene.now += 1
    scene.log.forget()

    assert isinstance(decode(kept.body), Commit)
    assert scene.refused(scene.log, OutcomeOf(transaction=deal.transaction)).why == Why.FORGOTTEN
    assert scene.refused(scene.log, deal.authorization_m).why == Why.EXPIRED
    assert scene.refused(scene.log, Follow(log=scene.log_name, shard=shard, start=0)).why == Why.FORGOTTEN


def test_the_log_keeps_commits_longer_than_anybody_may_need_them(scene: Scene) -> None:
    """Section "Data Management": the delay is "long enough that denial of access ... is extremely improbable"."""
    deal = Deal.committed(scene)
    scene.now = deal.transaction.expiration + CLAIM_SECONDS + LEAD_SECONDS_MAX

    commit = deal.outcome

    assert isinstance(decode(commit.body), Commit)
    assert RETENTION_SECONDS > CLAIM_SECONDS + LEAD_SECONDS_MAX


def test_the_bank_logs_the_authorization_to_detect_reuse(scene: Scene) -> None:
    """Section "Data Management": authorization_q "is logged in the database, so that attempts at token reuse can be
    detected"; it is kept together with the commit."""
    deal = Deal.authorized(scene)
    running = scene.refused(scene.bank, Deal.offered(scene, deal.hand, deal.coins).authorization_q).evidence
    scene.ask(scene.log, deal.authorization_m)

    scene.settle()

    ended = scene.refused(scene.bank, Deal.offered(scene, deal.hand, deal.coins).authorization_q).evidence
    assert running == (deal.authorization_q,)
    assert ended == (deal.authorization_q, deal.outcome)


def test_the_bank_keeps_both_papers_until_after_the_brand_s_expiration(scene: Scene) -> None:
    """Section "Data Management": "the bank should keep both authorization_q and commit until some period following the
    expiration for the brand of token used". Afterwards the token is worth nothing to anybody."""
    deal = Deal.committed(scene)
    scene.settle()
    (coin, *_) = deal.coins
    asked = Signer(NETWORK, coin.secrets.key).sign(StateOf(bank=scene.bank_key, token=coin.token, channel=bytes(32)))
    scene.now = coin.secrets.brand.ends + BRAND_MARGIN_SECONDS
    scene.bank.forget()
    shown = scene.refused(scene.bank, asked)

    scene.now += 1
    scene.bank.forget()
    gone = scene.ask(scene.bank, asked)

    kinds = [type(decode(paper.body)) for paper in shown.evidence]
    assert (shown.why, kinds) == (Why.TOKEN_USED, [AuthorizationQ, Commit])
    assert isinstance(gone, State)
    assert gone.remaining == 0


def test_the_bank_knows_the_status_of_each_token_of_a_brand(scene: Scene) -> None:
    """Section "Data Management": "The database for a brand of tokens tracks the status of tokens of that brand": free,
    in a sale that runs, or spent."""
    hand = Hand(scene)
    hand.open(3 * PRICE)
    spent = Deal.committed(scene, hand, hand.withdraw(4, 1))
    scene.ask(scene.bank, spent.outcome)
    running = Deal.authorized(scene, hand, hand.withdraw(4, 1))
    free = hand.withdraw(4)

    def asked(coin: Coin) -> Signed:
        question = StateOf(bank=scene.bank_key, token=coin.token, channel=bytes(32))
        return Signer(NETWORK, coin.secrets.key).sign(question)

    state = scene.ask(scene.bank, asked(free[0]))
    shown = [scene.refused(scene.bank, asked(deal.coins[0])).evidence for deal in (running, spent)]

    assert isinstance(state, State)
    assert state.remaining == 4
    assert shown == [(running.authorization_q,), (spent.authorization_q, spent.outcome)]


def test_the_bank_keeps_the_abort(scene: Scene) -> None:
    """Section "Data Management": "If the transaction aborts, the bank need keep only abort"."""
    deal = Deal.authorized(scene)
    scene.to_expiration()

    refusal = scene.refused(scene.bank, deal.authorization_q)

    assert (refusal.why, refusal.evidence) == (Why.SALE_ABORTED, (deal.outcome,))


def test_claims_have_a_limited_time_of_validity(scene: Scene) -> None:
    """Section "Data Management": "transaction claims by the merchant should have a limited time of validity"."""
    deal = Deal.committed(scene)
    claim = Claim(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=deal.outcome)
    scene.lost = lambda line: "log" in (line.sender, line.receiver)
    scene.pass_time(deal.transaction.expiration - scene.now + CLAIM_SECONDS)
    at_the_end = scene.books()["locked"]

    scene.pass_time(1)
    refusal = scene.refused(scene.bank, claim)

    assert (at_the_end, scene.books()["locked"]) == (PRICE, 0)
    assert refusal.why == Why.TOO_LATE
    assert scene.income == 0


def test_a_claim_within_its_time_is_paid(scene: Scene) -> None:
    """Section "Data Management": "sufficiently long to allow time for reasonable delays"."""
    deal = Deal.committed(scene)
    claim = Claim(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=deal.outcome)
    scene.lost = lambda line: "log" in (line.sender, line.receiver)
    scene.pass_time(deal.transaction.expiration - scene.now + CLAIM_SECONDS)

    credit = scene.ask(scene.bank, claim)

    assert isinstance(credit, Credit)
    assert scene.income == PRICE


def test_no_lock_outlives_a_log_that_is_gone(scene: Scene) -> None:
    """Section "Data Management": with a limited validity of claims the bank need not wait for ever."""
    deal = Deal.authorized(scene)
    scene.lost = lambda line: "log" in (line.sender, line.receiver)
    scene.pass_time(deal.transaction.expiration - scene.now + CLAIM_SECONDS + 1)
    scene.sell()

    again = scene.ask(scene.bank, Deal.offered(scene, deal.hand, deal.coins).authorization_q)

    assert isinstance(again, AuthorizationB)


def test_the_bank_authorizes_no_expiration_that_is_excessively_late(scene: Scene) -> None:
    """Section "Data Management": "may decide to not authorize any transactions with excessively late expiration"."""
    deal = Deal.offered(scene)
    last = replace(deal.transaction, expiration=scene.now + LEAD_SECONDS_MAX)
    late = replace(deal.transaction, expiration=scene.now + LEAD_SECONDS_MAX + 1)

    refusal = scene.refused(scene.bank, deal.hand.pays(deal.coins, late))
    promise = scene.ask(scene.bank, deal.hand.pays(deal.coins, last))

    assert refusal.why == Why.TOO_LATE
    assert isinstance(promise, AuthorizationB)


def test_an_abort_that_the_bank_never_saw_still_counts(scene: Scene) -> None:
    """Section "Data Management": the bank asks the log itself, so that no lock waits for a consumer who is gone."""
    Deal.authorized(scene)
    scene.lost = lambda line: "merchant" in (line.sender, line.receiver)
    locked = scene.books()["locked"]

    scene.to_expiration()

    assert (locked, scene.books()["locked"]) == (PRICE, 0)
    assert [line.receiver for line in scene.said(Abort)] == ["bank"]


def test_a_brand_says_how_its_tokens_are_made_and_what_they_are_worth(scene: Scene) -> None:
    """ "The brand of a token specifies the method used to create the token as well as the properties (e.g.,
    denomination) associated with the token": no token counts as one of another brand, and no brand is without a
    method."""
    hand = Hand(scene)
    hand.open(PRICE)
    (small,) = hand.withdraw(1)
    larger = replace(small.token, brand=scene.brand(4).id)

    refusal = scene.refused(scene.bank, Deal.offered(scene, hand, [replace(small, token=larger)]).authorization_q)
    with pytest.raises(Malformed):
        replace(scene.brand(1), method="handwriting")

    assert refusal.why == Why.BAD_TOKEN
