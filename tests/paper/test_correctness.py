"""The paper's section "Correctness and Atomicity": who can prove what, from papers alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anonnet.errors import Why
from anonnet.protocol.account import Claim, Credit
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.outcome import committed
from anonnet.protocol.purchase import (
    Abort,
    AuthorizationB,
    AuthorizationM,
    AuthorizationQ,
    Commit,
)
from anonnet.protocol.refusal import Noted
from anonnet.protocol.transaction import Transaction, log_id, number_of
from anonnet.times import SETTLE_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from tests.paper.scenes import PRICE, Deal, Hand, Scene, by
from tests.stage import NETWORK, key_of
from tests.world.judge_core import Judge, Verdict


@pytest.fixture
def judge(scene: Scene) -> Judge:
    return Judge(NETWORK, scene.bank_key, scene.network.logs, [each.brand for each in scene.network.brands])


def aborted_deal(scene: Scene, hand: Hand | None = None) -> tuple[Deal, Signed]:
    """A sale whose merchant stayed silent, and the log's abort."""
    deal = Deal.authorized(scene, hand)
    scene.now = deal.transaction.expiration + SETTLE_SECONDS + 1
    return deal, deal.outcome


@pytest.mark.parametrize("order", ["p4 first", "outcome first", "p4 late", "p4 never", "both late"])
def test_the_log_produces_exactly_one_of_commit_and_abort(scene: Scene, order: str) -> None:
    """Section "Correctness": "The transaction log will eventually produce exactly one of commit or abort"."""
    deal = Deal.authorized(scene)
    expiration = deal.transaction.expiration
    moments = {  # seconds from the expiration on: when P4 arrives, when the outcome is asked for
        "p4 first": ([-2], [-1, 10]),
        "outcome first": ([0], [-1, 0, 10]),
        "p4 late": ([1, 10], [10, 20]),
        "p4 never": ([], [10, 20]),
        "both late": ([SETTLE_SECONDS + 2], [SETTLE_SECONDS + 1, 10]),
    }
    sent, asked = moments[order]

    outcomes = set()
    for scene.now in range(expiration - 2, expiration + 21):
        at = scene.now - expiration
        said = [scene.say("m", scene.log, deal.authorization_m)] * (at in sent) + [deal.outcome] * (at in asked)
        outcomes |= {decode(each.body).__class__ for each in said if isinstance(each, Signed)}

    assert len(outcomes & {Commit, Abort}) == 1


def test_authorizations_are_cascaded(scene: Scene) -> None:
    """Section "Correctness": first the consumer authorizes the bank, next the bank the merchant, then he the log."""
    scene.buy()

    scene.settle()

    order = [line.kind for line in scene.heard]
    firsts = [order.index(kind) for kind in (AuthorizationQ, AuthorizationB, AuthorizationM, Commit, Claim, Credit)]
    assert firsts == sorted(firsts)


def test_accountability_is_cascaded(scene: Scene, judge: Judge) -> None:
    """Section "Correctness": a bank that promised without authorization_q "could be held accountable by the merchant
    ... but the consumer could not be held accountable by the bank"."""
    deal = Deal.offered(scene)  # P2 is never sent, and the bank promises nevertheless
    promise = deal.authorization_b
    scene.ask(scene.log, deal.authorization_m)
    other = Deal.authorized(scene, deal.hand, deal.hand.withdraw(4, 1))

    bank = judge.merchant_claims(promise, deal.outcome)
    consumer = [judge.bank_justifies(coin.token.id, other.authorization_q, deal.outcome) for coin in other.coins]

    assert bank is Verdict.BANK_OWES_CREDIT
    assert set(consumer) == {Verdict.NOTHING}


def test_the_merchant_proves_that_the_bank_should_credit_him(scene: Scene, judge: Judge) -> None:
    """Section "Correctness": "commit and authorization_b to prove that the bank should credit"."""
    deal = Deal.committed(scene)

    verdict = judge.merchant_claims(deal.authorization_b, deal.outcome)
    credit = scene.ask(
        scene.bank, Claim(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=deal.outcome)
    )

    assert verdict is Verdict.BANK_OWES_CREDIT
    assert isinstance(credit, Credit)
    assert scene.income == PRICE


def test_a_bank_that_holds_the_commit_is_safe_from_a_claim_of_failure(scene: Scene) -> None:
    """Section "Correctness": with commit the bank "will not be subject to a claim that the transaction has failed"."""
    deal = Deal.committed(scene)
    scene.ask(scene.bank, deal.outcome)
    scene.to_expiration()
    forged = by("log", Abort(transaction=deal.transaction))  # the log contradicts itself

    refusal = scene.refused(scene.bank, forged)

    assert isinstance(decode(deal.outcome.body), Commit)
    assert refusal.evidence == (deal.outcome,)
    assert scene.income == PRICE


def test_the_bank_justifies_that_a_token_is_spent(scene: Scene, judge: Judge) -> None:
    """Section "Correctness": "commit and authorization_q to justify ... marking the token spent"."""
    deal = Deal.committed(scene)
    scene.ask(scene.bank, deal.outcome)
    again = Deal.offered(scene, deal.hand, deal.coins)

    refusal = scene.refused(scene.bank, again.authorization_q)

    assert refusal.why == Why.TOKEN_USED
    for coin in deal.coins:
        assert judge.bank_justifies(coin.token.id, *refusal.evidence) is Verdict.TOKEN_IS_SPENT


def test_the_proof_of_spending_gives_the_consumer_the_goods(scene: Scene) -> None:
    """Section "Correctness": the consumer can demand the proof, "which contains the merchandise encryption key"."""
    deal = Deal.committed(scene)
    scene.ask(scene.bank, deal.outcome)
    again = Deal.offered(scene, deal.hand, deal.coins)

    _, commit = scene.refused(scene.bank, again.authorization_q).evidence

    recorded = committed(NETWORK, scene.network.logs[scene.log_name], commit, deal.transaction)
    assert recorded is not None
    assert recorded.key == deal.key
    assert number_of(scene.merchant_key, recorded.key) == deal.number


def test_the_consumer_demands_release_by_an_abort(scene: Scene, judge: Judge) -> None:
    """Section "Correctness": "The consumer can use abort and q to demand that the token be unlocked"."""
    deal, abort = aborted_deal(scene)
    locked = scene.books()["locked"]

    noted = scene.ask(scene.bank, abort)

    for coin in deal.coins:
        verdict = judge.consumer_demands_release(coin.token.id, deal.authorization_q, abort)
        assert verdict is Verdict.BANK_MUST_RELEASE
    assert isinstance(noted, Noted)
    assert (locked, scene.books()["locked"]) == (PRICE, 0)


def test_a_bank_that_holds_the_abort_is_safe_from_a_claim_of_completion(scene: Scene) -> None:
    """Section "Correctness": with abort no "claim that the transaction has completed" can be made."""
    deal, abort = aborted_deal(scene)
    scene.ask(scene.bank, abort)
    forged = by("log", Commit(authorization_m=deal.authorization_m, index=0))  # the log contradicts itself

    refusal = scene.refused(scene.bank, Claim(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=forged))

    assert (refusal.why, refusal.evidence) == (Why.SALE_ABORTED, (abort,))
    assert scene.income == 0


def test_the_consumer_proves_the_contents_of_the_goods(scene: Scene, judge: Judge) -> None:
    """Section "Correctness": "commit and goods_m to prove the contents of the delivered goods"."""
    deal = Deal.committed(scene)

    verdict = judge.consumer_proves_goods(deal.goods_m, deal.outcome, deal.chunks())

    assert verdict is Verdict.GOODS_AS_DESCRIBED


def test_the_consumer_cannot_pass_other_goods_for_those_delivered(scene: Scene, judge: Judge) -> None:
    """Section "Correctness": key, encrypted goods and description "have all been signed by M"."""
    deal = Deal.committed(scene)
    chunks = deal.chunks()

    others = [chunks[0], chunks[0], chunks[2]], chunks[:2], [*chunks, chunks[2]]
    verdicts = [judge.consumer_proves_goods(deal.goods_m, deal.outcome, other) for other in others]

    assert verdicts == [Verdict.NOTHING] * 3


def others(scene: Scene, transaction: Transaction) -> dict[str, Transaction]:
    """The same transaction with one of its values changed."""
    return {
        "n": replace(transaction, number=bytes(32)),
        "expiration": replace(transaction, expiration=transaction.expiration + 1),
        "M": replace(transaction, merchant=key_of("another merchant").public),
        "L": replace(transaction, log=log_id(key_of("another log").public)),
    }


@pytest.mark.parametrize("differs", ["n", "expiration", "M", "L"])
def test_a_commit_is_valid_for_one_combination(scene: Scene, judge: Judge, differs: str) -> None:
    """Section "Correctness": a commit "is valid for only one combination of n, expiration, M, and L"."""
    deal = Deal.committed(scene)
    promise = decode(deal.authorization_b.body)
    other = by("bank", replace(promise, transaction=others(scene, deal.transaction)[differs]))
    claim = Claim(bank=scene.bank_key, authorization_b=other, commit=deal.outcome)

    verdict = judge.merchant_claims(other, deal.outcome)
    refusal = scene.refused(scene.bank, claim)

    assert verdict is Verdict.NOTHING
    assert refusal.why == Why.UNKNOWN
    assert scene.income == 0


@pytest.mark.parametrize("differs", ["n", "expiration", "M", "L"])
def test_an_abort_is_valid_for_one_combination(scene: Scene, judge: Judge, differs: str) -> None:
    """Section "Correctness": "A given commit (or abort) is valid for only one combination"."""
    deal, _ = aborted_deal(scene)
    other = by("log", Abort(transaction=others(scene, deal.transaction)[differs]))

    verdict = judge.consumer_demands_release(deal.coins[0].token.id, deal.authorization_q, other)
    refusal = scene.refused(scene.bank, other)

    assert verdict is Verdict.NOTHING
    assert refusal.why in (Why.UNKNOWN, Why.WRONG_LOG)
    assert scene.books()["locked"] == PRICE


def test_goods_m_must_agree_on_number_and_merchant_alone(scene: Scene, judge: Judge) -> None:
    """Section "Correctness": goods_m "does not mention L or expiration, and thus must agree only on n and M"."""
    deal = Deal.authorized(scene)
    later = replace(deal.transaction, expiration=deal.transaction.expiration + 5)
    commit = scene.say("m", scene.log, by("merchant", AuthorizationM(transaction=later, key=deal.key)))
    other_number = Deal.committed(scene, deal.hand, deal.hand.withdraw(4, 1))
    assert isinstance(commit, Signed)

    compatible = judge.consumer_proves_goods(deal.goods_m, commit, deal.chunks())
    incompatible = judge.consumer_proves_goods(deal.goods_m, other_number.outcome, deal.chunks())

    assert compatible is Verdict.GOODS_AS_DESCRIBED
    assert incompatible is Verdict.NOTHING


def test_who_is_held_accountable_holds_what_proves_the_previous_party_accountable(scene: Scene, judge: Judge) -> None:
    """Section "Correctness": "if a party is held accountable ..., then it is provided with the ... messages that it
    needs to hold the previous party accountable as well"."""
    deal = Deal.committed(scene)
    scene.ask(scene.bank, Claim(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=deal.outcome))

    again = Deal.offered(scene, deal.hand, deal.coins)
    authorization_q, commit = scene.refused(scene.bank, again.authorization_q).evidence

    assert commit == deal.outcome
    for coin in deal.coins:
        assert judge.bank_justifies(coin.token.id, authorization_q, commit) is Verdict.TOKEN_IS_SPENT


def test_a_promise_follows_only_from_the_consumer_s_authorization(scene: Scene) -> None:
    """Section "Correctness": "First, the consumer authorizes the bank to lock the token to the transaction"."""
    deal = Deal.offered(scene)

    scene.settle()
    before = scene.said(AuthorizationB)
    scene.ask(scene.bank, deal.authorization_q)

    assert not before
    assert scene.paper(AuthorizationB) == deal.authorization_b


def test_a_thief_of_papers_gains_nothing(scene: Scene) -> None:
    """Section "Correctness": every paper names whom it benefits; who replays it moves money only there."""
    deal = Deal.committed(scene)
    eve = Hand(scene, "eve")
    eve.open(1)
    papers = [deal.authorization_q, deal.outcome]

    for paper in papers:
        scene.ask(scene.bank, paper, "eve")

    assert (scene.income, eve.balance) == (PRICE, 1)
    assert type(decode(papers[0].body)) is AuthorizationQ


def test_a_judge_sees_that_the_goods_are_not_what_was_sold(scene: Scene, judge: Judge) -> None:
    """Section "Correctness": review by an outside authority "to establish claims of ... fraudulent goods delivery"."""
    deal = Deal.committed(scene)
    offer = decode(deal.goods_m.body)
    assert isinstance(offer, GoodsM)
    lie = by("merchant", replace(offer, contract=replace(offer.contract, hash=bytes(32))))

    verdict = judge.consumer_proves_goods(lie, deal.outcome, deal.chunks())

    assert verdict is Verdict.MERCHANT_CHEATED


def test_a_log_that_says_both_is_convicted_by_what_it_signed(scene: Scene, judge: Judge) -> None:
    """Section "Correctness": commit or abort prove that it "did (or did not) complete"; both prove a lie."""
    deal = Deal.committed(scene)
    other = Hand(scene, "other")
    other.open(PRICE)
    _, abort = aborted_deal(scene, other)
    both = by("log", Abort(transaction=deal.transaction))

    verdicts = [judge.anyone_accuses_log(deal.outcome, each) for each in (both, abort)]

    assert verdicts == [Verdict.LOG_CHEATED, Verdict.NOTHING]
