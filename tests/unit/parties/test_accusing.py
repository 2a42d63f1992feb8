"""Disputes that a wallet and a shop bring: what they show, and what they do with the redress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from anonnet.errors import Why
from anonnet.parties.consumer import Opened
from anonnet.protocol.account import Claim
from anonnet.protocol.dispute import Demand, Dispute, Redress
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.local import Accusation, AccusationOf, Accuse, Started
from anonnet.protocol.logbook import Entries
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.quorum import Certificate
from anonnet.protocol.recovery import State
from anonnet.protocol.refusal import Refusal
from anonnet.wire.codec import Message, decode, encode
from anonnet.wire.signed import Signed, said_in
from tests.actor import Actor
from tests.dump import dump
from tests.paper.scenes import ITEM, PRICE, Deal, Line, Scene, by
from tests.paper.sealing import UNSEEN
from tests.quorum import QuorumScene
from tests.unit.parties.answering import answer, errand, refusal, stopped


def accuses(scene: Scene, actor: Actor, subject: bytes, demand: Demand) -> Message | None:
    """Have a party bring a dispute; what it was answered, if it was."""
    started = actor.command(Accuse(subject=subject, claim=demand.value))
    assert isinstance(started, Started), started
    scene.settle()
    said = actor.command(AccusationOf(subject=subject, dispute=started.subject))
    assert isinstance(said, Accusation)
    assert not said.stands
    return decode(said.answers[0].body) if said.answers else None


def deaf(*kinds: type[Message]) -> Callable[[Line], bool]:
    """The consumer hears none of these from the log."""
    return lambda line: line.kind in kinds and line.sender == "log" and line.receiver == "consumer"


def stuck(scene: Scene, item: str = ITEM) -> bytes:
    """A purchase that has committed; the log tells the consumer nothing."""
    scene.lost = deaf(Commit, Entries)
    purchase = scene.buy(item=item)
    scene.settle()
    assert scene.purchase(purchase).state == "authorized"
    return purchase


@pytest.mark.parametrize("demand", [Demand.SPENT, Demand.DELIVERY])
def test_a_wallet_gets_the_key_from_bank_or_merchant_where_the_log_withholds_it(scene: Scene, demand: Demand) -> None:
    purchase = stuck(scene)

    redress = accuses(scene, scene.consumer, purchase, demand)

    assert isinstance(redress, Redress)
    scene.settle()
    assert scene.purchase(purchase).state == "done"
    assert scene.tokens() == {"free": PRICE, "spent": PRICE}


@pytest.mark.parametrize("demand", [Demand.SPENT, Demand.DELIVERY])
def test_the_key_of_a_sealed_sale_is_handed_over_too(scene: Scene, demand: Demand) -> None:
    scene.sell(UNSEEN, sealed=1)
    purchase = stuck(scene, UNSEEN)

    assert isinstance(accuses(scene, scene.consumer, purchase, demand), Redress)

    scene.settle()
    assert scene.purchase(purchase).state == "done"


@pytest.mark.parametrize("demand", [Demand.SPENT, Demand.DELIVERY])
def test_under_a_quorum_it_is_a_certificate_that_is_handed_over(tmp_path: Path, demand: Demand) -> None:
    scene = QuorumScene(tmp_path)
    scene.prepare()
    scene.wait(1)
    scene.lost = lambda line: line.receiver == "consumer" and line.kind in (Entries, Certificate, Commit)
    purchase = scene.buy()
    scene.settle()
    scene.wait(3)
    assert (scene.purchase(purchase).state, scene.income) == ("authorized", PRICE)

    redress = accuses(scene, scene.consumer, purchase, demand)

    assert isinstance(redress, Redress)
    assert Certificate in {type(decode(each.body)) for each in redress.papers}
    scene.settle()
    assert scene.purchase(purchase).state == "done"


def test_a_wallet_has_its_tokens_freed_where_the_bank_did_not_take_the_abort(scene: Scene) -> None:
    """What the bank was shown and did not answer is shown in a dispute once more, and its word frees the tokens."""
    purchase = stopped(scene, AuthorizationM)
    scene.lost = lambda line: line.kind in (Abort, AuthorizationM) and line.receiver in ("bank", "log")
    scene.to_expiration()
    assert scene.tokens()["releasing"] == PRICE

    redress = accuses(scene, scene.consumer, purchase, Demand.RELEASE)

    assert isinstance(redress, Redress)
    assert {type(decode(each.body)) for each in redress.papers} == {State}
    assert scene.tokens().get("releasing", 0) == 0
    assert (scene.books()["locked"], scene.tokens()["free"]) == (0, 2 * PRICE)
    assert scene.consumer.store.errands.count() == 0


def test_a_merchant_has_his_credit_where_the_bank_did_not_take_the_claim(scene: Scene) -> None:
    scene.lost = lambda line: line.kind is Claim
    scene.buy()
    scene.settle()
    (number,) = scene.merchant.store.numbers()
    assert scene.merchant.store.by_number(number).state == "committed"

    redress = accuses(scene, scene.merchant, number, Demand.CREDIT)

    assert isinstance(redress, Redress)
    assert (scene.merchant.store.by_number(number).state, scene.income) == ("credited", PRICE)


def test_a_dispute_tells_its_receiver_no_more_than_its_papers(scene: Scene) -> None:
    """The merchant learns no token; nobody learns an account; no two disputes have a key of hers in common."""
    purchases = [stuck(scene) for _ in range(2)]
    papers = [paper for each in purchases for paper in scene.purchase(each).papers if paper.step == AuthorizationQ.step]
    keys = {key for paper in papers for key in said_in(paper, AuthorizationQ).signers}

    for purchase in purchases:
        scene.consumer.command(Accuse(subject=purchase, claim=Demand.DELIVERY.value))
    scene.lost = lambda line: deaf(Commit, Entries)(line) or line.kind is Redress
    scene.settle()
    for purchase in purchases:
        scene.consumer.command(Accuse(subject=purchase, claim=Demand.SPENT.value))
    scene.settle()

    said = {name: [each.said for each in scene.said(Dispute) if each.receiver == name] for name in ("bank", "merchant")}
    signers = {name: {each.signer for one in said[name] for each in one.signatures} for name in said}
    assert signers["bank"] == keys
    assert len(signers["merchant"]) == len(purchases)
    assert not [key for key in keys for each in said["merchant"] if key in encode(each)]
    assert not [each for several in said.values() for each in several if scene.account(scene.consumer) in encode(each)]


class Cheated(Scene):
    """A scene in which what the key opens is never what the contract says."""

    def open(self, actor: Actor, purchase: bytes) -> None:
        actor.inform(Opened(purchase, "", False))


def test_of_other_goods_than_were_sold_the_merchant_is_shown_what_binds_him(tmp_path: Path) -> None:
    """No program makes them good; what he says goes to the judge with the goods."""
    scene = Cheated(tmp_path)
    scene.prepare()
    purchase = stopped(scene)
    assert scene.purchase(purchase).state == "disputed"

    denied = accuses(scene, scene.consumer, purchase, Demand.DELIVERY)

    (dispute,) = scene.said(Dispute)
    assert isinstance(dispute.body, Dispute)
    assert [type(decode(each.body)) for each in dispute.body.papers] == [GoodsM, AuthorizationB, Commit]
    assert isinstance(denied, Refusal)
    assert (denied.why, [type(decode(each.body)) for each in denied.evidence]) == (Why.UNPROVEN, [Commit])


def test_what_is_denied_is_kept_for_a_judge_until_it_is_claimed_anew(scene: Scene) -> None:
    purchase = stopped(scene, AuthorizationM)

    denied = accuses(scene, scene.consumer, purchase, Demand.SPENT)
    scene.to_expiration()
    settled = accuses(scene, scene.consumer, purchase, Demand.SPENT)

    assert isinstance(denied, Refusal)
    assert denied.why == Why.UNDECIDED
    assert isinstance(settled, Redress)


def test_what_one_has_said_to_a_dispute_is_not_shown_as_anothers_answer(scene: Scene) -> None:
    purchase = stuck(scene)
    scene.lost = lambda line: line.kind is Dispute or deaf(Commit, Entries)(line)
    scene.consumer.command(Accuse(subject=purchase, claim=Demand.DELIVERY.value))
    to_merchant = errand(scene, Dispute)
    to_bank = scene.consumer.command(Accuse(subject=purchase, claim=Demand.SPENT.value)).subject

    answer(scene, to_merchant, refusal("merchant", to_merchant, Why.UNKNOWN))

    shown = [
        scene.consumer.command(AccusationOf(subject=purchase, dispute=each)) for each in (to_merchant.hash, to_bank)
    ]
    assert [(len(each.answers), each.stands) for each in shown] == [(1, 0), (0, 1)]


def test_a_redress_whose_papers_do_not_hold_moves_nothing(scene: Scene) -> None:
    """A bank that hands over made up papers has freed nothing and opened nothing."""
    purchase = stuck(scene)
    scene.lost = lambda line: line.kind is Dispute or deaf(Commit, Entries)(line)
    scene.consumer.command(Accuse(subject=purchase, claim=Demand.SPENT.value))
    scene.settle()
    asked = errand(scene, Dispute)
    commit = scene.said(Commit)[-1].said
    assert isinstance(commit, Signed)
    forged = by("bank", decode(commit.body)), by("log", Abort(transaction=Deal.offered(scene).transaction))
    before = dump(scene.consumer.store)

    answer(scene, asked, by("bank", Redress(request=asked.hash, papers=forged)))

    after = dump(scene.consumer.store)
    for each in (before, after):
        each.pop("answered")
        each.pop("errand")
    assert after == before


@pytest.mark.parametrize(
    ("demand", "why"),
    [(Demand.RELEASE, Why.UNDECIDED), (Demand.REFUSAL, Why.UNKNOWN)],
)
def test_what_nothing_supports_is_not_claimed(scene: Scene, demand: Demand, why: Why) -> None:
    purchase = stuck(scene)

    refusal = decode(scene.consumer.command(Accuse(subject=purchase, claim=demand.value)).body)

    assert isinstance(refusal, Refusal)
    assert refusal.why == why
    assert not scene.said(Dispute)
