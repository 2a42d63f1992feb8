"""Disputes that are brought before the bank and the merchant: who may bring them, what they show, what they cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anonnet.errors import Malformed, Why
from anonnet.limits import DISPUTE_BYTES_MAX, DISPUTE_PAPERS_MAX
from anonnet.protocol.dispute import Demand, Dispute
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.recovery import State
from anonnet.protocol.refusal import Refusal
from anonnet.times import CLAIM_SECONDS, SETTLE_SECONDS
from anonnet.wire.codec import decode, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed
from tests.dump import dump
from tests.paper.disputing import dispute, redressed
from tests.paper.scenes import PRICE, Deal, Hand, Scene, by, exchange_q
from tests.paper.sealing import filled_for_another, offered
from tests.stage import key_of
from tests.unit.parties.refusing import closed, refused


def another(scene: Scene) -> Hand:
    hand = Hand(scene, "another")
    hand.open(2 * PRICE)
    return hand


def test_what_became_of_a_token_is_shown_to_who_has_q(scene: Scene) -> None:
    """Whoever has P2 (a judge, a reader of somebody's evidence) learns no more by it, and frees nothing."""
    deal = Deal.authorized(scene)
    stranger = another(scene).withdraw(1)
    scene.now = deal.transaction.expiration + SETTLE_SECONDS + 1
    papers = [deal.authorization_q, deal.outcome]

    for coins in ([], stranger, deal.coins[:1]):
        for demand in (Demand.SPENT, Demand.RELEASE):
            refused(scene, scene.bank, dispute(scene.bank, demand, papers, coins), Why.WRONG_SIGNER)

    assert scene.books()["locked"] == PRICE


def test_a_promise_that_another_has_signed_moves_nothing(scene: Scene) -> None:
    deal = Deal.committed(scene)
    promise = decode(deal.authorization_b.body)
    assert isinstance(promise, AuthorizationB)
    more = by("mallory", replace(promise, value=PRICE + 1))

    refused(scene, scene.bank, dispute(scene.bank, Demand.CREDIT, [more, deal.outcome]), Why.UNPROVEN)

    assert scene.income == 0


def test_a_claim_that_comes_twice_and_by_both_ways_is_paid_once(scene: Scene) -> None:
    deal = Deal.committed(scene)
    said = dispute(scene.bank, Demand.CREDIT, [deal.authorization_b, deal.outcome])

    for _ in range(2):
        redressed(scene, scene.bank, said)
        scene.ask(scene.bank, deal.outcome)

    assert scene.income == PRICE


def test_who_paid_for_a_sale_is_shown_to_nobody_who_tried_to(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    other = another(scene)
    coins = other.withdraw(4, 1)
    tried = other.pays(coins, deal.transaction)
    scene.ask(scene.bank, tried)

    said = dispute(scene.bank, Demand.SPENT, [tried], coins)

    refused(scene, scene.bank, said, Why.SALE_AUTHORIZED, [AuthorizationB])


def test_a_commit_is_not_shown_as_the_outcome_of_a_payment_that_was_never_taken(scene: Scene) -> None:
    deal = offered(scene)
    filled_for_another(deal)

    said = dispute(scene.bank, Demand.SPENT, [deal.authorization_q], deal.coins)

    refused(scene, scene.bank, said, Why.SALE_AUTHORIZED, [AuthorizationB])


def test_of_a_sale_that_is_open_the_bank_has_its_promise(scene: Scene) -> None:
    deal = Deal.authorized(scene)

    said = dispute(scene.bank, Demand.SPENT, [deal.authorization_q], deal.coins)

    refused(scene, scene.bank, said, Why.UNDECIDED, [AuthorizationB])


def test_of_a_payment_that_it_does_not_know_the_bank_says_what_remains(scene: Scene) -> None:
    deal = Deal.offered(scene)

    words = redressed(scene, scene.bank, dispute(scene.bank, Demand.SPENT, [deal.authorization_q], deal.coins))

    assert {each.body for each in words} == {
        encode(State(token=coin.token.id, remaining=coin.worth)) for coin in deal.coins
    }


def test_what_was_made_for_an_exchange_is_shown_to_who_has_q(scene: Scene) -> None:
    hand = another(scene)
    done, other = hand.withdraw(1), hand.withdraw(1)
    asked, wish = exchange_q(done, hand.secrets(1)), exchange_q(other, hand.secrets(1))
    made = scene.ask(scene.bank, asked)
    said = dispute(scene.bank, Demand.SPENT, [asked], done)

    assert [decode(paper.body) for paper in redressed(scene, scene.bank, said)] == [decode(asked.body), made]
    refused(scene, scene.bank, dispute(scene.bank, Demand.SPENT, [asked], other), Why.WRONG_SIGNER)
    (word,) = redressed(scene, scene.bank, dispute(scene.bank, Demand.SPENT, [wish], other))
    assert decode(word.body) == State(token=other[0].token.id, remaining=1), "it was never asked for"


def test_a_refusal_without_evidence_is_made_good(scene: Scene) -> None:
    """A bank that has lied about a token has to show the use, or to take it back."""
    spent = Deal.committed(scene)
    scene.ask(scene.bank, spent.outcome)
    free = Deal.offered(scene, another(scene))
    again = Deal.offered(scene, spent.hand, spent.coins)

    def refusing(deal: Deal) -> list[Signed]:
        request = deal.authorization_q
        refusal = Refusal(request=request.hash, why=Why.TOKEN_USED.value, detail="", evidence=())
        papers = [request, by("bank", refusal)]
        return redressed(scene, scene.bank, dispute(scene.bank, Demand.REFUSAL, papers, deal.coins))

    assert [type(decode(each.body)) for each in refusing(again)] == [State, State, AuthorizationQ, Commit]
    assert [type(decode(each.body)) for each in refusing(free)] == [State, State]


def test_after_the_claim_time_no_claim_is_met(scene: Scene) -> None:
    deal = Deal.committed(scene)
    said = dispute(scene.bank, Demand.CREDIT, [deal.authorization_b, deal.outcome])
    scene.now = deal.transaction.expiration + CLAIM_SECONDS + 1
    scene.bank.remind()

    refused(scene, scene.bank, said, Why.TOO_LATE)


def test_disputes_that_are_none(scene: Scene) -> None:
    deal = Deal.committed(scene)
    papers = [deal.authorization_b, deal.outcome]
    elsewhere = dispute(scene.merchant, Demand.CREDIT, papers)

    refused(scene, scene.bank, elsewhere, Why.WRONG_RECEIVER)
    refused(scene, scene.bank, dispute(scene.bank, Demand.DELIVERY, papers), Why.UNPROVEN)
    closed(scene, scene.log, dispute(scene.log, Demand.CREDIT, papers))
    with pytest.raises(Malformed):
        Dispute(accused=key_of("bank").public, claim="justice", papers=tuple(papers))


def test_a_dispute_can_hold_no_more_than_is_judged_in_a_moment(scene: Scene) -> None:
    """Signatures have their size, so the bytes bound the work; and it is done outside of the turn."""
    deal = Deal.committed(scene)
    with pytest.raises(Malformed):
        dispute(scene.bank, Demand.CREDIT, [deal.outcome] * (DISPUTE_PAPERS_MAX + 1))
    padded = by("bank", Refusal(request=bytes(32), why="full", detail="", evidence=(deal.authorization_q,) * 8))
    large = dispute(scene.bank, Demand.REFUSAL, [padded] * DISPUTE_PAPERS_MAX)
    assert len(encode(large)) > DISPUTE_BYTES_MAX
    with pytest.raises(AssertionError, match="outgrows"):
        frame(large, 1)


def test_a_dispute_in_which_nothing_holds_is_told_why(scene: Scene) -> None:
    deal = Deal.committed(scene)
    before = dump(scene.bank.store)
    forged = by("mallory", decode(deal.outcome.body))

    said = refused(scene, scene.bank, dispute(scene.bank, Demand.CREDIT, [deal.authorization_b, forged]), Why.UNPROVEN)

    assert "a commit of another log" in said.detail
    assert dump(scene.bank.store) == before


# Before the merchant.


def asks_for_the_key(scene: Scene, deal: Deal, promise: Signed) -> Signed:
    return dispute(scene.merchant, Demand.DELIVERY, [deal.goods_m, promise])


def test_a_merchant_hands_over_the_commit_and_with_it_the_key(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.settle()

    assert redressed(scene, scene.merchant, asks_for_the_key(scene, deal, deal.authorization_b)) == [deal.outcome]


def test_a_merchant_hands_over_the_abort_where_his_sale_has_failed(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.lost = lambda line: line.kind is AuthorizationM
    scene.settle()
    scene.to_expiration()

    assert redressed(scene, scene.merchant, asks_for_the_key(scene, deal, deal.authorization_b)) == [deal.outcome]


def test_a_merchant_shows_no_key_that_the_log_has_not_recorded(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.lost = lambda line: line.kind is AuthorizationM
    scene.settle()

    refused(scene, scene.merchant, asks_for_the_key(scene, deal, deal.authorization_b), Why.UNDECIDED)


def test_what_binds_no_merchant_is_refused_with_what_he_has(scene: Scene) -> None:
    """Another's promise, or none, binds him to nothing; of goods that are not what was sold a judge decides."""
    deal = Deal.authorized(scene)
    scene.settle()
    forged = by("mallory", decode(deal.authorization_b.body))
    about_goods = dispute(scene.merchant, Demand.DELIVERY, [deal.goods_m, deal.authorization_b, deal.outcome])

    refused(scene, scene.merchant, asks_for_the_key(scene, deal, forged), Why.UNPROVEN)
    refused(scene, scene.merchant, dispute(scene.merchant, Demand.DELIVERY, [deal.goods_m]), Why.UNPROVEN)
    refused(scene, scene.merchant, about_goods, Why.UNPROVEN, [Commit])
    refused(scene, scene.merchant, dispute(scene.merchant, Demand.CREDIT, [deal.outcome]), Why.UNPROVEN)
