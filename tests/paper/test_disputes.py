"""The paper's section "Correctness and Atomicity" between parties that run: what is proven is done without a judge."""

from __future__ import annotations

import pytest

from anonnet.errors import Why
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.account import Credit
from anonnet.protocol.dispute import Demand
from anonnet.protocol.outcome import committed
from anonnet.protocol.purchase import Abort
from anonnet.protocol.recovery import State
from anonnet.times import SETTLE_SECONDS
from anonnet.wire.codec import decode
from tests.judge.court import Court, decided
from tests.paper.disputing import dispute, redressed
from tests.paper.scenes import PRICE, Deal, Scene
from tests.stage import NETWORK


def test_a_bank_that_is_shown_commit_and_promise_credits_the_merchant(scene: Scene) -> None:
    """Section "Correctness": "commit and authorization_b to prove that the bank should credit", and once."""
    deal = Deal.committed(scene)
    papers = [deal.authorization_b, deal.outcome]

    (credit,) = redressed(scene, scene.bank, dispute(scene.bank, Demand.CREDIT, papers))

    assert decode(credit.body) == Credit(transaction=deal.transaction, currency="EUR", value=PRICE)
    assert scene.income == PRICE
    assert decided(Court(scene).judges([*papers, credit])) == {(Claim.CREDIT, Ruling.DONE): 1}


def test_a_bank_that_denies_a_token_hands_over_the_key(scene: Scene) -> None:
    """Section "Correctness": she can demand the proof, "requiring the bank to produce commit, which contains the
    merchandise encryption key, thus giving the consumer access to the goods"."""
    deal = Deal.committed(scene)
    scene.ask(scene.bank, deal.outcome)

    shown = redressed(scene, scene.bank, dispute(scene.bank, Demand.SPENT, [deal.authorization_q], deal.coins))

    authorization_q, commit = shown
    recorded = committed(NETWORK, scene.network.logs[scene.log_name], commit, deal.transaction)
    assert recorded is not None
    assert recorded.key == deal.key
    assert authorization_q == deal.authorization_q
    assert decided(Court(scene).judges(shown)) == {(Claim.SPENT, Ruling.RIGHT): 1}


def test_a_bank_that_is_shown_abort_and_q_lets_the_tokens_go(scene: Scene) -> None:
    """Section "Correctness": "The consumer can use abort and q to demand that the token be unlocked"."""
    deal = Deal.authorized(scene)
    scene.now = deal.transaction.expiration + SETTLE_SECONDS + 1
    papers = [deal.authorization_q, deal.outcome]
    locked = scene.books()["locked"]

    words = redressed(scene, scene.bank, dispute(scene.bank, Demand.RELEASE, papers, deal.coins))

    states = [decode(each.body) for each in words]
    expected = [State(token=coin.token.id, remaining=coin.worth) for coin in deal.coins]
    assert sorted(map(str, states)) == sorted(map(str, expected))
    assert (locked, scene.books()["locked"]) == (PRICE, 0)
    assert decided(Court(scene).judges([*papers, *words])) == {(Claim.RELEASE, Ruling.DONE): 1}


@pytest.mark.parametrize("demand", [Demand.CREDIT, Demand.RELEASE])
def test_a_claim_that_its_papers_do_not_prove_is_refused_with_the_outcome(scene: Scene, demand: Demand) -> None:
    """Section "Correctness": "if a party claims that the transaction did (or did not) complete, it must be able to
    provide this proof to justify its claim to other parties"."""
    deal = Deal.authorized(scene)
    said = dispute(scene.bank, demand, [deal.authorization_q, deal.authorization_b], deal.coins)
    before = scene.books()

    early = scene.refused(scene.bank, said)
    scene.now = deal.transaction.expiration + SETTLE_SECONDS + 1
    scene.ask(scene.bank, deal.outcome)
    late = scene.refused(scene.bank, said)

    assert (early.why, early.evidence) == (Why.UNPROVEN, ())
    assert late.why == Why.UNPROVEN
    assert [type(decode(each.body)) for each in late.evidence] == [Abort]
    assert scene.income == 0
    assert before["locked"] == PRICE
